"""The live queue in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.screens.service import Team

PageOf = Callable[..., Page]


def live(page: Page) -> None:
    """Wait until the page follows the feed."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_a_new_handoff_appears_by_itself_and_turns_from_assessing_to_ready_in_the_same_card(
    team: Team, page_of: PageOf, still_worker: Callable[[], None]
) -> None:
    page = page_of(team.senior)
    live(page)
    expect(page.get_by_text("All clear")).to_be_visible()
    team.junior.hand_off("T-1", title="Scanner is mute", priority="high", category="Printing")
    card = page.locator(".card")
    expect(card).to_contain_text("Scanner is mute")
    expect(card).to_contain_text("Assessing…")
    expect(card.locator(".dot")).to_be_visible()
    page.evaluate("document.querySelector('.card').mark = 'the same node'")
    still_worker()
    expect(card).to_contain_text("Confidence")
    expect(card).to_contain_text("from the session, without AI")
    assert page.evaluate("document.querySelector('.card').mark") == "the same node"


def test_a_taken_handoff_leaves_with_the_name_of_who_took_it(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = page_of(team.senior)
    live(page)
    expect(page.locator(".card")).to_have_count(1)
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
    expect(page.locator(".card .note")).to_have_text(re.compile(f"Taken by {team.senior2.name}"))
    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_text("All clear")).to_be_visible()
