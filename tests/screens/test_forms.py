"""The hand-off form, the batches and the analytics page."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.screens.service import Team
from tests.screens.test_queue import live

PageOf = Callable[..., Page]


def fill_handoff(page: Page, external_id: str = "T-77") -> None:
    page.get_by_label("Ticket or session").fill(external_id)
    page.get_by_label("Title").fill("Scanner is mute")
    page.get_by_label("What is wrong, as it was reported").fill("It scans and says nothing.")
    page.get_by_label("Step 1", exact=True).fill("Turned it off and on.")
    page.get_by_label("Outcome").select_option("Failed")
    page.get_by_label("Why you hand it off").fill("Out of ideas.")
    page.get_by_label("What you need from the one").fill("Look at the firmware.")


def test_what_sends_is_busy_until_the_answer_and_a_failure_leaves_what_was_typed(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    held: list[Route] = []
    page.route("**/api/v1/handoffs", lambda route: held.append(route))
    button = page.get_by_role("button", name="Hand it off")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_be_disabled()
    held[0].fulfill(status=503, content_type="application/problem+json", body='{"detail": "Not now."}')
    expect(page.get_by_text("Not now.")).to_be_visible()
    expect(button).to_be_enabled()
    expect(button).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_label("Title")).to_have_value("Scanner is mute")


def test_a_junior_hands_off_and_sees_who_has_it(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    page.get_by_role("button", name="Add a step").click()
    page.locator("#steps textarea").nth(1).fill("The cable is fine.")
    page.get_by_label("Priority").select_option("Urgent")
    page.get_by_label("For", exact=True).select_option(team.senior.name)
    page.get_by_role("button", name="Hand it off").click()
    expect(page.locator("#flash .notice")).to_contain_text("“Scanner is mute” is in the queue.")
    expect(page.get_by_label("Title")).to_have_value("")
    expect(page.locator("#mine")).to_contain_text("Scanner is mute")
    (made,) = team.senior.call("GET", "/queue")["items"]
    assert (made["priority"], made["target"]["id"], made["session"]["steps_count"]) == ("urgent", team.senior.id, 2)
    steps = team.senior.call("GET", "/sessions/T-77")["steps"]
    assert [(step["text"], step["outcome"]) for step in steps] == [
        ("Turned it off and on.", "failed"),
        ("The cable is fine.", None),
    ]
    team.senior.call("POST", f"/handoffs/{made['id']}/claim")
    expect(page.locator("#mine")).to_contain_text(f"Taken by {team.senior.name}")


def test_a_parked_handoff_is_nobodys_until_it_is_escalated(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    page.get_by_role("button", name="Park it").click()
    expect(page.locator("#parked")).to_contain_text("Scanner is mute")
    assert team.senior.call("GET", "/queue")["items"] == []
    draft = page.locator("#parked").get_by_role("link", name="Scanner is mute", exact=True).get_attribute("href")
    for address in (draft, "/queue?view=all", "/queue?view=all&q=scanner"):
        other = page_of(team.senior, address)
        expect(other.get_by_role("heading", level=1)).to_be_visible()
        expect(other.get_by_text("Scanner is mute")).to_have_count(0)
    page.get_by_role("button", name="Escalate Scanner is mute").click()
    expect(page.locator("#parked")).to_contain_text("Nothing is parked.")
    expect(page.locator("#mine")).to_contain_text("Scanner is mute")
    assert len(team.senior.call("GET", "/queue")["items"]) == 1


def test_missing_fields_are_named_and_lead_there(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    page.get_by_label("Title").fill("Only a title")
    page.get_by_role("button", name="Hand it off").click()
    errors = page.locator("#errors")
    expect(errors).to_be_focused()
    expect(errors).to_contain_text("Ticket or session: is needed")
    expect(errors).not_to_contain_text("Title")
    errors.get_by_role("link", name="Why you hand it off").click()
    expect(page.get_by_label("Why you hand it off")).to_be_focused()
    reason = page.get_by_label("Why you hand it off")
    expect(reason).to_have_attribute("aria-invalid", "true")
    expect(reason).to_have_accessible_description("is needed")
    reason.fill("Out of ideas.")
    expect(reason).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field-error")).to_have_count(1)


def test_what_the_server_refuses_is_said_at_its_step(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("Step 2", exact=True).evaluate("(field) => { field.value = '\\u0000'; }")
    page.get_by_role("button", name="Hand it off").click()
    expect(page.get_by_role("alert").get_by_role("link")).to_have_text("Step 2")
    expect(page.get_by_label("Step 2", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Title")).to_have_value("Scanner is mute")


def test_enter_in_a_line_sends_nothing_and_ctrl_enter_hands_off(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    for label in ("Ticket or session", "Title", "Client", "Device or system", "Category"):
        page.get_by_label(label).press("Enter")
    assert page.get_by_label("Title").input_value() == "Scanner is mute"
    assert sent == []
    page.get_by_label("Title").press("Control+Enter")
    expect(page.locator("#flash .notice")).to_contain_text("is in the queue")
    assert len(sent) == 1


PASTED = """1. Restarted the spooler
2. Is the port right?
2026-03-02 08:11:04 WARN spooler paused
2026-03-02 08:11:09 ERROR port 9100 refused
    at Printer.open(port.c:44)

Swapped the cable"""


def paste(page: Page, text: str) -> None:
    page.evaluate(
        """(text) => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
            document.activeElement.dispatchEvent(event);
        }""",
        text,
    )


def test_a_paste_of_several_lines_becomes_steps_after_a_look(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    page.get_by_label("Step 1", exact=True).focus()
    paste(page, PASTED)
    dialog = page.get_by_role("dialog", name="Paste 4 steps?")
    expect(dialog.get_by_role("listitem")).to_have_count(4)
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#steps textarea")).to_have_count(1)
    paste(page, PASTED)
    dialog.get_by_role("button", name="Add 4 steps").click()
    fields = page.locator("#steps textarea")
    expect(fields).to_have_count(4)
    assert [field.input_value() for field in fields.all()] == [
        "Restarted the spooler",
        "Is the port right?",
        "2026-03-02 08:11:04 WARN spooler paused\n2026-03-02 08:11:09 ERROR port 9100 refused\n"
        "    at Printer.open(port.c:44)",
        "Swapped the cable",
    ]
    kinds = [select.input_value() for select in page.locator("#steps .kind-of").all()]
    assert kinds == ["action", "question", "observation", "action"]
    expect(fields.nth(3)).to_be_focused()
    page.reload()
    expect(page.locator("#steps textarea")).to_have_count(4)


def test_a_paste_can_stay_one_step(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    page.get_by_label("Step 1", exact=True).fill("Log: ")
    page.keyboard.press("Control+End")
    paste(page, PASTED)
    page.get_by_role("button", name="Keep it as one step").click()
    expect(page.get_by_label("Step 1", exact=True)).to_have_value(f"Log: {PASTED}")


def test_a_step_is_one_line_until_it_is_worked_on(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    page.get_by_label("Step 1", exact=True).fill("one\ntwo\nthree\nfour")
    page.get_by_label("Outcome").select_option("Failed")
    page.get_by_role("button", name="Add a step").click()
    expect(page.get_by_label("Step 2", exact=True)).to_be_focused()
    first = page.locator("#steps li").first
    expect(first.get_by_label("Outcome")).to_be_hidden()
    expect(first.locator(".brief")).to_have_text("Action, failed")
    folded = page.get_by_label("Step 1", exact=True).evaluate("(field) => field.offsetHeight")
    page.get_by_label("Step 1", exact=True).focus()
    expect(first.get_by_label("Outcome")).to_be_visible()
    assert page.get_by_label("Step 1", exact=True).evaluate("(field) => field.offsetHeight") > 2 * folded
    page.get_by_role("button", name="Remove step 1").click()
    expect(page.get_by_label("Step 1", exact=True)).to_have_value("")


def test_all_that_was_handed_off_can_be_paged_through_with_what_became_of_it(team: Team, page_of: PageOf) -> None:
    for number in range(22):
        team.junior.hand_off(f"T-{number}", title=f"Case {number}")
    solved = team.junior.ready("T-99", title="The last")
    team.senior.call("POST", f"/handoffs/{solved['id']}/claim")
    team.senior.call("POST", f"/handoffs/{solved['id']}/resolve", {"resolution": "Set TLS 1.2."})
    page = page_of(team.junior, "/handoffs/new")
    mine = page.locator("#mine")
    expect(mine.get_by_role("listitem")).to_have_count(20)
    expect(mine.get_by_role("listitem").first).to_contain_text(re.compile("Resolved .*: Set TLS 1.2."))
    mine.get_by_role("button", name="Show more").click()
    expect(mine.get_by_role("listitem")).to_have_count(23)
    expect(mine.get_by_role("button", name="Show more")).to_have_count(0)


def test_an_admin_sees_the_drafts_of_all(team: Team, page_of: PageOf) -> None:
    team.junior.hand_off("T-5", title="Half done", intent="park")
    parked = page_of(team.admin, "/handoffs/new").locator("#parked")
    expect(parked).to_contain_text(f"by {team.junior.name}")
    expect(parked.get_by_role("button", name="Escalate")).to_have_count(0)
    expect(page_of(team.senior, "/handoffs/new").locator("#parked")).to_contain_text("Nothing is parked.")


def test_a_session_that_is_handed_off_already_leads_to_its_handoff(team: Team, page_of: PageOf) -> None:
    open_one = team.junior.hand_off("T-77")
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    page.get_by_role("button", name="Hand it off").click()
    link = page.get_by_role("link", name="See it")
    expect(link).to_have_attribute("href", f"/handoffs/{open_one['id']}")
    expect(page.get_by_label("Title")).to_have_value("Scanner is mute")


def test_a_lost_answer_and_a_second_click_hand_off_once(team: Team, page_of: PageOf) -> None:
    page = page_of(team.junior, "/handoffs/new")
    fill_handoff(page)
    lost: list[int] = []

    def lose(route: object) -> None:
        if lost:
            route.fallback()  # type: ignore[attr-defined]
            return
        lost.append(route.fetch().status)  # type: ignore[attr-defined]
        route.abort()  # type: ignore[attr-defined]

    page.route("**/api/v1/handoffs", lose)
    page.get_by_role("button", name="Hand it off").click()
    expect(page.locator("#flash .notice")).to_contain_text("does not answer")
    page.get_by_role("button", name="Hand it off").click()
    expect(page.locator("#flash .notice")).to_contain_text("is in the queue")
    assert (lost, len(team.senior.call("GET", "/queue")["items"])) == ([202], 1)


def test_a_batch_is_tried_dry_then_started_and_shows_how_far_it_is(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", priority="high")
    team.junior.ready("T-2")
    page = page_of(team.admin, "/batches")
    expect(page.get_by_text("No batch has been started yet.")).to_be_visible()
    page.get_by_label("Priority").select_option("High")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("#estimate")).to_contain_text("1 handoff would be assessed again")
    page.get_by_label("Priority").select_option("Any")
    expect(page.locator("#estimate")).to_be_hidden()
    page.get_by_role("button", name="See what it would do").click()
    page.get_by_role("button", name="Start with 2 handoffs").click()
    batch = page.locator(".batch")
    expect(batch).to_contain_text("2 of 2 done")
    expect(batch).to_contain_text("Completed")
    assert batch.locator("progress").evaluate("(bar) => bar.value / bar.max") == 1


def test_a_batch_says_what_it_covers_and_how_its_assessments_differ(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", title="Copier is mute", priority="high")
    changed = team.junior.ready("T-2", title="Scanner is mute", priority="high")
    team.junior.call(
        "POST", "/sessions/T-2/steps", {"kind": "action", "text": "Swapped the cable.", "outcome": "failed"}
    )
    page = page_of(team.admin, "/batches")
    page.get_by_label("Priority").select_option("High")
    page.get_by_role("button", name="See what it would do").click()
    page.locator("#estimate button").click()
    batch = page.locator(".batch")
    expect(batch).to_contain_text("2 of 2 done")
    expect(batch).to_contain_text(re.compile(f"High · started .* by {team.admin.name}"))
    batch.get_by_text("Handoffs, before and after").click()
    expect(batch.get_by_role("listitem")).to_have_count(2)
    batch.get_by_label("Only those that changed").check()
    expect(batch.get_by_role("listitem")).to_have_count(1)
    item = batch.get_by_role("listitem")
    expect(item.get_by_role("link", name="Scanner is mute")).to_have_attribute("href", f"/handoffs/{changed['id']}")
    expect(item).to_contain_text("changed: ")
    expect(item).to_contain_text("Before, from the session, without AI")


def test_a_batch_that_cannot_be_says_so_at_the_field(team: Team, page_of: PageOf) -> None:
    page = page_of(team.admin, "/batches")
    page.get_by_label("Spend at most").fill("a lot")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("#errors")).to_contain_text("Spend at most (optional): Not a valid number.")
    expect(page.get_by_label("Spend at most")).to_have_accessible_description("Not a valid number.")
    page.get_by_label("Spend at most").fill("12.50")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("#estimate")).to_contain_text("0 handoffs would be assessed again")


def test_a_batch_is_paused_resumed_and_cancelled(
    team: Team, page_of: PageOf, still_worker: Callable[[], None]
) -> None:
    team.junior.hand_off("T-1")
    page = page_of(team.admin, "/batches")
    page.get_by_role("button", name="See what it would do").click()
    page.locator("#estimate button").click()
    batch = page.locator(".batch")
    for press, state, then in (
        ("Pause", "Paused", "Resume"),
        ("Resume", "Running", "Pause"),
        ("Cancel", "Cancelled", None),
    ):
        batch.get_by_role("button", name=press).click()
        if press == "Cancel":
            dialog = page.get_by_role("dialog", name="Cancel this batch?")
            expect(dialog).to_contain_text("1 handoff will not be assessed again")
            expect(dialog.get_by_role("button", name="Let it run")).to_be_focused()
            dialog.get_by_role("button", name="Cancel the batch").click()
        expect(batch.locator(".badge")).to_have_text(re.compile(f"{state}|Waiting" if state == "Running" else state))
        if then:
            expect(batch.get_by_role("button", name=then)).to_be_visible()
    expect(batch.get_by_role("button")).to_have_count(0)


def test_analytics_draw_the_waits_beside_tables_and_a_csv(team: Team, page_of: PageOf, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        handoff = team.junior.ready(f"T-{number}")
        if number > 1:
            team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    team.senior.call("POST", "/sessions/T-3/steps", {"kind": "note", "text": "On it."})
    page = page_of(team.senior, "/analytics")
    expect(page.locator(".totals")).to_contain_text("3 ready · 2 claimed · 1 with action")
    for title in ("Time to ready", "Time to claim", "Time to first action", "Volume"):
        panel = page.locator("section", has=page.get_by_role("heading", name=title, exact=True))
        expect(panel.locator("svg circle, svg rect").last).to_be_visible()
        panel.get_by_text("As a table").click()
        expect(panel.locator("tbody tr").last).to_be_visible()
    with page.expect_download() as got:
        page.get_by_role("button", name="Download CSV").click()
    got.value.save_as(tmp_path / "it.csv")
    rows = list(csv.DictReader((tmp_path / "it.csv").open()))
    assert (rows[-1]["n_handoffs"], rows[-1]["n_claimed"], rows[-1]["n_with_action"]) == ("3", "2", "1")
    assert float(rows[-1]["time_to_claim_p95_seconds"]) > 0
    page.get_by_text("90 days").click()
    volume = page.locator("section", has=page.get_by_role("heading", name="Volume"))
    expect(volume.locator("tbody tr")).to_have_count(91)


def test_a_day_of_a_plot_says_its_values_and_leads_to_its_handoffs(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1")
    page = page_of(team.senior, "/analytics")
    panel = page.locator("section", has=page.get_by_role("heading", name="Time to ready", exact=True))
    expect(panel.locator(".readout")).to_contain_text(re.compile(r"median \d.* s, p95 \d"))
    day = panel.get_by_role("link")
    expect(day).to_have_count(1)
    expect(day).to_have_attribute("href", re.compile(r"^/queue\?view=all&since=.*&until="))
    day.focus()
    assert panel.locator(".axis").count() >= 3, "a lone point has lines that say where it is"
    volume = page.locator("section", has=page.get_by_role("heading", name="Volume"))
    volume.get_by_role("link").hover()
    expect(volume.locator(".readout")).to_contain_text("1 handoff")


def test_analytics_split_the_waits_and_keep_the_choice_in_the_address(team: Team, page_of: PageOf) -> None:
    one = team.junior.ready("T-1", client="Northwind")
    team.junior.ready("T-2", priority="urgent")
    team.senior.call("POST", f"/handoffs/{one['id']}/claim")
    team.senior.call("POST", f"/handoffs/{one['id']}/assessments/1/feedback", {"rating": "helpful"})
    page = page_of(team.admin, "/analytics?period=7d&by=client")
    expect(page.get_by_label("7 days")).to_be_checked()
    split = page.locator("section", has=page.get_by_role("heading", name="Split"))
    expect(split.get_by_role("link", name="Northwind")).to_be_visible()
    split.get_by_label("By").select_option("Taken by")
    expect(split.get_by_role("link", name=team.senior.name)).to_be_visible()
    page.get_by_text("90 days").click()
    expect(page).to_have_url(re.compile(r"period=90d&by=claimer"))
    page.reload()
    expect(page.get_by_label("90 days")).to_be_checked()
    expect(split.get_by_label("By")).to_have_value("claimer")
    page.go_back()
    expect(page.get_by_label("7 days")).to_be_checked()
    now = page.locator("section", has=page.get_by_role("heading", name="Waiting now"))
    expect(now.get_by_role("link", name="1 handoff waiting")).to_be_visible()
    ratings = page.locator("section", has=page.get_by_role("heading", name="Ratings of assessments"))
    expect(ratings.locator("tbody")).to_contain_text("100 %")


def test_an_account_without_handoffs_has_empty_states(team: Team, page_of: PageOf) -> None:
    expect(page_of(team.senior, "/analytics").get_by_text("Nothing was handed off")).to_be_visible()
    page = page_of(team.senior)
    live(page)
    expect(page.get_by_text("All clear")).to_be_visible()


def test_a_list_that_cannot_be_loaded_says_so_and_offers_another_try(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior, "/sign-in")
    page.route("**/api/v1/analytics/**", lambda route: route.fulfill(status=503, body=""))
    page.goto("/analytics")
    expect(page.get_by_text("The figures cannot be loaded")).to_be_visible()
    page.unroute("**/api/v1/analytics/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Nothing was handed off")).to_be_visible()
