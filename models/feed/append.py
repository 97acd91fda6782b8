"""Append events to the feed: the last statement before commit numbers them, writes their cards and stores them.

It is a single statement, so that an account's counter is locked for one round trip and the commit. A change that
produces its own event travels in the same message, so the counter is locked only while PostgreSQL works.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from models.database import Executor, dump_json
from models.database.prepared import Prepared, together
from models.feed import Pending
from models.feed.card import CARD, FACTS, Representation, representation_as

MAX_EVENTS = 200  # in one transaction: what is numbered at once is locked at once


@dataclass(frozen=True)
class Appended:
    """The state of an account's feed after an append. `whole`: the handoff of its only event, where asked for."""

    head: int
    epoch: str
    pace: float
    whole: Representation | None


# An event of a handoff that is not there has no version, which the table refuses: hence the LEFT JOIN.
def _write(item: str, named: str, *, whole: str = "NULL", event: str = "NULL", when: str = "true") -> str:
    return f"""
        WITH counter AS (
            UPDATE feeds SET head = head + %(k)s, changed_at = clock_timestamp()
            WHERE account_id = %(account)s AND {when} RETURNING head
        ), item AS ({item}), fact AS MATERIALIZED ({FACTS} = {named}), made AS (
            SELECT f.id, f.version, {CARD} AS card, {whole} AS whole FROM fact AS f, counter
        ), event AS (
            INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, actor_id, note, card)
            SELECT %(account)s, seq, type, id, version, actor_id, note, card || jsonb_build_object('seq', seq)
            FROM item LEFT JOIN made USING (id)
        ), shown AS (
            UPDATE handoffs SET seq = item.seq, card = made.card || jsonb_build_object('seq', item.seq)
            FROM item JOIN made USING (id)
            WHERE item.last AND handoffs.account_id = %(account)s AND handoffs.id = item.id
        )
        SELECT counter.head, control.epoch, control.pace, (SELECT whole FROM made LIMIT 1) AS whole,
            (SELECT version FROM made LIMIT 1) AS version, {event} AS event
        FROM feed_control AS control LEFT JOIN counter ON true
    """


_SHOWN = f"{representation_as('counter.head')}::text"


def _write_one(type: str = "%(type)s::text", **more: str) -> Prepared:
    """The append for a single event, which is what nearly every transaction has."""
    item = f"""
        SELECT counter.head AS seq, true AS last, {type} AS type, %(handoff)s::uuid AS id, %(by)s::uuid AS actor_id,
            %(note)s::text AS note
        FROM counter
    """
    return Prepared(_write(item, "%(handoff)s::uuid", **more))


_WRITE_ONE, _WRITE_ONE_AND_SHOW = _write_one(), _write_one(whole=_SHOWN)
_WRITE_MANY = _write(
    """
        SELECT counter.head - %(k)s + listed.n AS seq, listed.*
        FROM counter, jsonb_to_recordset(CAST(%(items)s AS jsonb))
            AS listed(n int, last bool, type text, id uuid, actor_id uuid, note text)
    """,
    "ANY(%(ids)s::uuid[])",
)

# The change and the append are two statements of one message, because a statement does not see what its own WITH
# items have changed. The first leaves the type of its event in a setting of the transaction, for the second to read.
_EVENT = "current_setting('app.event')"
_REFUSED = ""
NO_EVENT = "quiet"
_IS_EVENT = f"{_EVENT} NOT IN ('{_REFUSED}', '{NO_EVENT}')"
_APPEND, _APPEND_AND_SHOW = (
    _write_one(_EVENT, event=_EVENT, when=_IS_EVENT, **more) for more in ({}, {"whole": _SHOWN})
)


def with_event(parts: str) -> Prepared:
    """Prepare a change of at most one handoff, made of WITH items, together with the type of its event.

    The item named `changed` is the change. Its row has the column `event`: an EventType or NO_EVENT. No row means
    that the change was refused.
    """
    return Prepared(f"""
        WITH {parts} SELECT set_config('app.event', coalesce((SELECT event FROM changed), '{_REFUSED}'), true)
    """)


@dataclass(frozen=True)
class Changed:
    """The outcome of a change. `appended`: its event, if it has one."""

    happened: bool
    appended: Appended | None


def change_and_append(runs: Executor, what: Prepared, values: Mapping[str, Any], *, show: bool) -> Changed:
    """Carry out a change made by with_event() and append its event, in one message.

    `values` are those of the change, with `account`, `handoff`, `by` (the person who acts) and `note`. `show` asks
    for the handoff in full.
    """
    write = _APPEND_AND_SHOW if show else _APPEND
    row: Any = together(runs, (what, write), {**values, "k": 1}).one()
    return Changed(row.event != _REFUSED, None if row.head is None else _numbered(row))


def append_events(session: Session, *, show: bool = False) -> dict[UUID, Appended]:
    """Number and store the collected events; the last statements before commit. Returns the new heads.

    Accounts go in sorted order, so that two transactions over the same accounts cannot deadlock. `show` asks for the
    handoff in full, where an account has a single event.
    """
    pending: list[Pending] = session.info.pop("feed", [])
    if not pending:
        return {}
    if len(pending) > MAX_EVENTS:
        raise ValueError(f"{len(pending)} events in one transaction; at most {MAX_EVENTS}")
    session.flush()
    by_account: dict[UUID, list[Pending]] = defaultdict(list)
    for event in pending:
        by_account[event.account_id].append(event)
    return {account_id: _append(session, by_account[account_id], show=show) for account_id in sorted(by_account)}


def _append(session: Session, events: list[Pending], *, show: bool) -> Appended:
    connection = session.connection()
    if len(events) == 1:
        write = _WRITE_ONE_AND_SHOW if show else _WRITE_ONE
        row = write(connection, _values(events[0])).one()
    else:
        row = connection.exec_driver_sql(_WRITE_MANY, _values_of_many(events)).one()
    return _numbered(row)


def _numbered(row: Any) -> Appended:
    whole = None if row.whole is None else Representation(row.whole, row.version, row.head)
    return Appended(row.head, row.epoch, row.pace, whole)


def _values(event: Pending) -> dict[str, Any]:
    by = event.actor_id and str(event.actor_id)
    item = {"handoff": str(event.handoff_id), "type": event.type, "by": by, "note": event.note}
    return {"k": 1, "account": str(event.account_id), **item}


def _values_of_many(events: list[Pending]) -> dict[str, Any]:
    last = {event.handoff_id: n for n, event in enumerate(events, start=1)}
    items = [
        {
            "n": n,
            "last": last[event.handoff_id] == n,
            "type": event.type,
            "id": str(event.handoff_id),
            "actor_id": event.actor_id and str(event.actor_id),
            "note": event.note,
        }
        for n, event in enumerate(events, start=1)
    ]
    ids = [str(handoff_id) for handoff_id in last]
    return {"k": len(items), "account": str(events[0].account_id), "items": dump_json(items), "ids": ids}
