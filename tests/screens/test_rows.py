"""The rows of the queue: painted by the server, dense, still under the pointer, and as quick by the thousand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from models import feed
from models.transaction import maintenance
from tests.conftest import environment
from tests.screens import shift
from tests.screens.service import Service, Team
from tests.screens.test_queue import live, titles, view

PageOf = Callable[..., Page]
Open = Callable[..., BrowserContext]

SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((seen) => seen.getEntries().forEach((each) => window.shifts.push(
    [each.value, ...each.sources.map((source) => source.node?.className)])))
    .observe({type: 'layout-shift'});
}"""


def test_the_first_paint_comes_from_the_server_and_needs_no_script(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", title="Slow Wi-Fi", priority="low", client="Birch Architects")
    more = {"client": "Harbour Logistics", "category": "Network", "ask": "Whom do we call?"}
    team.junior.ready("T-2", title="All tills are down", priority="urgent", **more)
    page = page_of(team.senior, java_script_enabled=False)
    assert titles(page) == ["All tills are down", "Slow Wi-Fi"]
    first, second = page.locator(".card").all()
    for text in (
        "Urgent",
        "Harbour Logistics · T-2 · Network · 2\xa0steps · from junior of Acme",
        "Needs: Whom do we call?",
        "without AI",
    ):
        expect(first).to_contain_text(text)
    expect(second).to_contain_text("Birch Architects")
    expect(first.locator(".age")).to_have_text(re.compile(r"^\d+ s$"))
    expect(page.get_by_role("button", name="Take")).to_have_count(0)
    page.get_by_label("Search").fill("Wi-Fi")
    page.get_by_role("button", name="Show").click()
    assert titles(page) == ["Slow Wi-Fi"]
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name="All tills are down").click()
    expect(page).to_have_url(re.compile("/handoffs/"))


def test_after_the_page_the_script_asks_for_the_feed_and_nothing_else(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1")
    page = page_of(team.senior, "about:blank")
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/api/" in request.url else None)
    page.goto("/queue")
    live(page)
    assert page.locator(".card").count() == 1
    assert [re.sub(r"[?].*", "", request.url.partition("/api/v1")[2]) for request in asked[:1]] == ["/feed"]
    assert {request.url.partition("?")[0] for request in asked} == {asked[0].url.partition("?")[0]}


def test_a_row_says_the_same_whether_server_or_script_has_written_it(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", title="For <you> & nobody else", target_user_id=team.senior.id, ask="Please look")
    team.junior.ready("T-2", title="For another", target_user_id=team.senior2.id, priority="urgent", client="Pine")
    team.senior.ready("T-3", title="My own", priority="low", steps=[])
    for _ in range(2):
        again = team.junior.hand_off("T-4")
        team.junior.call("POST", f"/handoffs/{again['id']}/withdraw")
    team.junior.ready("T-4", title="Again", steps=[{"kind": "note", "text": "One."}], category=None)
    for number, taker in ((5, team.senior), (6, team.senior2)):
        taken = team.junior.ready(f"T-{number}", title="Taken")
        taker.call("POST", f"/handoffs/{taken['id']}/claim")
        team.junior.call("POST", f"/sessions/T-{number}/steps", {"kind": "note", "text": "More."})
    team.junior.hand_off("T-7", title="Parked", intent="park")
    for number, taker in ((8, team.senior), (9, team.senior2)):
        done = team.junior.ready(f"T-{number}", title="Done")
        taker.call("POST", f"/handoffs/{done['id']}/claim")
        taker.call("POST", f"/handoffs/{done['id']}/resolve", {"resolution": "Done."})
    for somebody in (team.senior, team.junior, team.viewer, team.admin):
        page = page_of(somebody, "/queue?view=all")
        live(page)
        cards = [somebody.call("GET", f"/handoffs/{each}") for each in page.evaluate(IDS)]
        differences = page.evaluate(WRITE_AGAIN, cards)
        assert len(cards) >= 8
        assert differences == []


IDS = "[...document.querySelectorAll('.card')].map((node) => node.dataset.id)"
# What the script writes into a new row, beside what the server wrote; the age goes on by itself.
WRITE_AGAIN = """async (cards) => {
  const { makeCard } = await import('/static/js/card.js');
  const found = [];
  const html = (node) => node.outerHTML.replace(/>\\d+ (s|min)</, '><').replaceAll(/\\s+/g, ' ');
  for (const card of cards) {
    const theirs = document.querySelector(`.card[data-id="${card.id}"]`);
    card.unread = theirs.dataset.unread !== undefined;
    const one = html(theirs), other = html(makeCard(card).node);
    if (one !== other) found.push([one, other]);
  }
  return found;
}"""


@pytest.mark.parametrize(("width", "height", "least"), [(1440, 900, 10), (1280, 720, 7)])
def test_a_screen_holds_so_many_rows(
    width: int, height: int, least: int, team: Team, service: Service, page_of: PageOf
) -> None:
    shift.busy(team, service, rounds=1)
    page = page_of(team.senior, viewport={"width": width, "height": height})
    live(page)
    whole = """() => [...document.querySelectorAll('.card')].map((node) => node.getBoundingClientRect())
      .filter((box) => box.top >= 0 && box.bottom <= innerHeight).length"""
    assert page.evaluate(whole) >= least


def test_urgent_comes_first_then_what_waits_longest_and_ages_warn(
    team: Team, service: Service, page_of: PageOf
) -> None:
    shift.busy(team, service, rounds=1)
    page = page_of(team.senior)
    live(page)
    shown = page.evaluate(
        "[...document.querySelectorAll('.card')].map((node) => [node.dataset.priority, node.querySelector('.age')"
        ".textContent, node.querySelector('.age').dataset.heat ?? ''])"
    )
    assert shown[:8] == [
        ["urgent", "22 min", "red"],
        ["urgent", "8 min", "amber"],
        ["urgent", "3 min", ""],
        ["high", "5 h 40 min", "red"],
        ["high", "1 h 35 min", "red"],
        ["high", "52 min", "amber"],
        ["high", "14 min", ""],
        ["high", "4 min", ""],
    ]
    assert [each[0] for each in shown[-3:]] == ["low"] * 3


def test_nothing_moves_under_the_pointer_until_it_is_asked_for(team: Team, page_of: PageOf) -> None:
    going = team.junior.ready("T-0", title="Soon taken")
    for number in range(1, 4):
        team.junior.ready(f"T-{number}", title=f"There {number}")
    page = page_of(team.senior)
    live(page)
    page.get_by_role("link", name="There 2").hover()
    page.evaluate(SHIFTS)
    for number in range(2):
        team.junior.hand_off(f"T-1{number}", title=f"New {number}")
    team.junior.hand_off("T-12", title="New and urgent", priority="urgent")
    team.senior2.call("POST", f"/handoffs/{going['id']}/claim")
    pill = page.locator("#pill")
    expect(pill).to_have_text("3 new · 1 urgent")
    expect(page.locator(".card .note", has_text="Taken by")).to_have_count(1)
    page.wait_for_timeout(5000)  # far longer than a row that was taken stays when nobody is at the list
    assert titles(page) == ["Soon taken", "There 1", "There 2", "There 3"]
    assert page.evaluate("window.shifts") == []
    pill.click()
    expect(pill).to_be_hidden()
    expect(page.locator(".title:focus")).to_have_text("New and urgent")
    after = ["New and urgent", "There 1", "There 2", "There 3", "New 0", "New 1"]
    expect(page.locator(".card .title")).to_have_text(after)


def test_what_came_meanwhile_is_taken_in_when_pointer_and_keyboard_have_left_the_list(
    team: Team, page_of: PageOf
) -> None:
    team.junior.ready("T-1", title="There before")
    page = page_of(team.senior)
    live(page)
    page.keyboard.press("j")
    page.get_by_role("link", name="There before").hover()
    team.junior.hand_off("T-2", title="New", priority="high")
    expect(page.locator("#pill")).to_have_text("1 new")
    page.mouse.move(5, 5)
    team.junior.hand_off("T-3", title="Newer")
    expect(page.locator("#pill")).to_have_text("2 new")  # the keyboard is still there
    page.get_by_label("Priority").focus()
    expect(page.locator(".card .title")).to_have_text(["New", "There before", "Newer"])
    expect(page.locator("#pill")).to_be_hidden()


def test_a_row_is_taken_where_one_may_and_says_why_not_where_one_may_not(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", title="Free")
    team.junior.ready("T-2", title="For the other", target_user_id=team.senior2.id)
    team.senior.ready("T-3", title="My own")
    page = page_of(team.senior)
    live(page)
    expect(page.locator(".card .note")).to_have_text(["", f"For {team.senior2.name}", "You handed it off"])
    expect(page.get_by_role("button", name="Take")).to_have_count(1)
    page.get_by_role("button", name="Take").click()
    expect(page.get_by_role("heading", name="Free")).to_be_visible()
    expect(page).to_have_url(re.compile("/handoffs/"))
    assert team.senior.call("GET", "/handoffs?status=claimed")["items"][0]["claimed_by"]["name"] == team.senior.name


def test_who_loses_the_race_from_the_list_stays_there_and_learns_who_won(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready("T-1", title="Wanted by two")
    page = page_of(team.senior)
    live(page)
    page.route("**/api/v1/feed*", lambda route: route.abort())
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
    page.get_by_role("button", name="Take").click()
    expect(page.locator("#flash")).to_contain_text(f"{team.senior2.name} took “Wanted by two” a moment before you")
    page.unroute("**/api/v1/feed*")
    expect(page.locator(".card .note")).to_have_text(f"Taken by {team.senior2.name}")
    page.mouse.move(5, 5)
    expect(page.locator(".card")).to_have_count(0)


def test_a_key_takes_the_row_with_the_focus_and_not_the_one_beside_the_list(team: Team, page_of: PageOf) -> None:
    read = team.junior.ready("T-1", title="Being read")
    team.junior.ready("T-2", title="With the focus")
    page = page_of(team.senior)
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#context").get_by_role("button", name="Take")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("h1")).to_have_text("With the focus")
    assert team.senior.call("GET", f"/handoffs/{read['id']}")["claimed_by"] is None


def test_the_row_that_has_the_focus_is_never_covered(team: Team, service: Service, page_of: PageOf) -> None:
    shift.busy(team, service, rounds=1)
    page = page_of(team.senior, viewport={"width": 1280, "height": 500})
    live(page)
    covered = """() => {
      const box = (node) => node.getBoundingClientRect();
      const row = box(document.activeElement.closest('.card'));
      return row.top < box(document.querySelector('.list-head')).bottom || row.bottom > innerHeight;
    }"""
    for key in ("j",) * 15 + ("k",) * 12:
        page.keyboard.press(key)
        assert not page.evaluate(covered), page.evaluate("document.activeElement.textContent")


def test_after_a_gap_a_list_of_several_pages_is_whole_again(team: Team, page_of: PageOf, service: Service) -> None:
    for number in range(205):
        team.junior.hand_off(f"T-{number}")
    page = page_of(team.senior)
    live(page)
    expect(page.locator(".card")).to_have_count(205)
    page.evaluate("document.querySelector('.card').mark = 'the same node'")
    with environment(service.variables), maintenance() as session:
        feed.rotate_epoch(session)
    team.junior.hand_off("T-new", title="In the new epoch")
    expect(page.locator(".card .title", has_text="In the new epoch")).to_have_count(1)
    expect(page.locator(".card")).to_have_count(206)
    expect(page.locator(".card.leaving")).to_have_count(0)
    assert page.evaluate("document.querySelector('.card').mark") == "the same node"


def test_back_keeps_filter_selection_and_place(team: Team, service: Service, page_of: PageOf) -> None:
    shift.busy(team, service)
    page = page_of(team.senior, "/queue?priority=normal&sort=oldest", viewport={"width": 1100, "height": 700})
    live(page)
    row = page.locator(".card").nth(20)
    row.scroll_into_view_if_needed()
    place, title = page.evaluate("scrollY"), row.locator(".title").inner_text()
    assert place > 300
    row.locator(".title").click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    page.go_back()
    live(page)
    expect(page).to_have_url(re.compile("priority=normal&sort=oldest"))
    expect(page.locator(".card[aria-current] .title")).to_have_text(title)
    expect(page.locator(".card[aria-current] .title")).to_be_in_viewport()
    assert abs(page.evaluate("scrollY") - place) < 5


def test_a_claimed_case_never_leaves_its_claimers_sight(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready("T-1", title="In my hands")
    page = page_of(team.senior, "/queue?view=mine")
    live(page)
    expect(page.get_by_text("You have nothing in hand")).to_be_visible()
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    expect(page.locator(".card .title")).to_have_text(["In my hands"])
    theirs = page_of(team.junior, "/queue?view=handed_off")
    live(theirs)
    expect(theirs.locator(".card .note")).to_have_text(f"With {team.senior.name}")
    team.senior.call("POST", f"/handoffs/{handoff['id']}/resolve", {"resolution": "Done."})
    expect(page.locator(".card")).to_have_count(0)
    expect(theirs.locator(".card .note")).to_have_text(f"Resolved by {team.senior.name}")
    view(page, "Resolved")
    assert titles(page) == ["In my hands"]


def test_a_thousand_rows_scroll_without_a_long_task(team: Team, page_of: PageOf, browser: Browser) -> None:
    page = page_of(team.senior)
    live(page)
    assert page.evaluate(MANY, 1000) == 1000
    # Rows outside the window are not laid out: only some screenfuls have been rendered.
    assert 0 < page.evaluate(RENDERED) < 100
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    page.evaluate(SCROLL)
    longest = max(main_tasks_ms(json.loads(browser.stop_tracing())["traceEvents"]))
    assert longest < 50, f"a task took {longest} ms"


def main_tasks_ms(events: list[dict[str, Any]]) -> list[float]:
    """What each task of the page's main thread has computed, without what other processes took meanwhile."""
    threads = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks = [each for each in events if each["name"] == "RunTask" and (each["pid"], each["tid"]) in threads]
    return [each["tdur"] / 1000 for each in tasks if "tdur" in each]


RENDERED = """() => [...document.querySelectorAll('.card .title')]
  .filter((title) => title.checkVisibility({contentVisibilityAuto: true})).length"""
MANY = """async (count) => {
  const { src } = document.querySelector('script[src*="queue.js"]');
  const { append } = await import(src.replace('queue.js', 'list.js'));
  const card = (n) => ({id: `id-${n}`, priority: 'normal', status: 'ready', reason: 'why', ask: null,
    returns: 0, overdue: false, created_at: new Date().toISOString(), seq: n, target: null, claimed_by: null,
    handed_off_by: {id: 'x', name: 'Jo'}, assessment_state: 'succeeded',
    assessment: {summary: 'A summary. '.repeat(20), confidence: 'low', source: 'extractive'},
    session: {external_id: `T-${n}`, title: `Title ${n}`, problem: 'p', category: 'c', client: 'd', steps_count: 3}});
  append(Array.from({length: count}, (_, n) => card(n)), false);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return document.getElementById('rows').childElementCount;
}"""
# Down and up again, a screenful a frame.
SCROLL = """async () => {
  for (const by of [600, -600])
    for (let n = 0; n < 130; n += 1) {
      scrollBy(0, by);
      await new Promise(requestAnimationFrame);
    }
}"""
