"""People who lose access, or some of it: they write nothing more, and their claims go back to the queue."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import and_, func, or_, select

from models import audit
from models.account import Account, Role, User, active_user
from models.audit import Act
from models.database.conflicts import repeated
from models.database.executor import Session
from models.errors import Conflict
from models.handoff import Handoff, Status, moves
from models.transaction import maintenance

LEFT = "the claimer has left"
VIEWS_ONLY = "the claimer may take no work any more"


def delete(account_id: UUID, user_id: UUID, *, by: UUID | None, force: bool = False) -> int:
    """Revoke a person's access; returns how many claims went back. Their handoffs and steps keep their name.

    Conflict `last_admin`: nobody could manage the account afterwards. `force` does it all the same. `by` is the
    admin, None: an operator at the command line.
    """
    return _end_access(account_id, user_id, by=by, force=force) + release_all(account_id, user_id, note=LEFT)


@repeated
def _end_access(account_id: UUID, user_id: UUID, *, by: UUID | None, force: bool) -> int:
    with maintenance() as session:
        user = _when_silent(session, account_id, user_id)
        _refuse_last_admin(session, user, force=force)
        user.deleted_at = func.now()
        returned = moves.release_claims_of(session, account_id, user_id, note=LEFT)
        audit.record(session, account_id, Act.PERSON_DELETED, by=by, subject=f"person:{user_id}", note=user.name)
        return returned


def set_role(account_id: UUID, user_id: UUID, role: Role, *, by: UUID | None, force: bool = False) -> int:
    """Change a person's role; returns how many claims went back, if they became a viewer. Conflict as above."""
    returned = _change_role(account_id, user_id, role, by=by, force=force)
    return returned + release_all(account_id, user_id, note=VIEWS_ONLY) if returned else 0


@repeated
def _change_role(account_id: UUID, user_id: UUID, role: Role, *, by: UUID | None, force: bool) -> int:
    with maintenance() as session:
        user = _when_silent(session, account_id, user_id)
        if role is not Role.ADMIN:
            _refuse_last_admin(session, user, force=force)
        former, user.role = user.role, role
        may_work = role.covers(Role.ENGINEER)
        returned = 0 if may_work else moves.release_claims_of(session, account_id, user_id, note=VIEWS_ONLY)
        if role is not former:
            note = f"{user.name}: {former} → {role}"
            audit.record(session, account_id, Act.PERSON_CHANGED, by=by, subject=f"person:{user_id}", note=note)
        return returned


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


def _when_silent(session: Session, account_id: UUID, user_id: UUID) -> User:
    """Return an active person after every transaction has ended in which they write or are given work.

    Changes of one account's people wait for each other, so that two admins cannot delete one another.
    """
    session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))
    session.execute(select(User.id).where(User.account_id == account_id, User.id == user_id).with_for_update())
    return active_user(session, account_id, user_id)


def _refuse_last_admin(session: Session, user: User, *, force: bool) -> None:
    others = select(User.id).where(
        User.account_id == user.account_id, User.id != user.id, User.role == Role.ADMIN, User.deleted_at.is_(None)
    )
    if user.role is Role.ADMIN and not force and session.execute(others.limit(1)).first() is None:
        raise Conflict("last_admin", f"{user.name!r} is the account's last admin; --force overrides this.")
