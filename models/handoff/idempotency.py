"""Idempotency keys: a repeated intake gets the answer of the first one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String, Text, cast, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, Time
from models.database.executor import Session
from models.errors import Invalid
from models.settings import settings


class IdempotencyKey(Base):
    """A key of a person, with the answer that it got."""

    __tablename__ = "idempotency_keys"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Time] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        Index("ix_idempotency_keys_created_at", "created_at"),  # pruning
    )


def begin(session: Session, account_id: UUID, user_id: UUID, key: str, request_hash: str) -> dict[str, Any] | None:
    """Return the stored answer of this key, or None for a first request, which must then call `remember`.

    A second request at the same moment waits here until the first one's transaction ends. Invalid: the key
    was used for another body. An aged key counts as new.
    """
    new = insert(IdempotencyKey).values(account_id=account_id, user_id=user_id, key=key, request_hash=request_hash)
    taken = session.execute(
        new.on_conflict_do_update(
            index_elements=["account_id", "user_id", "key"],
            set_={"request_hash": request_hash, "answer": None, "created_at": func.now()},
            where=IdempotencyKey.created_at < func.now() - timedelta(hours=settings().idempotency_hours),
        ).returning(IdempotencyKey.key)
    ).first()
    if taken is not None:
        return None
    stored = session.execute(
        select(IdempotencyKey.request_hash, IdempotencyKey.answer).where(_is(account_id, user_id, key))
    ).one()
    if stored.request_hash != request_hash:
        raise Invalid("idempotency_mismatch", "This Idempotency-Key was used with another body.")
    return stored.answer


def remember(session: Session, account_id: UUID, user_id: UUID, key: str, answer: str) -> None:
    """Store the answer, as JSON text, for the key, in the transaction that did the work."""
    as_json = cast(literal(answer, Text), JSONB)
    session.execute(update(IdempotencyKey).where(_is(account_id, user_id, key)).values(answer=as_json))


def replace_answer(session: Session, account_id: UUID, user_id: UUID, handoff_id: UUID, answer: str) -> None:
    """Store another answer, as JSON text, for the key with which this person sent this handoff, if they used one."""
    its_key = (
        IdempotencyKey.account_id == account_id,
        IdempotencyKey.user_id == user_id,
        IdempotencyKey.answer["id"].as_string() == str(handoff_id),
    )
    session.execute(update(IdempotencyKey).where(*its_key).values(answer=cast(literal(answer, Text), JSONB)))


def _is(account_id: Any, user_id: Any, key: Any) -> Any:
    return (
        (IdempotencyKey.account_id == account_id) & (IdempotencyKey.user_id == user_id) & (IdempotencyKey.key == key)
    )


def prune(session: Session) -> int:
    """Delete expired keys and return how many; skip those that another transaction is deleting or renewing."""
    aged = (
        select(IdempotencyKey.account_id, IdempotencyKey.user_id, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < func.now() - timedelta(hours=settings().idempotency_hours))
        .with_for_update(key_share=True, skip_locked=True)
        .cte("aged")
    )
    gone = delete(IdempotencyKey).where(_is(aged.c.account_id, aged.c.user_id, aged.c.key))
    return len(session.execute(gone.returning(IdempotencyKey.key)).all())
