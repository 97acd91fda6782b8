"""The page of a handoff as a tool: first paint, order, long sessions, texts of IT, words that are never lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.screens import scene
from tests.screens.conftest import build_folder
from tests.screens.service import Team
from tests.screens.test_accessibility import RULES
from tests.screens.test_looks import MODES, fits, keep, whole
from tests.screens.test_queue import hide, live
from tests.stack import wait_for

PageOf = Callable[..., Page]
Open = Callable[..., BrowserContext]

LOG = "\n".join(f"2026-03-0{day} 10:00:0{day} ERROR relay refused TLS 1.0 from CP-1F" for day in range(1, 9))
CODE = "Ran this:\n```powershell\nGet-Service Spooler\n  Restart-Service Spooler\n```\nNo change."
LINK = "See https://kb.example.com/tls?id=7. Not http://kb.example.com@evil.example/x or javascript:alert(1)."


def long_session(team: Team, steps: int = 200) -> dict[str, Any]:
    """A handoff with many steps, some of them long, some with logs."""
    outcomes = ("failed", "worked", None, "partial")
    texts = [f"Step of the long night, number {number}: nothing to see." for number in range(1, steps + 1)]
    texts[3], texts[4], texts[5] = LOG, CODE, LINK
    texts[-2] = "word " * 1600
    return team.junior.ready(
        "LONG-1",
        title="The night of the long outage",
        problem="Everything was down. " * 60,
        client="Northwind Clinic",
        priority="urgent",
        ask="Find out what began it.",
        steps=[
            {"kind": "action", "text": text, "outcome": outcomes[number % 4], "author": "Jo"}
            for number, text in enumerate(texts)
        ],
    )


def opened(page_of: PageOf, somebody: object, handoff: dict[str, Any], place: str = "", **options: Any) -> Page:
    page = page_of(somebody, f"/handoffs/{handoff['id']}{place}", **options)
    live(page)
    return page


def test_everything_can_be_read_with_scripts_off(team: Team, page_of: PageOf) -> None:
    scene.past_case(team)
    handoff = scene.copier(team)
    page = page_of(team.senior, f"/handoffs/{handoff['id']}", java_script_enabled=False)
    expect(page.get_by_role("heading", level=1)).to_have_text(handoff["session"]["title"])
    expect(page.locator("#assessment")).to_contain_text("Likely cause")
    expect(page.locator(".step")).to_have_count(5)
    expect(page.locator("#step-5")).to_be_visible()
    expect(page.locator("#problem")).to_contain_text("Please tell me whether this is the relay or the copier.")
    assert page.locator("main button:visible").count() == 0  # a button that does nothing would be a lie


def test_no_request_but_the_feed_follows_the_page(team: Team, page_of: PageOf) -> None:
    page = opened(page_of, team.senior, scene.copier(team))
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.resource_type in ("fetch", "xhr") else None)
    page.reload()
    live(page)
    assert {"/api/v1/feed" in request.url for request in asked} == {True}


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (360, 740)])
def test_the_order_is_header_move_summary_assessment_session(
    size: tuple[int, int], team: Team, page_of: PageOf
) -> None:
    handoff = long_session(team, 30)
    page = opened(page_of, team.senior, handoff, viewport={"width": size[0], "height": size[1]})
    parts = ["#case-head", "#start", "#problem", "#assessment", "#tried"]
    tops = [page.locator(part).evaluate("(node) => node.getBoundingClientRect().top + scrollY") for part in parts]
    assert tops[:3] == sorted(tops[:3])
    assert tops[3] < tops[4]
    order = page.evaluate("(parts) => parts.map((part) => [...document.querySelectorAll('*')].indexOf("
                          "document.querySelector(part)))", parts)  # fmt: skip
    assert order == sorted(order)
    expect(page.get_by_role("button", name="Take it")).to_be_in_viewport(ratio=1)


def test_a_long_session_needs_no_scrolling_to_act_and_is_folded(team: Team, page_of: PageOf) -> None:
    handoff = long_session(team)
    page = opened(page_of, team.senior, handoff, viewport={"width": 1280, "height": 720})
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    for part in (0, 0.3, 1):
        page.evaluate("(part) => scrollTo(0, part * document.documentElement.scrollHeight)", part)
        for name in ("Resolve", "Give to…", "Put back", "Add step"):
            expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)
        expect(page.get_by_label("What you did or saw")).to_be_in_viewport(ratio=1)
    shown = {int(id.removeprefix("step-")) for id in page.evaluate(SHOWN)}
    assert {1, *range(191, 201)} <= shown
    cited = set(page.evaluate(CITED))
    assert cited <= shown
    kept = {1, *range(191, 201), *cited}
    # Three steps between two that are open are not worth a fold.
    assert all(kept & {*range(step - 3, step + 4)} for step in shown)
    assert 100 not in shown


SHOWN = "[...document.querySelectorAll('.step')].filter((step) => step.checkVisibility()).map((step) => step.id)"
CITED = """[...document.querySelectorAll('#problem .chip[href^="#step-"], #assessment .chip[href^="#step-"]')]
  .map((chip) => Number(chip.hash.slice(6)))"""


def test_an_address_with_a_step_goes_there_and_unfolds_it(team: Team, page_of: PageOf) -> None:
    page = opened(page_of, team.senior, long_session(team), "#step-40", viewport={"width": 1280, "height": 720})
    expect(page.locator("#step-40")).to_be_in_viewport(ratio=1)
    expect(page.locator("#step-40")).to_be_focused()
    expect(page.locator("#step-40")).to_have_class(re.compile("pointed"))


def test_filters_show_what_failed_or_what_people_did(team: Team, page_of: PageOf) -> None:
    handoff = long_session(team)
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    team.senior.call("POST", f"/handoffs/{handoff['id']}/release", {"reason": "Night shift is over."})
    page = opened(page_of, team.senior2, handoff)
    page.get_by_label("Failed only").check()
    assert len(page.evaluate(SHOWN)) == 50
    expect(page.locator(".move:visible")).to_have_count(0)
    page.get_by_label("People's moves only").check()
    assert page.evaluate(SHOWN) == []
    moves = page.locator(".move:visible")
    expect(moves).to_have_count(3)
    expect(moves.nth(0)).to_contain_text("handed it off")
    expect(moves.nth(2)).to_contain_text("put it back into the queue")
    expect(moves.nth(2)).to_contain_text("Night shift is over.")


@pytest.mark.parametrize("size", [(1280, 720), (360, 740)])
def test_nothing_that_has_the_focus_is_ever_covered(size: tuple[int, int], team: Team, page_of: PageOf) -> None:
    handoff = long_session(team)
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    page = opened(page_of, team.senior, handoff, viewport={"width": size[0], "height": size[1]})
    page.get_by_label("Failed only").check()  # and so everything is unfolded
    covered = []
    walked = 0
    for key in ("Tab", "Shift+Tab"):
        for _ in range(400):
            page.keyboard.press(key)
            found = page.evaluate(COVERED)
            if found is None:
                break
            walked += 1
            covered += found
    assert walked > 40
    assert covered == []


# What covers the focused element, by a bar that does not hold it; null at the end of the page.
COVERED = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const box = node.getBoundingClientRect();
  return ['start', 'add'].map((id) => document.getElementById(id)).filter((bar) => bar && !bar.contains(node))
    .filter((bar) => {
      const over = bar.getBoundingClientRect();
      return over.height && box.top < over.bottom - 1 && box.bottom > over.top + 1;
    })
    .map((bar) => `${bar.id} covers ${node.outerHTML.slice(0, 80)}`);
}"""


def test_no_sentence_stands_twice_in_what_is_read_first(team: Team, page_of: PageOf) -> None:
    scene.past_case(team)
    page = opened(page_of, team.senior, scene.copier(team))
    text = " ".join(page.locator(part).inner_text() for part in ("#case-head", "#start", "#problem", "#assessment"))
    sentences = [each.strip() for each in re.split(r"(?<=[.!?])\s+|\n", text) if len(each.strip()) > 25]
    assert sorted(set(sentences)) == sorted(sentences)
    for once in ("I have run out of ideas", "Please tell me whether", "Everybody on the first floor"):
        assert page.locator("main").inner_text().count(once) == 1


def test_the_summary_has_four_lines_that_say_what_they_rest_on(team: Team, page_of: PageOf) -> None:
    page = opened(page_of, team.senior, scene.copier(team))
    expect(page.locator("#problem dt")).to_have_text(["Problem", "Tried and failed", "State now", "Needed"])
    expect(page.locator(".line-problem .cite")).to_have_text("As it was reported")
    expect(page.locator(".line-tried .chip")).to_have_text(["Step 3", "Step 5"])
    expect(page.locator(".line-state .chip").first).to_contain_text("Step")
    expect(page.locator(".line-ask .cite")).to_have_text(f"Asked by {team.junior.name}")


def test_logs_code_and_links_are_shown_as_such_and_nothing_else_is_marked_up(team: Team, page_of: PageOf) -> None:
    handoff = long_session(team, 12)
    page = opened(page_of, team.senior, handoff)
    log = page.locator("#step-4 .log pre")
    expect(log).to_have_text(LOG)
    assert log.evaluate("(node) => getComputedStyle(node).whiteSpace") == "pre-wrap"
    expect(page.locator("#step-5 .code pre")).to_have_text("Get-Service Spooler\n  Restart-Service Spooler")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#step-5").get_by_role("button", name="Copy").click()
    expect(page.locator("#step-5").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Get-Service Spooler\n  Restart-Service Spooler"
    link = page.locator("#step-6 a")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "https://kb.example.com/tls?id=7")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(page.locator("#step-6 .host")).to_have_text(" (kb.example.com)")


def test_a_long_text_is_folded_and_shown_in_full_without_a_scroller_inside(team: Team, page_of: PageOf) -> None:
    page = opened(page_of, team.senior, long_session(team, 12))
    step = page.locator("#step-11")
    folded = step.evaluate("(node) => node.clientHeight")
    step.get_by_role("button", name="Show all of it").click()
    assert folded < 350 < step.evaluate("(node) => node.clientHeight")
    assert page.evaluate(SCROLLERS) == []


SCROLLERS = """[...document.querySelectorAll('#context *')].filter((node) => node.scrollHeight > node.clientHeight + 1
  && ['auto', 'scroll'].includes(getComputedStyle(node).overflowY)).map((node) => node.className)"""


def test_a_reassignment_to_me_opens_with_who_why_and_when(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    to_me = {"user_id": team.senior2.id, "reason": "You know this printer."}
    team.senior.call("POST", f"/handoffs/{handoff['id']}/reassign", to_me)
    page = opened(page_of, team.senior2, handoff)
    given = page.locator("#given")
    expect(given).to_contain_text(f"{team.senior.name} gave it to you")
    expect(given).to_contain_text("You know this printer.")
    assert page.locator("main").inner_text().count("You know this printer.") == 1
    page.get_by_label("What you did or saw").fill("Looked at it.")
    page.get_by_role("button", name="Add step").click()
    expect(given).to_have_count(0)
    expect(page.locator("#tried")).to_contain_text("You know this printer.")


def test_feedback_goes_as_one_is_shown_as_given_and_can_be_changed(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()
    page = opened(page_of, team.senior, handoff)
    page.get_by_label("Incomplete").check()
    page.get_by_label("What was wrong or missing").fill("It missed the driver.")
    with page.expect_request("**/feedback") as sent:
        page.get_by_role("button", name="Send").click()
    assert sent.value.post_data_json == {"rating": "incomplete", "comment": "It missed the driver."}
    said = page.locator(".given")
    expect(said).to_have_text("You said: Incomplete. It missed the driver.")
    page.reload()
    expect(said).to_have_text("You said: Incomplete. It missed the driver.")
    page.get_by_text("Change it").click()
    expect(page.get_by_label("Incomplete")).to_be_checked()
    page.get_by_label("Helpful").check()
    page.get_by_label("What was wrong or missing").fill("")
    page.get_by_role("button", name="Send").click()
    expect(said).to_have_text("You said: Helpful.")


def test_what_is_being_written_stays_when_the_claim_is_gone_and_can_still_be_added(
    team: Team, page_of: PageOf
) -> None:
    handoff = team.junior.ready()
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    page = opened(page_of, team.senior, handoff)
    page.get_by_label("What you did or saw").fill("Half a sentence")
    team.admin.call("POST", f"/handoffs/{handoff['id']}/release", {"reason": "Away."})
    stranded = page.locator("#add .stranded")
    expect(stranded).to_contain_text(f"{team.admin.name} put it back into the queue")
    expect(page.get_by_label("What you did or saw")).to_have_value("Half a sentence")
    stranded.get_by_role("button", name="Take it again and add this step").click()
    expect(page.locator("#step-3")).to_contain_text("Half a sentence")
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    expect(stranded).to_have_count(0)
    expect(page.get_by_label("What you did or saw")).to_have_value("")


def test_times_are_those_of_the_readers_clock(team: Team, page_of: PageOf) -> None:
    handoff = scene.copier(team)
    page = opened(page_of, team.senior, handoff, timezone_id="Pacific/Kiritimati")
    time = page.locator("#step-1 time")
    shown = "(node) => new Date(node.dateTime).toLocaleTimeString('en-GB', {timeStyle: 'short'})"
    expect(time).to_have_text(str(time.evaluate(shown)))


@pytest.mark.parametrize("mode", MODES)
def test_long_texts_and_long_sessions_have_no_axe_violation_and_fit(
    mode: str, team: Team, open_browser: Open
) -> None:
    handoff = long_session(team)
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    question = {"kind": "question", "text": "Is it back?", "to_user_id": team.senior.id}
    team.junior.call("POST", "/sessions/LONG-1/steps", question)
    page = open_browser(team.senior, reduced_motion="reduce", **MODES[mode]).new_page()
    page.goto(f"/handoffs/{handoff['id']}")
    live(page)
    page.screenshot(path=build_folder() / f"long-top-{mode}.png")
    fits(page, "long")
    keep(page, "long", mode)
    page.get_by_label("Failed only").check()
    page.get_by_label("Failed only").uncheck()
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.get_by_role("button", name="Resolve").click()
    with whole(page):
        violations = Axe().run(page, options=RULES).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in violations] == []
    page.screenshot(path=build_folder() / f"long-resolve-{mode}.png")
    fits(page, "long, unfolded")


def test_opening_it_reads_it_and_what_comes_while_nobody_looks_does_not(team: Team, page_of: PageOf) -> None:
    handoff = team.junior.ready()

    def unread(somebody: Any) -> bool:
        rows = somebody.call("GET", "/handoffs")["items"]
        return bool(next(row["unread"] for row in rows if row["id"] == handoff["id"]))

    assert unread(team.senior2)
    page = opened(page_of, team.senior2, handoff)
    assert not unread(team.senior2)
    hide(page, True)
    team.senior.call("POST", f"/handoffs/{handoff['id']}/claim")
    team.senior.call("POST", f"/handoffs/{handoff['id']}/reassign", {"user_id": team.senior2.id})
    expect(page.locator("#given")).to_be_visible()
    assert unread(team.senior2)
    hide(page, False)
    wait_for(lambda: page.evaluate("1") and not unread(team.senior2), "it to be read")
