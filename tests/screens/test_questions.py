"""Asking the one who handed it off, or anybody: questions, answers, steps that are taken back, and corrections."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.screens import scene
from tests.screens.service import Service, Team
from tests.screens.test_case_moves import opened, taken
from tests.screens.test_context import store
from tests.screens.test_hostile_text import ATTACK
from tests.screens.test_queue import live

PageOf = Callable[..., Page]


def ask(team: Team, handoff: dict[str, Any], text: str = "Which firmware?") -> None:
    """Let the senior ask the junior."""
    question = {"kind": "question", "text": text, "to_user_id": team.junior.id}
    team.senior.call("POST", f"/sessions/{handoff['session']['external_id']}/steps", question)


def test_a_question_reaches_its_addressee_on_every_page_and_its_answer_comes_back_live(
    team: Team, page_of: PageOf
) -> None:
    handoff = taken(team, title="Copier is mute")
    theirs = page_of(team.junior, "/handoffs/new")
    live(theirs)
    page = opened(page_of, team.senior, handoff)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_label("Whom to ask")).to_have_value(team.junior.id)
    page.get_by_label("Question", exact=True).fill("Which firmware is on it?")
    page.get_by_role("button", name="Ask it").click()
    question = page.locator("#step-3")
    expect(question).to_contain_text(f"to {team.junior.name}")
    expect(question).to_contain_text("Not answered yet")
    banner = theirs.locator("#asked .asked")
    expect(banner).to_contain_text(f"{team.senior.name} asks about Copier is mute: Which firmware is on it?")
    banner.get_by_text("Answer", exact=True).click()
    banner.get_by_label("Your answer").fill("Version 4.1.2.")
    banner.get_by_role("button", name="Send the answer").click()
    expect(banner).to_have_count(0)
    expect(page.locator("#step-4")).to_contain_text("Version 4.1.2.")
    expect(page.locator("#step-4").get_by_role("link", name="Answers step 3")).to_be_visible()
    expect(question.get_by_role("link", name="Answered in step 4")).to_be_visible()


def test_a_question_stands_on_the_first_paint_and_is_answered_where_it_was_asked(team: Team, page_of: PageOf) -> None:
    handoff = taken(team)
    ask(team, handoff, f"Which firmware? {ATTACK}")
    page = page_of(team.junior, f"/handoffs/{handoff['id']}", java_script_enabled=False)
    expect(page.locator("#asked")).to_contain_text("Which firmware?")
    page = opened(page_of, team.junior, handoff)
    assert page.evaluate("window.hit") is None
    expect(page.locator("#asked .asked")).to_have_count(1)
    page.locator("#step-3").get_by_label("Your answer").fill("4.1.2.")
    page.locator("#step-3").get_by_role("button", name="Answer").click()
    expect(page.locator("#step-4")).to_contain_text("4.1.2.")
    expect(page.locator("#asked .asked")).to_have_count(0)
    expect(page.locator("#step-3 form")).to_have_count(0)


def test_an_answer_half_written_stays_whatever_is_asked_and_answered_meanwhile(team: Team, page_of: PageOf) -> None:
    handoff = taken(team)
    ask(team, handoff)
    page = page_of(team.junior, "/handoffs/new")
    live(page)
    page.get_by_text("Answer", exact=True).click()
    page.get_by_label("Your answer").fill("It is")
    ask(team, handoff, "And which driver?")
    expect(page.locator("#asked .asked")).to_have_count(2)
    for answers in (3, 4):  # somebody else knows both
        answer = {"kind": "observation", "text": "4.1.2.", "answers": answers}
        team.senior.call("POST", f"/sessions/{handoff['session']['external_id']}/steps", answer)
    expect(page.locator("#asked .asked")).to_have_count(1)
    expect(page.get_by_label("Your answer")).to_have_value("It is")


def test_an_open_question_of_the_assessment_is_sent_with_one_press(
    team: Team, page_of: PageOf, service: Service
) -> None:
    handoff = scene.copier(team)
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    store(service, team, {"questions": ["Is the second floor affected, too?"]})
    page = opened(page_of, team.senior, handoff)
    page.locator(".questions").get_by_role("button", name=f"Ask {team.junior.name}").click()
    expect(page.locator("#step-6")).to_contain_text("Is the second floor affected, too?")
    expect(page.locator(".questions")).to_contain_text("Asked in step 6")
    expect(page.locator(".questions button")).to_have_count(0)


def test_ones_own_step_is_retracted_struck_out_and_no_evidence_any_more(team: Team, page_of: PageOf) -> None:
    handoff = scene.copier(team)
    page = opened(page_of, team.junior, handoff)
    page.locator("#step-3 summary", has_text="Retract").click()
    page.get_by_role("button", name="Retract it").click()
    step = page.locator("#step-3")
    expect(step).to_contain_text("Retracted")
    assert step.locator(".text").evaluate("(node) => getComputedStyle(node).textDecorationLine") == "line-through"
    expect(page.locator("#assessment .origin")).to_contain_text("rests on what was retracted: step 3")
    expect(page.locator("#tried")).to_contain_text("retracted step 3")
    reading = opened(page_of, team.senior, handoff)
    expect(reading.locator(".retract")).to_have_count(0)


def test_the_session_is_corrected_with_the_handoff_and_the_history_says_so(team: Team, page_of: PageOf) -> None:
    handoff = taken(team, title="Copier", client="Northwind")
    page = opened(page_of, team.senior, handoff)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Title").fill("Copier on the first floor")
    page.get_by_label("Client").fill("")
    page.get_by_label("Priority").select_option("High")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Copier on the first floor")
    expect(page.locator("#case-head .badge").first).to_have_text("High")
    expect(page.locator("#tried")).to_contain_text(re.compile("changed .*title"))
    expect(page.locator("#panel-edit")).to_be_hidden()
    stored = team.junior.call("GET", f"/handoffs/{handoff['id']}")
    assert (stored["session"]["client"], stored["priority"]) == (None, "high")
