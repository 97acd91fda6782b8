"""Screenshots of every screen, in light, dark and on a narrow phone, written to build/screens/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.screens import scene
from tests.screens.account_pages import account_pages
from tests.screens.conftest import build_folder
from tests.screens.service import Service, Team
from tests.screens.test_queue import live
from tests.stack import wait_for

MODES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {
        "color_scheme": "light",
        "viewport": {"width": 360, "height": 740},
        "has_touch": True,
        "is_mobile": True,
    },
}

Open = Callable[..., BrowserContext]


def shots(page: Page, shown: dict[str, Any], team: Team, service: Service) -> Iterator[str]:
    """Go through the screens, stopping at each with its name."""
    page.goto("/queue")
    live(page)
    new = team.junior.ready("DEMO-1007", title="Label printer prints blank", category="Printing", priority="high")
    expect(page.locator(".card", has_text="Label printer")).to_contain_text("Confidence")
    yield "queue"
    page.get_by_label("Search").fill("nothing like this")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    yield "queue-empty"
    page.goto(f"/handoffs/{shown['id']}")
    expect(page.get_by_role("heading", name="Likely cause")).to_be_visible()
    live(page)
    yield "context"
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("heading", name="Your move")).to_be_visible()
    yield "session"
    page.goto("/handoffs/new")
    expect(page.get_by_text("You have not handed anything off yet.")).to_be_visible()
    yield "hand-off"
    page.get_by_role("button", name="Hand it off").click()
    expect(page.get_by_role("alert")).to_contain_text("Title")
    yield "hand-off-errors"
    page.goto("/batches")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("#estimate")).to_contain_text("would be assessed again")
    page.locator("#estimate button").click()
    expect(page.locator(".batch")).to_contain_text("Completed")
    yield "batches"
    scene.past_weeks(service, team)
    page.goto("/analytics")
    expect(page.locator(".plot polyline").first).to_be_attached()
    yield "analytics"
    yield from account_pages(page, team)
    page.goto(f"/handoffs/{new['id']}/nowhere")
    yield "nothing-here"


@contextmanager
def whole(page: Page) -> Iterator[None]:
    """Make the window as high as the page, so that what sticks to its edges stays put."""
    size = page.viewport_size or {"width": 1280, "height": 900}
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    yield
    page.set_viewport_size(size)


def keep(page: Page, name: str, mode: str) -> None:
    """Keep a picture of the whole page."""
    with whole(page):
        # Not wait_for_function: what it looks at a second time it evaluates in the page, which the page forbids.
        wait_for(lambda: page.evaluate("[...document.images].every((image) => image.complete)"), "every image")
        page.screenshot(path=build_folder() / f"{name}-{mode}.png", animations="disabled")


def fits(page: Page, name: str) -> None:
    """Nothing makes the page scroll sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} scrolls sideways by {wide} px"


@pytest.mark.parametrize("mode", MODES)
def test_every_screen_fits_and_is_kept_as_a_picture(
    mode: str, team: Team, service: Service, open_browser: Open
) -> None:
    shown = scene.working_day(team)
    page = open_browser(None, **MODES[mode]).new_page()
    page.goto("/queue")
    page.get_by_label("Token").fill(team.senior.token + "x")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
    keep(page, "sign-in", mode)
    page.get_by_label("Token").fill(team.admin.token)
    page.get_by_role("button", name="Sign in").click()
    for name in shots(page, shown, team, service):
        keep(page, name, mode)
        fits(page, name)
