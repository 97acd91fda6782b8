"""The documentation is complete: settings, commands, links."""

from __future__ import annotations

import re

from flask import Flask

from tests import documentation
from tests.documentation import FOLDER, MEANINGS, STARTING
from tests.stack import ROOT


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


def test_links_between_the_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
