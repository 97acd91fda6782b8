"""Unfinished assessments across accounts: due, dropped by a worker, past their deadline."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select

from models.assessment import UNFINISHED, Assessment, Lane
from models.database import sql_file
from models.database.executor import Session
from models.settings import settings

_COUNT_DUE = sql_file(__file__, "count_due")
_REQUEUE_EXPIRED = sql_file(__file__, "requeue_expired")


def due_by_lane(session: Session, *, most: int) -> dict[Lane, int]:
    """Count the due assessments per lane, up to `most`."""
    rows = session.execute(_COUNT_DUE, {"lanes": [lane.value for lane in Lane], "most": most})
    return {Lane(lane): count for lane, count in rows}


def requeue_expired(session: Session, *, most: int = 200) -> int:
    """Queue assessments again whose lease has expired; returns how many. Concurrent sweeps share the rows."""
    return len(session.execute(_REQUEUE_EXPIRED, {"lease": settings().lease_seconds, "most": most}).all())


def past_deadline(session: Session, *, grace_seconds: float, most: int = 50) -> list[tuple[UUID, UUID]]:
    """Find assessments past their deadline that nobody is writing, oldest first: (account, id)."""
    rows = session.execute(
        select(Assessment.account_id, Assessment.id)
        .where(Assessment.state.in_(UNFINISHED))
        .where(Assessment.deadline_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, grace_seconds))
        .where(or_(Assessment.lease_until.is_(None), Assessment.lease_until < func.now()))
        .order_by(Assessment.deadline_at)
        .limit(most)
    )
    return [(account_id, assessment_id) for account_id, assessment_id in rows]


@dataclass(frozen=True)
class Backlog:
    """The unfinished assessments of one lane and state, over all accounts."""

    lane: str
    state: str
    count: int
    oldest_seconds: float  # since the oldest was asked for


def backlog(session: Session) -> list[Backlog]:
    """Count unfinished assessments for metrics: one scan of their index."""
    rows = session.execute(
        select(
            Assessment.lane,
            Assessment.state,
            func.count(),
            func.extract("epoch", func.now() - func.min(Assessment.queued_at)),
        )
        .where(Assessment.state.in_(UNFINISHED))
        .group_by(Assessment.lane, Assessment.state)
    )
    return [Backlog(lane.value, state.value, count, float(oldest)) for lane, state, count, oldest in rows]
