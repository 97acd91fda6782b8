"""Read the logs of every test and fail the run if a token or ticket text is in them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from models.account import TOKEN_PREFIX
from tests.world import STEPS, intake

TOKEN = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{24,}}|eyJ[A-Za-z0-9_-]{{10,}}\.eyJ[A-Za-z0-9_-]{{10,}}")
TICKET = intake()["session"]["problem"], intake()["session"]["title"], *(step["text"] for step in STEPS)

_found: list[str] = []


def leaks_in(logged: str) -> list[str]:
    """Return what a log must not contain: tokens, named by their start, and texts of the suite's own tickets."""
    tokens = [f"token {match[:9]}…" for match in TOKEN.findall(logged)]
    return tokens + [f"ticket text {text!r}" for text in TICKET if text in logged]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called for every phase of every test, also by workers of xdist."""
    for name, logged in report.sections:
        if "log" in name or "stderr" in name:
            _found.extend(f"{report.nodeid} ({name}): {leak}" for leak in leaks_in(logged))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Passing tests do not make up for a leak."""
    if _found and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name every leak."""
    if _found:
        terminalreporter.section("secrets or ticket text in the logs")
        for leak in dict.fromkeys(_found):
            terminalreporter.write_line(leak)
