"""Hostile ticket text does nothing, on any screen."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.screens.service import Team
from tests.screens.test_looks import fits
from tests.screens.test_queue import live

PageOf = Callable[..., Page]

ATTACK = "<script>window.hit=1</script><img src=x onerror='window.hit=2'><svg onload=window.hit=3>"
RIGHT_TO_LEFT = "\u202e\u05e9\u05dc\u05d5\u05dd gnp.exe \u2067\u0645\u0631\u062d\u0628\u0627\u2069"
WORD = "W" * 8000
TEMPLATE = "{{ 7 * 7 }}{% raw %}${7*7}"


def test_markup_endless_words_and_turned_text_are_shown_as_text(team: Team, page_of: PageOf) -> None:
    steps = [
        {"kind": "action", "text": text, "outcome": "failed"} for text in (ATTACK, WORD, RIGHT_TO_LEFT, TEMPLATE)
    ]
    handoff = team.junior.ready(
        "T/<b>../1",
        title=f"{RIGHT_TO_LEFT} {ATTACK}"[:200],
        problem=f"{ATTACK} {WORD}",
        reason=f"{ATTACK} {TEMPLATE}",
        ask=WORD[:2000],
        client=ATTACK[:200],
        category=ATTACK[:100],
        asset="x" * 200,
        steps=steps,
    )
    for size in ({"width": 1280, "height": 900}, {"width": 360, "height": 740}):
        page = page_of(team.senior, viewport=size)
        live(page)
        expect(page.locator(".card .title")).to_contain_text("<script>window.hit=1</script>")
        harmless(page, "queue")
        page.get_by_label("Search").fill("onerror")
        expect(page.locator(".card mark").first).to_have_text("onerror")
        harmless(page, "queue, found")
        page.locator(".card .title").click()
        if size["width"] > 1200:
            expect(page.locator("#context")).to_contain_text("<svg onload")
            harmless(page, "queue, with context")
            page.locator("#context").get_by_role("link", name="Open").click()
        live(page)
        expect(page.locator("#step-4")).to_contain_text(TEMPLATE)
        expect(page.locator("#step-2")).to_contain_text(WORD)
        harmless(page, "context")
    page = page_of(team.junior, "/handoffs/new")
    expect(page.locator("#mine")).to_contain_text("<script>")
    harmless(page, "hand-off")
    assert handoff["session"]["external_id"] == "T/<b>../1"


def harmless(page: Page, name: str) -> None:
    """No script ran, no element came out of a text, and nothing is wider than the window."""
    assert page.evaluate("window.hit") is None
    assert page.locator("main script, main img, main svg, main b").count() == 0
    fits(page, name)
