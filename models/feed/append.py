"""The last statement before commit: gives the events of a transaction their numbers and cards, and writes them.

One statement, so that an account's counter is locked for one round trip and the commit. A change that says by itself
what it tells is sent with it, in one message: then it is locked for no longer than PostgreSQL needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from models.database import Runs, dump_json
from models.database.prepared import Prepared, together
from models.feed import Pending
from models.feed.card import CARD, FACTS, Whole, whole_as

MAX_EVENTS = 200  # in one transaction: what is numbered at once is locked at once


@dataclass(frozen=True)
class Numbered:
    """What one account's feed became in a transaction. `whole`: the handoff of its only event, where asked for."""

    head: int
    epoch: str
    pace: float
    whole: Whole | None


# An event of a handoff that is not there has no version, which the table refuses: hence the LEFT JOIN.
def _write(item: str, named: str, *, whole: str = "NULL", told: str = "NULL", when: str = "true") -> str:
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
            (SELECT version FROM made LIMIT 1) AS version, {told} AS told
        FROM feed_control AS control LEFT JOIN counter ON true
    """


_SHOWN = f"{whole_as('counter.head')}::text"


def _write_one(type: str = "%(type)s::text", **more: str) -> Prepared:
    """For a single event, as nearly every transaction tells one."""
    item = f"""
        SELECT counter.head AS seq, true AS last, {type} AS type, %(handoff)s::uuid AS id, %(by)s::uuid AS actor_id,
            %(note)s::text AS note
        FROM counter
    """
    return Prepared(_write(item, "%(handoff)s::uuid", **more))


_WRITE_ONE, _WRITE_ONE_AND_SHOW = _write_one(), _write_one(whole=_SHOWN)
_WRITE_MANY = _write(
    """
        SELECT counter.head - %(k)s + told.n AS seq, told.*
        FROM counter, jsonb_to_recordset(CAST(%(items)s AS jsonb))
            AS told(n int, last bool, type text, id uuid, actor_id uuid, note text)
    """,
    "ANY(%(ids)s::uuid[])",
)

# A change leaves in this setting of its transaction what it tells: a type of event, or that there is nothing to tell.
_TOLD = "current_setting('app.told')"
_REFUSED = ""
QUIET = "quiet"
_IS_EVENT = f"{_TOLD} NOT IN ('{_REFUSED}', '{QUIET}')"
_TELL, _TELL_AND_SHOW = (_write_one(_TOLD, told=_TOLD, when=_IS_EVENT, **more) for more in ({}, {"whole": _SHOWN}))


def telling(parts: str) -> Prepared:
    """A change of at most one handoff that says what it tells, of WITH items.

    The one named `changed` is the change, and its row has `told`: an EventType or QUIET. That is the result; empty:
    the change was refused.
    """
    return Prepared(f"""
        WITH {parts} SELECT set_config('app.told', coalesce((SELECT told FROM changed), '{_REFUSED}'), true)
    """)


@dataclass(frozen=True)
class Changed:
    """What became of a change. `numbered`: the feed, if it was told."""

    happened: bool
    numbered: Numbered | None


def change(runs: Runs, what: Prepared, values: Mapping[str, Any], *, show: bool) -> Changed:
    """Carry out what telling() made and number what it tells, in one message.

    `values` are those of the change, with `account`, `handoff`, `by` (whose act it is) and `note`. `show` asks for
    the handoff in full.
    """
    write = _TELL_AND_SHOW if show else _TELL
    row: Any = together(runs, (what, write), {**values, "k": 1}).one()
    return Changed(row.told != _REFUSED, None if row.head is None else _numbered(row))


def number(session: Session, *, show: bool = False) -> dict[UUID, Numbered]:
    """Number and write what was collected; the last statements before commit. Returns the new heads.

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
    return {account_id: _number(session, by_account[account_id], show=show) for account_id in sorted(by_account)}


def _number(session: Session, events: list[Pending], *, show: bool) -> Numbered:
    connection = session.connection()
    if len(events) == 1:
        write = _WRITE_ONE_AND_SHOW if show else _WRITE_ONE
        row = write(connection, _values(events[0])).one()
    else:
        row = connection.exec_driver_sql(_WRITE_MANY, _values_of_many(events)).one()
    return _numbered(row)


def _numbered(row: Any) -> Numbered:
    whole = None if row.whole is None else Whole(row.whole, row.version, row.head)
    return Numbered(row.head, row.epoch, row.pace, whole)


def _values(event: Pending) -> dict[str, Any]:
    by = event.actor_id and str(event.actor_id)
    told = {"handoff": str(event.handoff_id), "type": event.type, "by": by, "note": event.note}
    return {"k": 1, "account": str(event.account_id), **told}


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
