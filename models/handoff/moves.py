"""The moves of an open handoff: claim, release, reassign, resolve, withdraw."""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from sqlalchemy import Uuid, and_, bindparam, cast, exists, func, or_, select, update

from models import account, assessment
from models.account import Role, User
from models.database.executor import Session
from models.errors import Conflict, Forbidden
from models.feed import EventType, card
from models.feed.card import Representation
from models.feed.unit_of_work import AUTHOR, UnitOfWork
from models.handoff import OPEN, WAITING, Actor, Handoff, Status, find, search
from models.handoff.claims import CLAIMED_NOW, ENDED, UNCLAIMED
from models.handoff.conditional import (
    BY,
    IS_ADMIN,
    IS_MINE,
    make,
    move,
    refuse_other_version,
    refuse_unless_claimer,
    wrong_state,
)
from models.transaction import transaction

_to = bindparam("to", type_=Uuid)

# A target who can no longer take work counts as none.
_TARGET_CAN_WORK = exists().where(
    User.account_id == Handoff.account_id,
    User.id == Handoff.target_id,
    User.deleted_at.is_(None),
    User.role != Role.VIEWER,
)
_IS_FOR_ME = or_(IS_ADMIN, Handoff.target_id.is_(None), Handoff.target_id == BY, ~_TARGET_CAN_WORK)

_CLOSED_NOW = {"closed_by_id": BY, "closed_at": func.now(), "overdue": False, **ENDED}

_CLAIM = move(
    EventType.CLAIMED,
    and_(Handoff.status.in_(WAITING), Handoff.handed_off_by_id != BY, _IS_FOR_ME),
    {"status": Status.CLAIMED, "claimed_by_id": BY, "was_claimed": True, **CLAIMED_NOW},
)
_RELEASE = move(EventType.RELEASED, IS_MINE, UNCLAIMED)
_REASSIGN = move(
    EventType.REASSIGNED,
    and_(IS_MINE, func.may_work(cast(_to, Uuid))),
    {"claimed_by_id": _to, **CLAIMED_NOW},
)
_RESOLVE = move(
    EventType.RESOLVED,
    IS_MINE,
    {
        "status": Status.RESOLVED,
        "resolution": bindparam("resolution"),
        "root_cause": bindparam("root_cause"),
        "resolved_at": func.now(),
        **_CLOSED_NOW,
        **search.extended(),
    },
)
_WITHDRAW = move(
    EventType.WITHDRAWN,
    and_(Handoff.status.in_(OPEN), or_(IS_ADMIN, Handoff.handed_off_by_id == BY)),
    {"status": Status.WITHDRAWN, **_CLOSED_NOW},
    and_then=assessment.end_open(),
)


def claim(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Take the handoff. Conflict names the winner; taking it twice is fine."""
    return make(_CLAIM, account_id, handoff_id, _explain_lost_claim, by=by, version=version, unread_for=AUTHOR)


def _explain_lost_claim(session: Session, found: Handoff, by: Actor, version: int | None) -> bool:
    if found.status is Status.CLAIMED and found.claimed_by_id == by.user_id:
        return True
    refuse_other_version(found, version)
    if found.status is Status.CLAIMED:
        winner = session.get_one(User, (found.account_id, found.claimed_by_id))
        raise Conflict(
            "already_claimed",
            f"{winner.name} has taken this handoff.",
            claimed_by={"id": str(winner.id), "name": winner.name},
            claimed_at=found.claimed_at,
        )
    if found.status not in WAITING:
        wrong_state(found)
    if found.handed_off_by_id == by.user_id:
        raise Conflict("own_handoff", "You handed this off yourself; somebody else has to take it.")
    raise Conflict("targeted", "This handoff is meant for somebody else.")


def release(
    account_id: UUID, handoff_id: UUID, *, by: Actor, reason: str | None = None, version: int | None = None
) -> Representation:
    """Give a claimed handoff back to the queue."""
    return make(_RELEASE, account_id, handoff_id, refuse_unless_claimer, by=by, version=version, note=reason)


def reassign(
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    to: UUID,
    reason: str | None = None,
    version: int | None = None,
) -> Representation:
    """Give a claim to somebody else. Invalid: they cannot take work. Giving it to its holder changes nothing."""
    with transaction(account_id) as session:
        found = find(session, account_id, handoff_id, seen_by=by)
        refuse_unless_claimer(session, found, by, version)
        account.refuse_who_cannot_work(session, to)
        if found.claimed_by_id == to:
            return card.representation(session, account_id, handoff_id)
    if found.handed_off_by_id == to:
        raise Conflict("own_handoff", "A handoff cannot go back to the one who handed it off; withdraw it.")

    def explain(session: Session, found: Handoff, by: Actor, version: int | None) -> None:
        refuse_unless_claimer(session, found, by, version)
        account.refuse_who_cannot_work(session, to)

    how = {"note": reason, "to": to, "unread_for": str(to)}
    return make(_REASSIGN, account_id, handoff_id, explain, by=by, version=version, **how)


def resolve(
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    resolution: str,
    root_cause: str | None = None,
    version: int | None = None,
) -> Representation:
    """Close the handoff with what fixed it; it becomes a past case that assessments may cite."""
    fixed = {"resolution": resolution, "root_cause": root_cause, "note": root_cause, "unread_for": AUTHOR}
    fixed |= search.extension_values([resolution, root_cause or ""])
    return make(_RESOLVE, account_id, handoff_id, refuse_unless_claimer, by=by, version=version, **fixed)


def withdraw(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Take the handoff back. An unfinished assessment ends with it."""
    return make(_WITHDRAW, account_id, handoff_id, _explain_no_withdrawal, by=by, version=version)


def _explain_no_withdrawal(_: Session, found: Handoff, __: Actor, version: int | None) -> NoReturn:
    refuse_other_version(found, version)
    if found.status not in OPEN:
        wrong_state(found)
    raise Forbidden("not_author", "Only the one who handed it off, or an admin, may withdraw it.")


def release_claims_of(session: UnitOfWork, account_id: UUID, user_id: UUID, *, note: str, most: int = 100) -> int:
    """Return a person's claims to the queue with a reason; returns how many, 0 when none is left."""
    theirs = (
        select(Handoff.id)
        .where(Handoff.account_id == account_id, Handoff.claimed_by_id == user_id, Handoff.status == Status.CLAIMED)
        .order_by(Handoff.id)
        .limit(most)
        .with_for_update(key_share=True)
    )
    ids = session.scalars(theirs).all()
    session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id.in_(ids))
        .values(version=Handoff.version + 1, **UNCLAIMED)
        .execution_options(synchronize_session=False)
    )
    for each in ids:
        session.collect(account_id, each, EventType.RELEASED, by=None, note=note)
    return len(ids)
