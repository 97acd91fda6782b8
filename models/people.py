"""The people of an account as its admins see and change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from models import account, audit
from models.account import ApiToken, Kind, Role, User
from models.audit import Act
from models.database.conflicts import repeated
from models.database.executor import Session
from models.errors import Conflict, NotFound
from models.handoff import Handoff, Status, leaving
from models.transaction import administration

TOKEN_DAYS = 90  # the lifetime of a token for which none is given


@dataclass(frozen=True)
class Colleague:
    """A person with what they hold and when one of their tokens was used last, in programs or on the screens."""

    id: UUID
    name: str
    role: Role
    kind: Kind
    created_at: datetime
    deactivated_at: datetime | None
    last_seen_at: datetime | None
    claims: int


class TokenState(StrEnum):
    """Whether a token works, and why not."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DEACTIVATED = "deactivated"  # its person


def state_of(token: ApiToken, person: User) -> TokenState:
    """Return whether a token works now."""
    if person.deleted_at is not None:
        return TokenState.DEACTIVATED
    if token.revoked_at is not None:
        return TokenState.REVOKED
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        return TokenState.EXPIRED
    return TokenState.ACTIVE


def everybody(session: Session, account_id: UUID) -> list[Colleague]:
    """List everybody of the account, viewers, services and deactivated ones too, by name. Needs administration()."""
    rows = session.execute(
        _colleagues(account_id).order_by(User.deleted_at.is_not(None), func.lower(User.name), User.id)
    )
    return [_colleague(row) for row in rows]


def find(session: Session, account_id: UUID, user_id: UUID) -> Colleague:
    """Return somebody of the account, deactivated or not, or raise NotFound. Needs administration()."""
    row = session.execute(_colleagues(account_id).where(User.id == user_id)).one_or_none()
    if row is None:
        raise NotFound("No such person in this account.")
    return _colleague(row)


def _colleagues(account_id: UUID) -> Select[Any]:
    claims = (
        select(Handoff.claimed_by_id.label("user_id"), func.count().label("claims"))
        .where(Handoff.account_id == account_id, Handoff.status == Status.CLAIMED)
        .group_by(Handoff.claimed_by_id)
        .subquery()
    )
    seen = (
        select(ApiToken.user_id, func.max(ApiToken.last_used_at).label("last_seen_at"))
        .where(ApiToken.account_id == account_id)
        .group_by(ApiToken.user_id)
        .subquery()
    )
    return (
        select(
            User.id,
            User.name,
            User.role,
            User.kind,
            User.created_at,
            User.deleted_at.label("deactivated_at"),
            seen.c.last_seen_at,
            func.coalesce(claims.c.claims, 0).label("claims"),
        )
        .outerjoin(seen, seen.c.user_id == User.id)
        .outerjoin(claims, claims.c.user_id == User.id)
        .where(User.account_id == account_id)
    )


def _colleague(row: Row[Any]) -> Colleague:
    return Colleague(**{**row._mapping, "kind": Kind(row.kind)})


def add(account_id: UUID, name: str, role: Role, kind: Kind = Kind.PERSON, *, by: UUID | None) -> Colleague:
    """Add somebody to the account. They can do nothing before a token is issued for them.

    `by` is here and below the admin who acts, None: an operator at the command line.
    """
    with administration(account_id) as session:
        made = account.create_user(session, account_id, name, role, kind)
        added = find(session, account_id, made.id)
        note = f"{made.name}: {role}" if kind is Kind.PERSON else f"{made.name}: {role}, {kind}"
        audit.record(session, account_id, Act.PERSON_CREATED, by=by, subject=f"person:{made.id}", note=note)
        return added


def change(
    account_id: UUID,
    user_id: UUID,
    *,
    name: str | None = None,
    role: Role | None = None,
    by: UUID | None,
    force: bool = False,
) -> tuple[Colleague, int]:
    """Change a name, a role or both; returns the person and how many claims went back, if they became a viewer.

    Conflict `last_admin`: nobody could manage the account afterwards; `force` does it all the same. Conflict
    `deactivated`: nothing of this person changes any more.
    """
    changed, returned = _change(account_id, user_id, name, role, by, force)
    if role is Role.VIEWER:
        returned += leaving.release_all(account_id, user_id, note=leaving.VIEWS_ONLY)
        changed = replace(changed, claims=0)
    return changed, returned


@repeated
def _change(
    account_id: UUID, user_id: UUID, name: str | None, role: Role | None, by: UUID | None, force: bool
) -> tuple[Colleague, int]:
    with administration(account_id) as session:
        person = leaving.when_silent(session, account_id, user_id)
        _refuse_deactivated(person)
        former_name, former_role = person.name, person.role
        returned = 0 if role is None else leaving.change_role(session, person, role, force=force)
        if name is not None:
            person.name = account.usable(name)
        session.flush()
        changed = find(session, account_id, user_id)
        renamed = [f"now called {changed.name}"] if changed.name != former_name else []
        moved = [f"{former_role} → {changed.role}"] if changed.role is not former_role else []
        if renamed or moved:
            note = f"{former_name}: {', '.join(moved + renamed)}"
            audit.record(session, account_id, Act.PERSON_CHANGED, by=by, subject=f"person:{user_id}", note=note)
        return changed, returned


def deactivate(account_id: UUID, user_id: UUID, *, by: UUID | None, force: bool = False) -> tuple[Colleague, int]:
    """Take a person's access away; returns them and how many claims went back. Again: nothing happens.

    Conflict `last_admin` as for a change of role.
    """
    gone, returned = _deactivate(account_id, user_id, by, force)
    returned += leaving.release_all(account_id, user_id)
    return replace(gone, claims=0), returned


@repeated
def _deactivate(account_id: UUID, user_id: UUID, by: UUID | None, force: bool) -> tuple[Colleague, int]:
    with administration(account_id) as session:
        person = leaving.when_silent(session, account_id, user_id)
        if person.deleted_at is not None:
            return find(session, account_id, user_id), 0
        returned = leaving.end_access(session, person, force=force)
        session.flush()
        gone = find(session, account_id, user_id)
        audit.record(session, account_id, Act.PERSON_DELETED, by=by, subject=f"person:{user_id}", note=gone.name)
        return gone, returned


def _refuse_deactivated(person: User) -> None:
    if person.deleted_at is not None:
        raise Conflict("deactivated", "This person has been deactivated.")


def issue_token(
    account_id: UUID, user_id: UUID, *, name: str | None, expires_in: timedelta | None, by: UUID | None
) -> tuple[ApiToken, User, str]:
    """Issue a token for somebody; returns it with its person and its secret, which cannot be shown again."""
    with administration(account_id) as session:
        person = session.get(User, (account_id, user_id))
        if person is None:
            raise NotFound("No such person in this account.")
        _refuse_deactivated(person)
        made, secret = account.issue_token(session, account_id, user_id, name=name, expires_in=expires_in)
        session.refresh(made)
        end = f"{made.expires_at:%Y-%m-%dT%H:%MZ}" if made.expires_at else "it is revoked"
        note = f"{person.name}: {', '.join([*([made.name] if made.name else []), f'active until {end}'])}"
        audit.record(session, account_id, Act.TOKEN_ISSUED, by=by, subject=f"token:{made.id}", note=note)
        return made, person, secret


def revoke_token(account_id: UUID, token_id: UUID, *, by: UUID | None) -> tuple[ApiToken, User, bool]:
    """Revoke a token; returns it with its person, and whether it worked before. Every process notices within 30 s."""
    with administration(account_id) as session:
        ended = account.revoke_token(session, token_id, account_id)
        session.flush()
        token, person = account.find_token(session, token_id, account_id)
        session.refresh(token)
        if ended:
            audit.record(session, account_id, Act.TOKEN_REVOKED, by=by, subject=f"token:{token_id}")
        return token, person, ended


def tokens(
    session: Session, account_id: UUID, user_id: UUID, *, before: UUID | None = None, most: int
) -> list[tuple[ApiToken, User]]:
    """List somebody's tokens, the newest first, from one id on; NotFound for a stranger. Needs administration()."""
    person = find(session, account_id, user_id)
    rows = (
        select(ApiToken, User)
        .join(User, (User.account_id == ApiToken.account_id) & (User.id == ApiToken.user_id))
        .where(ApiToken.account_id == account_id, ApiToken.user_id == person.id)
        .order_by(ApiToken.id.desc())
        .limit(most)
    )
    if before is not None:
        rows = rows.where(ApiToken.id < before)
    return [(token, user) for token, user in session.execute(rows)]
