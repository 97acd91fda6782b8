"""The timeline of a handoff, read from the feed, the audit, the steps and the assessments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Text, case, cast, func, null, select
from sqlalchemy.orm import aliased

from models import account, assessment
from models.audit import OF_EVENTS, Audit
from models.database.executor import Session
from models.feed import EventType, FeedEvent
from models.feed.card import people_of, rfc3339
from models.handoff import Handoff, Status
from models.session import SessionStep

ROLES = {"by", "to"}  # keys of entries that hold a person


def timeline(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    """Return every event, later step and assessment attempt of a handoff, oldest first.

    A reassignment names who has the claim then (`to`, unknown once pruned), the last resolution says what it was.
    A step says whom it asks (`to`), which step it `answers` and whether it is `retracted`.

    Events past the feed's retention come from the audit. What a step says is long, and is added by with_texts().
    """
    entries = [*_events(session, handoff), *_steps(session, handoff), *_assessments(session, handoff)]
    people = {who for entry in entries for role in ROLES if (who := entry.get(role)) is not None}
    names = account.names(session, handoff.account_id, people)
    for entry in entries:
        for role in entry.keys() & ROLES:
            who = entry[role]
            entry[role] = None if who is None else {"id": str(who), "name": names.get(who)}
    ordered = sorted(entries, key=lambda entry: entry["at"])
    return [entry | {"at": rfc3339(entry["at"])} for entry in ordered]


def _entry(at: datetime | None, kind: str, by: UUID | None, **more: Any) -> dict[str, Any]:
    return {"at": at, "kind": kind, "by": by} | more


def _events(session: Session, handoff: Handoff) -> list[dict[str, Any]]:
    """The events in the feed and those that were pruned, in one statement: pruning moves them at a single moment."""
    own = FeedEvent.account_id == handoff.account_id, FeedEvent.handoff_id == handoff.id
    kind = cast(FeedEvent.type, Text)
    claimer = case((FeedEvent.type == EventType.REASSIGNED, FeedEvent.card["claimed_by"]["id"].as_string()))
    facts = FeedEvent.seq, kind, FeedEvent.created_at, FeedEvent.actor_id, FeedEvent.note, claimer
    current = select(*facts).where(*own)
    seq = cast(func.split_part(Audit.subject, ":", 2), BigInteger).label("seq")
    pruned = select(seq, Audit.kind, Audit.at, Audit.actor_id, Audit.note, cast(null(), Text)).where(
        Audit.account_id == handoff.account_id, Audit.handoff_id == handoff.id, Audit.kind.startswith(OF_EVENTS)
    )
    events = session.execute(pruned.union_all(current).order_by("seq")).all()
    resolved = max((event[0] for event in events if event[1] == EventType.RESOLVED), default=None)
    return [
        _entry(at, kind, by, seq=seq, **_facts(handoff, kind, note, claimer, is_last=seq == resolved))
        for seq, kind, at, by, note, claimer in events
    ]


def _facts(handoff: Handoff, kind: str, note: str | None, claimer: str | None, *, is_last: bool) -> dict[str, Any]:
    if kind == EventType.RESOLVED:
        # Events of former versions leave the root cause to the handoff.
        return {"note": note or handoff.root_cause, "resolution": handoff.resolution if is_last else None}
    if kind == EventType.REASSIGNED:
        return {"note": note, "to": UUID(claimer) if claimer else None}
    return {"note": note}


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
        select(
            SessionStep.added_at,
            SessionStep.added_by_id,
            SessionStep.seq,
            SessionStep.kind,
            SessionStep.to_user_id,
            SessionStep.answers,
            SessionStep.retracted_at,
        ).where(
            SessionStep.account_id == handoff.account_id,
            SessionStep.session_id == handoff.session_id,
            SessionStep.added_at > handoff.created_at,
            SessionStep.added_at < func.coalesce(next_began, "infinity"),
        )
    )
    return [
        _entry(
            step.added_at,
            "step",
            step.added_by_id,
            step=step.seq,
            step_kind=step.kind,
            to=step.to_user_id,
            answers=step.answers,
            retracted=step.retracted_at is not None,
        )
        for step in steps
    ]


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
) -> tuple[Sequence[SessionStep], Mapping[UUID, str]]:
    """Return the next steps after this number, with the names of the people whom they name."""
    steps = session.scalars(
        select(SessionStep)
        .where(SessionStep.account_id == account_id, SessionStep.session_id == session_id, SessionStep.seq > seq)
        .order_by(SessionStep.seq)
        .limit(most)
    ).all()
    return steps, names_of(session, account_id, steps)


def names_of(session: Session, account_id: UUID, steps: Collection[SessionStep]) -> Mapping[UUID, str]:
    """Return the names of the people whom these steps name."""
    return account.names(session, account_id, {person for step in steps for person in people_of(step)})
