"""What becomes of a parked handoff: escalated or discarded."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, func

from models import assessment
from models import session as sessions
from models.errors import Forbidden
from models.feed import EventType, card
from models.feed.card import Representation
from models.feed.unit_of_work import UnitOfWork
from models.handoff import (
    Actor,
    Handoff,
    Intent,
    Status,
    find,
    idempotency,
    lock,
    of_session,
    refuse_second_open,
    returns_after,
    search,
)
from models.handoff.conditional import move, refuse_other_version, update_locked, values_of, wrong_state
from models.transaction import transaction

_ESCALATE = move(
    EventType.CREATED,
    Handoff.status == Status.PARKED,
    {
        "status": Status.PENDING,
        "intent": Intent.ESCALATE,
        "escalated_at": func.now(),
        "waiting_since": func.now(),
        "session_id": bindparam("session"),
        "returns": bindparam("returns"),
        "generation": Handoff.generation + 1,
        **search.extended(),
    },
)


def escalate(
    session: UnitOfWork, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> UUID:
    """Put a parked handoff into the queue and its draft into the ticket's session.

    Returns the id of its queued assessment. Conflict `already_open` names the ticket's open handoff.
    """
    find(session, account_id, handoff_id, seen_by=by)
    found = lock(session, account_id, handoff_id)
    if found.handed_off_by_id != by.user_id:
        raise Forbidden("not_author", "Only its author may escalate a parked handoff.")
    refuse_other_version(found, version)
    if found.status is not Status.PARKED:
        wrong_state(found)
    # Steps that were added to the draft meanwhile are searched from now on.
    steps = sessions.steps_of(session, account_id, found.session_id)
    found_by = search.extension_values([step.text for step in steps], [step.author for step in steps])
    ticket = sessions.publish(session, account_id, found.session_id)
    earlier = of_session(session, account_id, ticket.id)
    refuse_second_open(earlier)
    moved = {"session": ticket.id, "returns": returns_after(earlier), **found_by}
    _ESCALATE(session, values_of(account_id, handoff_id, by, version, **moved))
    sessions.discard(session, account_id, found.session_id)
    author, generation = by.user_id or found.handed_off_by_id, found.generation + 1
    asked = assessment.queue(session, account_id, handoff_id, generation, asked_by=author)
    session.collect(account_id, handoff_id, EventType.CREATED, by=author)
    return asked


def discard(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Discard a parked handoff and every word of it. Nobody sees it any more, and no import brings it back."""
    with transaction(account_id) as session:
        find(session, account_id, handoff_id, seen_by=by)
        found = lock(session, account_id, handoff_id)
        refuse_other_version(found, version)
        if found.status is not Status.PARKED:
            wrong_state(found)
        sessions.empty(session, account_id, found.session_id)
        update_locked(session, found, {"status": Status.DISCARDED, "reason": "", "ask": None, **search.nothing()})
        left = card.representation(session, account_id, handoff_id)
        idempotency.replace_answer(session, account_id, found.handed_off_by_id, handoff_id, left.text)
        return left
