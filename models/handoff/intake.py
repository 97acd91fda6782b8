"""Intake: store a session, its new steps and a handoff, and queue the assessment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from models import account, assessment, feed
from models import session as sessions
from models.assessment import Lane
from models.database import new_id
from models.database.prepared import Prepared
from models.errors import Invalid
from models.feed import EventType
from models.handoff import Intent, Priority, Status, of_session, refuse_second_open, search
from models.session import StoredSession

# All that a handoff adds, in one message: every statement costs a round trip and a plan.
_ACCEPT = Prepared(f"""
    WITH {sessions.ADD_STEPS}, handoff AS (
        INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, ask,
            handed_off_by_id, target_id, returns, overdue, generation, search, words)
        VALUES (%(account)s, %(handoff)s, %(session)s, %(intent)s, %(status)s, 1, %(priority)s, %(reason)s, %(ask)s,
            %(by)s, %(target)s, %(returns)s, false, %(generation)s, {search.DOCUMENT},
            {search.WORDS})
    )
    {assessment.QUEUE} WHERE %(assessment)s::uuid IS NOT NULL
""")


def accept(session: Session, account_id: UUID, intake: dict[str, Any], *, by: UUID) -> tuple[UUID, UUID | None]:
    """Store a handoff with its session and steps; returns its id and the one of its queued assessment.

    Conflict `already_open` names the session's open handoff; Invalid: the target cannot take work. A parked one
    asks for no assessment, makes no event, and stores its session as a draft: the ticket's stays as it is.
    """
    target_id = intake.get("target_user_id")
    if target_id is not None:
        _refuse_as_target(session, target_id, by)
    parked = Intent(intake["intent"]) is Intent.PARK
    handoff_id, assessment_id = new_id(), None if parked else new_id()
    kept = sessions.store(session, account_id, intake["session"], draft_of=handoff_id if parked else None)
    earlier = _earlier(session, account_id, kept, parked=parked)
    if not parked:
        refuse_second_open(earlier)
    steps = intake["session"].get("steps", [])
    fresh = sessions.new_steps(session, account_id, kept, steps, sessions.step_identity)
    values = {
        "handoff": str(handoff_id),
        "intent": intake["intent"],
        "status": Status.PARKED if parked else Status.PENDING,
        "priority": intake.get("priority") or Priority.NORMAL,
        "reason": intake["reason"],
        "ask": intake.get("ask"),
        "target": target_id and str(target_id),
        "returns": len(earlier),
        **sessions.step_values(account_id, kept, fresh, by=by),
        **search.document_values(account_id, kept.title, _search_texts(kept, intake), _details(kept, intake)),
        **assessment.queue_values(Lane.INTERACTIVE, assessment_id, generation=0 if parked else 1),
    }
    _ACCEPT(session.connection(), values)
    if assessment_id is not None:
        feed.collect(session, account_id, handoff_id, EventType.CREATED, by=by)
    return handoff_id, assessment_id


def _earlier(session: Session, account_id: UUID, kept: StoredSession, *, parked: bool) -> dict[UUID, Status]:
    """Return the handoffs of the ticket so far."""
    ticket = sessions.ticket(session, account_id, kept.external_id) if parked else None if kept.is_new else kept
    return of_session(session, account_id, ticket.id) if ticket else {}


def _refuse_as_target(session: Session, target_id: UUID, by: UUID) -> None:
    account.refuse_who_cannot_work(session, target_id)
    if target_id == by:
        raise Invalid("target_is_author", "A handoff is for somebody else; its author cannot take it.")


def _details(kept: StoredSession, intake: dict[str, Any]) -> list[str | None]:
    return [kept.client, kept.asset, kept.category, *sessions.authors(intake["session"].get("steps", []))]


def _search_texts(kept: StoredSession, intake: dict[str, Any]) -> list[str]:
    steps = [step["text"] for step in intake["session"].get("steps", [])]
    return [kept.external_id, kept.problem, intake["reason"], intake.get("ask") or "", *steps]
