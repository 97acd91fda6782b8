"""Opening a handoff again that was resolved or withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models import account, assessment
from models import session as sessions
from models.errors import Conflict, Forbidden
from models.feed import EventType
from models.feed.card import Representation
from models.feed.unit_of_work import UnitOfWork
from models.handoff import Actor, Handoff, Status, find, lock, of_session, refuse_second_open
from models.handoff.claims import RUNS_AGAIN, UNCLAIMED
from models.handoff.conditional import refuse_other_version, update_locked, wrong_state
from models.transaction import append_and_represent, transaction

RESTORED_WITHIN = timedelta(minutes=10)


def reopen(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Give a resolved handoff back to who had taken it; it is no past case until it is resolved again.

    If they can take no work any more, it waits in the queue. What had fixed it stays to be read. Conflict
    `already_open` names the session's open handoff.
    """
    with transaction(account_id) as session:
        found, can_work = _locked(session, account_id, handoff_id, by, version, Status.RESOLVED)
        refuse_second_open(of_session(session, account_id, found.session_id))
        _open_again(session, found, can_work, {"resolved_at": None, "waiting_since": func.now(), "reminders": 0})
        session.collect(account_id, handoff_id, EventType.REOPENED, by=by.user_id)
        return append_and_represent(session, account_id, handoff_id)


def restore(
    session: UnitOfWork, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> UUID | None:
    """Undo a withdrawal of the last ten minutes.

    Returns the id of the assessment that is queued in the place of the one that the withdrawal had ended. Conflict:
    `too_late`, or `already_open`, which names the session's open handoff.
    """
    found, can_work = _locked(session, account_id, handoff_id, by, version, Status.WITHDRAWN)
    if found.closed_at is None or not session.scalar(select(found.closed_at > func.now() - RESTORED_WITHIN)):
        raise Conflict("too_late", "A withdrawal can be undone for ten minutes; hand the session off again.")
    refuse_second_open(of_session(session, account_id, found.session_id))
    ended = assessment.was_withdrawn(session, account_id, handoff_id, found.generation)
    generation = found.generation + ended
    _open_again(session, found, can_work, {"generation": generation})
    session.collect(account_id, handoff_id, EventType.RESTORED, by=by.user_id)
    if not ended:
        return None
    return assessment.queue(session, account_id, handoff_id, generation, asked_by=by.user_id)


def _locked(
    session: UnitOfWork, account_id: UUID, handoff_id: UUID, by: Actor, version: int | None, status: Status
) -> tuple[Handoff, bool]:
    """Lock a closed handoff that this person may open again; also returns whether its claimer can take work.

    The order of the locks is that of intake and of steps: people, session, handoff.
    """
    seen = find(session, account_id, handoff_id, seen_by=by)
    claimer = seen.claimed_by_id
    _refuse(seen, by, version, status)
    can_work = claimer is not None and account.can_work(session, claimer)
    sessions.lock(session, account_id, seen.session_id)
    found = lock(session, account_id, handoff_id)
    _refuse(found, by, version, status)
    return found, can_work and found.claimed_by_id == claimer


def _refuse(found: Handoff, by: Actor, version: int | None, status: Status) -> None:
    refuse_other_version(found, version)
    if found.status is not status:
        wrong_state(found)
    if not by.is_admin and by.user_id != (found.closed_by_id or found.claimed_by_id):
        raise Forbidden("not_yours", f"Only the one by whom it was {status}, or an admin, may undo this.")


def _open_again(session: UnitOfWork, found: Handoff, can_work: bool, more: dict[str, Any]) -> None:
    if can_work:
        state: dict[str, Any] = {"status": Status.CLAIMED, **RUNS_AGAIN}
    else:
        state = dict(UNCLAIMED) if found.claimed_by_id else {}
        state["status"] = Status.PENDING if found.ready_at is None else Status.READY
    update_locked(session, found, {**state, "closed_by_id": None, "closed_at": None, **more})
