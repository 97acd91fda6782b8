"""The account's pages: people with their tokens, and settings."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.screens.service import Somebody, Team
from tests.stack import wait_for

PageOf = Callable[..., Page]
Open = Callable[..., BrowserContext]


def row(page: Page, name: str) -> Locator:
    """The row of the person with this name."""
    return page.locator(".person").filter(has=page.get_by_role("heading", name=name, exact=True))


def people(team: Team) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in team.admin.call("GET", "/people?all=true")["items"]}


def settled(page: Page) -> None:
    """Wait until the script has brought the list up to date."""
    expect(page.locator(".person .facts").filter(has_text="just now").first).to_be_visible()


def add(page: Page, name: str, **chosen: str) -> Locator:
    form = page.locator("#add")
    form.get_by_label("Name").fill(name)
    for label, value in chosen.items():
        form.get_by_label(label.title()).select_option(value)
    form.get_by_role("button", name="Add").click()
    expect(row(page, name)).to_be_visible()
    return row(page, name)


def test_people_and_settings_are_read_without_scripts(team: Team, page_of: PageOf) -> None:
    made = team.junior.hand_off()
    team.senior.call("POST", f"/handoffs/{made['id']}/claim")
    page = page_of(team.admin, "/people", java_script_enabled=False)
    expect(row(page, team.senior.name)).to_contain_text("Engineer")
    expect(row(page, team.senior.name)).to_contain_text(re.compile(r"Last seen 20.* UTC · 1 claim"))
    page.goto("/settings")
    expect(page.get_by_label("Claim lease")).to_have_value("")
    expect(page.locator("#claim_lease_minutes-usual")).to_contain_text(
        "Empty: 30 minutes, as the installation has it."
    )
    expect(page.get_by_text("Redaction", exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["/people", "/settings"])
def test_only_admins_have_the_pages(team: Team, page_of: PageOf, path: str) -> None:
    page = page_of(team.senior, path)
    expect(page.get_by_role("heading", name="Not for your role")).to_be_visible()
    expect(page.get_by_role("navigation")).not_to_contain_text("People")
    page = page_of(team.admin, path)
    expect(page.get_by_role("navigation").get_by_role("link", name=path[1:].title())).to_have_attribute(
        "aria-current", "page"
    )


def test_somebody_is_added_and_gets_in_with_the_token_that_is_shown_once(
    team: Team, page_of: PageOf, open_browser: Open
) -> None:
    page = page_of(team.admin, "/people")
    settled(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    new = add(page, "Noa <b>Lind</b>", role="admin")
    expect(new.get_by_text("There is no token yet")).to_be_visible()
    what_for = new.get_by_label("What the new token is for")
    expect(what_for).to_be_focused()  # the next thing that somebody new needs
    what_for.fill("Laptop")
    what_for.press("Enter")
    secret = new.get_by_label("The new token", exact=True).input_value()
    new.get_by_role("button", name="Copy").click()
    expect(new.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    other = open_browser().new_page()
    other.goto("/sign-in?next=/people")
    other.get_by_label("Token").fill(secret)
    other.get_by_role("button", name="Sign in").click()
    expect(row(other, "Noa <b>Lind</b>").get_by_text("You", exact=True)).to_be_visible()
    new.get_by_role("button", name="I have it").click()
    expect(new.locator(".token")).to_contain_text("Laptop")
    assert secret not in page.content()
    page.reload()
    row(page, "Noa <b>Lind</b>").get_by_role("button", name="Tokens").click()
    expect(row(page, "Noa <b>Lind</b>").locator(".token")).to_contain_text("Laptop")
    assert secret not in page.content()


def test_errors_stand_at_their_field_and_what_was_typed_stays(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/people")
    settled(page)
    name = page.locator("#add").get_by_label("Name")
    page.get_by_role("button", name="Add").click()
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("A name is needed.")
    name.fill("\u0085odd")
    page.get_by_role("button", name="Add").click()
    expect(name).to_have_accessible_description("A name has 1 to 200 printable characters.")
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("Noa")
    page.get_by_role("button", name="Add").click()
    expect(row(page, "Noa")).to_be_visible()
    expect(name).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#add .error")).to_have_count(0)


def test_what_is_pressed_before_the_list_is_up_to_date_is_not_lost(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/settings")
    held: list[Route] = []
    page.route("**/api/v1/people?all=true", lambda route: held.append(route))

    def asked() -> Route:
        wait_for(lambda: page.evaluate("true") and held, "the request")  # what is evaluated lets the driver listen
        return held.pop()

    page.goto("/people")
    theirs = row(page, team.senior.name)
    theirs.get_by_role("button", name="Change").click()
    asked().fulfill(status=503, content_type="application/problem+json", body="{}")
    expect(page.get_by_role("alert")).to_contain_text("cannot be brought up to date")
    asked().continue_()
    expect(theirs.locator("form").get_by_label("Name")).to_have_value(team.senior.name)


def test_a_role_and_a_name_are_changed_in_place(team: Team, page_of: PageOf) -> None:
    made = team.junior.hand_off()
    team.senior.call("POST", f"/handoffs/{made['id']}/claim")
    page = page_of(team.admin, "/people")
    settled(page)
    row(page, team.senior.name).get_by_role("button", name="Change").click()
    form = row(page, team.senior.name).locator("form")
    form.get_by_label("Name").fill("Sam")
    form.get_by_label("Role").select_option("viewer")
    form.get_by_role("button", name="Save").click()
    expect(row(page, "Sam").locator(".role")).to_have_text("Viewer")
    expect(row(page, "Sam").get_by_role("button", name="Change")).to_be_focused()
    expect(page.locator("#polite")).to_have_text("Sam is saved; 1 claim back in the queue.")
    assert (people(team)["Sam"]["role"], people(team)["Sam"]["claims"]) == ("viewer", 0)


@pytest.mark.parametrize("act", ["Save", "Deactivate…"])
def test_the_last_admin_reads_at_the_role_why_not(team: Team, page_of: PageOf, act: str) -> None:
    page = page_of(team.admin, "/people")
    settled(page)
    own = row(page, team.admin.name)
    own.get_by_role("button", name="Change").click()
    own.get_by_label("Role").select_option("engineer")
    own.get_by_role("button", name=act).click()
    if act != "Save":
        expect(page.get_by_role("dialog")).to_contain_text("You are signed out and your tokens stop working.")
        page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    expect(own.get_by_label("Role")).to_have_accessible_description(f"{team.admin.name} is the account's last admin.")
    assert people(team)[team.admin.name]["role"] == "admin"


def test_who_is_deactivated_moves_out_of_the_way_after_a_question(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/people")
    settled(page)
    expect(page.locator("#gone-box")).to_be_hidden()
    for answer, count in (("Cancel", 5), ("Deactivate", 4)):
        if answer == "Cancel":
            row(page, team.senior2.name).get_by_role("button", name="Change").click()
        row(page, team.senior2.name).get_by_role("button", name="Deactivate…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        expect(dialog).to_contain_text(f"Deactivate {team.senior2.name}?")
        dialog.get_by_role("button", name=answer).click()
        expect(page.locator("#persons .count")).to_have_text(str(count))
    page.get_by_text("Deactivated", exact=True).click()
    expect(page.locator("#gone")).to_contain_text(team.senior2.name)
    row(page, team.senior2.name).get_by_role("button", name="Tokens").click()
    expect(row(page, team.senior2.name).locator(".token")).to_contain_text("Without its person")
    expect(row(page, team.senior2.name).get_by_label("What the new token is for")).to_have_count(0)


def test_a_token_is_revoked_after_a_question(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/people")
    settled(page)
    theirs = row(page, team.senior.name)
    theirs.get_by_role("button", name="Tokens").click()
    theirs.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_contain_text("reads nothing within 30 seconds")
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(theirs.locator(".token .badge")).to_have_text("Revoked")
    expect(theirs.get_by_role("button", name="Revoke")).to_have_count(0)
    expect(theirs.get_by_label("What the new token is for")).to_be_focused()


def test_a_service_account_stands_apart_and_cannot_sign_in(team: Team, page_of: PageOf, open_browser: Open) -> None:
    page = page_of(team.admin, "/people")
    settled(page)
    made = add(page, "Monitor", kind="service")
    expect(page.locator("#services")).to_contain_text("Monitor")
    made.get_by_label("What the new token is for").fill("Alerts")
    made.get_by_role("button", name="Issue a token").click()
    secret = made.get_by_label("The new token", exact=True).input_value()
    other = open_browser().new_page()
    other.goto("/sign-in")
    other.get_by_label("Token").fill(secret)
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("alert")).to_contain_text("service account")
    monitor = Somebody(team.admin.url, "Monitor", secret, "", team.admin.account_id)
    assert monitor.call("GET", "/me")["name"] == "Monitor"


def test_settings_say_what_they_do_and_what_counts(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/settings")
    lease, tokens = page.get_by_label("Claim lease"), page.get_by_label("Model tokens a day")
    expect(lease).to_have_accessible_description(re.compile("loses it: it goes back to the queue.*Empty: 30 minutes"))
    lease.fill("45")
    tokens.fill("9,000,000")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#flash")).to_contain_text("Saved.")
    expect(tokens).to_have_value("9000000")
    expect(tokens).to_have_accessible_description(re.compile("What counts now: 5,000,000 tokens"))
    shown = team.admin.call("GET", "/settings")
    assert (shown["claim_lease_minutes"]["value"], shown["language"]["value"]) == (45, None)
    page.reload()
    expect(lease).to_have_value("45")
    lease.fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#flash")).to_contain_text("Saved.")
    assert team.admin.call("GET", "/settings")["claim_lease_minutes"]["value"] is None


def test_a_wrong_setting_is_said_at_its_field_and_none_is_saved(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/settings")
    lease, language = page.get_by_label("Claim lease"), page.get_by_label("Language of assessments")
    effect = re.compile("loses it")
    for wrong, said in (("soon", "A whole number"), ("0", "greater than or equal to 1")):
        lease.fill(wrong)
        page.get_by_role("button", name="Save").click()
        expect(lease).to_be_focused()
        expect(lease).to_have_accessible_description(re.compile(said))
        expect(lease).to_have_accessible_description(effect)
    lease.fill("45")
    language.fill("german")
    page.get_by_role("button", name="Save").click()
    expect(language).to_have_accessible_description(re.compile("no language tag"))
    expect(lease).to_have_value("45")
    assert team.admin.call("GET", "/settings")["claim_lease_minutes"]["value"] is None
    warning = page.get_by_label("Warning age", exact=True)
    warning.fill("61")
    language.fill("")
    page.get_by_role("button", name="Save").click()
    expect(warning).to_have_accessible_description(re.compile("above alarm age, 60 minutes"))
    warning.fill("")
    language.fill("DE")
    page.get_by_role("button", name="Save").click()
    expect(language).to_have_value("de")
    expect(page.locator(".error")).to_have_count(0)


def test_what_one_admin_saves_does_not_undo_what_another_did(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/settings")
    team.admin.call("PATCH", "/settings", {"language": "fr"})
    page.get_by_label("Claim lease").fill("45")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Language of assessments")).to_have_value("fr")
    assert team.admin.call("GET", "/settings")["language"]["value"] == "fr"


def test_the_menu_of_a_phone_shows_where_one_is(team: Team, open_browser: Open) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = open_browser(team.admin, **phone).new_page()
    page.goto("/settings")
    expect(page.get_by_role("navigation").get_by_role("link", name="Settings")).to_be_in_viewport(ratio=0.99)
