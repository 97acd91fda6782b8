"""What the end of an assessment does to its handoff: it becomes ready, whatever the assessment became."""

from __future__ import annotations

from typing import Any

from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import assessment, feed
from models.assessment import Assessment, Lane, Lease, State
from models.feed import EventType
from models.handoff import Handoff, Status, lock

FENCED = Counter("escalation_fenced_finishes", "Results that came after somebody else's attempt had begun")


def complete(session: Session, lease: Lease, state: State, **values: Any) -> bool:
    """Write the result of a leased generation and tell the feed.

    False: the lease was lost, nothing was written. The first generation makes the handoff ready, once; a
    later one is told when it changed something, or when a person asked for it. A generation without good
    content leaves the last good one shown.
    """
    handoff = lock(session, lease.account_id, lease.handoff_id)
    before = _shown(session, handoff)
    if not assessment.finish(session, lease, state, **values):
        FENCED.inc()
        return False
    if _is_better(state, before):
        handoff.shown_generation = lease.generation
    if handoff.ready_at is None:
        handoff.ready_at = func.now()
        if handoff.status is Status.PENDING:
            handoff.status = Status.READY
        _tell(session, handoff, EventType.READY)
    elif lease.lane is Lane.INTERACTIVE or _changed(before, state, values):
        _tell(session, handoff, EventType.REASSESSED)
    session.flush()
    return True


def _shown(session: Session, handoff: Handoff) -> Assessment | None:
    if handoff.shown_generation is None:
        return None
    return session.scalars(
        select(Assessment).where(
            Assessment.account_id == handoff.account_id,
            Assessment.handoff_id == handoff.id,
            Assessment.generation == handoff.shown_generation,
        )
    ).one()


def _is_better(state: State, before: Assessment | None) -> bool:
    if state is State.FALLBACK:
        return before is None or before.state is not State.SUCCEEDED
    return state is State.SUCCEEDED


def _changed(before: Assessment | None, state: State, values: dict[str, Any]) -> bool:
    if before is None:
        return True
    return (before.state, before.content, before.source) != (state, values.get("content"), values.get("source"))


def _tell(session: Session, handoff: Handoff, event: EventType) -> None:
    handoff.version += 1
    feed.collect(session, handoff.account_id, handoff.id, event, by=None)
