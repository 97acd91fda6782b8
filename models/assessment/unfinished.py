"""What the sweep asks for across accounts: what the broker lost, what ran out of time, who forgot a claim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from models.assessment import UNFINISHED, Assessment, Lane
from models.settings import settings


@dataclass(frozen=True)
class Wake:
    """An assessment for which a worker is to be woken."""

    account_id: UUID
    assessment_id: UUID
    lane: Lane


# What each account has waited for longest comes first, then each account's second: a flood of one does not
# delay the others. While wake-ups still lie in a lane's list, every further one waits twice as long, so that a
# deep queue is not sent again and again; an empty list has nothing left that could be waited for.
# The last two conditions are asked again of a row that another sweep has changed meanwhile.
_DUE = text("""
    WITH due AS (
        SELECT account_id, id, row_number() OVER (PARTITION BY account_id ORDER BY woken_at) AS turn
        FROM assessments
        WHERE state = 'queued' AND not_before <= now() AND woken_at <= now() - make_interval(
            secs => :after * CASE WHEN lane = ANY(:idle) THEN 1 ELSE power(2, least(wakes, 3)) END)
    ), taken AS (
        SELECT assessments.account_id, assessments.id, due.turn FROM assessments JOIN due USING (account_id, id)
        WHERE assessments.state = 'queued' AND assessments.woken_at <= now() - make_interval(secs => :after)
        ORDER BY due.turn, assessments.woken_at LIMIT :most
        FOR NO KEY UPDATE OF assessments SKIP LOCKED
    ), woken AS (
        UPDATE assessments SET woken_at = now(), wakes = wakes + 1
        FROM taken WHERE assessments.account_id = taken.account_id AND assessments.id = taken.id
        RETURNING assessments.account_id, assessments.id, assessments.lane, taken.turn
    )
    SELECT account_id, id, lane FROM woken ORDER BY turn, id
""")


def due_wakes(session: Session, *, idle: Iterable[Lane] = (), most: int = 200) -> list[Wake]:
    """What has waited too long for a worker; marked as woken now, the fairest order first.

    `idle` are the lanes in whose list no wake-up lies. Safe to run in many places at once: a row is given to
    one of them.
    """
    rows = session.execute(
        _DUE, {"after": settings().requeue_after_seconds, "idle": [lane.value for lane in idle], "most": most}
    )
    return [Wake(account_id, assessment_id, Lane(lane)) for account_id, assessment_id, lane in rows]


# Of rows that died together one may be the one that kills, so they part: each waits a random time, and the
# innocent get through while it is alone. At most a quarter of a lease after the first crash, since most often
# a worker was only killed or replaced; up to two leases more with every further one.
_EXPIRED = text("""
    WITH dead AS (
        SELECT account_id, id,
            now() + make_interval(
                secs => random() * :lease * (0.25 + 2 * (attempts - jsonb_array_length(attempt_log) - 1))) AS due_at
        FROM assessments WHERE state = 'running' AND lease_until < now()
        ORDER BY woken_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE assessments SET state = 'queued', lease_until = NULL, not_before = dead.due_at,
        woken_at = dead.due_at - make_interval(secs => :after), wakes = 0
    FROM dead WHERE assessments.account_id = dead.account_id AND assessments.id = dead.id
    RETURNING assessments.id
""")


def requeue_expired(session: Session, *, most: int = 200) -> int:
    """Queue what a worker has dropped: its lease ran out. Returns how many. Many sweeps share the rows."""
    after, lease = settings().requeue_after_seconds, settings().lease_seconds
    return len(session.execute(_EXPIRED, {"after": after, "lease": lease, "most": most}).all())


def past_deadline(session: Session, *, grace_seconds: float, most: int = 50) -> list[Wake]:
    """What should have ended by now and that nobody is writing; the oldest first."""
    rows = session.execute(
        select(Assessment.account_id, Assessment.id, Assessment.lane)
        .where(Assessment.state.in_(UNFINISHED))
        .where(Assessment.deadline_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, grace_seconds))
        .where(or_(Assessment.lease_until.is_(None), Assessment.lease_until < func.now()))
        .order_by(Assessment.deadline_at)
        .limit(most)
    )
    return [Wake(account_id, assessment_id, lane) for account_id, assessment_id, lane in rows]


@dataclass(frozen=True)
class Backlog:
    """The unfinished assessments of one lane and state, over all accounts."""

    lane: str
    state: str
    count: int
    oldest_seconds: float  # since the oldest was asked for


def backlog(session: Session) -> list[Backlog]:
    """What has not ended, for metrics: one scan of the index of unfinished rows."""
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
