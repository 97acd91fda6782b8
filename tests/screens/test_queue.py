"""The live queue in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, update

from models.handoff import Handoff
from models.transaction import maintenance
from tests.conftest import environment
from tests.screens.service import Service, Team
from tests.stack import wait_for

PageOf = Callable[..., Page]

NOTE_ANIMATIONS = """
  window.seen = [];
  addEventListener('animationstart', (event) => {
    if (!event.target.matches('.card')) return;
    const [animation] = event.target.getAnimations();
    const title = event.target.querySelector('.title').textContent;
    window.seen.push([event.animationName, animation.effect.getTiming().duration, title]);
  });
"""


def live(page: Page) -> None:
    """Wait until the page follows the feed."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def titles(page: Page) -> list[str]:
    """The titles on the page, from the top."""
    return page.locator(".card .title").all_text_contents()


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
    expect(card).to_contain_text("High")
    expect(card.locator(".dot")).to_be_visible()
    page.evaluate("document.querySelector('.card').mark = 'the same node'")
    still_worker()
    expect(card).to_contain_text("Confidence")
    expect(card).to_contain_text("without AI")
    assert page.evaluate("document.querySelector('.card').mark") == "the same node"


@pytest.mark.parametrize(("motion", "name"), [("no-preference", "slide-in"), ("reduce", "fade-in")])
def test_new_rows_slide_into_their_place_within_200_ms_or_fade_where_motion_is_unwanted(
    motion: Any, name: str, team: Team, page_of: PageOf
) -> None:
    team.junior.ready("T-1", title="The first")
    team.junior.ready("T-2", title="The second")
    page = page_of(team.senior, reduced_motion=motion)
    live(page)
    assert titles(page) == ["The first", "The second"]
    page.evaluate(NOTE_ANIMATIONS)
    team.junior.hand_off("T-3", title="The third")
    expect(page.locator(".card")).to_have_count(3)
    wait_for(lambda: page.evaluate("window.seen.length > 0"), "the animation")
    assert page.evaluate("window.seen") == [[name, 200, "The third"]]
    team.junior.hand_off("T-4", title="The urgent one", priority="urgent")
    expect(page.locator(".card")).to_have_count(4)
    assert titles(page) == ["The urgent one", "The first", "The second", "The third"]


def test_a_taken_handoff_leaves_with_the_name_of_who_took_it(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = page_of(team.senior)
    live(page)
    expect(page.locator(".card")).to_have_count(1)
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
    expect(page.locator(".card .note")).to_have_text(f"Taken by {team.senior2.name}")
    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_text("All clear")).to_be_visible()


def test_views_filters_and_search_narrow_the_queue_and_live_in_the_address(team: Team, page_of: PageOf) -> None:
    # Enough of them that the summary cannot hold them all.
    steps = [
        {"kind": "note", "text": f"Looked at switch number {n} for a good while, all is well there."}
        for n in range(40)
    ]
    steps.insert(20, {"kind": "note", "text": "Hypervisor."})
    team.junior.ready("T-1", title="Printer", category="Printing", priority="urgent")
    team.junior.ready("T-2", title="Router", category="Network", steps=steps)
    mine = team.junior.ready("T-3", title="Mailbox", category="Mail")
    team.senior.call("POST", f"/handoffs/{mine['id']}/claim")
    page = page_of(team.senior)
    live(page)
    shown = page.locator(".card .title")
    assert titles(page) == ["Printer", "Router"]
    page.get_by_label("Priority").select_option("Urgent")
    expect(shown).to_have_text(["Printer"])
    page.get_by_label("Priority").select_option("Any priority")
    expect(shown).to_have_text(["Printer", "Router"])
    page.get_by_label("Category").select_option("Network")
    expect(shown).to_have_text(["Router"])
    page.reload()
    live(page)
    assert titles(page) == ["Router"]
    page.get_by_role("button", name="Clear").click()
    expect(shown).to_have_text(["Printer", "Router"])
    page.get_by_label("Order").select_option("Newest")
    expect(shown).to_have_text(["Router", "Printer"])
    view(page, "Mine")
    expect(page).to_have_url(re.compile("view=mine"))
    assert titles(page) == ["Mailbox"]
    view(page, "Waiting")
    page.get_by_label("Search").fill("nobody wrote this")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Show all of this view").click()
    expect(shown).to_have_text(["Printer", "Router"])
    # Only a step contains it, and steps are not on the cards.
    page.get_by_label("Search").fill("hypervisor")
    expect(shown).to_have_text(["Router"])
    expect(page.locator(".card .need")).to_have_text("Step 21: Hypervisor.")
    expect(page.locator(".card mark")).to_have_text("Hypervisor")
    page.reload()
    live(page)
    expect(page.locator(".card mark")).to_have_text("Hypervisor")
    # Both cards have these letters somewhere, and neither has the word.
    page.get_by_label("Search").fill("te")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_label("Search").fill("no such thing")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    team.junior.hand_off("T-4", title="There is no such thing")
    expect(shown).to_have_text(["There is no such thing"])


def view(page: Page, name: str) -> None:
    """Go to a view of the queue."""
    page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
    live(page)
    expect(page.locator("#heading")).to_contain_text(name)


def test_a_returning_and_a_targeted_handoff_say_so(team: Team, page_of: PageOf) -> None:
    for _ in range(2):
        handoff = team.junior.hand_off("T-1")
        team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
        team.junior.call("POST", f"/handoffs/{handoff['id']}/withdraw")
    team.junior.ready("T-1", target_user_id=team.senior.id)
    team.junior.ready("T-2")
    page = page_of(team.senior)
    expect(page.locator(".card .badges")).to_have_text(["Third time hereFor you", ""])


def test_a_claim_without_an_action_comes_back_into_the_queue_as_overdue(
    team: Team, page_of: PageOf, service: Service
) -> None:
    handoff = team.junior.ready()
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
    page = page_of(team.senior)
    live(page)
    expect(page.get_by_text("All clear")).to_be_visible()
    with environment(service.variables), maintenance() as session:
        long_ago = {"lease_until": func.now() - timedelta(hours=2)}
        session.execute(update(Handoff).where(Handoff.id == handoff["id"]).values(long_ago))
    # The sweep finds it within seconds.
    expect(page.locator(".card .badges")).to_have_text("Overdue")
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    expect(page.locator(".card .note")).to_have_text("You took it")
    view(page, "Mine")
    expect(page.locator(".card .note")).to_have_text("Yours")


def test_a_card_tells_its_age_by_the_servers_clock_and_grows_older(team: Team, page_of: PageOf) -> None:
    team.junior.ready()
    page = page_of(team.senior, "about:blank")
    page.clock.install(time=datetime.now(UTC) + timedelta(days=3))  # a machine whose clock is wrong
    page.goto("/queue")
    live(page)
    age = page.locator(".card .age")
    expect(age).to_have_text(re.compile(r"^\d+ s$"))
    page.route("**/api/v1/feed*", lambda route: route.abort())
    page.clock.fast_forward(timedelta(hours=3) / timedelta(milliseconds=1))
    page.clock.run_for(10_000)  # ages are refreshed every ten seconds
    expect(age).to_have_text(re.compile(r"^3 h \d min$"))


def test_a_handoff_is_unread_until_it_is_opened_and_stays_read(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", title="There before")
    page = page_of(team.senior)
    live(page)
    team.junior.ready("T-2", title="New")
    unread = page.locator(".card:has(.dot:visible) .title")
    expect(unread).to_have_text(["There before", "New"])
    expect(page.locator(".dot:visible").first).to_have_text("Unread")
    page.get_by_role("link", name="New", exact=True).focus()
    page.get_by_role("link", name="New", exact=True).hover()
    expect(unread).to_have_count(2)
    page.get_by_role("link", name="New", exact=True).click()
    expect(page.locator("#context h2")).to_have_text("New")
    expect(unread).to_have_text(["There before"])
    page.reload()
    expect(unread).to_have_text(["There before"])
    page.get_by_role("link", name="There before").click()
    page.locator("#context").get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="There before")).to_be_visible()
    page.go_back()
    live(page)
    expect(unread).to_have_count(0)
    elsewhere = page_of(team.senior)
    live(elsewhere)
    expect(elsewhere.locator(".dot:visible")).to_have_count(0)


def test_the_keyboard_alone_walks_claims_and_gets_help(team: Team, page_of: PageOf) -> None:
    for number in (1, 2, 3):
        team.junior.ready(f"T-{number}", title=f"Number {number}")
    page = page_of(team.senior)
    live(page)
    focused = page.locator(".title:focus")
    for key, title in (("j", "Number 1"), ("j", "Number 2"), ("j", "Number 3"), ("j", "Number 3"), ("k", "Number 2")):
        page.keyboard.press(key)
        expect(focused).to_have_text(title)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#polite")).to_be_empty()  # in the help, keys do nothing
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(focused).to_have_text("Number 2")
    page.keyboard.press("/")
    page.keyboard.type("jack")
    expect(page.get_by_label("Search")).to_have_value("jack")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused.count():
            break
    page.keyboard.press("Enter")
    expect(page.locator("#context h2")).to_have_text("Number 1")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Number 1")
    page.keyboard.press("g")
    page.keyboard.press("q")
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()


def test_each_role_is_offered_only_what_it_may_do(team: Team, page_of: PageOf) -> None:
    team.junior.ready()
    for somebody, places, views in (
        (team.viewer, ["Queue"], 3),
        (team.senior, ["Queue", "Hand off", "Analytics"], 6),
        (team.admin, ["Queue", "Hand off", "Analytics", "Batches", "People", "Settings"], 6),
    ):
        page = page_of(somebody)
        menu = page.get_by_role("navigation", name="Main")
        expect(menu.get_by_role("link")).to_have_text([re.compile(f"^{place}") for place in places])
        expect(page.get_by_role("navigation", name="Views").get_by_role("link")).to_have_count(views)
        expect(page.get_by_role("button", name="Take")).to_have_count(0 if somebody is team.viewer else 1)
    page = page_of(team.viewer)
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#flash")).to_contain_text("Viewers cannot take handoffs.")


def test_single_keys_can_be_turned_off(team: Team, page_of: PageOf) -> None:
    team.junior.ready()
    page = page_of(team.senior)
    live(page)
    page.keyboard.press("?")
    page.get_by_label("Single-key shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    live(page)
    page.keyboard.press("j")
    expect(page.locator(".title:focus")).to_have_count(0)


def test_arrivals_are_announced_once_and_a_flood_as_a_number(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior)
    live(page)
    page.evaluate(
        """() => { window.said = [];
        const region = document.getElementById('polite');
        new MutationObserver(() => region.textContent && window.said.push(region.textContent))
          .observe(region, {childList: true, characterData: true, subtree: true}); }"""
    )
    team.junior.hand_off("T-1", title="Alone")
    wait_for(lambda: page.evaluate("window.said.length === 1"), "the first announcement")
    for number in range(2, 8):
        team.junior.hand_off(f"T-{number}", title=f"Of many {number}")
    expect(page.locator(".card")).to_have_count(7)
    wait_for(lambda: page.evaluate("window.said.length === 2"), "the second announcement")
    assert page.evaluate("window.said") == ["New handoff: Alone", "6 new handoffs"]
    team.junior.hand_off("T-8", title="Not so bad")
    team.junior.hand_off("T-9", title="Everything is down", priority="urgent")
    wait_for(lambda: page.evaluate("window.said.length === 3"), "the third announcement")
    assert page.evaluate("window.said[2]") == "2 new, 1 urgent: Everything is down"


def test_the_title_counts_while_nobody_looks_and_stops_when_somebody_does(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior)
    live(page)
    hide(page, True)
    team.junior.hand_off("T-1")
    team.junior.hand_off("T-2")
    expect(page).to_have_title(re.compile(r"^\(2\) Queue"), timeout=40_000)
    hide(page, False)
    expect(page).to_have_title(re.compile("^Queue"))


def hide(page: Page, hidden: bool) -> None:
    """Let the page believe that it is in a background tab; a headless browser has none."""
    page.evaluate(
        """(hidden) => {
          const state = hidden ? 'hidden' : 'visible';
          Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
          Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )
