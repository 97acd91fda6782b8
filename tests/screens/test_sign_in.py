"""Signing in and out, and forged or late requests."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from urllib.parse import quote
from zlib import decompress

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.conftest import environment
from tests.screens.service import Service, Somebody, Team

Open = Callable[..., BrowserContext]
PageOf = Callable[..., Page]


def fill_in(page: Page, somebody: Somebody) -> None:
    page.get_by_label("Token").fill(somebody.token)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_leads_to_where_one_wanted_to_go_and_sign_out_ends_it(team: Team, open_browser: Open) -> None:
    page = open_browser().new_page()
    page.goto("/queue?priority=high")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    fill_in(page, team.senior)
    expect(page).to_have_url(re.compile(r"/queue\?priority=high$"))
    expect(page.get_by_text(team.senior.name)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))
    page.goto("/queue")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_who_signs_out_is_not_told_that_the_session_ended_meanwhile(team: Team, open_browser: Open) -> None:
    context = open_browser(team.senior)
    page = context.new_page()
    page.goto("/queue")

    def slowly(route: Route) -> None:
        """The session is over, and the page polls once more, before the answer comes."""
        with page.expect_response(lambda response: response.status == 401):
            context.clear_cookies()
        route.continue_()

    page.route("**/sign-out", slowly)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_does_not_hold_the_token(
    team: Team, open_browser: Open
) -> None:
    context = open_browser(team.senior)
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert team.senior.token not in readable(cookie["value"])
    page = context.new_page()
    page.goto("/queue")
    assert page.evaluate("document.cookie.replace(/zone=[^;]*/, '')") == ""


def readable(cookie: str) -> str:
    """What anybody can read in a signed cookie. It is signed, not encrypted."""
    payload = cookie.lstrip(".").split(".")[0]
    data = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return (decompress(data) if cookie.startswith(".") else data).decode()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_sign_in_never_leads_to_another_site(target: str, team: Team, open_browser: Open) -> None:
    context = open_browser()
    answer = context.request.post("/sign-in", form={"token": team.senior.token, "next": target}, max_redirects=0)
    assert (answer.status, answer.headers["location"]) == (303, "/queue")


def test_a_write_without_the_pages_own_mark_is_refused(team: Team, open_browser: Open) -> None:
    context = open_browser(team.senior)
    handoff = team.junior.hand_off()
    path = f"/api/v1/handoffs/{handoff['id']}/claim"
    for headers in ({}, {"X-CSRF-Token": "guessed"}, {"X-CSRF-Token": ""}):
        answer = context.request.post(path, headers=headers)
        assert (answer.status, answer.json()["code"]) == (403, "csrf")
    assert context.request.get(f"/api/v1/handoffs/{handoff['id']}").json()["claimed_by"] is None
    assert context.request.post("/sign-out").status == 403


def test_another_sites_form_cannot_sign_somebody_in(team: Team, open_browser: Open, service: Service) -> None:
    page = open_browser().new_page()
    page.route("http://evil.example/", lambda route: route.fulfill(content_type="text/html", body=foreign_form()))

    def foreign_form() -> str:
        return (
            f"<form method=post action='{service.url}/sign-in'><input name=token value='{team.junior.token}'>"
            "<button>Win</button></form>"
        )

    page.goto("http://evil.example/")
    page.get_by_role("button", name="Win").click()
    expect(page.get_by_text("sent by another site")).to_be_visible()
    assert page.context.cookies() == []


def test_a_link_in_a_mail_opens_the_handoff_without_asking_for_the_token_again(
    team: Team, open_browser: Open, service: Service
) -> None:
    handoff = team.junior.hand_off()
    page = open_browser(team.senior).new_page()
    link = f"<a href='{service.url}/handoffs/{handoff['id']}'>look</a>"
    page.route("http://mail.example/", lambda route: route.fulfill(content_type="text/html", body=link))
    page.goto("http://mail.example/")
    page.get_by_role("link", name="look").click()
    expect(page.get_by_role("heading", name=handoff["session"]["title"])).to_be_visible()


def test_a_revoked_token_ends_the_open_page_which_comes_back_to_the_same_place(
    team: Team, page_of: PageOf, service: Service
) -> None:
    page = page_of(team.senior, "/queue?priority=high")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    revoke(service, team.senior)
    # Every process has noticed within 30 s.
    expect(page).to_have_url(re.compile(r"/sign-in\?ended=1"), timeout=30_000)
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    fill_in(page, team.senior2)
    expect(page).to_have_url(re.compile(r"/queue\?priority=high$"))


def revoke(service: Service, somebody: Somebody) -> None:
    from models import account
    from models.transaction import maintenance

    with environment(service.variables), maintenance() as session:
        caller, _ = account.authenticate(session, [digest := account.digest(somebody.token)])[digest]
        account.revoke_token(session, caller.token_id)


def test_what_was_half_written_is_there_after_signing_in_again(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    # What the page asks by itself, also right after it was opened, would find the session ended sooner.
    page.route("**/api/v1/**", lambda route: route.abort() if route.request.method == "GET" else route.continue_())
    page.get_by_label("Title").fill("Half a handoff")
    page.get_by_label("Step 1", exact=True).fill("Pulled the plug.")
    page.context.clear_cookies()
    page.get_by_label("Ticket or session").fill("T-9")
    page.get_by_label("Why you hand it off").fill("Stuck.")
    page.get_by_role("button", name="Hand it off").click()
    expect(page).to_have_url(re.compile(r"/sign-in\?ended=1&next=" + re.escape(quote("/handoffs/new", safe=""))))
    fill_in(page, team.junior)
    expect(page.get_by_label("Title")).to_have_value("Half a handoff")
    expect(page.get_by_label("Step 1", exact=True)).to_have_value("Pulled the plug.")


def test_pages_carry_a_policy_without_inline_script_and_a_role_too_low_gets_a_page(
    team: Team, open_browser: Open
) -> None:
    context = open_browser(team.viewer)
    for path, status in (("/queue", 200), ("/handoffs/new", 403), ("/batches", 403), ("/nowhere", 404)):
        answer = context.request.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert (answer.status, "unsafe" in policy, "script-src 'self';" in policy) == (status, False, True), path
        assert "<script>" not in answer.text()
        assert " style=" not in answer.text()


def half_write(page: Page) -> None:
    """Begin to hand off, and do not send it."""
    page.goto("/handoffs/new")
    page.locator("#problem").fill("A word that nobody else should read.")
    assert "nobody else" in stored(page)


def stored(page: Page) -> str:
    return str(page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})"))


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_was_half_written_does_not_outlive_a_sign_out(team: Team, open_browser: Open, everywhere: bool) -> None:
    page = open_browser(team.junior).new_page()
    half_write(page)
    if everywhere:
        page.get_by_text(team.junior.name).click()
        page.get_by_role("button", name="Sign out everywhere").click()
    else:
        page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "nobody else" not in stored(page)


def test_what_was_half_written_is_removed_when_somebody_else_signs_in(team: Team, open_browser: Open) -> None:
    context = open_browser(team.junior)
    page = context.new_page()
    half_write(page)
    context.clear_cookies()
    page.goto("/sign-in")
    fill_in(page, team.senior)
    expect(page.get_by_text(team.senior.name)).to_be_visible()
    page.goto("/handoffs/new")
    expect(page.locator("#problem")).to_have_value("")
    assert "nobody else" not in stored(page)


def test_signing_out_everywhere_ends_the_other_browser_too(team: Team, open_browser: Open) -> None:
    here, there = (open_browser(team.senior).new_page() for _ in range(2))
    there.goto("/queue")
    here.goto("/queue")
    here.get_by_text(team.senior.name).click()
    here.get_by_role("button", name="Sign out everywhere").click()
    expect(here.get_by_role("heading", name="Sign in")).to_be_visible()
    there.goto("/queue")
    expect(there.get_by_text("Your session has ended")).to_be_visible()
