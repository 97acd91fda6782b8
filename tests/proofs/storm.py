"""Writers, readers and an executioner on one database: which events does a reader miss?"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import database, feed, transaction
from models.feed import EventType
from models.feed.head import heads
from models.feed.unit_of_work import UnitOfWork
from models.transaction import Message, maintenance, one_message

Key = tuple[UUID, UUID]  # account and handoff
PAGE = 50


class Rollback(Exception):
    """The writer thinks better of it."""


class Strategy(Protocol):
    """A way to number events, and for a reader to ask for the next ones."""

    def number(self, session: UnitOfWork, events: list[tuple[Key, str]]) -> None: ...

    def after(self, message: Message, account_id: UUID, cursor: int) -> list[int]: ...


class CounterRow:
    """The service's own code."""

    def number(self, session: UnitOfWork, events: list[tuple[Key, str]]) -> None:
        """Collect and number as a request does; the commit follows in `finish`."""
        for (account_id, handoff_id), note in events:
            session.collect(account_id, handoff_id, EventType.UPDATED, by=None, note=note)
        transaction.append_now(session)

    def after(self, message: Message, account_id: UUID, cursor: int) -> list[int]:
        """The numbers after a cursor, and proof that each page is whole."""
        page = feed.read_page(message, account_id, after=cursor, limit=PAGE, collapse="none")
        numbers = [seq for seq, _ in page.events]
        assert numbers == list(range(cursor + 1, cursor + 1 + len(numbers)))
        assert len(numbers) > PAGE or cursor + len(numbers) == page.head
        return numbers


class PlainSequence:
    """The negative control: what everybody writes first."""

    _INSERT = text("""
        INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, note, card)
        VALUES (:account, nextval('plain'), 'handoff.updated', :handoff, 1, :note, '{}')
    """)
    _READ = """
        SELECT seq FROM feed_events WHERE account_id = %(account)s AND seq > %(cursor)s ORDER BY seq LIMIT 50
    """

    def number(self, session: UnitOfWork, events: list[tuple[Key, str]]) -> None:
        """Take the next values of a sequence, at the same place."""
        for (account_id, handoff_id), note in events:
            session.execute(self._INSERT, {"account": account_id, "handoff": handoff_id, "note": note})

    def after(self, message: Message, account_id: UUID, cursor: int) -> list[int]:
        """The numbers after a cursor."""
        return [row.seq for row in message.send(self._READ, {"account": account_id, "cursor": cursor})]


@dataclass
class Outcome:
    """The outcome of the storm."""

    committed: set[tuple[UUID, str]] = field(default_factory=set)
    seen: dict[UUID, list[int]] = field(default_factory=dict)
    stored: dict[tuple[UUID, str], int] = field(default_factory=dict)
    rolled_back: int = 0
    deadlocks: int = 0
    killed: int = 0
    late_hints: int = 0
    hints: int = 0
    faults: list[BaseException] = field(default_factory=list)

    @property
    def missed(self) -> int:
        """Events whose commit was confirmed and that the account's reader never got."""
        seen = {account_id: set(numbers) for account_id, numbers in self.seen.items()}
        return sum(key not in self.stored or self.stored[key] not in seen[key[0]] for key in self.committed)

    @property
    def repeated(self) -> int:
        return sum(len(numbers) - len(set(numbers)) for numbers in self.seen.values())


def run(strategy: Strategy, keys: list[Key], *, events: int, writers: int, watch_hints: bool) -> Outcome:
    """Run all of them until enough events are committed and some killed, then let the readers finish."""
    outcome, writing, polling = Outcome(), threading.Event(), threading.Event()
    accounts = sorted({account_id for account_id, _ in keys})
    outcome.seen = {account_id: [] for account_id in accounts}
    guarded = _guarded(outcome)
    write = [
        threading.Thread(target=guarded, args=(lambda n=n: _write(strategy, keys, n, writing, outcome),))
        for n in range(writers)
    ]
    others = [lambda: _kill(writing, outcome)]
    others += [lambda: _watch(accounts, polling, outcome)] if watch_hints else []
    others += [lambda a=a: _read(strategy, a, polling, outcome) for a in accounts]  # type: ignore[misc]
    rest = [threading.Thread(target=guarded, args=(target,)) for target in others]
    for thread in [*rest, *write]:
        thread.start()
    while not outcome.faults and (len(outcome.committed) < events or not outcome.killed or not outcome.rolled_back):
        time.sleep(0.02)
    writing.set()
    for thread in write:
        thread.join()
    polling.set()
    for thread in rest:
        thread.join()
    outcome.stored = _stored()
    if outcome.faults:
        raise outcome.faults[0]
    return outcome


def _guarded(outcome: Outcome) -> Callable[[Callable[[], None]], None]:
    def call(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            outcome.faults.append(error)

    return call


def _write(strategy: Strategy, keys: list[Key], number: int, stop: threading.Event, outcome: Outcome) -> None:
    dice, turn = random.Random(number), 0
    while not stop.is_set():
        turn += 1
        chosen = dice.sample(keys, dice.choice([1, 1, 1, 2, 3]))
        events = [(key, f"{number}-{turn}-{n}") for n, key in enumerate(chosen)]
        try:
            with maintenance() as session:
                # Rows in any order: some of these meet in a deadlock, and PostgreSQL ends one of them.
                for key, _ in events:
                    session.execute(text("SELECT 1 FROM handoffs WHERE id = :id FOR UPDATE"), {"id": key[1]})
                    time.sleep(dice.random() * 0.01)
                strategy.number(session, events)
                time.sleep(dice.random() * 0.01)
                if dice.random() < 0.1:
                    raise Rollback
        except Rollback:
            outcome.rolled_back += 1
        except DBAPIError as error:
            outcome.deadlocks += getattr(error.orig, "pgcode", None) == "40P01"
        else:
            outcome.committed |= {(key[0], note) for key, note in events}


def _read(strategy: Strategy, account_id: UUID, stop: threading.Event, outcome: Outcome) -> None:
    cursor = 0
    while True:
        last = stop.is_set()
        try:
            with one_message(account_id) as message:
                numbers = strategy.after(message, account_id, cursor)
        except DBAPIError:
            continue  # killed; the cursor stays
        outcome.seen[account_id] += numbers
        cursor = numbers[-1] if numbers else cursor
        if last and not numbers:
            return
        if not numbers:
            time.sleep(0.001)


def _kill(stop: threading.Event, outcome: Outcome) -> None:
    """End a random connection every few milliseconds, wherever it is."""
    with database.engine().connect() as connection:
        while not stop.wait(0.05):
            outcome.killed += connection.execute(
                text("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
                ORDER BY random() LIMIT 1""")
            ).rowcount
            connection.rollback()


def _watch(accounts: list[UUID], stop: threading.Event, outcome: Outcome) -> None:
    """Fill hints as polls do, and compare each with the head that was committed before it was read: none is lower."""
    head = text("SELECT f.head, c.epoch FROM feeds AS f, feed_control AS c WHERE f.account_id = :account")
    while not stop.is_set():
        for account_id in accounts:
            lease = heads().lease(account_id)
            try:
                with maintenance() as session:
                    committed, epoch = session.execute(head, {"account": account_id}).one()
            except DBAPIError:
                continue
            if lease:
                heads().fill(account_id, lease, committed, epoch, 1.0, 0.0)
            hint = heads().look(account_id, epoch)
            outcome.hints += hint is not None
            outcome.late_hints += hint is not None and hint.head < committed


def _stored() -> dict[tuple[UUID, str], int]:
    with maintenance() as session:
        rows = session.execute(text("SELECT account_id, note, seq FROM feed_events WHERE note ~ '^[0-9]+-'"))
        return {(account_id, note): seq for account_id, note, seq in rows}
