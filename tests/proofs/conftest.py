"""The length of the proofs, and the file for their figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from models import redis
from tests import world as worlds
from tests.world import World

# `make proofs` sets it: minutes instead of seconds, and the figures are written down.
LONG = os.environ.get("PROOFS") == "long"
FIGURES = Path(__file__).parents[2] / "docs" / "measurements" / "feed-proofs.md"
HEADING = """# The feed's proofs: figures of the last long run

Written by `make proofs`. [How to follow the feed](../how-to/follow-the-feed.md) explains the promises; the tests are
in `tests/proofs`, and their short versions run in `make test`.

| promise | figures |
|---|---|
"""

Note = Callable[[str, str], None]


def scaled(short: int, long: int) -> int:
    """The size of a proof: short in the test suite, long under `make proofs`."""
    return long if LONG else short


@pytest.fixture(scope="session")
def figure() -> Iterator[Note]:
    """Notes one line of figures: a promise and what was measured."""
    noted: list[tuple[str, str]] = []
    yield lambda promise, figures: noted.append((promise, figures))
    if LONG and noted:
        rows = "".join(f"| {promise} | {figures} |\n" for promise, figures in sorted(noted))
        FIGURES.write_text(HEADING + rows)


@pytest.fixture
def accounts(app: Flask, committed: str, monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """Three accounts in a database of the test's own. Redis has ample time: nothing fails by chance."""
    monkeypatch.setattr(redis, "TIMEOUT_SECONDS", 10.0)
    return [worlds.create(app.test_client(), name) for name in ("Acme", "Umbra", "Initech")]
