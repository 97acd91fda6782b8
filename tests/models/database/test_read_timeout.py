"""A transaction waits only so long for a server that works without answering; tests/faults has a frozen one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models.database import read_timeout
from models.transaction import maintenance
from tests.conftest import environment


@pytest.fixture(autouse=True)
def short(committed: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Statements of a second at most, and hardly any patience beyond."""
    monkeypatch.setattr(read_timeout, "MARGIN_SECONDS", 0.3)
    with environment({"STATEMENT_SECONDS": "1"}):
        yield


def work(seconds: float, *, allowed: float | None = None) -> None:
    with maintenance() as session:
        if allowed:
            read_timeout.allow(session, allowed)
        session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


def test_a_statement_that_takes_too_long_is_ended_by_the_server_and_not_by_us() -> None:
    with pytest.raises(OperationalError) as caught:
        work(5)
    assert getattr(caught.value.orig, "pgcode", None) == "57014"
    assert not caught.value.connection_invalidated


def test_a_transaction_may_be_allowed_more_and_the_next_one_has_no_more_than_usual() -> None:
    work(1.5, allowed=10)
    with maintenance() as session:
        connection: Any = session.connection().connection.driver_connection
        assert connection.limit == 1.3
