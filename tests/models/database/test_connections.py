"""Connections closed by the server are replaced unnoticed while idle, and otherwise raise "unavailable"."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from deploy.production import database
from models import database as db
from models.transaction import maintenance
from tests.servers import Servers


@pytest.fixture
def end(servers: Servers, committed: str) -> Iterator[Any]:
    """Ends a connection on the server's side, and returns once its client could know."""
    with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as cursor:

        def ends(connection: Any, *_: Any) -> None:
            cursor.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
            select.select([connection], [], [])

        yield ends


def test_an_idle_connection_that_was_ended_is_replaced_unseen(end: Any) -> None:
    with maintenance() as session:
        session.execute(text("SELECT 1"))
        ended = session.connection().connection.driver_connection
    end(ended)
    with maintenance() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != ended.info.backend_pid


def test_a_server_that_ends_every_connection_at_once_is_away(end: Any) -> None:
    event.listen(db.engine(), "connect", end)
    try:
        with pytest.raises(DBAPIError) as caught, maintenance() as session:
            session.execute(text("SELECT 1"))
    finally:
        event.remove(db.engine(), "connect", end)
    assert db.is_away(caught.value)


def test_so_is_one_that_ends_an_idle_connection_and_then_the_new_one(end: Any) -> None:
    with maintenance() as session:
        session.execute(text("SELECT 1"))
        ended = session.connection().connection.driver_connection
    end(ended)
    event.listen(db.engine(), "connect", end)
    try:
        with pytest.raises(DBAPIError) as caught, maintenance() as session:
            session.execute(text("SELECT 1"))
    finally:
        event.remove(db.engine(), "connect", end)
    assert db.is_away(caught.value)
