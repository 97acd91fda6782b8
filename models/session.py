"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from models.db import Base, CreatedAt, MaybeTime, Time, dump_json, new_id, stored_enum
from models.errors import Conflict, NotFound

MAX_STEPS = 2000  # in one session, over all its handoffs


class StepKind(StrEnum):
    """What a step is."""

    QUESTION = "question"
    ACTION = "action"
    OBSERVATION = "observation"
    NOTE = "note"


class Outcome(StrEnum):
    """How a step went, as its author saw it."""

    WORKED = "worked"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


class TroubleshootingSession(Base):
    """A piece of troubleshooting, named by the ticket it belongs to."""

    __tablename__ = "sessions"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    external_id: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(200))
    problem: Mapped[str] = mapped_column(Text)
    category: Mapped[str | None] = mapped_column(String(100))
    client: Mapped[str | None] = mapped_column(String(200))
    asset: Mapped[str | None] = mapped_column(String(200))
    opened_at: Mapped[MaybeTime]
    steps_count: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_sessions_external_id", "account_id", "external_id", unique=True),)


class SessionStep(Base):
    """One thing that was asked, done or seen. `seq` counts from 1 in its session, without gaps."""

    __tablename__ = "session_steps"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[StepKind] = mapped_column(stored_enum(StepKind, name="kind"))
    text: Mapped[str] = mapped_column(Text)
    outcome: Mapped[Outcome | None] = mapped_column(stored_enum(Outcome, name="outcome"))
    at: Mapped[MaybeTime]
    author: Mapped[str | None] = mapped_column(String(200))
    added_by_id: Mapped[UUID]
    added_at: Mapped[Time] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "session_id"], ["sessions.account_id", "sessions.id"]),
        ForeignKeyConstraint(["account_id", "added_by_id"], ["users.account_id", "users.id"]),
    )


def store(session: Session, account_id: UUID, details: dict[str, Any]) -> TroubleshootingSession:
    """Make or refresh the session named by `external_id`, and keep its row locked until commit.

    The lock makes two handoffs of one session wait for each other.
    """
    row = {key: value for key, value in details.items() if key != "steps"}
    statement = upsert(TroubleshootingSession).values(account_id=account_id, id=new_id(), **row)
    refresh = {key: statement.excluded[key] for key in row if key != "external_id"}
    return session.scalars(
        statement.on_conflict_do_update(index_elements=["account_id", "external_id"], set_=refresh).returning(
            TroubleshootingSession
        ),
        execution_options={"populate_existing": True},
    ).one()


def add_new_steps(
    session: Session,
    kept: TroubleshootingSession,
    steps: Sequence[dict[str, Any]],
    *,
    by: UUID,
) -> None:
    """Append those of `steps` that the session does not have yet, in their order.

    A client that hands a session off again sends its whole history. A step is the same when all that was
    sent of it is the same; sent twice in one history, it is kept twice.
    """
    known = Counter(step_identity(step) for step in _plain_steps(session, kept)) if kept.steps_count else Counter()
    fresh = []
    for step in steps:
        if known[step_identity(step)] > 0:
            known[step_identity(step)] -= 1
        else:
            fresh.append(step)
    _append(session, kept, fresh, by=by)


def append_step(
    session: Session, account_id: UUID, external_id: str, step: dict[str, Any], *, by: UUID
) -> tuple[TroubleshootingSession, SessionStep]:
    """Add one step at the end. Holds the session's row until commit, so numbers have no gaps."""
    kept = session.scalars(
        select(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.external_id == external_id)
        .with_for_update()
    ).one_or_none()
    if kept is None:
        raise NotFound("There is no such session in this account.")
    _append(session, kept, [step], by=by)
    return kept, session.get_one(SessionStep, (account_id, kept.id, kept.steps_count))


def lock(session: Session, account_id: UUID, session_id: UUID) -> TroubleshootingSession:
    """The session, its row locked until commit."""
    return session.scalars(
        select(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.id == session_id)
        .with_for_update()
    ).one()


def _append(session: Session, kept: TroubleshootingSession, steps: Sequence[dict[str, Any]], *, by: UUID) -> None:
    if kept.steps_count + len(steps) > MAX_STEPS:
        raise Conflict("too_many_steps", f"A session holds at most {MAX_STEPS} steps.", limit=MAX_STEPS)
    if not steps:
        return
    rows = [
        {
            "seq": seq,
            "kind": step["kind"],
            "text": step["text"],
            "outcome": step.get("outcome"),
            "at": at and at.isoformat(),
            "author": step.get("author"),
        }
        for seq, step in enumerate(steps, start=kept.steps_count + 1)
        for at in [step.get("at")]
    ]
    who = {"account": kept.account_id, "session": kept.id, "by": by}
    total = session.execute(_APPEND, {**who, "rows": dump_json(rows), "count": len(rows)}).scalar_one()
    set_committed_value(kept, "steps_count", total)


# However many steps, one statement of one shape.
_APPEND = text("""
    WITH added AS (
        INSERT INTO session_steps (account_id, session_id, seq, kind, text, outcome, at, author, added_by_id)
        SELECT :account, :session, seq, kind, text, outcome, at, author, :by
        FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS row(seq int, kind text, text text, outcome text, at timestamptz, author text)
    )
    UPDATE sessions SET steps_count = steps_count + :count WHERE account_id = :account AND id = :session
    RETURNING steps_count
""")


def step_identity(step: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two steps of a session the same: all that was sent of them."""
    at: datetime | None = step.get("at")
    return (step["kind"], step["text"], step.get("outcome"), at and at.timestamp(), step.get("author"))


def _plain_steps(session: Session, kept: TroubleshootingSession) -> Iterable[dict[str, Any]]:
    for step in steps_of(session, kept.account_id, kept.id):
        yield {
            "kind": step.kind,
            "text": step.text,
            "outcome": step.outcome,
            "at": step.at,
            "author": step.author,
        }


def steps_of(session: Session, account_id: UUID, session_id: UUID) -> list[SessionStep]:
    """Every step, in order."""
    return list(
        session.scalars(
            select(SessionStep)
            .where(SessionStep.account_id == account_id, SessionStep.session_id == session_id)
            .order_by(SessionStep.seq)
        )
    )


def find(session: Session, account_id: UUID, external_id: str) -> TroubleshootingSession:
    """The session with this ticket id, or NotFound."""
    kept = session.scalars(
        select(TroubleshootingSession).where(
            TroubleshootingSession.account_id == account_id, TroubleshootingSession.external_id == external_id
        )
    ).one_or_none()
    if kept is None:
        raise NotFound("There is no such session in this account.")
    return kept
