"""Screenshots of every screen, in light, dark and on a narrow phone, kept in build/screens/ to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.screens import scene
from tests.screens.conftest import build_folder
from tests.screens.service import Somebody, Team
from tests.screens.test_queue import live

MODES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}

Open = Callable[..., BrowserContext]


def shots(page: Page, shown: dict[str, Any], team: Team) -> Iterator[str]:
    """Go through the screens, stopping at each with its name."""
    page.goto("/queue")
    live(page)
    yield "queue"
    page.goto(f"/handoffs/{shown['id']}")
    expect(page.get_by_role("heading", name="Likely cause")).to_be_visible()
    live(page)
    yield "context"


@pytest.mark.parametrize("mode", MODES)
def test_every_screen_fits_and_is_kept_as_a_picture(mode: str, team: Team, open_browser: Open) -> None:
    shown = scene.working_day(team)
    page = open_browser(team.admin, **MODES[mode]).new_page()
    for name in shots(page, shown, team):
        page.screenshot(path=build_folder() / f"{name}-{mode}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} scrolls sideways by {wide} px"
