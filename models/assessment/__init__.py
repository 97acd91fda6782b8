"""Every generation of an assessment. Its row is the truth, a message only a wake-up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    String,
    Text,
    Update,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, CreatedAt, MaybeTime, Time, new_id, stored_enum
from models.database.executor import Session
from models.settings import settings


class State(StrEnum):
    """The state of a generation. It is final once it has ended."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FALLBACK = "fallback"
    FAILED = "failed"


class Lane(StrEnum):
    """Lanes of workers: a person waits for interactive work, nobody for bulk."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


_WITHDRAWN = "withdrawn"

UNFINISHED = (State.QUEUED, State.RUNNING)


class Assessment(Base):
    """One generation. `attempts` is the fence: only the attempt that holds the lease may write."""

    __tablename__ = "assessments"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    handoff_id: Mapped[UUID]
    generation: Mapped[int]
    lane: Mapped[Lane] = mapped_column(stored_enum(Lane, name="lane"), default=Lane.INTERACTIVE)
    state: Mapped[State] = mapped_column(stored_enum(State, name="state"), default=State.QUEUED)
    asked_by_id: Mapped[UUID | None]
    queued_at: Mapped[CreatedAt]
    not_before: Mapped[Time] = mapped_column(server_default=func.now())
    deadline_at: Mapped[Time]
    started_at: Mapped[MaybeTime]
    lease_until: Mapped[MaybeTime]
    finished_at: Mapped[MaybeTime]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    attempt_log: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    content: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    source: Mapped[str | None] = mapped_column(String(200))
    prompt_version: Mapped[str | None] = mapped_column(String(100))
    input_hash: Mapped[str | None] = mapped_column(String(64))
    steps_seen: Mapped[int | None]
    dropped_evidence: Mapped[int] = mapped_column(default=0, server_default="0")
    provider_calls: Mapped[int] = mapped_column(default=0, server_default="0")
    tokens_in: Mapped[int] = mapped_column(default=0, server_default="0")
    tokens_out: Mapped[int] = mapped_column(default=0, server_default="0")
    cost: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0), server_default="0")
    error_kind: Mapped[str | None] = mapped_column(String(64))
    sent: Mapped[str | None] = mapped_column(Text, deferred=True)  # what left the process, after redaction

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "handoff_id"], ["handoffs.account_id", "handoffs.id"]),
        ForeignKeyConstraint(["account_id", "asked_by_id"], ["users.account_id", "users.id"]),
        CheckConstraint("(state = 'running') <= (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint("(state IN ('succeeded', 'fallback')) <= (content IS NOT NULL)", name="content"),
        Index("uq_assessments_generation", "account_id", "handoff_id", "generation", unique=True),
        # The metrics: which state the assessments of a period are in, without reading a row.
        Index(
            "ix_assessments_queued_at",
            "account_id",
            "queued_at",
            postgresql_include=["handoff_id", "generation", "state"],
        ),
        # Workers and the sweep: the few rows that have not ended, across accounts.
        Index(
            "ix_assessments_unfinished",
            "state",
            "lane",
            "not_before",
            postgresql_where=state.in_(UNFINISHED),
        ),
    )


def queue(session: Session, account_id: UUID, handoff_id: UUID, generation: int, *, asked_by: UUID | None) -> UUID:
    """Queue a new generation that somebody waits for, and return its id. Its deadline starts now."""
    queued = Assessment(
        account_id=account_id,
        id=new_id(),
        handoff_id=handoff_id,
        generation=generation,
        asked_by_id=asked_by,
        deadline_at=func.now() + timedelta(seconds=settings().assess_deadline_seconds),
    )
    session.add(queued)
    session.flush()
    return queued.id


def has_open(session: Session, account_id: UUID, handoff_id: UUID, generation: int) -> bool:
    """Whether this generation is queued or running."""
    return (
        session.scalars(
            select(Assessment.id).where(
                Assessment.account_id == account_id,
                Assessment.handoff_id == handoff_id,
                Assessment.generation == generation,
                Assessment.state.in_(UNFINISHED),
            )
        ).first()
        is not None
    )


def was_withdrawn(session: Session, account_id: UUID, handoff_id: UUID, generation: int) -> bool:
    """Whether the withdrawal of its handoff has ended this generation."""
    found = select(Assessment.id).where(
        Assessment.account_id == account_id,
        Assessment.handoff_id == handoff_id,
        Assessment.generation == generation,
        Assessment.state == State.FAILED,
        Assessment.error_kind == _WITHDRAWN,
    )
    return session.scalars(found).first() is not None


def end_open() -> Update:
    """Build the update that ends what is queued or running of a withdrawn handoff (`account`, `handoff`).

    It counts an attempt, so that a worker in the middle of one is fenced out.
    """
    return (
        update(Assessment)
        .where(Assessment.account_id == bindparam("account"), Assessment.handoff_id == bindparam("handoff"))
        .where(Assessment.state.in_(UNFINISHED))
        .values(
            state=State.FAILED,
            error_kind=_WITHDRAWN,
            finished_at=func.now(),
            lease_until=None,
            attempts=Assessment.attempts + 1,
        )
    )


def generations(session: Session, account_id: UUID, handoff_id: UUID) -> list[Assessment]:
    """Return every generation, oldest first."""
    return list(
        session.scalars(
            select(Assessment)
            .where(Assessment.account_id == account_id, Assessment.handoff_id == handoff_id)
            .order_by(Assessment.generation)
        )
    )


def sent(session: Session, account_id: UUID, handoff_id: UUID, generation: int) -> str | None:
    """Return what was sent for this generation, after redaction, as JSON. None: nothing, or no such generation."""
    return session.scalars(
        select(Assessment.sent).where(
            Assessment.account_id == account_id,
            Assessment.handoff_id == handoff_id,
            Assessment.generation == generation,
        )
    ).one_or_none()
