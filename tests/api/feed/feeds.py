"""Shortcuts to the feed and the queue for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from sqlalchemy import select
from werkzeug.test import TestResponse

from models.database import driver
from models.feed import FeedControl, head
from models.transaction import maintenance
from tests.world import Person


def snapshot(person: Person, query: str = "") -> dict[str, Any]:
    """One page of the queue."""
    answer = person.get(f"/queue?{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def cursor(person: Person) -> str:
    """The cursor of the last page of the queue."""
    return str(snapshot(person)["cursor"])


def poll(person: Person, at: str, query: str = "", **more: Any) -> TestResponse:
    """One poll."""
    return person.get(f"/feed?cursor={at}{query}", **more)


def news(person: Person, at: str, query: str = "") -> dict[str, Any]:
    """The body of a poll that succeeds."""
    answer = poll(person, at, query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def epoch() -> str:
    """The epoch now."""
    with maintenance() as session:
        return str(session.scalar(select(FeedControl.epoch)))


def forget_hints() -> None:
    """An empty Redis, as after it was wiped."""
    head.heads().client.flushdb()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect every statement that this process sends in the block, without ends of transactions."""
    sent: list[str] = []

    plain = driver.Cursor.execute

    def noted(cursor: driver.Cursor, query: Any, vars: Any = None) -> None:
        if query not in ("COMMIT", "ROLLBACK"):
            sent.append(query)
        plain(cursor, query, vars)

    driver.Cursor.execute = noted  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        driver.Cursor.execute = plain  # type: ignore[method-assign]


@contextmanager
def redis_calls() -> Iterator[list[str]]:
    """Collect the first command of every message to Redis in the block; a pipeline is one."""
    sent: list[str] = []
    plain = redis.Connection.send_packed_command

    def counted(connection: redis.Connection, command: Any, **more: Any) -> Any:
        packed = command if isinstance(command, bytes) else b"".join(command)
        sent.append(packed.split(b"\r\n")[2].decode())
        return plain(connection, command, **more)

    redis.Connection.send_packed_command = counted  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        redis.Connection.send_packed_command = plain  # type: ignore[method-assign]
