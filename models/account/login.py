"""Logins of browsers. A browser's cookie names a row here and is worthless without it."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models.account import Caller
from models.database import Base, CreatedAt, Time
from models.database.executor import Session

LIFETIME = timedelta(hours=12)  # a working day; after that people sign in again
MOST = 100  # browsers per person; signing in with one more signs the oldest out


class Login(Base):
    """A login of a person in one browser, until they sign out, it expires or its token ends."""

    __tablename__ = "logins"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[UUID]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Time]

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "token_id"], ["api_tokens.account_id", "api_tokens.id"]),
        Index("ix_logins_key", "key", unique=True),  # finds the caller of a request
        Index("ix_logins_expires_at", "expires_at"),  # pruning
    )


def begin(session: Session, who: Caller) -> str:
    """Begin a login with the caller's token and return its key. Needs a maintenance transaction, as all here."""
    key = secrets.token_hex(32)
    expires_at = func.clock_timestamp() + LIFETIME
    session.add(
        Login(account_id=who.account_id, user_id=who.user_id, key=key, token_id=who.token_id, expires_at=expires_at)
    )
    session.flush()
    theirs = Login.account_id == who.account_id, Login.user_id == who.user_id
    oldest = select(Login.key).where(*theirs).order_by(Login.expires_at.desc(), Login.key != key).offset(MOST)
    session.execute(delete(Login).where(*theirs, Login.key.in_(oldest)))
    return key


def end(session: Session, key: str) -> list[str]:
    """Sign one browser out; returns the key. Nothing happens when it is signed out already."""
    session.execute(delete(Login).where(Login.key == key))
    return [key]


def end_all(session: Session, account_id: UUID, user_id: UUID) -> list[str]:
    """Sign a person out of every browser; returns the keys that have ended."""
    theirs = delete(Login).where(Login.account_id == account_id, Login.user_id == user_id)
    return list(session.scalars(theirs.returning(Login.key)))


def prune(session: Session) -> int:
    """Delete expired logins and return how many."""
    return len(session.scalars(delete(Login).where(Login.expires_at <= func.now()).returning(Login.key)).all())
