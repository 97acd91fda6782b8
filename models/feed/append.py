"""Append events to the feed: the last statement before commit numbers them, writes their cards and stores them.

It is a single statement, so that an account's counter is locked for one round trip and the commit. A change that
produces its own event travels in the same message, so the counter is locked only while PostgreSQL works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Select, func, select

from models.database import dump_json, sql_file
from models.database.executor import Executor
from models.database.prepared import Prepared, together
from models.feed.card import Representation
from models.feed.unit_of_work import Appended, Event, UnitOfWork

MAX_EVENTS = 200  # in one transaction: what is numbered at once is locked at once
NO_EVENT = "none"
_REFUSED = ""

_APPEND_ONE = Prepared(sql_file(__file__, "append_one"))
_APPEND_MANY = Prepared(sql_file(__file__, "append_many"))


def with_event(changed: CTE) -> Select[str]:
    """Build the statement of a change that produces its own event.

    `changed` is an update of at most one handoff that returns the column `event`: an EventType or NO_EVENT. No row
    means that the change was refused. A statement does not see what its own CTEs change, so the event is appended by
    a second one, which reads the type of the event from a setting of the transaction.
    """
    event = func.coalesce(select(changed.c.event).scalar_subquery(), _REFUSED)
    return select(func.set_config("app.event", event, True).label("event"))


@dataclass(frozen=True)
class Changed:
    """The outcome of a change. `appended`: its event, if it has one."""

    happened: bool
    appended: Appended | None


def change_and_append(
    executor: Executor,
    account_id: UUID,
    handoff_id: UUID,
    change: Prepared,
    values: Mapping[str, Any],
    *,
    show: bool,
) -> Changed:
    """Carry out a change made by with_event() and append its event, in one message.

    `values` are those of the change; `by`, the person who acts, `note` and `unread_for` are the event's too. `show`
    asks for the handoff in full.
    """
    event = {"account": account_id, "handoff": handoff_id, "type": None, "by": None, "note": None, "show": show}
    event["unread_for"] = None
    (row,) = together(executor, (change, _APPEND_ONE), {**event, **values})
    return Changed(row.event != _REFUSED, None if row.head is None else _appended(row))


def append_events(session: UnitOfWork, *, show: bool = False) -> dict[UUID, Appended]:
    """Number and store the collected events; the last statements before commit. Returns the new heads.

    Accounts go in sorted order, so that two transactions over the same accounts cannot deadlock. `show` asks for the
    handoff in full, where an account has a single event.
    """
    pending = dict(session.events)
    session.events.clear()
    if not pending:
        return {}
    if (count := sum(map(len, pending.values()))) > MAX_EVENTS:
        raise ValueError(f"{count} events in one transaction; at most {MAX_EVENTS}")
    session.flush()
    return {account_id: _append(session, pending[account_id], show=show) for account_id in sorted(pending)}


def _append(session: UnitOfWork, events: Sequence[Event], *, show: bool) -> Appended:
    if len(events) > 1:
        (row,) = _APPEND_MANY(session, _values_of_many(events))
        return Appended(row.head, row.epoch, row.pace)
    (row,) = _APPEND_ONE(session, _values(events[0]) | {"show": show})
    return _appended(row)


def _appended(row: Any) -> Appended:
    whole = None if row.whole is None else Representation(row.whole, row.version, row.head)
    return Appended(row.head, row.epoch, row.pace, whole)


def _values(event: Event) -> dict[str, Any]:
    return {
        "account": event.account_id,
        "handoff": event.handoff_id,
        "type": event.type,
        "by": event.actor_id,
        "note": event.note,
        "unread_for": event.unread_for and str(event.unread_for),
    }


def _values_of_many(events: Sequence[Event]) -> dict[str, Any]:
    last = {event.handoff_id: n for n, event in enumerate(events, start=1)}
    items = [
        {
            "n": n,
            "last": last[event.handoff_id] == n,
            "type": event.type,
            "handoff_id": str(event.handoff_id),
            "actor_id": event.actor_id and str(event.actor_id),
            "note": event.note,
            "unread_for": event.unread_for and str(event.unread_for),
        }
        for n, event in enumerate(events, start=1)
    ]
    return {"account": events[0].account_id, "count": len(items), "items": dump_json(items), "handoffs": list(last)}
