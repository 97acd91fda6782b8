"""Unfinished assessments across accounts: due, dropped by a worker, past their deadline."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from models.assessment import UNFINISHED, Assessment, Lane
from models.settings import settings

_DUE = text("""
    SELECT lane, count(*) FROM unnest(CAST(:lanes AS text[])) AS lane, LATERAL (
        SELECT FROM assessments WHERE state = 'queued' AND not_before <= now() AND assessments.lane = lane.lane
        LIMIT :most
    ) AS due GROUP BY lane
""")


def due_by_lane(session: Session, *, most: int) -> dict[Lane, int]:
    """Count the due assessments per lane, up to `most`."""
    rows = session.execute(_DUE, {"lanes": [lane.value for lane in Lane], "most": most})
    return {Lane(lane): count for lane, count in rows}


# Of rows that died together one may be the one that kills, so they part: each waits a random time, and the
# innocent get through while it is alone. At most a quarter of a lease after the first crash, since most often
# a worker was only killed or replaced; up to two leases more with every further one.
_EXPIRED = text("""
    WITH dead AS (
        SELECT account_id, id,
            now() + make_interval(
                secs => random() * :lease * (0.25 + 2 * (attempts - jsonb_array_length(attempt_log) - 1))) AS due_at
        FROM assessments WHERE state = 'running' AND lease_until < now()
        ORDER BY lease_until LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE assessments SET state = 'queued', lease_until = NULL, not_before = dead.due_at
    FROM dead WHERE assessments.account_id = dead.account_id AND assessments.id = dead.id
    RETURNING assessments.id
""")


def requeue_expired(session: Session, *, most: int = 200) -> int:
    """Queue assessments again whose lease has expired; returns how many. Concurrent sweeps share the rows."""
    return len(session.execute(_EXPIRED, {"lease": settings().lease_seconds, "most": most}).all())


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
