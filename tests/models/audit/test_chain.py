"""The audit's chain: numbers without gaps whoever writes at once, hashes that anybody can compute, no way back."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.production import database
from models import audit
from models.audit import Act, chain
from models.audit.chain import ORIGIN, BrokenChainError, Head
from models.feed import EventType
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.servers import Servers
from tests.stack import wait_for
from tests.world import World, intake


@pytest.fixture
def lasting(committed: str) -> World:
    from wsgi import app

    return worlds.create(app.test_client())


def record(world: World, subject: str = "person:x", note: str | None = None, by: UUID | None = None) -> None:
    with transaction(world.account_id) as session:
        audit.record(session, world.account_id, Act.PERSON_CREATED, by=by, subject=subject, note=note)


def lines(world: World) -> list[dict[str, Any]]:
    with transaction(world.account_id) as session:
        return chain.page(session, world.account_id, Head(0, ORIGIN))


def last(found: list[dict[str, Any]]) -> Head:
    return list(chain.follow(found, whole=True))[-1]


def test_lines_count_from_one_and_each_names_the_hash_before_it(world: World, other_world: World) -> None:
    for n in range(3):
        record(world, f"person:{n}", by=world.admin.id)
        record(other_world)
    found = lines(world)
    assert [(line["seq"], line["subject"], line["actor"]) for line in found] == [
        (n + 1, f"person:{n}", str(world.admin.id)) for n in range(3)
    ]
    assert [line["former"] for line in found] == [ORIGIN, found[0]["hash"], found[1]["hash"]]
    assert last(found) == Head(3, found[2]["hash"])


def test_a_hash_is_what_the_documentation_says(world: World) -> None:
    record(world, note='She said "no" \\ left\n\ttwice; für alle €')
    (line,) = lines(world)
    said = (
        f'["{world.account_id}",1,"{line["at"]}",null,"person.created",null,"person:x",'
        '"She said \\"no\\" \\\\ left\\n\\ttwice; für alle €",'
        f'"{"0" * 64}"]'
    )
    assert line["hash"] == hashlib.sha256(said.encode()).hexdigest()


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=TEXTS, note=st.none() | TEXTS)
def test_the_database_and_python_agree_on_the_hash_of_any_text(world: World, subject: str, note: str | None) -> None:
    record(world, subject, note)
    assert last(lines(world))


def test_nobody_chooses_the_number_or_the_hash_of_a_line(world: World) -> None:
    forged = text(
        "INSERT INTO audit (account_id, seq, kind, subject, hash) VALUES (:account, 77, 'x', 'x', 'forged')"
    )
    with transaction(world.account_id) as session:
        session.execute(forged, {"account": world.account_id})
    assert [line["seq"] for line in lines(world)] == [1]
    assert last(lines(world))


@pytest.mark.parametrize("scope", ["app", "upkeep"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET note = 'another'",
        "UPDATE audit SET hash = hash",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "ALTER TABLE audit DISABLE TRIGGER chain_audit",
        "DROP TRIGGER chain_audit ON audit",
    ],
)
def test_the_service_itself_cannot_change_or_remove_a_line(world: World, scope: str, statement: str) -> None:
    record(world)
    before = lines(world)
    opened = transaction(world.account_id) if scope == "app" else maintenance()
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"), opened as session:
        session.execute(text(statement))
    assert lines(world) == before


def test_a_line_of_another_account_cannot_be_written(world: World, other_world: World) -> None:
    with pytest.raises(DBAPIError, match="row-level security"), transaction(world.account_id) as session:
        audit.record(session, other_world.account_id, Act.PERSON_CREATED, by=None, subject="x")


def test_many_writers_at_once_leave_one_chain_without_gaps_whatever_is_rolled_back(lasting: World) -> None:
    def write(writer: int) -> None:
        for n in range(12):
            with suppress(ZeroDivisionError), transaction(lasting.account_id) as session:
                note = f"{writer}-{n}"
                audit.record(session, lasting.account_id, Act.PERSON_CREATED, by=None, subject="x", note=note)
                assert n % 3 or 1 / 0

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    found = lines(lasting)
    assert [line["seq"] for line in found] == list(range(1, 65))
    assert sorted(line["note"] for line in found) == sorted(f"{w}-{n}" for w in range(8) for n in range(12) if n % 3)
    assert last(found)


def test_nobody_who_works_waits_for_a_writer_of_the_audit(lasting: World) -> None:
    made = lasting.junior.hand_off("T-1")["id"]
    with transaction(lasting.account_id) as session:
        audit.record(session, lasting.account_id, Act.PERSON_CREATED, by=None, subject="x")
        answers = ThreadPoolExecutor(1).submit(work, lasting, made).result(timeout=20)
    assert answers == [202, 200, 200, 200]


def work(world: World, handoff_id: str) -> list[int]:
    return [
        world.junior.post("/handoffs", intake("T-2")).status_code,
        world.senior.post(f"/handoffs/{handoff_id}/claim").status_code,
        world.senior.get("/feed?cursor=now").status_code,
        world.senior.get(f"/handoffs/{handoff_id}/timeline").status_code,
    ]


def test_a_second_writer_waits_for_the_first_and_follows_it(servers: Servers, lasting: World) -> None:
    with closing(database.connect(servers.postgres.url())) as own, own.cursor() as cursor:

        def is_waiting() -> bool:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
            return bool(cursor.fetchone()[0])

        with transaction(lasting.account_id) as session:
            audit.record(session, lasting.account_id, Act.PERSON_CREATED, by=None, subject="first")
            second = threading.Thread(target=record, args=(lasting, "second"))
            second.start()
            wait_for(is_waiting, "the second writer to wait")
        second.join()
    assert [line["subject"] for line in lines(lasting)] == ["first", "second"]
    assert last(lines(lasting))


@pytest.fixture
def owner(servers: Servers, committed: str) -> Iterator[Any]:
    """A cursor of the database's owner, who can do what the service cannot."""
    with closing(database.connect(servers.owner_url(committed))) as own, own.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize(
    ("deed", "complaint"),
    [
        ("UPDATE audit SET note = 'another' WHERE seq = 2", "line 2 is not as it was written"),
        ("UPDATE audit SET actor_id = NULL WHERE seq = 2", "line 2 is not as it was written"),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 2", "line 2 is not as it was written"),
        ("UPDATE audit SET hash = upper(hash) WHERE seq = 2", "line 2 is not as it was written"),
        ("DELETE FROM audit WHERE seq = 1", "line 1 is missing: line 2 follows"),
        ("DELETE FROM audit WHERE seq = 3", "line 3 is missing: line 4 follows"),
    ],
)
def test_an_edit_or_a_gap_made_by_the_owner_shows(lasting: World, owner: Any, deed: str, complaint: str) -> None:
    for n in range(4):
        record(lasting, f"person:{n}", by=lasting.admin.id)
    owner.execute(deed)
    with pytest.raises(BrokenChainError) as broken:
        last(lines(lasting))
    assert str(broken.value) == complaint


def test_a_line_that_was_given_a_fitting_hash_shows_at_the_next_one(lasting: World, owner: Any) -> None:
    for n in range(3):
        record(lasting, f"person:{n}")
    second = lines(lasting)[1] | {"note": "another"}
    owner.execute("UPDATE audit SET note = 'another', hash = %s WHERE seq = 2", [chain.digest(second)])
    with pytest.raises(BrokenChainError, match="line 3 is not as it was written"):
        last(lines(lasting))


def test_every_kind_tells_an_act_from_an_event() -> None:
    assert all(type.startswith(audit.OF_EVENTS) for type in EventType)
    assert not [act for act in Act if act.startswith(audit.OF_EVENTS)]


def test_an_exported_line_is_plain_json(world: World) -> None:
    record(world, by=world.admin.id)
    (line,) = lines(world)
    assert json.loads(json.dumps(line)) == line
    assert set(line) == {*chain.HASHED, "hash"}
