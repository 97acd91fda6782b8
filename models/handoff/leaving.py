"""People who lose access, or some of it: they write nothing more, and their claims go back to the queue."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import and_, func, or_, select

from models.account import Account, Kind, Role, User
from models.database.conflicts import repeated
from models.database.executor import Session
from models.errors import Conflict, NotFound
from models.feed.unit_of_work import UnitOfWork
from models.handoff import Handoff, Status, moves
from models.transaction import maintenance

LEFT = "the claimer has left"
VIEWS_ONLY = "the claimer may take no work any more"


def end_access(session: UnitOfWork, user: User, *, force: bool) -> int:
    """Revoke the access of a person who is silent; returns how many claims went back, as many as one transaction may.

    The rest is for `release_all`. Their handoffs and steps keep their name. Conflict `last_admin`: nobody could
    manage the account afterwards; `force` does it all the same.
    """
    _refuse_last_admin(session, user, force=force)
    user.deleted_at = func.now()
    return moves.release_claims_of(session, user.account_id, user.id, note=LEFT)


def change_role(session: UnitOfWork, user: User, role: Role, *, force: bool) -> int:
    """Change the role of a person who is silent; returns how many claims went back, if they became a viewer.

    Conflict as above.
    """
    if role is not Role.ADMIN:
        _refuse_last_admin(session, user, force=force)
    user.role = role
    if role.covers(Role.ENGINEER):
        return 0
    return moves.release_claims_of(session, user.account_id, user.id, note=VIEWS_ONLY)


def release_all(account_id: UUID, user_id: UUID, *, note: str = LEFT) -> int:
    """Release the remaining claims, as many at a time as one transaction may; returns how many."""
    returned = 0
    while count := _release_some(account_id, user_id, note):
        returned += count
    return returned


@repeated
def _release_some(account_id: UUID, user_id: UUID, note: str) -> int:
    with maintenance() as session:
        return moves.release_claims_of(session, account_id, user_id, note=note)


def with_claims(session: Session, *, most: int = 50) -> list[tuple[UUID, UUID]]:
    """Find people who cannot work but still hold claims, since a process died in between: (account, person)."""
    rows = session.execute(
        select(Handoff.account_id, User.id)
        .join(User, and_(User.account_id == Handoff.account_id, User.id == Handoff.claimed_by_id))
        .where(Handoff.status == Status.CLAIMED)
        .where(or_(User.deleted_at.is_not(None), User.role == Role.VIEWER))
        .distinct()
        .limit(most)
    )
    return [(account_id, user_id) for account_id, user_id in rows]


def when_silent(session: Session, account_id: UUID, user_id: UUID) -> User:
    """Return a person after every transaction has ended in which they write or are given work; or raise NotFound.

    Changes of one account's people wait for each other, so that two admins cannot delete one another. Needs
    administration().
    """
    session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))
    theirs = select(User).where(User.account_id == account_id, User.id == user_id).with_for_update()
    found = session.scalars(theirs, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise NotFound("No such person in this account.")
    return found


def _refuse_last_admin(session: Session, user: User, *, force: bool) -> None:
    if force or user.role is not Role.ADMIN or user.kind != Kind.PERSON:
        return
    others = select(User.id).where(
        User.account_id == user.account_id,
        User.id != user.id,
        User.role == Role.ADMIN,
        User.kind == Kind.PERSON.value,  # a program cannot sign in and give somebody else a token
        User.deleted_at.is_(None),
    )
    if session.execute(others.limit(1)).first() is None:
        raise Conflict("last_admin", f"{user.name} is the account's last admin.")
