"""What the sweep asks for across accounts: what the broker lost, what ran out of time, who forgot a claim."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from models import feed
from models.account import Account
from models.assessment import UNFINISHED, Assessment, Lane
from models.feed import EventType
from models.handoff import Handoff, Status
from models.settings import settings


@dataclass(frozen=True)
class Wake:
    """An assessment for which a worker is to be woken."""

    account_id: UUID
    assessment_id: UUID
    lane: Lane


# Each account's oldest first, then each account's second: a flood of one does not delay the others. Every
# further wake-up waits twice as long, so that a deep queue is not sent again and again.
_DUE = text("""
    WITH due AS (
        SELECT account_id, id, row_number() OVER (PARTITION BY account_id ORDER BY woken_at) AS turn
        FROM assessments
        WHERE woken_at <= now() - make_interval(secs => :after * power(2, least(wakes, 3)))
          AND ((state = 'queued' AND not_before <= now()) OR (state = 'running' AND lease_until < now()))
    ), taken AS (
        SELECT assessments.account_id, assessments.id FROM assessments JOIN due USING (account_id, id)
        ORDER BY due.turn, assessments.woken_at LIMIT :most
        FOR UPDATE OF assessments SKIP LOCKED
    )
    UPDATE assessments SET woken_at = now(), wakes = wakes + 1
    FROM taken WHERE assessments.account_id = taken.account_id AND assessments.id = taken.id
      AND assessments.state IN ('queued', 'running')
    RETURNING assessments.account_id, assessments.id, assessments.lane
""")


def due_wakes(session: Session, *, most: int = 200) -> list[Wake]:
    """What has waited too long for a worker, or was dropped by one; marked as woken now.

    Safe to run in many places at once: a row is given to one of them.
    """
    rows = session.execute(_DUE, {"after": settings().requeue_after_seconds, "most": most})
    return [Wake(account_id, assessment_id, Lane(lane)) for account_id, assessment_id, lane in rows]


def past_deadline(session: Session, *, grace_seconds: float, most: int = 50) -> list[Wake]:
    """What should have ended by now and has not."""
    rows = session.execute(
        select(Assessment.account_id, Assessment.id, Assessment.lane)
        .where(Assessment.state.in_(UNFINISHED))
        .where(Assessment.deadline_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, grace_seconds))
        .order_by(Assessment.deadline_at)
        .limit(most)
    )
    return [Wake(account_id, assessment_id, lane) for account_id, assessment_id, lane in rows]


def return_overdue_claims(session: Session, *, most: int = 50) -> int:
    """Give claims without a first action back to the queue once their lease has run out; returns how many."""
    lease = func.coalesce(Account.claim_lease_seconds, settings().claim_lease_seconds)
    late = session.execute(
        select(Handoff.account_id, Handoff.id)
        .join(Account, Account.id == Handoff.account_id)
        .where(Handoff.status == Status.CLAIMED, Handoff.first_action_at.is_(None))
        .where(Handoff.claimed_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, lease))
        .order_by(Handoff.account_id, Handoff.id)
        .limit(most)
        .with_for_update(of=Handoff, skip_locked=True)
    ).all()
    for account_id, handoff_id in late:
        session.execute(
            update(Handoff)
            .where(Handoff.account_id == account_id, Handoff.id == handoff_id)
            .values(
                status=Status.READY,
                claimed_by_id=None,
                claimed_at=None,
                overdue=True,
                version=Handoff.version + 2,
            )
        )
        feed.collect(session, account_id, handoff_id, EventType.OVERDUE, by=None)
        feed.collect(session, account_id, handoff_id, EventType.RELEASED, by=None, note="claim lease ran out")
    return len(late)


def accounts_with_feeds(session: Session) -> list[UUID]:
    """Every account, for upkeep that goes account by account."""
    return list(session.scalars(select(feed.Feed.account_id).order_by(feed.Feed.account_id)))
