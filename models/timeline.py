"""Who did what when: read from the feed, the steps and the assessments, kept nowhere else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from models import assessment
from models.account import User
from models.card import rfc3339
from models.feed import FeedEvent
from models.handoff import Handoff
from models.session import SessionStep


def timeline(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    """Every event, later step and assessment attempt of a handoff, the oldest first.

    Events older than the feed's retention are gone; the handoff's own times stay.
    """
    people = session.execute(select(User.id, User.name).where(User.account_id == handoff.account_id))
    names: dict[UUID, str] = dict(people.all())
    entries = [
        *_events(session, handoff, names),
        *_steps(session, handoff, names),
        *_attempts(session, handoff),
    ]
    return sorted(entries, key=lambda entry: entry["at"])


def _events(session: Session, handoff: Handoff, names: dict[UUID, str]) -> list[dict[str, Any]]:
    events = session.execute(
        select(FeedEvent.seq, FeedEvent.type, FeedEvent.created_at, FeedEvent.actor_id, FeedEvent.note)
        .where(FeedEvent.account_id == handoff.account_id, FeedEvent.handoff_id == handoff.id)
        .order_by(FeedEvent.seq)
    )
    return [
        _entry(event.created_at, event.type, event.actor_id, names, seq=event.seq, note=event.note)
        for event in events
    ]


def _steps(session: Session, handoff: Handoff, names: dict[UUID, str]) -> list[dict[str, Any]]:
    steps = session.scalars(
        select(SessionStep).where(
            and_(
                SessionStep.account_id == handoff.account_id,
                SessionStep.session_id == handoff.session_id,
                SessionStep.added_at > handoff.created_at,
            )
        )
    )
    return [_entry(step.added_at, "step", step.added_by_id, names, step=step.seq, note=step.text) for step in steps]


def _attempts(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    return [
        {
            "at": attempt["at"],
            "kind": f"assessment.{attempt['result']}",
            "by": None,
            "generation": row.generation,
            "attempt": attempt["attempt"],
            "error": attempt["error"],
            "source": row.source,
        }
        for row in assessment.generations(session, handoff.account_id, handoff.id)
        for attempt in row.attempt_log
    ]


def _entry(at: Any, kind: str, by: UUID | None, names: dict[UUID, str], **more: Any) -> dict[str, Any]:
    person = None if by is None else {"id": str(by), "name": names.get(by)}
    return {"at": rfc3339(at), "kind": str(kind), "by": person} | more
