"""A change and its event in one message: the event, the announcement in Redis, and the locks meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, TextClause, bindparam, false, literal, select, text, update
from sqlalchemy.exc import DBAPIError

from deploy.production import database
from models import database as db
from models import feed, transaction
from models.database.prepared import Prepared
from models.errors import Conflict
from models.feed import EventType
from models.feed.append import NO_EVENT, with_event
from models.feed.head import Heads, heads
from models.handoff import Actor, Handoff, conditional, moves
from models.redis import redis_key
from models.settings import settings
from models.transaction import change, maintenance, one_message
from tests.api.feed.feeds import statements
from tests.servers import Servers
from tests.stack import wait_for
from tests.tasks.accepted import a_world, accept, events, row
from tests.world import World


def overdue(event: str, *conditions: ColumnElement[bool] | TextClause) -> Prepared:
    """A change that produces this event."""
    return Prepared(
        with_event(
            update(Handoff)
            .where(Handoff.account_id == bindparam("account"), Handoff.id == bindparam("handoff"), *conditions)
            .values(overdue=True)
            .returning(literal(str(event)).label("event"))
            .cte("changed")
        )
    )


@pytest.fixture
def world(committed: str) -> World:
    return a_world()


@pytest.fixture
def handoff(world: World) -> UUID:
    return accept(world)[0]


def make(what: Prepared, world: World, handoff: UUID) -> transaction.Changed:
    return change(world.account_id, handoff, what, {"note": "why"})


def announced(world: World) -> int:
    return int(heads().client.zcard(redis_key("feed-writers", world.account_id.hex)))  # type: ignore[arg-type]


def test_a_change_tells_what_it_says(world: World, handoff: UUID) -> None:
    made = make(overdue(EventType.OVERDUE), world, handoff)
    assert made.happened
    assert made.appended
    assert (made.appended.head, made.appended.whole) == (2, None)
    assert events(handoff) == ["handoff.created", "handoff.overdue"]
    assert row("handoffs", handoff).seq == 2
    assert row("handoffs", handoff).card["overdue"]
    assert announced(world) == 0


def test_one_that_has_nothing_to_tell_happens_all_the_same(world: World, handoff: UUID) -> None:
    made = make(overdue(NO_EVENT), world, handoff)
    assert (made.happened, made.appended) == (True, None)
    assert row("handoffs", handoff).overdue
    assert events(handoff) == ["handoff.created"]
    assert announced(world) == 0


def test_one_that_was_refused_tells_nothing_even_after_one_that_did(world: World, handoff: UUID) -> None:
    assert make(overdue(EventType.OVERDUE), world, handoff).happened
    made = make(overdue(EventType.OVERDUE, false()), world, handoff)
    assert (made.happened, made.appended) == (False, None)
    assert len(events(handoff)) == 2
    assert announced(world) == 0


def test_nothing_is_told_of_a_handoff_that_is_not_there(world: World, handoff: UUID) -> None:
    nothing = Prepared(with_event(select(literal(EventType.OVERDUE.value).label("event")).cte("changed")))
    with pytest.raises(DBAPIError, match="null value"):
        make(nothing, world, UUID(int=1))
    with maintenance() as session:
        assert feed.tail(session, world.account_id)[1] == 1


def test_a_move_is_one_message(world: World, handoff: UUID) -> None:
    other, _ = accept(world, "T-2")
    senior = Actor(world.senior.id)
    moves.claim(world.account_id, other, by=senior)  # and what is planned once
    with statements() as sent:
        moves.claim(world.account_id, handoff, by=senior)
    assert len(sent) == 1
    assert events(handoff) == ["handoff.created", "handoff.claimed"]


@pytest.mark.parametrize("move", ["claim", "release", "withdraw"])
def test_a_move_that_becomes_possible_while_it_waits_for_the_handoff_is_made(
    world: World, handoff: UUID, move: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = Actor(world.junior.id if move == "withdraw" else world.senior.id)
    if move != "release":
        moves.claim(world.account_id, handoff, by=Actor(world.senior2.id))
    plain, refused = conditional.change, []

    def then_possible(*arguments: Any, **more: Any) -> transaction.Changed:
        with maintenance() as session:  # in the way of the first try alone
            session.execute(text("UPDATE handoffs SET status = 'parked'"))
        made = plain(*arguments, **more)
        refused.append(not made.happened)
        possible = "status = 'claimed', claimed_by_id = :who" if move == "release" else "status = 'ready'"
        with maintenance() as session:
            session.execute(text(f"UPDATE handoffs SET {possible}"), {"who": who.user_id})
        return made

    monkeypatch.setattr(conditional, "change", then_possible)
    shown = getattr(moves, move)(world.account_id, handoff, by=who)
    assert refused == [True]
    past = {"claim": "claimed", "release": "released", "withdraw": "withdrawn"}[move]
    assert events(handoff)[-1] == f"handoff.{past}"
    assert shown.seq == len(events(handoff))


def test_a_server_that_refuses_a_change_has_surely_not_committed_it(world: World, handoff: UUID) -> None:
    broken = overdue(EventType.OVERDUE, text("1 / (version - 1) > 0"))
    with pytest.raises(DBAPIError, match="division by zero"):
        make(broken, world, handoff)
    assert announced(world) == 0


def test_who_loses_the_connection_may_have_committed_and_stays_announced(
    servers: Servers, committed: str, world: World, handoff: UUID
) -> None:
    slow = overdue(EventType.OVERDUE, text("pg_sleep(60) IS NOT NULL"))
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(make, slow, world, handoff)
        kill_when(servers, committed, "wait_event = 'PgSleep'")
        with pytest.raises(DBAPIError) as raised:
            result.result()
    assert db.is_away(raised.value)
    assert announced(world) == 1
    moves.claim(world.account_id, handoff, by=Actor(world.senior.id))  # the pool has another connection
    assert announced(world) == 1


def test_a_transaction_that_fails_takes_its_announcement_back(world: World, handoff: UUID) -> None:
    with suppress(KeyError), transaction.transaction(world.account_id) as session:
        session.collect(world.account_id, handoff, EventType.UPDATED, by=None)
        transaction.append_now(session)
        assert announced(world) == 1
        raise KeyError
    assert announced(world) == 0


def test_one_whose_commit_is_lost_stays_announced(
    servers: Servers, committed: str, world: World, handoff: UUID
) -> None:
    def lose_it() -> None:
        with transaction.transaction(world.account_id) as session:
            session.collect(world.account_id, handoff, EventType.UPDATED, by=None)
            transaction.append_now(session)
            kill_when(servers, committed, "state = 'idle in transaction'")

    with pytest.raises(DBAPIError):
        lose_it()
    assert announced(world) == 1


def kill_when(servers: Servers, name: str, where: str) -> None:
    """End the service's connection of which this is true."""
    sql = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND {where}"
    with closing(database.connect(servers.postgres.url("postgres"))) as connection, connection.cursor() as cursor:

        def killed() -> bool:
            cursor.execute(sql, [name])
            return cursor.rowcount == 1

        wait_for(killed, "the connection to be ended")


@pytest.fixture
def asked(servers: Servers, committed: str, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the calls of Redis, during each of which the account's counter could be locked."""
    calls: list[str] = []
    with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as cursor:

        def watched(name: str, plain: Any) -> Any:
            def call(*arguments: Any) -> Any:
                calls.append(name)
                cursor.execute("BEGIN")
                cursor.execute("SELECT FROM feeds WHERE account_id = %s FOR UPDATE NOWAIT", [str(world.account_id)])
                cursor.execute("ROLLBACK")
                return plain(*arguments)

            return call

        for name in ("announce", "committed", "withdraw"):
            monkeypatch.setattr(Heads, name, watched(name, getattr(Heads, name)))
        yield calls


def test_no_counter_is_locked_while_redis_is_asked(world: World, asked: list[str]) -> None:
    handoff, _ = accept(world)
    assert asked == ["announce", "committed"]
    moves.claim(world.account_id, handoff, by=Actor(world.senior.id))
    assert asked[2:] == ["announce", "committed"]
    with pytest.raises(Conflict):
        moves.claim(world.account_id, handoff, by=Actor(world.senior2.id))
    assert asked[4:] == ["announce", "withdraw"]


def test_a_message_raises_what_everything_else_raises(world: World) -> None:
    with one_message(world.account_id) as message:
        with pytest.raises(DBAPIError, match="division by zero") as raised:
            message.send("SELECT 1 / %(n)s", {"n": 0})
        assert not db.is_away(raised.value)
        assert message.send("SELECT 1 AS a, 2 AS b", {})[0].b == 2
        assert message.send("SELECT 3", {}) == [(3,)]
        assert message.send("SET LOCAL work_mem = '4MB'", {}) == []


def test_a_message_over_a_connection_that_is_gone_says_that_the_database_is_away(world: World) -> None:
    with one_message(world.account_id) as message:
        message._connection.driver_connection.close()  # type: ignore[union-attr]
        with pytest.raises(DBAPIError) as raised:
            message.send("SELECT 1", {})
    assert db.is_away(raised.value)
    with one_message(world.account_id) as message:
        assert message.send("SELECT 1", {}) == [(1,)]


def test_a_connection_that_sent_messages_holds_transactions_again(world: World, handoff: UUID) -> None:
    with one_message(world.account_id) as message:
        message.send("SELECT 1", {})
    with db.engine().connect() as connection:
        connection.exec_driver_sql("SELECT set_config('app.left', 'behind', false)")
        connection.rollback()
        assert not connection.exec_driver_sql("SELECT current_setting('app.left', true)").scalar_one()


def test_an_announcement_outlasts_the_statements_it_may_stand_for(world: World) -> None:
    assert heads().announced_seconds >= heads().ttl_seconds + 2 * settings().statement_seconds


def test_a_move_that_is_refused_without_a_reason_is_never_a_success(
    world: World, handoff: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves.claim(world.account_id, handoff, by=Actor(world.senior.id))
    never = overdue(EventType.RELEASED, false())
    monkeypatch.setattr(moves, "_RELEASE", never)
    with pytest.raises(AssertionError, match="without a reason"):
        moves.release(world.account_id, handoff, by=Actor(world.senior.id))
