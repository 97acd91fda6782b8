"""The documentation is complete: settings, commands, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests import documentation
from tests.documentation import FOLDER, MEANINGS, STARTING
from tests.stack import ROOT

PAGES = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))


def test_every_setting_is_described_and_every_description_is_of_a_setting() -> None:
    described = [name for variables in MEANINGS.values() for name in variables]
    assert sorted(described) == sorted(documentation.settings_read())


def test_what_is_read_past_the_settings_is_described_too() -> None:
    read = re.compile(r"environ(?:ment)?(?:\.get\(|\[)\"([A-Z_]+)\"")
    files = [path for folder in ("api", "tasks", "models", "deploy") for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in files for name in read.findall(path.read_text())}
    of_others = {"PATH", "SHELL", "SERVER_PORT"}
    assert found - of_others - documentation.settings_read().keys() <= STARTING.keys()


def test_the_page_of_the_settings_is_up_to_date() -> None:
    assert (FOLDER / "settings.md").read_text() == documentation.settings_page()


def test_the_page_of_the_command_line_is_up_to_date(app: Flask) -> None:
    assert (FOLDER / "cli.md").read_text() == documentation.cli_page(documentation.own_commands(app))


@pytest.mark.usefixtures("app")
def test_the_example_of_an_evaluation_is_up_to_date() -> None:
    page = documentation.EVALUATION.read_text()
    assert page == documentation.evaluation_page(page)


def test_links_between_the_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}{anchor}"
        for page in PAGES
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text())
        if not leads_somewhere(page.parent / target if target else page, anchor)
    ]
    assert broken == []


def test_paths_that_pages_mention_exist() -> None:
    names = {path.name for path in ROOT.iterdir()}
    missing = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in PAGES
        for path in re.findall(r"`([\w.-]+/[\w./-]*)`", page.read_text())
        if path.split("/")[0] in names and not path.startswith(".") and not (ROOT / path).exists()
    ]
    assert missing == []


def test_pages_that_the_code_mentions_exist() -> None:
    folders = ("api", "tasks", "models", "deploy")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    missing = [
        f"{path.relative_to(ROOT)}: {page}"
        for path in (*sources, ROOT / "Makefile")
        for page in re.findall(r"\b(?:docs/[\w/.-]+\.md|(?:docs/)?decisions/\d{4})", path.read_text())
        if not is_page(page)
    ]
    assert missing == []


def leads_somewhere(path: Path, anchor: str) -> bool:
    """Return whether the file exists and, if there is an anchor, has a heading of that name."""
    if not path.exists():
        return False
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if anchor else []
    return not anchor or anchor[1:] in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


def is_page(name: str) -> bool:
    """Return whether a page exists, where a decision may be named by its path up to the number."""
    return name.startswith("docs/") and any(ROOT.glob(name if name.endswith(".md") else f"{name}-*.md"))
