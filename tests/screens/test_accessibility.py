"""No axe violation on any screen, in light and dark; and what axe cannot see: focus, targets, landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.screens import scene
from tests.screens.account_pages import account_pages
from tests.screens.service import Team
from tests.screens.test_looks import whole
from tests.screens.test_queue import live

Open = Callable[..., BrowserContext]

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}

ANIMATIONS_ENDED = """() => Promise.allSettled(document.getAnimations()
  .filter((animation) => animation.effect.getTiming().iterations !== Infinity)
  .map((animation) => animation.finished))"""

UNFOLD = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


def screens(page: Page, shown: dict[str, Any], team: Team) -> Iterator[str]:
    """Go through the screens and their states, stopping at each with its name."""
    page.goto("/sign-in?ended=1&next=/queue")
    yield "sign-in"
    page.get_by_label("Token").fill("rf_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    yield "sign-in, refused"
    page.get_by_label("Token").fill(team.admin.token)
    page.get_by_role("button", name="Sign in").click()
    live(page)
    team.junior.ready("AXE-1", title="Just in")
    expect(page.locator(".card", has_text="Just in")).to_contain_text("Confidence")
    yield "queue"
    page.get_by_role("link", name="Just in").click()
    expect(page.locator("#context h3").first).to_be_visible()
    page.get_by_role("link", name="Copier").hover()
    team.junior.hand_off("AXE-2", title="Later and urgent", priority="urgent")
    expect(page.locator("#pill")).to_have_text("1 new · 1 urgent")
    yield "queue, with the context of one and a new one"
    page.keyboard.press("?")
    yield "help"
    page.keyboard.press("Escape")
    page.get_by_label("Search").fill("firmware")
    expect(page.locator("mark").first).to_be_visible()
    yield "queue, found"
    page.get_by_label("Search").fill("nothing like this")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    yield "queue, nothing matches"
    page.goto(f"/handoffs/{shown['id']}")
    expect(page.get_by_role("heading", name="Likely cause")).to_be_visible()
    live(page)
    page.locator("#problem").get_by_role("link", name="Step 3").click()
    yield "context"
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    page.evaluate(UNFOLD)
    yield "session"
    page.goto("/handoffs/new")
    page.get_by_role("button", name="Hand it off").click()
    expect(page.get_by_role("alert")).to_be_visible()
    yield "hand-off"
    page.goto("/analytics")
    expect(page.get_by_role("heading", name="Volume")).to_be_visible()
    page.evaluate(UNFOLD)
    yield "analytics"
    page.goto("/batches")
    page.get_by_role("button", name="See what it would do").click()
    page.locator("#estimate button").click()
    expect(page.locator(".batch")).to_be_visible()
    yield "batches"
    yield from account_pages(page, team)
    page.goto("/nowhere")
    yield "nothing here"


# In the dark only the colours differ.
DARK_RULES = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}


@pytest.mark.parametrize(("scheme", "rules"), [("light", RULES), ("dark", DARK_RULES)])
def test_no_screen_has_an_axe_violation(scheme: Any, rules: Any, team: Team, open_browser: Open) -> None:
    shown = scene.working_day(team)
    page = open_browser(None, color_scheme=scheme, reduced_motion="reduce").new_page()
    found = {}
    for name in screens(page, shown, team):
        page.evaluate(ANIMATIONS_ENDED)  # half faded in, nothing has contrast
        with whole(page):  # what sticks to the edge of a window covers parts of what is below it
            violations = Axe().run(page, options=rules).response["violations"]
        if violations:
            found[name] = [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations]
    assert found == {}


def test_everything_to_press_is_44_pixels_high_on_a_phone(team: Team, open_browser: Open) -> None:
    shown = scene.copier(team)
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = open_browser(team.admin, **phone).new_page()
    for path in (
        "/queue",
        f"/handoffs/{shown['id']}",
        "/handoffs/new",
        "/analytics",
        "/batches",
        "/people",
        "/settings",
    ):
        page.goto(path)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert page.evaluate(SMALL) == [], path


SMALL = """() => [...document.querySelectorAll(
    'main button, .top a, .top button, select, input, textarea, .button, summary, .chip')]
  .filter((node) => node.checkVisibility() && !['checkbox', 'radio', 'hidden'].includes(node.type))
  .map((node) => [node.outerHTML.slice(0, 80), node.getBoundingClientRect()])
  .filter(([, box]) => box.height < 43.5 || box.width < 43.5)
  .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""


def test_a_handoff_is_worked_from_queue_to_resolution_with_the_keyboard_alone(team: Team, open_browser: Open) -> None:
    scene.copier(team)
    page = open_browser(None).new_page()
    page.goto("/queue")
    expect(page.get_by_label("Token")).to_be_focused()  # what is typed before would be lost
    page.keyboard.type(team.senior.token)
    page.keyboard.press("Enter")
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#context h2")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()
    tab_to(page, "Take it")
    page.keyboard.press("Enter")
    expect(page.locator("#heading")).to_be_focused()
    tab_to(page, "What you did or saw")
    page.keyboard.type("Set TLS 1.2.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#step-6")).to_contain_text("Set TLS 1.2.")
    tab_to(page, "Resolve", backwards=True)
    page.keyboard.press("Enter")
    expect(page.get_by_label("What fixed it")).to_be_focused()
    page.keyboard.type("TLS 1.2")
    tab_to(page, "Resolve it")
    page.keyboard.press("Enter")
    expect(page.locator("#start")).to_contain_text("Resolved")


def tab_to(page: Page, name: str, *, backwards: bool = False) -> None:
    """Press Tab until the control with this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if page.evaluate("(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()") == name:
            return
    raise AssertionError(f"Tab does not lead to {name!r}")
