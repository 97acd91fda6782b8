"""Pruning moves events into the audit: a crash loses and doubles none, nobody waits for it, no reader meets a gap."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from deploy.production import database
from models import feed
from models.audit import chain
from models.audit.chain import ORIGIN, Head
from models.feed import EventType
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.servers import Servers
from tests.stack import Stack, running, wait_for
from tests.world import World

EVENTS = 120


@pytest.fixture
def lasting(committed: str) -> World:
    """An account with one handoff of many events."""
    from wsgi import app

    world = worlds.create(app.test_client())
    made = UUID(world.junior.hand_off("T-1", reason="It was so.")["id"])
    for n in range(1, EVENTS):
        with transaction(world.account_id) as session:
            session.collect(world.account_id, made, EventType.UPDATED, by=world.senior.id, note=f"note {n}")
            session.execute(text("UPDATE handoffs SET version = version + 1 WHERE id = :id"), {"id": made})
    return world


@pytest.fixture
def owner(servers: Servers, committed: str) -> Iterator[Any]:
    with closing(database.connect(servers.postgres.url(committed))) as own, own.cursor() as cursor:
        yield cursor


def prune(world: World, *, most: int = 0, chunk: int = 2000) -> int:
    with transaction(world.account_id) as session:
        return feed.prune(session, world.account_id, keep=timedelta(days=1), most=most, chunk=chunk)


def stored(world: World) -> tuple[int, list[Any], list[Any]]:
    """The floor; the events of the feed; those of the audit. Each event as a tuple of all that is kept of it."""
    with maintenance() as session:
        floor = session.execute(
            text("SELECT floor FROM feeds WHERE account_id = :a"), {"a": world.account_id}
        ).scalar_one()
        events = session.execute(
            text("SELECT seq, type, created_at, actor_id, handoff_id, note FROM feed_events ORDER BY seq")
        ).all()
        moved = session.execute(
            text("""
                SELECT split_part(subject, ':', 2)::bigint, kind, at, actor_id, handoff_id, note
                FROM audit ORDER BY seq""")
        ).all()
    return floor, [tuple(row) for row in events], [tuple(row) for row in moved]


def assert_whole(world: World, everything: list[Any]) -> int:
    """Every event is in the feed or in the audit, in order, and the floor is between; returns the floor."""
    floor, events, moved = stored(world)
    assert moved + events == everything
    assert len(moved) == floor
    with transaction(world.account_id) as session:
        lines = chain.page(session, world.account_id, Head(0, ORIGIN))
    assert len(list(chain.follow(lines, whole=True))) == floor
    return floor


def test_what_is_pruned_stands_in_the_audit_word_for_word_in_its_order(lasting: World) -> None:
    _, everything, _ = stored(lasting)
    assert len(everything) == EVENTS
    assert prune(lasting, most=30, chunk=50) == 50
    assert assert_whole(lasting, everything) == 50
    assert [prune(lasting, most=30, chunk=50) for _ in range(2)] == [40, 0]
    assert assert_whole(lasting, everything) == 90


def test_many_who_prune_at_once_move_every_event_once(lasting: World) -> None:
    _, everything, _ = stored(lasting)

    def prune_all(_: int) -> int:
        gone = 0
        while count := prune(lasting, chunk=7):
            gone += count
        return gone

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(prune_all, range(6))) == EVENTS
    assert assert_whole(lasting, everything) == EVENTS


@pytest.fixture
def stack(servers: Servers, committed: str, tmp_path: Path) -> Iterator[Stack]:
    with running(Stack(servers, committed, tmp_path)) as made:
        yield made


def is_blocked(owner: Any) -> bool:
    owner.execute("""
        SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())
    """)
    return bool(owner.fetchone()[0])


def is_gone(owner: Any) -> bool:
    owner.execute("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
    """)
    return bool(owner.fetchone()[0] == 0)


def test_kill_9_between_the_move_and_the_commit_loses_and_doubles_nothing(
    lasting: World, stack: Stack, owner: Any, servers: Servers, committed: str
) -> None:
    _, everything, _ = stored(lasting)
    with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as holding:
        other.autocommit = False
        holding.execute("SELECT FROM feeds FOR UPDATE")  # the floor is the last thing that pruning writes
        process = stack.start("pruner", "-m", "tests.models.feed.pruner", str(lasting.account_id), "50")
        wait_for(lambda: is_blocked(owner), "the move to be done and to wait for the floor", process=process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        other.rollback()
    wait_for(lambda: is_gone(owner), "PostgreSQL to notice")
    assert assert_whole(lasting, everything) == 0
    assert prune(lasting) == EVENTS
    assert assert_whole(lasting, everything) == EVENTS


def test_kill_9_again_and_again_loses_and_doubles_nothing(lasting: World, stack: Stack, owner: Any) -> None:
    _, everything, _ = stored(lasting)
    floors = []
    for at_least in range(10, EVENTS, 20):
        process = stack.start("pruner", "-m", "tests.models.feed.pruner", str(lasting.account_id), "1")
        wait_for(lambda least=at_least: stored(lasting)[0] >= least, "some events to be moved", process=process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        wait_for(lambda: is_gone(owner), "PostgreSQL to notice")
        floors.append(assert_whole(lasting, everything))
        if floors[-1] == EVENTS:
            break
    assert any(0 < floor < EVENTS for floor in floors)
    prune(lasting)
    assert assert_whole(lasting, everything) == EVENTS


def test_nobody_who_appends_waits_while_events_are_moved(
    lasting: World, owner: Any, servers: Servers, committed: str
) -> None:
    with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as holding:
        other.autocommit = False
        holding.execute("SELECT FROM feed_events WHERE seq = 60 FOR UPDATE")
        pruning = ThreadPoolExecutor(1).submit(prune, lasting)
        wait_for(lambda: is_blocked(owner), "pruning to be in the midst of the move")
        assert lasting.junior.hand_off("T-2")["seq"] == EVENTS + 1
        assert not pruning.done()
        other.rollback()
    assert pruning.result(timeout=20) == EVENTS


def test_a_timeline_is_whole_at_every_moment_of_pruning(lasting: World) -> None:
    (made,) = (item["id"] for item in lasting.viewer.get("/handoffs").json["items"])
    path = f"/handoffs/{made}/timeline"
    before = lasting.viewer.get(path).json
    assert len([item for item in before["items"] if "seq" in item]) == EVENTS
    done = threading.Event()
    read: list[Any] = []

    def watch() -> None:
        while not done.is_set():
            read.append(lasting.viewer.get(path).json)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wait_for(lambda: read, "the first reading")
    while prune(lasting, chunk=1):
        pass
    done.set()
    watcher.join()
    assert len(read) > 3
    assert [answer for answer in read if answer != before] == []
    assert lasting.viewer.get(path).json == before


def test_a_reader_of_the_feed_meets_no_gap_while_events_are_moved(lasting: World) -> None:
    done = threading.Event()
    wrong: list[Any] = []

    def watch() -> None:
        while not done.is_set():
            with transaction(lasting.account_id) as session:
                page = feed.read_page(session, lasting.account_id, after=0, limit=200, collapse="none")
            if [seq for seq, _ in page.events] != list(range(page.floor + 1, page.head + 1)):
                wrong.append(page)

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for each in watchers:
        each.start()
    while prune(lasting, chunk=1):
        pass
    done.set()
    for each in watchers:
        each.join()
    assert wrong == []
