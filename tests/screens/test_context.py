"""The context screen before the claim, and the session view after it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import environment
from tests.screens import scene
from tests.screens.service import Service, Team
from tests.screens.test_queue import live

PageOf = Callable[..., Page]


def context_of(page_of: PageOf, somebody: object, handoff: dict[str, object]) -> Page:
    page = page_of(somebody, f"/handoffs/{handoff['id']}")
    live(page)
    return page


def test_the_four_sections_can_be_read_without_claiming(team: Team, page_of: PageOf) -> None:
    scene.past_case(team)
    handoff = scene.copier(team)
    page = context_of(page_of, team.senior, handoff)
    headings = page.locator("#context h2")
    expect(headings).to_have_text(["Problem summary", "Assessment", "What has been tried"])
    expect(page.get_by_role("heading", name="Start here")).to_be_visible()
    expect(page.locator(".line-problem .lead")).to_contain_text("Since this morning")
    expect(page.locator("#problem")).to_contain_text("Please tell me whether this is the relay or the copier.")
    expect(page.locator(".step")).to_have_count(5)
    expect(page.locator("#step-3")).to_contain_text("Failed")
    assessment = page.locator("#assessment")
    for text in (
        "Likely cause",
        "Similar past cases",
        "Confidence: ",
        "from the session, without AI",
    ):
        expect(assessment).to_contain_text(text)
    assert team.junior.call("GET", f"/handoffs/{handoff['id']}")["status"] == "ready"


def test_evidence_points_to_its_step_and_a_past_case_opens(team: Team, page_of: PageOf) -> None:
    old = scene.past_case(team)
    page = context_of(page_of, team.senior, scene.copier(team))
    page.locator("#problem").get_by_role("link", name="Step 3").click()
    expect(page.locator("#step-3")).to_have_class(re.compile("pointed"))
    expect(page.locator("#step-3")).to_be_focused()
    expect(page.locator("#step-3")).to_be_in_viewport()
    with page.context.expect_page() as opened:
        page.locator("#assessment").get_by_role("link", name="Past case").first.click()
    expect(opened.value).to_have_url(re.compile(str(old["id"])))
    expect(opened.value.locator("#problem")).to_contain_text("Set TLS 1.2 under Security")


def test_two_seniors_race_and_the_loser_learns_kindly_who_won(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready("T-1", title="Wanted by two")
    team.junior.ready("T-2", title="Still free")
    quick, slow = (context_of(page_of, somebody, handoff) for somebody in (team.senior, team.senior2))
    # The second page has no news of it yet when both press.
    slow.route("**/api/v1/feed*", lambda route: route.abort())
    quick.get_by_role("button", name="Take it").click()
    expect(quick.get_by_role("heading", name="Your move")).to_be_visible()
    slow.get_by_role("button", name="Take it").click()
    expect(slow).to_have_url(re.compile("/queue$"))
    notice = slow.locator("#flash .notice")
    expect(notice).to_contain_text(f"{team.senior.name} took “Wanted by two” a moment before you")
    expect(notice).to_be_focused()
    notice.get_by_role("button", name="Dismiss").click()
    expect(slow.locator("#heading")).to_be_focused()
    slow.unroute("**/api/v1/feed*")
    expect(slow.locator(".card .title")).to_have_text(["Still free"])
    assert team.junior.call("GET", f"/handoffs/{handoff['id']}")["claimed_by"]["name"] == team.senior.name


def test_a_claim_by_another_is_seen_while_reading(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = context_of(page_of, team.senior, handoff)
    expect(page.get_by_role("button", name="Take it")).to_be_visible()
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
    expect(page.locator("#start")).to_contain_text(f"{team.senior2.name} took it")
    expect(page.get_by_role("heading", name="Taken")).to_be_visible()
    expect(page.get_by_role("button", name="Take it")).to_have_count(0)


def test_an_assessment_on_its_way_says_since_when_and_fills_in_live(
    team: Team, page_of: PageOf, still_worker: Callable[[], None]
) -> None:
    handoff = team.junior.hand_off()
    page = context_of(page_of, team.senior, handoff)
    expect(page.locator("#assessment")).to_contain_text(re.compile(r"Waiting to be written since .*\d"))
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()
    still_worker()
    expect(page.locator("#assessment")).to_contain_text("Likely cause")
    expect(page.locator("#assessment .working")).to_have_count(0)


def test_fallback_and_failed_say_so_and_why(team: Team, page_of: PageOf, service: Service) -> None:
    handoff = team.junior.ready()
    end_as(service, team, handoff, "fallback", "circuit_open")
    page = context_of(page_of, team.senior, handoff)
    expect(page.locator("#assessment")).to_contain_text("Written without AI: the AI service has failed repeatedly")
    end_as(service, team, handoff, "failed", "crashed")
    page.reload()
    expect(page.locator("#assessment")).to_contain_text("no assessment: the process that wrote it broke down")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.parametrize(
    ("value", "label"), [("probably_solved", "Probably solved"), ("waiting", "Waiting"), (None, "")]
)
def test_where_the_case_stands_comes_first_and_points_to_what_shows_it(
    team: Team, page_of: PageOf, service: Service, value: str | None, label: str
) -> None:
    handoff = scene.copier(team)
    store(service, team, {"state": {"value": value, "evidence": ["step:4"]} if value else None})
    page = context_of(page_of, team.senior, handoff)
    now = page.locator(".line-state")
    if value is None:
        expect(now).to_contain_text("5 steps, 1 worked, 2 failed")
        assert now.get_attribute("data-standing") == ""
        return
    expect(now).to_contain_text(label)
    now.get_by_role("link", name="Step 4").click()
    expect(page.locator("#step-4")).to_be_focused()


def test_the_words_that_a_statement_of_a_model_rests_on_stand_below_it(
    team: Team, page_of: PageOf, service: Service
) -> None:
    handoff = scene.copier(team)
    cause = {"text": "The update changed it", "quote": "vendor <b>installed</b> firmware", "evidence": ["step:2"]}
    store(service, team, {"likely_cause": cause})
    page = context_of(page_of, team.senior, handoff)
    expect(page.locator("#assessment .cause q")).to_have_text(cause["quote"])
    expect(page.locator("#assessment q")).to_have_count(1)


def store(service: Service, team: Team, content: dict[str, object]) -> None:
    """Let the assessment say this; None: an older version wrote it, which did not say it."""
    from sqlalchemy import literal, update

    from models.assessment import Assessment
    from models.transaction import transaction

    said = {name: value for name, value in content.items() if value is not None}
    whole = (Assessment.content.op("-")(next(iter(content)))).op("||")(literal(said, Assessment.content.type))
    with environment(service.variables), transaction(team.junior.account_id) as session:
        session.execute(update(Assessment).values(content=whole))


def end_as(service: Service, team: Team, handoff: dict[str, object], state: str, kind: str) -> None:
    """Let the assessment have ended otherwise, as the database would show it."""
    from sqlalchemy import update

    from models.assessment import Assessment
    from models.handoff import Handoff
    from models.transaction import transaction

    gone = {"content": None} if state == "failed" else {}
    with environment(service.variables), transaction(team.junior.account_id) as session:
        mine = Assessment.handoff_id == handoff["id"]
        session.execute(update(Assessment).where(mine).values(state=state, error_kind=kind, **gone))
        if gone:
            session.execute(update(Handoff).where(Handoff.id == handoff["id"]).values(shown_generation=None))


def test_the_context_dissolves_into_the_session_where_the_work_is_done(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = context_of(page_of, team.senior, handoff)
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    expect(page.locator("#heading")).to_be_focused()
    page.get_by_label("What you did or saw").fill("Put the driver back to 6.3.")
    page.get_by_label("Outcome").select_option("Worked")
    page.get_by_role("button", name="Add step").click()
    expect(page.locator("#step-3")).to_contain_text("Put the driver back to 6.3.")
    expect(page.get_by_label("What you did or saw")).to_be_focused()
    expect(page.get_by_label("Kind")).to_have_value("action")
    expect(page.locator("#assessment .origin")).to_contain_text("written 1 step ago")
    page.get_by_role("button", name="Write it again").click()
    expect(page.locator("#assessment .origin")).to_contain_text("version 2")
    expect(page.locator("#assessment .origin")).to_contain_text("up to date with every step")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_label("What fixed it").fill("The old driver.")
    page.get_by_role("button", name="Resolve it").click()
    expect(page.locator("#start")).to_contain_text(re.compile("Resolved .* by " + team.senior.name))
    expect(page.locator("#evidence-resolution")).to_contain_text("The old driver.")
    assert team.junior.call("GET", f"/handoffs/{handoff['id']}")["first_action_at"] is not None


def test_release_and_reassign_hand_the_work_on(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready("T-1", title="Moves on")
    page = context_of(page_of, team.senior, handoff)
    page.get_by_role("button", name="Take it").click()
    page.get_by_role("button", name="Give to…").click()
    page.get_by_label("To whom").select_option(team.senior2.name)
    page.get_by_role("button", name="Hand it on").click()
    expect(page.locator("#start")).to_contain_text(f"{team.senior2.name} took it")
    theirs = context_of(page_of, team.senior2, handoff)
    theirs.get_by_role("button", name="Put back").click()
    theirs.get_by_role("button", name="Put it back").click()
    expect(theirs.locator("#flash")).to_contain_text("“Moves on” is back in the queue.")
    expect(theirs.locator(".card .title")).to_have_text(["Moves on"])


def test_what_is_being_typed_survives_live_changes(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = context_of(page_of, team.senior, handoff)
    page.get_by_role("button", name="Take it").click()
    page.get_by_label("What you did or saw").fill("Half a sen")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_label("What fixed it").fill("Not yet")
    team.junior.call("POST", "/sessions/T-1/steps", {"kind": "note", "text": "The customer called."})
    expect(page.locator("#step-3")).to_contain_text("The customer called.")
    expect(page.get_by_label("What you did or saw")).to_have_value("Half a sen")
    expect(page.get_by_label("What fixed it")).to_have_value("Not yet")


def test_ones_own_handoff_and_a_viewer_find_no_start(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    own = context_of(page_of, team.junior, handoff)
    expect(own.locator("#start")).to_contain_text("You handed this off")
    watching = context_of(page_of, team.viewer, handoff)
    expect(watching.locator("#start")).to_contain_text("You can read along")
    for page in (own, watching):
        expect(page.get_by_role("button", name="Take it")).to_have_count(0)
    expect(own.get_by_role("button", name="Write it again")).to_be_visible()
    expect(watching.locator("#context").get_by_role("button")).to_have_count(0)
    own.get_by_role("button", name="Withdraw it").click()
    expect(own.locator("#start")).to_contain_text("has withdrawn it")


def test_a_handoff_that_is_not_here_says_so(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior, "/handoffs/01920000-0000-7000-8000-000000000001")
    expect(page.get_by_role("heading", name="This handoff is not here")).to_be_visible()
