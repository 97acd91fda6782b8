"""A transaction that PostgreSQL ends in favour of another one is repeated; the database is not called away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from deploy.production import database
from models.database import conflicts
from models.database.conflicts import CONFLICTS, repeated
from models.errors import Busy
from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import wait_for
from tests.world import Person, World


@dataclass
class Place:
    """An account in a database of its own, and the superuser's address of that."""

    world: World
    client: FlaskClient
    owner_url: str


@pytest.fixture(scope="module")
def place(servers: Servers) -> Iterator[Place]:
    name = servers.create_database()
    try:
        with environment(servers.environment(name)):
            from wsgi import app

            client = app.test_client()
            yield Place(worlds.create(client), client, servers.postgres.url(name))
    finally:
        servers.drop_database(name)


def crosswise(place: Place, ticket: str, ask: Any) -> Any:
    """Run `ask`, which locks the ticket's session and then its handoff, into a deadlock that it loses."""
    answers: list[Any] = []
    with closing(database.connect(place.owner_url)) as other, other.cursor() as cursor:
        other.autocommit = False
        cursor.execute("SET deadlock_timeout = '60s'; SET lock_timeout = '60s'")
        cursor.execute(
            "SELECT FROM handoffs WHERE session_id = (SELECT id FROM sessions WHERE external_id = %s) FOR UPDATE",
            [ticket],
        )
        asking = threading.Thread(target=lambda: answers.append(ask()))
        asking.start()
        wait_for(lambda: waits(place), "the request to wait")
        # Now it waits for us and we for it; only its own server process looks for deadlocks.
        cursor.execute("SELECT FROM sessions WHERE external_id = %s FOR UPDATE", [ticket])
        other.rollback()
    asking.join()
    return answers[0]


def waits(place: Place) -> bool:
    with closing(database.connect(place.owner_url)) as link, link.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_a_write_that_loses_a_deadlock_is_repeated(place: Place) -> None:
    place.world.junior.hand_off("T-1")
    before = CONFLICTS._value.get()
    step = {"kind": "note", "text": "looked"}
    answer = crosswise(place, "T-1", lambda: place.world.senior.post("/sessions/T-1/steps", step))
    assert answer.status_code == 201
    assert CONFLICTS._value.get() > before
    texts = [each["text"] for each in place.world.viewer.get("/sessions/T-1").json["steps"]]
    assert texts.count("looked") == 1


def failing(times: int) -> Any:
    """A transaction that loses this many deadlocks."""
    left = iter(range(times))

    @repeated
    def act() -> str:
        if next(left, None) is not None:
            raise OperationalError("", {}, Lost())
        return "done"

    return act


class Lost(Exception):
    pgcode = "40P01"


@pytest.mark.parametrize("code", ["40P01", "40001"])
def test_conflicts_are_repeated_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(Lost, "pgcode", code)
    assert failing(conflicts.TRIES - 1)() == "done"
    with pytest.raises(Busy):
        failing(conflicts.TRIES)()


def test_other_errors_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lost, "pgcode", "57P01")
    with pytest.raises(OperationalError):
        failing(1)()


def test_who_loses_every_time_is_told_to_come_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "TRIES", 1)
    person: Person = place.world.junior
    person.hand_off("T-2")
    step = {"kind": "note", "text": "looked"}
    answer = crosswise(place, "T-2", lambda: person.post("/sessions/T-2/steps", step))
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "busy", "1")
