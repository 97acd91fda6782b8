"""Every move of a handoff.

A move is one conditional update whose row count says who won, and one feed event in the same transaction.
"""

from __future__ import annotations

from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, or_, select, true, update
from sqlalchemy.orm import Session

from models import account, assessment, feed, search
from models import session as sessions
from models.account import User
from models.errors import Conflict, Forbidden, VersionMismatch
from models.feed import EventType
from models.handoff import (
    OPEN,
    WAITING,
    Actor,
    Handoff,
    Intent,
    Status,
    find,
    lock,
    of_session,
    refuse_second_open,
)
from models.session import SessionStep, TroubleshootingSession

# What a claim leaves behind when it is given up.
UNCLAIMED: dict[str, Any] = {
    "status": Status.READY,
    "claimed_by_id": None,
    "claimed_at": None,
    "first_action_at": None,
    "overdue": False,
}


def _ask_for_assessment(session: Session, handoff: Handoff, by: UUID) -> UUID:
    asked = assessment.queue(session, handoff.account_id, handoff.id, handoff.generation, asked_by=by)
    feed.collect(session, handoff.account_id, handoff.id, EventType.CREATED, by=by)
    return asked


def claim(session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Handoff:
    """Take the handoff. Conflict names the winner; taking it twice is fine."""
    won = _move(
        session,
        account_id,
        handoff_id,
        and_(Handoff.status.in_(WAITING), Handoff.handed_off_by_id != by.user_id, _meant_for(by)),
        version,
        status=Status.CLAIMED,
        claimed_by_id=by.user_id,
        claimed_at=func.now(),
        first_action_at=None,
        overdue=False,
    )
    if won is None:
        return _explain_lost_claim(session, account_id, handoff_id, by, version)
    feed.collect(session, account_id, won.id, EventType.CLAIMED, by=by.user_id)
    return won


def _meant_for(by: Actor) -> ColumnElement[bool]:
    """Not targeted at somebody else. A target who was deleted since counts as none."""
    if by.is_admin:
        return true()
    still_here = exists().where(
        User.account_id == Handoff.account_id, User.id == Handoff.target_id, User.deleted_at.is_(None)
    )
    return or_(Handoff.target_id.is_(None), Handoff.target_id == by.user_id, not_(still_here))


def _explain_lost_claim(
    session: Session, account_id: UUID, handoff_id: UUID, by: Actor, version: int | None
) -> Handoff:
    found = find(session, account_id, handoff_id, seen_by=by)
    if found.status is Status.CLAIMED and found.claimed_by_id == by.user_id:
        return found
    _refuse_other_version(found, version)
    if found.status is Status.CLAIMED:
        winner = session.get_one(User, (account_id, found.claimed_by_id))
        raise Conflict(
            "already_claimed",
            f"{winner.name} has taken this handoff.",
            claimed_by={"id": str(winner.id), "name": winner.name},
            claimed_at=found.claimed_at,
        )
    if found.status not in WAITING:
        _wrong_state(found)
    if found.handed_off_by_id == by.user_id:
        raise Conflict("own_handoff", "You handed this off yourself; somebody else has to take it.")
    raise Conflict("targeted", "This handoff is meant for somebody else.")


def release(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    reason: str | None = None,
    version: int | None = None,
) -> Handoff:
    """Give a claimed handoff back to the queue."""
    won = _move_claimed(
        session,
        account_id,
        handoff_id,
        by,
        version,
        **UNCLAIMED,
    )
    feed.collect(session, account_id, won.id, EventType.RELEASED, by=by.user_id, note=reason)
    return won


def reassign(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    to: UUID,
    reason: str | None = None,
    version: int | None = None,
) -> Handoff:
    """Hand a claim over to somebody else. Invalid: they cannot take work. To who has it already: nothing happens."""
    found = find(session, account_id, handoff_id, seen_by=by)
    _refuse_unless_claimer(found, by, version)
    account.can_take(session, account_id, to)
    if found.claimed_by_id == to:
        return found
    if found.handed_off_by_id == to:
        raise Conflict("own_handoff", "A handoff cannot go back to the one who handed it off; withdraw it.")
    won = _move_claimed(
        session,
        account_id,
        handoff_id,
        by,
        version,
        claimed_by_id=to,
        claimed_at=func.now(),
        first_action_at=None,
        overdue=False,
    )
    feed.collect(session, account_id, won.id, EventType.REASSIGNED, by=by.user_id, note=reason)
    return won


def resolve(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    resolution: str,
    root_cause: str | None = None,
    version: int | None = None,
) -> Handoff:
    """Close the handoff with what fixed it. From now on it is a past case that assessments may cite."""
    won = _move_claimed(
        session,
        account_id,
        handoff_id,
        by,
        version,
        status=Status.RESOLVED,
        resolution=resolution,
        root_cause=root_cause,
        resolved_at=func.now(),
        overdue=False,
        search=search.extended(Handoff.search, [resolution, root_cause or ""]),
    )
    feed.collect(session, account_id, won.id, EventType.RESOLVED, by=by.user_id)
    return won


def withdraw(
    session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> Handoff:
    """Take the handoff back. An assessment that has not ended is ended with it."""
    author = true() if by.is_admin else Handoff.handed_off_by_id == by.user_id
    won = _move(
        session,
        account_id,
        handoff_id,
        and_(Handoff.status.in_(OPEN), author),
        version,
        status=Status.WITHDRAWN,
        overdue=False,
    )
    if won is None:
        found = find(session, account_id, handoff_id, seen_by=by)
        _refuse_other_version(found, version)
        if found.status not in OPEN:
            _wrong_state(found)
        raise Forbidden("not_author", "Only the one who handed it off, or an admin, may withdraw it.")
    assessment.end_open(session, account_id, handoff_id, error_kind="withdrawn")
    feed.collect(session, account_id, won.id, EventType.WITHDRAWN, by=by.user_id)
    return won


def escalate(
    session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> tuple[Handoff, UUID]:
    """Put a parked handoff into the queue; returns it with the id of its queued assessment."""
    found = find(session, account_id, handoff_id, seen_by=by)
    if found.handed_off_by_id != by.user_id:
        raise Forbidden("not_author", "Only its author may escalate a parked handoff.")
    _refuse_other_version(found, version)
    if found.status is not Status.PARKED:
        _wrong_state(found)
    # The session's row is what two handoffs of one session wait for, here as in intake.accept().
    sessions.lock(session, account_id, found.session_id)
    others = of_session(session, account_id, found.session_id)
    refuse_second_open(others)
    won = _move(
        session,
        account_id,
        handoff_id,
        Handoff.status == Status.PARKED,
        version,
        status=Status.PENDING,
        intent=Intent.ESCALATE,
        escalated_at=func.now(),
        returns=sum(status is not Status.PARKED for status in others.values()),
        generation=Handoff.generation + 1,
    )
    if won is None:
        found = find(session, account_id, handoff_id, seen_by=by)
        _refuse_other_version(found, version)
        _wrong_state(found)
    return won, _ask_for_assessment(session, won, by.user_id or found.handed_off_by_id)


def reassess(
    session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> tuple[Handoff, UUID | None]:
    """Ask for a new generation; returns the handoff with the new assessment's id.

    None: one is queued or running already, and is the newest generation. The feed tells when it has ended.
    """
    find(session, account_id, handoff_id, seen_by=by)
    locked = lock(session, account_id, handoff_id)
    _refuse_other_version(locked, version)
    if locked.status in (Status.PARKED, Status.WITHDRAWN):
        _wrong_state(locked)
    if assessment.has_open(session, account_id, handoff_id, locked.generation):
        return locked, None
    locked.generation += 1
    session.flush()
    return locked, assessment.queue(session, account_id, handoff_id, locked.generation, asked_by=by.user_id)


def note_step(session: Session, kept: TroubleshootingSession, step: SessionStep, *, by: UUID) -> None:
    """Tell the session's open handoff, if any, that a step was added: its assessment is now older.

    The first step by the claimer after the claim is the first action.
    """
    first = and_(Handoff.claimed_by_id == by, Handoff.first_action_at.is_(None))
    touched = session.scalars(
        update(Handoff)
        .where(Handoff.account_id == kept.account_id, Handoff.session_id == kept.id, Handoff.status.in_(OPEN))
        .values(
            version=Handoff.version + 1,
            first_action_at=case((first, func.now()), else_=Handoff.first_action_at),
            search=search.extended(Handoff.search, [step.text]),
        )
        .returning(Handoff.id)
    ).one_or_none()
    if touched is not None:
        feed.collect(session, kept.account_id, touched, EventType.UPDATED, by=by)


def release_claims_of(session: Session, account_id: UUID, user_id: UUID, *, most: int = 100) -> int:
    """Give what somebody has claimed back to the queue, because they left; returns how many, 0 when none is left."""
    some = (
        select(Handoff.id)
        .where(Handoff.account_id == account_id, Handoff.claimed_by_id == user_id, Handoff.status == Status.CLAIMED)
        .order_by(Handoff.id)
        .limit(most)
        .with_for_update()
    )
    ids = list(session.scalars(some))
    session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id.in_(ids))
        .values(version=Handoff.version + 1, **UNCLAIMED)
    )
    for each in ids:
        feed.collect(session, account_id, each, EventType.RELEASED, by=None, note="the claimer has left")
    return len(ids)


def _move_claimed(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    by: Actor,
    version: int | None,
    **values: Any,
) -> Handoff:
    """A move that only the claimer or an admin may make, on a claimed handoff."""
    mine = true() if by.is_admin else Handoff.claimed_by_id == by.user_id
    won = _move(session, account_id, handoff_id, and_(Handoff.status == Status.CLAIMED, mine), version, **values)
    if won is not None:
        return won
    _refuse_unless_claimer(find(session, account_id, handoff_id, seen_by=by), by, version)
    raise AssertionError("a move was refused without a reason")


def _refuse_unless_claimer(found: Handoff, by: Actor, version: int | None) -> None:
    _refuse_other_version(found, version)
    if found.status is not Status.CLAIMED:
        _wrong_state(found)
    if not by.is_admin and found.claimed_by_id != by.user_id:
        raise Forbidden("not_claimer", "Only the one who took it, or an admin, may do this.")


def _move(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    allowed: ColumnElement[bool],
    version: int | None,
    **values: Any,
) -> Handoff | None:
    """The conditional update behind every move. None: it was not allowed, nothing happened.

    What was refused is tried once more with the row locked, so that the caller explains the very state that
    refused it, and not one that came a moment later.
    """
    expected = true() if version is None else Handoff.version == version
    moved = (
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id == handoff_id, allowed, expected)
        .values(version=Handoff.version + 1, **values)
        .returning(Handoff)
    )
    how = {"populate_existing": True, "synchronize_session": False}
    won = session.scalars(moved, execution_options=how).one_or_none()
    if won is None:
        lock(session, account_id, handoff_id)
        won = session.scalars(moved, execution_options=how).one_or_none()
    return won


def _refuse_other_version(found: Handoff, version: int | None) -> None:
    if version is not None and found.version != version:
        raise VersionMismatch(found.version)


def _wrong_state(found: Handoff) -> NoReturn:
    raise Conflict("wrong_state", f"The handoff is {found.status}; this cannot be done now.", state=found.status)
