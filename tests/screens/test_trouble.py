"""The live queue while something around it breaks, and its recovery."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from models import feed
from models.transaction import maintenance
from tests.conftest import environment
from tests.screens.service import Service, Team
from tests.screens.test_queue import hide, live, titles
from tests.stack import wait_for

PageOf = Callable[..., Page]
Open = Callable[..., BrowserContext]


@pytest.fixture
def mended(service: Service) -> Iterator[None]:
    """Whatever a test has stopped runs again for the next one."""
    yield
    if service.web.poll() is not None:
        service.start_web()


def test_a_restarted_server_is_told_and_nothing_is_missed(
    team: Team, page_of: PageOf, service: Service, mended: None
) -> None:
    team.junior.ready("T-1", title="Before")
    page = page_of(team.senior)
    live(page)
    service.stop_web()
    state = page.locator("#connection")
    expect(state).to_have_attribute("data-state", re.compile("reconnecting|stale"))
    expect(state).to_contain_text(re.compile(r"Reconnecting|Stale since"))
    expect(page.locator(".card .title")).to_have_text(["Before"])
    service.start_web()
    team.junior.ready("T-2", title="After")
    expect(page.locator(".card .title")).to_have_text(["Before", "After"])
    live(page)


def test_a_list_that_cannot_be_read_anew_says_so_and_is_by_itself_when_it_can(
    team: Team, page_of: PageOf, service: Service
) -> None:
    team.junior.ready("T-1", title="There before")
    page = page_of(team.senior)
    live(page)
    page.route("**/api/v1/handoffs?*", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, body=""))
    with environment(service.variables), maintenance() as session:
        feed.rotate_epoch(session)
    team.junior.hand_off("T-2", title="In the new epoch")
    expect(page.locator("#connection")).to_contain_text("Reconnecting")
    expect(page.locator(".card .title")).to_have_text(["There before"])
    page.unroute("**/api/v1/handoffs?*")
    expect(page.locator(".card .title")).to_have_text(["There before", "In the new epoch"])


def test_without_redis_the_queue_stays_live(team: Team, page_of: PageOf, service: Service) -> None:
    page = page_of(team.senior)
    live(page)
    service.redis.stop()
    try:
        team.junior.hand_off("T-1", title="Told by the database")
        expect(page.locator(".card .title")).to_have_text(["Told by the database"])
        live(page)
    finally:
        service.redis.start()
    expect(page.locator(".card")).to_contain_text("Confidence", timeout=60_000)


def test_offline_is_shown_and_what_happened_meanwhile_arrives_afterwards(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior)
    live(page)
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Offline, stale since")
    team.junior.hand_off("T-1", title="Meanwhile")
    page.context.set_offline(False)
    expect(page.locator(".card .title")).to_have_text(["Meanwhile"])
    live(page)


def test_a_feed_that_cannot_go_on_loads_the_snapshot_by_itself(team: Team, page_of: PageOf, service: Service) -> None:
    page = page_of(team.senior)
    live(page)
    page.evaluate("window.samePage = true")
    answers: list[int] = []
    page.on("response", lambda answer: answers.append(answer.status) if "/feed?" in answer.url else None)
    with environment(service.variables), maintenance() as session:
        feed.rotate_epoch(session)
    team.junior.hand_off("T-1", title="In the new epoch")
    expect(page.locator(".card .title")).to_have_text(["In the new epoch"])
    wait_for(lambda: page.evaluate("1") and answers and answers[-1] == 200, "polls that go on")
    assert 410 in answers
    assert page.evaluate("window.samePage") is True
    live(page)


def test_a_hidden_tab_polls_slowly_and_at_once_when_it_is_looked_at(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior, "about:blank")
    page.clock.install()
    page.goto("/queue")
    live(page)
    hide(page, True)
    polls: list[Request] = []
    page.on("request", lambda request: polls.append(request) if "/feed?" in request.url else None)
    page.clock.run_for(3_000)  # the poll that was waiting already
    wait_for(lambda: page.evaluate("1") and polls, "the poll that was waiting")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    polls.clear()
    page.clock.run_for(5_000)  # far from the 15 s of a hidden tab, because the clock also advances by itself
    assert page.evaluate("1")
    assert polls == []
    page.clock.pause_at(page.evaluate("Date.now() + 500"))  # no timer rings from here on
    wait_for(lambda: page.evaluate("1") and all(poll.response() for poll in polls), "no poll to be under way")
    polls.clear()
    hide(page, False)
    wait_for(lambda: page.evaluate("1") and polls, "a poll at once")


def test_the_wait_after_failures_doubles_from_one_to_thirty_seconds_with_jitter(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior)
    waits = page.evaluate(
        """async () => {
          const { backoff } = await import('/static/js/feed.js');
          return [1, 2, 3, 4, 5, 6, 60].map((failures) => [backoff(failures, 1), backoff(failures, 0)]);
        }"""
    )
    assert waits == [[0.5, 1], [1, 2], [2, 4], [4, 8], [8, 16], [15, 30], [15, 30]]


def test_the_seconds_to_the_next_try_count_down(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior)
    live(page)
    page.route("**/api/v1/feed*", lambda route: route.fulfill(status=503, headers={"Retry-After": "9"}, body=""))
    expect(page.locator("#connection")).to_have_text(re.compile(r"Reconnecting in [789] s"))
    expect(page.locator("#connection")).to_have_text(re.compile(r"Reconnecting in [3456] s"))


def test_a_list_that_is_no_longer_live_says_since_when_and_goes_on(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior, "about:blank")
    page.clock.install()
    page.goto("/queue")
    live(page)
    page.route("**/api/v1/feed*", lambda route: route.abort())
    state = page.locator("#connection")
    expect(state).to_contain_text("Reconnecting")
    # The text shows no seconds, and the last answer came before this line.
    before = page.evaluate("new Date(Date.now() - 120_000).toISOString()")
    page.clock.fast_forward(300_000)
    expect(state).to_have_text(re.compile(r"Stale since \d+:\d\d( [AP]M)?, next try in \d+ s"))
    since = page.evaluate(SAID_TIME, state.inner_text())
    assert before <= since <= page.evaluate("new Date(Date.now() - 240_000).toISOString()")
    expect(page.locator("#polite")).to_have_text("The list is no longer live.")
    page.unroute("**/api/v1/feed*")
    page.clock.fast_forward(30_000)
    live(page)


# The moment of today that a text names, to the minute.
SAID_TIME = """(text) => {
  const [clock] = text.match(/\\d+:\\d\\d( [AP]M)?/);
  return new Date(`${new Date().toDateString()} ${clock}`).toISOString();
}"""


def test_two_tabs_share_one_poller_and_the_other_takes_over_when_it_closes(team: Team, open_browser: Open) -> None:
    context = open_browser(team.senior)
    polls: list[Page] = []
    pages = [context.new_page(), context.new_page()]
    for page in pages:
        page.goto("/queue")
        live(page)
    context.on("request", lambda request: polls.append(request.frame.page) if "/feed?" in request.url else None)
    team.junior.hand_off("T-1", title="For both")
    for page in pages:
        expect(page.locator(".card .title")).to_have_text(["For both"])
    wait_for(lambda: pages[0].evaluate("1") and len(polls) >= 3, "three polls")
    assert set(polls) == {pages[0]}
    pages[0].close()
    team.junior.hand_off("T-2", title="For the one that stays")
    expect(pages[1].locator(".card .title")).to_have_text(["For both", "For the one that stays"])
    assert polls[-1] == pages[1]


def test_a_hidden_tab_hands_the_polling_over_to_one_that_is_looked_at(team: Team, open_browser: Open) -> None:
    context = open_browser(team.senior)
    first, second = context.new_page(), context.new_page()
    for page in (first, second):
        page.goto("/queue")
        live(page)
    polls: list[Page] = []
    context.on("request", lambda request: polls.append(request.frame.page) if "/feed?" in request.url else None)
    hide(first, True)
    wait_for(lambda: first.evaluate("1") and second in polls, "the visible tab to poll")
    team.junior.hand_off("T-1", title="Still told")
    for page in (first, second):
        expect(page.locator(".card .title")).to_have_text(["Still told"])
    assert titles(first) == titles(second)
