"""Urgent is said as urgent, and what is meant for somebody reaches them, whichever page they are on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.screens.service import Team
from tests.screens.test_queue import hide, live
from tests.stack import wait_for

PageOf = Callable[..., Page]
Open = Callable[..., BrowserContext]


def tally(page: Page, name: str) -> str:
    """What the views say beside a name."""
    link = page.get_by_role("navigation", name="Views").get_by_role("link", name=name)
    return re.sub(r"\s+", " ", link.inner_text()).strip()


def test_views_menu_and_title_count_what_is_urgent_and_for_me_and_stay_fresh(team: Team, page_of: PageOf) -> None:
    team.junior.ready("T-1", priority="urgent")
    team.junior.ready("T-2", target_user_id=team.senior.id)
    taken = team.junior.ready("T-3")
    team.senior.call("POST", f"/handoffs/{taken['id']}/claim")
    page = page_of(team.senior)
    expect(page).to_have_title("1 urgent · 1 for me · Queue · Escalation")
    expect(page.locator("#tallies a")).to_have_text(["1 urgent", "1 for me"])
    assert tally(page, "Waiting") == "Waiting 1 urgent 2"
    assert [tally(page, name) for name in ("For me", "Mine", "I handed off", "Resolved", "All")] == [
        "For me 1",
        "Mine 1",
        "I handed off 0",
        "Resolved 0",
        "All",
    ]
    live(page)
    team.junior.hand_off("T-4", priority="urgent", target_user_id=team.senior.id)
    expect(page).to_have_title("2 urgent · 2 for me · Queue · Escalation")
    expect(page.locator("#tallies a")).to_have_text(["2 urgent", "2 for me"])
    wait_for(lambda: tally(page, "Waiting") == "Waiting 2 urgent 3", "the count of the view")
    page.locator("#tallies a", has_text="for me").click()
    expect(page).to_have_url(re.compile("view=for_me"))
    expect(page.locator(".card")).to_have_count(2)


def test_every_page_counts_and_tells_what_is_urgent_or_for_me_as_it_arrives(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready("T-1", title="Being read")
    for number, path in enumerate((f"/handoffs/{handoff['id']}", "/handoffs/new", "/analytics", "/batches")):
        page = page_of(team.admin, path)
        expect(page).to_have_title(re.compile("^(?!.*urgent)" if number == 0 else f"^{number} urgent · "))
        wait_for(lambda page=page: page.evaluate(FOLLOWS), "the page to follow the feed")
        team.junior.hand_off(f"T-1{number}", title="Not for a toast")
        team.junior.hand_off(f"T-2{number}", title=f"Down {number}", priority="urgent")
        toast = page.locator(".toast")
        expect(toast).to_have_count(1)
        expect(toast).to_contain_text(f"New urgent handoff: Down {number}")
        expect(page).to_have_title(re.compile(f"^{number + 1} urgent · "))
        expect(page.locator("#tallies a")).to_have_text([f"{number + 1} urgent"])
        toast.get_by_role("button", name="Dismiss").click()
        expect(toast).to_have_count(0)
        page.context.close()


# Once it has asked for the feed, nothing is missed any more.
FOLLOWS = "performance.getEntriesByType('resource').some((each) => each.name.includes('/feed?limit='))"


def test_what_is_reassigned_to_me_is_told_and_for_me_until_i_open_it(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready("T-1", title="Given to you")
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/claim")
    page = page_of(team.senior, "/analytics")
    wait_for(lambda: page.evaluate(FOLLOWS), "the page to follow the feed")
    body = {"user_id": team.senior.id, "reason": "You know the relay."}
    team.senior2.call("POST", f"/handoffs/{handoff['id']}/reassign", body)
    expect(page.locator(".toast")).to_contain_text("New handoff for you: Given to you")
    expect(page).to_have_title(re.compile("^1 for me · "))
    page.locator(".toast").get_by_role("link", name="Open").click()
    expect(page).to_have_url(re.compile(handoff["id"]))
    expect(page).to_have_title(re.compile("^(?!.*for me)"))
    page.goto("/queue?view=for_me")
    expect(page.locator(".card")).to_have_count(0)


def test_a_burst_names_the_urgent_one(team: Team, page_of: PageOf) -> None:
    said = page_of(team.senior).evaluate(
        """async () => {
          const { src } = document.querySelector('script[src*="queue.js"]');
          const { summary } = await import(src.replace('queue.js', 'announce.js'));
          const me = {id: document.body.dataset.user}, jo = {id: 'jo'};
          const card = (title, priority = 'normal', target = null) =>
            ({status: 'ready', priority, target, handed_off_by: jo, session: {title}});
          const many = Array.from({length: 5}, (_, n) => card(`Of many ${n}`));
          return [[card('A')], [card('B', 'urgent')], [card('C', 'high', me)], [card('D', 'urgent', me)], many,
            [...many, card('VPN', 'urgent'), card('Mine', 'low', me)], [...many, card('Mine', 'low', me)],
          ].map(summary);
        }"""
    )
    assert said == [
        "New handoff: A",
        "New urgent handoff: B",
        "New handoff for you: C",
        "New urgent handoff for you: D",
        "5 new handoffs",
        "7 new, 1 urgent, 1 for you: VPN",
        "6 new, 1 for you: Mine",
    ]


# The browser's own ways of being heard, noted instead of shown and played.
BROWSER = """
  window.shown = [];
  window.played = 0;
  window.Notification = class {
    static permission = 'default';
    static async requestPermission() { return (Notification.permission = window.mayNotify ? 'granted' : 'denied'); }
    constructor(title, options) { window.shown.push(options.body); }
  };
  const { start } = AudioScheduledSourceNode.prototype;
  OscillatorNode.prototype.start = function (when) { window.played += 1; start.call(this, when); };
"""


def wish(page: Page, *names: str) -> None:
    """Choose alerts in the dialog."""
    page.keyboard.press("?")
    for name in names:
        page.get_by_label(name).check()
    page.get_by_role("button", name="Close").click()


def test_who_wishes_it_is_notified_and_hears_it_while_no_tab_is_looked_at_and_once(
    team: Team, open_browser: Open
) -> None:
    context = open_browser(team.senior)
    context.add_init_script(f"window.mayNotify = true; {BROWSER}")
    pages = [context.new_page(), context.new_page()]
    for page in pages:
        page.goto("/queue")
        live(page)
    wish(pages[0], "Show a notification", "Play a short sound")
    for page in pages:
        page.reload()
        live(page)
        page.evaluate("Notification.permission = 'granted'; window.played = 0")
    team.junior.hand_off("T-1", title="While looking", priority="urgent")
    for page in pages:
        expect(page.locator(".card")).to_have_count(1)
    for page in pages:
        hide(page, True)
    team.junior.hand_off("T-2", title="Nothing special")
    team.junior.hand_off("T-3", title="While away", priority="urgent")

    def heard() -> list[str]:
        return [each for page in pages for each in page.evaluate("window.shown")]

    wait_for(lambda: heard(), "the notification", seconds=60)
    for page in pages:
        expect(page.locator(".card")).to_have_count(3)
    assert heard() == ["New urgent handoff: While away"]
    assert sum(page.evaluate("window.played") for page in pages) == 2  # two notes, by one tab


def test_a_question_to_me_is_heard_too(team: Team, open_browser: Open) -> None:
    made = team.junior.ready("T-1")
    team.senior.call("POST", f"/handoffs/{made['id']}/claim")
    context = open_browser(team.junior)
    context.add_init_script(f"window.mayNotify = true; {BROWSER}")
    page = context.new_page()
    page.goto("/queue")
    live(page)
    wish(page, "Show a notification")
    hide(page, True)
    question = {"kind": "question", "text": "Which port?", "to_user_id": team.junior.id}
    team.senior.call("POST", "/sessions/T-1/steps", question)
    wait_for(lambda: page.evaluate("window.shown"), "the notification", seconds=60)
    assert page.evaluate("window.shown") == [f"{team.senior.name} asks: Which port?"]


def test_nobody_is_notified_unasked_and_a_refusal_is_said(team: Team, open_browser: Open) -> None:
    context = open_browser(team.senior)
    context.add_init_script(BROWSER)
    page = context.new_page()
    page.goto("/queue")
    live(page)
    hide(page, True)
    team.junior.hand_off("T-1", priority="urgent")
    expect(page.locator(".card")).to_have_count(1, timeout=60_000)
    hide(page, False)
    assert page.evaluate("[window.shown, window.played]") == [[], 0]
    page.keyboard.press("?")
    page.get_by_label("Show a notification").click()
    expect(page.get_by_text("Your browser does not allow notifications")).to_be_visible()
    expect(page.get_by_label("Show a notification")).not_to_be_checked()


@pytest.mark.parametrize("path", ["/queue", "/handoffs/new", "/analytics"])
def test_keys_work_on_every_page(path: str, team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior, path)
    page.wait_for_load_state("networkidle") if path != "/queue" else live(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("q")
    live(page)
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()


def test_ctrl_enter_sends_what_is_being_written_and_enter_alone_does_not(team: Team, page_of: PageOf) -> None:
    page = page_of(team.senior, "/queue")
    live(page)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/handoffs?" in request.url else None)
    page.evaluate(
        """() => {
          const form = document.createElement('form');
          form.append(Object.assign(document.createElement('textarea'), {required: true, ariaLabel: 'Words'}));
          form.addEventListener('submit', (event) => {
            event.preventDefault();
            window.sent = (window.sent ?? 0) + 1;
          });
          document.querySelector('main').prepend(form);
        }"""
    )
    page.get_by_label("Words").fill("Some")
    page.keyboard.press("Enter")
    assert page.evaluate("window.sent") is None
    page.keyboard.press("Control+Enter")
    assert page.evaluate("window.sent") == 1
    assert asked == []
