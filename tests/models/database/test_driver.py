"""A transaction that begins with its first statement is like any other, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, cast
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from psycopg2 import extensions
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from deploy.production import database
from models import database as db
from models.account import Account
from models.database import read_timeout
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.servers import Servers

SCOPE = text("SELECT current_user, current_setting('app.account_id', true)")


@pytest.fixture
def messages(committed: str) -> Iterator[list[None]]:
    """One entry for each message that this process has sent to PostgreSQL and had answered."""
    sent: list[None] = []

    def wait(connection: extensions.connection) -> None:
        sent.append(None)
        read_timeout._wait(connection)

    with maintenance() as session:
        session.execute(text("SELECT 1"))  # connects
    extensions.set_wait_callback(wait)
    yield sent
    read_timeout.watch()


def accounts() -> list[str]:
    with maintenance() as session:
        return list(session.scalars(text("SELECT name FROM accounts ORDER BY name")))


def test_a_transaction_of_one_statement_is_two_messages(messages: list[None]) -> None:
    with maintenance() as session:
        session.execute(text("SELECT 1"))
    assert len(messages) == 2


def test_one_of_none_sends_nothing(messages: list[None]) -> None:
    with maintenance():
        pass
    with suppress(KeyError), maintenance():
        raise KeyError
    assert messages == []


def test_what_is_committed_stays_and_what_is_not_does_not(committed: str) -> None:
    with maintenance() as session:
        session.execute(insert(Account).values(name="kept"))
    with suppress(KeyError), maintenance() as session:
        session.execute(insert(Account).values(name="dropped"))
        raise KeyError
    with suppress(DBAPIError), maintenance() as session:
        session.execute(insert(Account).values(name="broken"))
        session.execute(text("SELECT 1/0"))
    assert accounts() == ["kept"]


@pytest.mark.parametrize("first", ["SELECT 1", "SELECT 1/0", None])
def test_nothing_of_its_scope_is_left_to_the_next_one(servers: Servers, committed: str, first: str | None) -> None:
    world = worlds.create(cast(FlaskClient, None))
    with suppress(DBAPIError), transaction(world.account_id) as session:
        if first:
            session.execute(text(first))
            assert session.execute(SCOPE).one() == (servers.roles.app, str(world.account_id))
    with db.engine().connect() as connection:
        user, account = connection.execute(SCOPE).one()
        assert user != servers.roles.app
        assert not account
        raw: Any = connection.connection.driver_connection
        assert not raw.autocommit


def test_one_that_cannot_be_committed_leaves_nothing_behind_either(servers: Servers, committed: str) -> None:
    with closing(database.connect(servers.postgres.url(committed))) as owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        cursor.execute(f"GRANT ALL ON once TO {servers.roles.upkeep}")

    def twice() -> None:
        with maintenance() as session:
            session.execute(text("INSERT INTO once VALUES (1), (1)"))

    with pytest.raises(DBAPIError, match="duplicate key"):
        twice()
    with db.engine().connect() as connection:
        raw: Any = connection.connection.driver_connection
        assert not raw.autocommit
        user, _ = connection.execute(SCOPE).one()
        assert user != servers.roles.upkeep


def test_savepoints_are_within_it(committed: str) -> None:
    with maintenance() as session:
        with suppress(KeyError), session.begin_nested():
            session.execute(insert(Account).values(name="dropped"))
            raise KeyError
        session.execute(insert(Account).values(name="kept"))
    assert accounts() == ["kept"]


def test_many_rows_at_once_come_after_the_beginning(servers: Servers, committed: str) -> None:
    with db.engine().connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.begin_with(f"SELECT set_config('role', '{servers.roles.upkeep}', true)")
        with raw.cursor() as cursor:
            rows = [(str(UUID(int=n)), f"many {n}") for n in range(2)]
            cursor.executemany("INSERT INTO accounts (id, name) VALUES (%s, %s)", rows)
        raw.rollback()
    assert accounts() == []


def test_one_whose_server_process_ends_is_away_and_the_next_one_is_well(servers: Servers, committed: str) -> None:
    def lose() -> None:
        with maintenance() as session:
            session.execute(insert(Account).values(name="lost"))
            ended: Any = session.connection().connection.driver_connection
            with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])

    with pytest.raises(DBAPIError) as caught:
        lose()
    assert db.is_away(caught.value)
    assert accounts() == []
