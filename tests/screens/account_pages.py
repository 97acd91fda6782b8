"""A way through the pages of the account, for the tests that look at every screen."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page, expect

from tests.screens import scene
from tests.screens.service import Team


def account_pages(page: Page, team: Team) -> Iterator[str]:
    """Go through People and Settings and their states as an admin, stopping at each with its name."""
    scene.household(team)
    page.goto("/people")
    expect(page.locator("#services .facts")).to_contain_text("Never seen")
    yield "people"
    theirs = page.locator(f".person[data-id='{team.senior.id}']")
    theirs.get_by_role("button", name="Tokens").click()
    expect(theirs.locator(".token")).to_have_count(4)
    theirs.get_by_label("What the new token is for").fill("Tablet")
    theirs.get_by_role("button", name="Issue a token").click()
    expect(theirs.locator(".issued")).to_be_visible()
    yield "people-tokens"
    own = page.locator(f".person[data-id='{team.admin.id}']")
    own.get_by_role("button", name="Change").click()
    own.get_by_label("Role").select_option("viewer")
    own.get_by_role("button", name="Save").click()
    expect(own.locator(".error")).to_be_visible()
    page.evaluate("document.getElementById('gone-box').open = true")
    yield "people-change"
    own.get_by_role("button", name="Deactivate…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "people-sure"
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.goto("/settings")
    yield "settings"
    page.get_by_label("Language of assessments").fill("german")
    page.get_by_label("Claim lease").fill("soon")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".error")).to_have_count(1)
    yield "settings-errors"
