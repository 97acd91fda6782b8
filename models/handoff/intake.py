"""Intake: store a session, its new steps and a handoff, and queue the assessment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models import account
from models import session as sessions
from models.database import new_id, sql_file
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Invalid
from models.feed import EventType
from models.feed.unit_of_work import UnitOfWork
from models.handoff import (
    Intent,
    Priority,
    Sibling,
    Status,
    of_session,
    questions,
    refuse_second_open,
    returns_after,
    search,
)
from models.session import SentSession, StoredSession
from models.settings import settings

_ACCEPT = Prepared(sql_file(__file__, "intake"))


@dataclass(frozen=True)
class Intake:
    """A handoff as a client sent it."""

    intent: Intent
    reason: str
    session: SentSession
    priority: Priority = Priority.NORMAL
    ask: str | None = None
    target_user_id: UUID | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Intake:
        """Build it from a validated body."""
        return cls(
            Intent(body["intent"]),
            body["reason"],
            SentSession.of(body["session"]),
            Priority(body.get("priority") or Priority.NORMAL),
            body.get("ask"),
            body.get("target_user_id"),
        )


def accept(session: UnitOfWork, account_id: UUID, intake: Intake, *, by: UUID) -> tuple[UUID, UUID | None]:
    """Store a handoff with its session and steps; returns its id and the one of its queued assessment.

    Conflict `already_open` names the session's open handoff; Invalid: the target cannot take work. A parked one
    asks for no assessment, makes no event, and stores its session as a draft: the ticket's stays as it is.
    """
    if intake.target_user_id is not None:
        refuse_as_target(session, intake.target_user_id, by)
    questions.refuse_unfit_addressees(session, intake.session.steps)
    parked = intake.intent is Intent.PARK
    handoff_id, assessment_id = new_id(), None if parked else new_id()
    stored = sessions.store(session, account_id, intake.session.details(), draft_of=handoff_id if parked else None)
    earlier = _earlier(session, account_id, stored, parked=parked)
    if not parked:
        refuse_second_open(earlier)
    fresh = sessions.new_steps(session, account_id, stored, intake.session.steps)
    values = {
        "account": account_id,
        "session": stored.id,
        "steps": sessions.numbered(stored, fresh),
        "count": len(fresh),
        "handoff": handoff_id,
        "intent": intake.intent,
        "status": Status.PARKED if parked else Status.PENDING,
        "priority": intake.priority,
        "reason": intake.reason,
        "ask": intake.ask,
        "by": by,
        "target": intake.target_user_id,
        "returns": returns_after(earlier),
        "assessment": assessment_id,
        "deadline": settings().assess_deadline_seconds,
        **search.document_values(account_id, stored, intake.session.steps, [intake.reason, intake.ask]),
    }
    _ACCEPT(session, values)
    if assessment_id is not None:
        session.collect(account_id, handoff_id, EventType.CREATED, by=by)
    return handoff_id, assessment_id


def _earlier(session: Session, account_id: UUID, stored: StoredSession, *, parked: bool) -> Sequence[Sibling]:
    """Return the handoffs of the ticket so far."""
    ticket = sessions.ticket(session, account_id, stored.external_id) if parked else None if stored.is_new else stored
    return of_session(session, account_id, ticket.id) if ticket else []


def refuse_as_target(session: Session, target_id: UUID, by: UUID) -> None:
    """Raise Invalid if a handoff by this author cannot be meant for that person."""
    account.refuse_who_cannot_work(session, target_id)
    if target_id == by:
        raise Invalid("target_is_author", "A handoff is for somebody else; its author cannot take it.")
