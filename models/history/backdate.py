"""Give an account that shows something a past: what was just done in it gets the times of a played clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    and_,
    cast,
    column,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from models.assessment import Assessment
from models.assessment.feedback import Feedback
from models.database.executor import Session
from models.feed import FeedEvent
from models.handoff import Handoff
from models.session import SessionStep, TroubleshootingSession

_INSTANT = DateTime(timezone=True)

_TIMES: dict[Any, tuple[str, ...]] = {
    TroubleshootingSession: ("created_at",),
    SessionStep: ("added_at",),
    Feedback: ("created_at",),
    Assessment: ("queued_at", "started_at", "finished_at"),
    Handoff: ("created_at", "escalated_at", "ready_at", "claimed_at", "first_action_at", "resolved_at", "closed_at"),
    FeedEvent: ("created_at",),
}
_TIMES_OF_CARDS = ("created_at", "ready_at", "claimed_at", "first_action_at", "resolved_at")


@dataclass(frozen=True)
class Moment:
    """What began at `began` by the database's clock is dated to `at`."""

    began: datetime
    at: datetime


def now(session: Session) -> datetime:
    """Return the time by the database's clock."""
    return session.execute(select(func.clock_timestamp())).scalar_one()


def backdate(session: Session, account_id: UUID, moments: Sequence[Moment]) -> None:
    """Move every time since the first moment by as much as the latest moment before it; needs maintenance().

    The order of events stays if the moments go forward. Deadlines stay, as do times from before, and the
    wait after which reminders are sent: a past is no reason for many of them at once.
    """
    for table in _TIMES:
        _move_times(session, table, table.account_id == account_id, moments)


def backdate_handoff(session: Session, account_id: UUID, handoff_id: UUID, moments: Sequence[Moment]) -> None:
    """Move only the handoff's own times, which decide what may happen next. backdate() moves the rest later."""
    own = and_(Handoff.account_id == account_id, Handoff.id == handoff_id)
    _move_times(session, Handoff, own, moments)


def _move_times(session: Session, table: Any, which: ColumnElement[bool], moments: Sequence[Moment]) -> None:
    ticks = _table(moments)
    times = {name: _played(getattr(table, name), ticks) for name in _TIMES[table]}
    session.execute(
        update(table).where(which).values(times | _inside(table, ticks)),
        execution_options={"synchronize_session": False},
    )


def _table(moments: Sequence[Moment]) -> FromClause:
    rows = [{"began": each.began.isoformat(), "at": each.at.isoformat()} for each in moments]
    columns = (column("began", _INSTANT), column("at", _INSTANT))
    return func.jsonb_to_recordset(literal(rows, JSONB)).table_valued(*columns).render_derived(with_types=True)


def _played(time: ColumnElement[Any], ticks: FromClause) -> ColumnElement[Any]:
    latest = (
        select(ticks.c.at + (time - ticks.c.began))
        .where(ticks.c.began <= time)
        .order_by(ticks.c.began.desc())
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(latest, time)


def _inside(table: Any, ticks: FromClause) -> dict[str, ColumnElement[Any]]:
    """Return what holds times as JSON: cards, and the log of attempts."""
    if table is Assessment:
        first = cast(table.attempt_log[0]["at"].astext, _INSTANT)
        moved = func.jsonb_set(table.attempt_log, text("'{0,at}'"), func.to_jsonb(_played(first, ticks)), False)
        return {"attempt_log": func.coalesce(moved, table.attempt_log)}
    if not hasattr(table, "card"):
        return {}
    shown = {name: cast(table.card[name].astext, _INSTANT) for name in (*_TIMES_OF_CARDS, "lease_until")}
    times = {name: _played(shown[name], ticks) for name in _TIMES_OF_CARDS}
    times["lease_until"] = _leased(shown["lease_until"], shown["claimed_at"], ticks)
    parts = [part for name, time in times.items() for part in (literal(name), func.rfc3339(time))]
    card = {"card": table.card.concat(func.jsonb_build_object(*parts))}
    if table is FeedEvent:
        return card
    return card | {"lease_until": _leased(table.lease_until, table.claimed_at, ticks)}


def _leased(until: ColumnElement[Any], claimed_at: ColumnElement[Any], ticks: FromClause) -> ColumnElement[Any]:
    """Keep the length of a lease."""
    moved: ColumnElement[Any] = until + (_played(claimed_at, ticks) - claimed_at)
    return moved
