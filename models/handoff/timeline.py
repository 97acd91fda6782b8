"""The timeline of a handoff, read from the feed, the steps and the assessments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from models import assessment
from models.account import User
from models.database.executor import Session
from models.feed import EventType, FeedEvent
from models.feed.card import rfc3339
from models.handoff import Handoff, Status
from models.session import SessionStep


def timeline(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    """Return every event, later step and assessment attempt of a handoff, oldest first.

    Events older than the feed's retention are gone; the handoff's own times stay. What a step says is long, and is
    added by with_texts().
    """
    entries = [*_events(session, handoff), *_steps(session, handoff), *_assessments(session, handoff)]
    names = _names(session, handoff.account_id, {entry["by"] for entry in entries} - {None})
    for entry in entries:
        by = entry["by"]
        entry["by"] = None if by is None else {"id": str(by), "name": names.get(by)}
    ordered = sorted(entries, key=lambda entry: entry["at"])
    return [entry | {"at": rfc3339(entry["at"])} for entry in ordered]


def _names(session: Session, account_id: UUID, ids: set[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(User.id, User.name).where(User.account_id == account_id, User.id.in_(ids)))
    return dict(rows.all())


def _entry(at: datetime | None, kind: str, by: UUID | None, **more: Any) -> dict[str, Any]:
    return {"at": at, "kind": kind, "by": by} | more


def _events(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    events = session.execute(
        select(FeedEvent.seq, FeedEvent.type, FeedEvent.created_at, FeedEvent.actor_id, FeedEvent.note)
        .where(FeedEvent.account_id == handoff.account_id, FeedEvent.handoff_id == handoff.id)
        .order_by(FeedEvent.seq)
    )
    return [
        _entry(event.created_at, event.type.value, event.actor_id, seq=event.seq, note=_note(handoff, event))
        for event in events
    ]


def receivers(session: Session, account_id: UUID, handoff_ids: Sequence[UUID]) -> dict[int, str]:
    """Return who had the claim after each event that gave it to somebody, by the number of the event."""
    events = session.execute(
        select(FeedEvent.seq, FeedEvent.card["claimed_by"]["name"].astext)
        .where(FeedEvent.account_id == account_id, FeedEvent.handoff_id.in_(handoff_ids))
        .where(FeedEvent.type.in_([EventType.CLAIMED, EventType.REASSIGNED]))
    )
    return {seq: name for seq, name in events if name}


def _note(handoff: Handoff, event: Any) -> str | None:
    # Events of former versions leave the root cause to the handoff.
    return event.note or (handoff.root_cause if event.type is EventType.RESOLVED else None)


def _steps(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    """The steps added while this handoff was the session's latest."""
    later = aliased(Handoff)
    next_began = (
        select(func.min(func.coalesce(later.escalated_at, later.created_at)))
        .where(later.account_id == handoff.account_id, later.session_id == handoff.session_id)
        .where(later.id > handoff.id, later.status != Status.PARKED)
        .scalar_subquery()
    )
    steps = session.execute(
        select(SessionStep.added_at, SessionStep.added_by_id, SessionStep.seq).where(
            SessionStep.account_id == handoff.account_id,
            SessionStep.session_id == handoff.session_id,
            SessionStep.added_at > handoff.created_at,
            SessionStep.added_at < func.coalesce(next_began, "infinity"),
        )
    )
    return [_entry(step.added_at, "step", step.added_by_id, step=step.seq) for step in steps]


def with_texts(
    session: Session, account_id: UUID, session_id: UUID, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the entries with the texts of their steps as notes."""
    rows = session.execute(
        select(SessionStep.seq, SessionStep.text)
        .where(SessionStep.account_id == account_id, SessionStep.session_id == session_id)
        .where(SessionStep.seq.in_([entry["step"] for entry in entries if "step" in entry]))
    )
    texts: dict[int, str] = dict(rows.all())
    return [entry | {"note": texts.get(entry["step"])} if "step" in entry else entry for entry in entries]


def _assessments(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    """For each generation: its request, the result of every attempt, and its end if no attempt brought it."""
    entries = []
    for row in assessment.generations(session, handoff.account_id, handoff.id):
        about = {"generation": row.generation, "source": row.source}
        entries.append(_entry(row.queued_at, "assessment.queued", row.asked_by_id, **about))
        results = set()
        for attempt in row.attempt_log:
            results.add(attempt["result"])
            at = datetime.fromisoformat(attempt["at"])
            facts = {"attempt": attempt["attempt"], "error": attempt["error"], **about}
            entries.append(_entry(at, f"assessment.{attempt['result']}", None, **facts))
        if row.finished_at is not None and row.state.value not in results:
            facts = {"attempt": None, "error": row.error_kind, **about}
            entries.append(_entry(row.finished_at, f"assessment.{row.state.value}", None, **facts))
    return entries


def steps_after(
    session: Session, account_id: UUID, session_id: UUID, seq: int, *, most: int
) -> Sequence[tuple[SessionStep, str | None]]:
    """Return the next steps after this number, with the names of those who added them."""
    query = (
        select(SessionStep, User.name)
        .outerjoin(User, and_(User.account_id == SessionStep.account_id, User.id == SessionStep.added_by_id))
        .where(SessionStep.account_id == account_id, SessionStep.session_id == session_id, SessionStep.seq > seq)
        .order_by(SessionStep.seq)
        .limit(most)
    )
    return [(row[0], row[1]) for row in session.execute(query)]
