"""Accounts, their people, and API tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from models import feed, text
from models.database import Base, CreatedAt, MaybeTime, new_id, sql_file, stored_enum
from models.database.executor import Executor, Session
from models.database.prepared import Prepared
from models.errors import Invalid, NotFound
from models.settings import settings as of_installation  # `settings` here is a module

TOKEN_PREFIX = "rf_"  # noqa: S105 - what every token begins with
AGE_LIMITS = ("amber_minutes", "red_minutes", "urgent_amber_minutes", "urgent_red_minutes")

Named = TypeVar("Named")


class Role(StrEnum):
    """Roles of people. Each may do everything that the one before it may."""

    VIEWER = "viewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role includes the rights of `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Kind(StrEnum):
    """Who a person is: somebody, or a program with tokens and no place on the screens."""

    PERSON = "person"
    SERVICE = "service"


class Account(Base):
    """A managed service provider. Nothing crosses between two of them."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    claim_lease_seconds: Mapped[int | None]  # None: the installation's setting
    # Until the first reminder of a handoff that nobody takes, and of an urgent one; None: the installation's setting.
    waiting_reminder_seconds: Mapped[int | None] = mapped_column(BigInteger)
    urgent_reminder_seconds: Mapped[int | None] = mapped_column(BigInteger)
    language: Mapped[str | None] = mapped_column(Text)  # of assessments, BCP 47; None: the language of each case
    # When the age of a waiting handoff warns, and when it alarms. None: the installation's settings.
    amber_minutes: Mapped[int | None] = mapped_column(BigInteger)
    red_minutes: Mapped[int | None] = mapped_column(BigInteger)
    urgent_amber_minutes: Mapped[int | None] = mapped_column(BigInteger)
    urgent_red_minutes: Mapped[int | None] = mapped_column(BigInteger)
    # None: the installation's setting, which it cannot exceed
    model_tokens_per_day: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]

    __table_args__ = tuple(
        CheckConstraint(f"{name} > 0", name=name)
        for name in ("claim_lease_seconds", "waiting_reminder_seconds", "urgent_reminder_seconds", *AGE_LIMITS)
    )


class User(Base):
    """A person, or a program in the place of one. Deleted softly: their name stays readable in old handoffs."""

    __tablename__ = "users"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(stored_enum(Role, name="role"))
    kind: Mapped[str] = mapped_column(Text, default=Kind.PERSON.value, server_default=Kind.PERSON.value)
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[MaybeTime]

    __table_args__ = (CheckConstraint("kind IN ('person', 'service')", name="kind"),)


class ApiToken(Base):
    """A bearer token, stored as the SHA-256 of 256 random bits: nothing to brute-force, nothing to leak."""

    __tablename__ = "api_tokens"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID]
    name: Mapped[str | None] = mapped_column(Text)  # what it is for
    prefix: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[MaybeTime]
    revoked_at: Mapped[MaybeTime]
    last_used_at: Mapped[MaybeTime]

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        Index("ix_api_tokens_digest", "digest", unique=True),  # finds the caller of a request
    )


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of a request."""

    account_id: UUID
    account_name: str
    user_id: UUID
    name: str
    role: Role
    token_id: UUID
    kind: Kind = Kind.PERSON

    @property
    def is_admin(self) -> bool:
        """Whether this person may act on other people's claims."""
        return self.role is Role.ADMIN


def create_account(session: Session, name: str) -> Account:
    """Create an account with its empty feed."""
    account = Account(name=usable(name))
    session.add(account)
    session.flush()
    feed.open_feed(session, account.id)
    return account


def create_user(session: Session, account_id: UUID, name: str, role: Role, kind: Kind = Kind.PERSON) -> User:
    """Create a person in the account. Invalid `name_invalid`: nothing to be seen, or too much."""
    user = User(account_id=account_id, name=usable(name), role=role, kind=kind.value)
    session.add(user)
    session.flush()
    return user


def usable(name: str) -> str:
    """Return a name as it is stored; Invalid for one that nobody could read."""
    tidy = text.name(name)
    if tidy is None or len(tidy) > 200:
        raise Invalid("name_invalid", "A name has 1 to 200 printable characters.")
    return tidy


def issue_token(
    session: Session,
    account_id: UUID,
    user_id: UUID,
    *,
    name: str | None = None,
    expires_in: timedelta | None = None,
) -> tuple[ApiToken, str]:
    """Issue a token; returns it with its secret, which is not stored and cannot be shown again.

    `name` says what it is for.
    """
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        account_id=account_id,
        user_id=user_id,
        name=None if name is None else usable(name),
        prefix=secret[:11],
        digest=digest(secret),
        expires_at=None if expires_in is None else func.now() + expires_in,
    )
    session.add(token)
    session.flush()
    return token, secret


def digest(secret: str) -> str:
    """The digest under which a token is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


_AUTHENTICATE = Prepared(sql_file(__file__, "authenticate"))


def authenticate(executor: Executor, proofs: list[str]) -> dict[str, tuple[Caller, datetime | None]]:
    """Look up callers by their proofs, with the expiry of each. Missing: unknown, expired, or a deleted user.

    A proof is the digest of a token, or the key of a login, which ends with its token. The account is not known yet,
    so `executor` must see all of them.
    """
    return {
        row.proof: (
            Caller(
                row.account_id, row.account_name, row.user_id, row.name, Role(row.role), row.token_id, Kind(row.kind)
            ),
            row.expires_at,
        )
        for row in _AUTHENTICATE(executor, {"proofs": proofs})
    }


def caller_of(session: Session, account_id: UUID, user_id: UUID) -> Caller | None:
    """Return the caller who was authenticated by other means than our tokens; None: unknown or deleted.

    What may be done is decided by the role stored here. Needs a maintenance transaction.
    """
    found = session.execute(
        select(User, Account)
        .join(Account, Account.id == User.account_id)
        .where(User.account_id == account_id, User.id == user_id, User.deleted_at.is_(None))
    ).one_or_none()
    if found is None:
        return None
    user, account = found
    return Caller(account.id, account.name, user.id, user.name, user.role, token_id=user.id, kind=Kind(user.kind))


class CallerChangedError(Exception):
    """The caller's token, person or role has changed since it was verified. Nothing was written; verify it again."""


CHANGED_STATE = "RF401"  # the code of the database's refusal


def refusal_of(caller: Caller) -> str:
    """SQL that ends the transaction unless the caller's token, person and role are unchanged.

    It has nothing of the caller's own: two ids and the name of a role.
    """
    return f"SELECT refuse_changed_caller('{caller.user_id}', '{caller.token_id}', '{caller.role.value}')"


def lock_of(account_id: UUID) -> str:
    """SQL that makes changes of one account's people wait for each other."""
    return f"SELECT FROM accounts WHERE id = '{account_id}' FOR NO KEY UPDATE"


def tokens_of(session: Session, account_id: UUID) -> list[tuple[ApiToken, User]]:
    """List the account's tokens with their people, newest first, expired ones included."""
    rows = session.execute(
        select(ApiToken, User)
        .join(User, (User.account_id == ApiToken.account_id) & (User.id == ApiToken.user_id))
        .where(ApiToken.account_id == account_id)
        .order_by(ApiToken.id.desc())
    )
    return [(token, user) for token, user in rows]


def find_token(session: Session, token_id: UUID, account_id: UUID | None = None) -> tuple[ApiToken, User]:
    """Return a token and its person; NotFound if there is none, or none in this account."""
    rows = (
        select(ApiToken, User)
        .join(User, (User.account_id == ApiToken.account_id) & (User.id == ApiToken.user_id))
        .where(ApiToken.id == token_id)
    )
    if account_id is not None:
        rows = rows.where(ApiToken.account_id == account_id)
    found = session.execute(rows).one_or_none()
    if found is None:
        raise NotFound("No such token.")
    token, user = found
    return token, user


def revoke_token(session: Session, token_id: UUID, account_id: UUID | None = None) -> bool:
    """Revoke a token. False: it had been revoked before. Every process notices within 30 s."""
    token, _ = find_token(session, token_id, account_id)
    if token.revoked_at is not None:
        return False
    token.revoked_at = func.now()
    return True


def find_account(session: Session, name_or_id: str) -> Account:
    """Find an account by id or name. Invalid when several carry the name."""
    matches = select(Account).where(_names(Account.id, Account.name, name_or_id))
    return _only(list(session.scalars(matches)), "account", name_or_id)


def find_user(session: Session, name_or_id: str, account_id: UUID | None = None) -> User:
    """Find an active user by id or name. Invalid when several carry the name."""
    matches = select(User).where(_names(User.id, User.name, name_or_id), User.deleted_at.is_(None))
    if account_id is not None:
        matches = matches.where(User.account_id == account_id)
    return _only(list(session.scalars(matches)), "user", name_or_id)


def _names(id_column: Any, name_column: Any, name_or_id: str) -> ColumnElement[bool]:
    try:
        return id_column == UUID(name_or_id)
    except ValueError:
        return name_column == name_or_id


def _only(found: list[Named], noun: str, name_or_id: str) -> Named:
    if not found:
        raise NotFound(f"There is no {noun} {name_or_id!r}.")
    if len(found) > 1:
        raise Invalid("ambiguous", f"{len(found)} {noun}s are named {name_or_id!r}; use the id.")
    return found[0]


def people(session: Session, account_id: UUID) -> list[User]:
    """List the people who can be given work: the account's active engineers and admins, by name."""
    return list(
        session.scalars(
            select(User)
            .where(User.account_id == account_id, User.deleted_at.is_(None))
            .where(User.role.in_([Role.ENGINEER, Role.ADMIN]), User.kind == Kind.PERSON.value)
            .order_by(User.name, User.id)
        )
    )


def names(session: Session, account_id: UUID, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of these people of the account, deleted ones included."""
    rows = session.execute(select(User.id, User.name).where(User.account_id == account_id, User.id.in_(ids)))
    return dict(rows.all())


def can_work(session: Session, user_id: UUID) -> bool:
    """Whether this person can be given work. They keep their access until the transaction has ended."""
    return bool(session.scalar(select(func.may_work(user_id))))


def refuse_who_cannot_work(session: Session, user_id: UUID) -> None:
    """Raise Invalid if this person cannot be given work: unknown in the account, deleted, or a viewer.

    They keep their access until the transaction has ended.
    """
    if not can_work(session, user_id):
        raise Invalid("user_unknown", "There is no such engineer in this account.", user_id=str(user_id))


def age_limits(session: Session, account_id: UUID) -> dict[str, int]:
    """Return the minutes after which the age of a waiting handoff warns (amber) and alarms (red)."""
    own = session.execute(
        select(*(getattr(Account, name) for name in AGE_LIMITS)).where(Account.id == account_id)
    ).one()
    return {name: minutes or getattr(of_installation(), name) for name, minutes in zip(AGE_LIMITS, own, strict=True)}
