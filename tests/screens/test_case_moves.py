"""What can be done with a handoff on its page, and how it is undone, corrected and kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, text, update

from models.account import Account
from models.handoff import Handoff
from models.transaction import maintenance
from tests.conftest import environment
from tests.screens.service import Service, Team
from tests.screens.test_queue import live

PageOf = Callable[..., Page]


def opened(page_of: PageOf, somebody: object, handoff: dict[str, Any], **options: Any) -> Page:
    page = page_of(somebody, f"/handoffs/{handoff['id']}", **options)
    live(page)
    return page


def taken(team: Team, **more: Any) -> dict[str, Any]:
    handoff = team.junior.ready(**more)
    return dict(team.senior.call("POST", f"/handoffs/{handoff['id']}/claim"))


def lease(service: Service, team: Team, seconds: int) -> None:
    """Let claims of this account have so long for a first action."""
    with environment(service.variables), maintenance() as session:
        session.execute(
            update(Account).where(Account.id == team.junior.account_id).values(claim_lease_seconds=seconds)
        )


def test_the_lease_is_said_warned_of_and_kept(team: Team, page_of: PageOf, service: Service) -> None:
    lease(service, team, 240)
    page = opened(page_of, team.senior, taken(team))
    expect(page.locator("#lease")).to_have_text(re.compile(r"Add a step or keep it by \d\d:\d\d.*or it goes back"))
    expect(page.locator("#start")).to_have_class(re.compile("ending"))
    expect(page.locator("#polite")).to_have_text(re.compile("This goes back to the queue in [34] min"))
    lease(service, team, 3000)
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#tried")).to_contain_text("kept the claim")
    expect(page.locator("#start")).not_to_have_class(re.compile("ending"))
    page.get_by_label("What you did or saw").fill("Looked at it.")
    page.get_by_role("button", name="Add step").click()
    expect(page.locator("#lease")).to_have_count(0)


def test_a_claim_that_lapses_while_somebody_writes_keeps_their_words(
    team: Team, page_of: PageOf, service: Service
) -> None:
    handoff = taken(team)
    page = opened(page_of, team.senior, handoff)
    page.get_by_label("What you did or saw").fill("I was just about to")
    with environment(service.variables), maintenance() as session:
        past = func.now() - text("interval '1 second'")
        session.execute(update(Handoff).where(Handoff.id == handoff["id"]).values(lease_until=past))
    stranded = page.locator("#add .stranded")
    expect(stranded).to_contain_text(f"The claim of {team.senior.name} lapsed")
    expect(page.get_by_label("What you did or saw")).to_have_value("I was just about to")
    expect(page.locator("#tried")).to_contain_text("Nothing had happened in time.")
    stranded.get_by_role("button", name="Take it again and add this step").click()
    expect(page.locator("#step-3")).to_contain_text("I was just about to")


def test_waiting_for_the_client_stops_the_clock_and_says_why(team: Team, page_of: PageOf) -> None:
    handoff = taken(team)
    page = opened(page_of, team.senior, handoff, timezone_id="America/New_York")
    page.get_by_role("button", name="Wait for the client…").click()
    expect(page.get_by_label("Until")).to_have_value(re.compile("T09:00$"))
    page.get_by_label("What it waits for").fill("The client sends the log.")
    page.get_by_role("button", name="Wait", exact=True).click()
    expect(page.locator("#start")).to_contain_text(re.compile("Waiting until .*09:00: The client sends the log."))
    expect(page.locator("#lease")).to_have_count(0)
    reading = opened(page_of, team.senior2, handoff)
    expect(reading.locator("#start")).to_contain_text("The client sends the log.")
    page.get_by_role("button", name="Wait no longer").click()
    expect(page.locator("#lease")).to_be_visible()
    expect(page.locator("#tried")).to_contain_text(re.compile("waits until .*09:00"))


def test_putting_back_can_be_undone_for_ten_seconds(team: Team, page_of: PageOf) -> None:
    handoff = taken(team, title="Back and forth")
    page = opened(page_of, team.senior, handoff)
    page.get_by_role("button", name="Put back").click()
    page.get_by_role("button", name="Put it back").click()
    expect(page.locator("#flash")).to_contain_text("“Back and forth” is back in the queue.")
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile(handoff["id"]))
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()


def test_resolving_can_be_undone_and_reopened_later(team: Team, page_of: PageOf) -> None:
    handoff = taken(team)
    page = opened(page_of, team.senior, handoff)
    for _ in range(2):
        page.get_by_role("button", name="Resolve", exact=True).click()
        page.get_by_label("What fixed it").fill("TLS 1.2.")
        page.get_by_label("Root cause").fill("The update.")
        page.get_by_role("button", name="Resolve it").click()
        expect(page.locator("#start")).to_contain_text("Resolved")
        expect(page.locator("#tried")).to_contain_text("Root cause: The update.")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    team.senior.call("POST", f"/handoffs/{handoff['id']}/resolve", {"resolution": "TLS 1.2."})
    reading = opened(page_of, team.senior2, handoff)
    expect(reading.get_by_role("button", name="Reopen")).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    expect(page.locator("#tried")).to_contain_text("opened it again")


def test_a_withdrawal_can_be_undone_and_undo_goes_after_ten_seconds(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = page_of(team.junior, "about:blank")
    page.clock.install()
    page.goto(f"/handoffs/{handoff['id']}")
    live(page)
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.locator("#start")).to_contain_text("has withdrawn it")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.clock.fast_forward(10_500)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_role("button", name="Withdraw it")).to_be_visible()
    assert team.junior.call("GET", f"/handoffs/{handoff['id']}")["status"] == "ready"


def test_a_draft_is_discarded_only_after_asking(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.hand_off(intent="park")
    page = opened(page_of, team.junior, handoff)
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("#panel-discard")).to_contain_text("It cannot be undone.")
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator("#flash")).to_contain_text("is discarded")


@pytest.mark.parametrize("who", ["junior", "senior", "admin"])
def test_author_claimer_and_admin_correct_it_and_the_history_says_so(who: str, team: Team, page_of: PageOf) -> None:
    handoff = taken(team)
    page = opened(page_of, getattr(team, who), handoff)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Priority").select_option("Urgent")
    page.get_by_label("What is needed").fill("Look at the relay.")
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        page.get_by_role("button", name="Save").click()
    assert sent.value.post_data_json == {"priority": "urgent", "ask": "Look at the relay."}
    assert sent.value.headers["if-match"] == f'"{handoff["version"]}"'
    expect(page.locator(".line-ask")).to_contain_text("Look at the relay.")
    expect(page.locator("#case-head .badge").first).to_have_text("Urgent")
    expect(page.locator("#tried")).to_contain_text("changed priority: normal → urgent; ask")
    expect(page.locator("#panel-edit")).to_be_hidden()


def test_others_are_offered_no_edit(team: Team, page_of: PageOf) -> None:
    handoff = taken(team)
    for somebody in (team.senior2, team.viewer):
        expect(opened(page_of, somebody, handoff).get_by_role("button", name="Edit")).to_have_count(0)


def test_two_editors_at_once_keep_their_words_and_see_what_stands(team: Team, page_of: PageOf) -> None:
    handoff = taken(team, ask="First words.")
    page = opened(page_of, team.senior, handoff)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("What is needed").fill("My words.")
    team.junior.call("PATCH", f"/handoffs/{handoff['id']}", {"ask": "Their words.", "priority": "high"})
    expect(page.locator("#case-head .badge").first).to_have_text("High")
    expect(page.get_by_label("What is needed")).to_have_value("My words.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#flash")).to_contain_text("Your words are still here")
    expect(page.get_by_label("What is needed")).to_have_value("My words.")
    expect(page.locator("#panel-edit .stands")).to_have_text("Now: Their words.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".line-ask")).to_contain_text("My words.")
    stored = team.junior.call("GET", f"/handoffs/{handoff['id']}")
    assert (stored["ask"], stored["priority"]) == ("My words.", "high")


def test_what_was_written_in_a_form_of_the_bar_stays_when_the_handoff_goes_elsewhere(
    team: Team, page_of: PageOf
) -> None:
    handoff = taken(team)
    page = opened(page_of, team.senior, handoff)
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_label("What fixed it").fill("It was the relay, because")
    team.admin.call("POST", f"/handoffs/{handoff['id']}/reassign", {"user_id": team.senior2.id})
    expect(page.locator("#panel-resolve .stranded")).to_contain_text(
        f"{team.admin.name} gave it to {team.senior2.name}. It is not with you any more. Your words are kept here."
    )
    expect(page.get_by_label("What fixed it")).to_have_value("It was the relay, because")
    expect(page.locator("#start")).to_contain_text(f"{team.senior2.name} took it")


def test_after_a_reload_a_form_has_its_words_and_a_correction_begins_with_what_stands(
    team: Team, page_of: PageOf
) -> None:
    handoff = taken(team, ask="First words.")
    page = opened(page_of, team.senior, handoff)
    page.get_by_label("What you did or saw").fill("Half a sentence")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Title").fill("Another")
    team.junior.call("PATCH", f"/handoffs/{handoff['id']}", {"ask": "Their words."})
    page.reload()
    live(page)
    expect(page.get_by_label("What you did or saw")).to_have_value("Half a sentence")
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("What is needed")).to_have_value("Their words.")
    expect(page.get_by_label("Title")).to_have_value(handoff["session"]["title"])
