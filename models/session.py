"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from models.db import Base, CreatedAt, MaybeTime, Time, dump_json, new_id, stored_enum
from models.errors import Conflict, NotFound
from models.prepared import Prepared

MAX_STEPS = 2000  # in one session, over all its handoffs
DETAILS = ("external_id", "title", "problem", "category", "client", "asset", "opened_at")  # what intake may tell


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


@dataclass(frozen=True)
class Kept:
    """A session whose row is locked until commit. `steps_count`: as it was before."""

    id: UUID
    external_id: str
    title: str
    problem: str
    steps_count: int
    is_new: bool


def store(session: Session, account_id: UUID, details: dict[str, Any]) -> Kept:
    """Make or refresh the session named by `external_id`, and keep its row locked until commit.

    The lock makes two handoffs of one session wait for each other. What was not sent stays as it was.
    """
    new = str(new_id())
    values = details | {"account": str(account_id), "id": new}
    sent = tuple(name for name in DETAILS if name in details)
    row = _store(sent)(session.connection(), values).one()
    return Kept(row.id, details["external_id"], row.title, row.problem, row.steps_count, str(row.id) == new)


@cache
def _store(sent: tuple[str, ...]) -> Prepared:
    return Prepared(f"""
        INSERT INTO sessions (account_id, id, {", ".join(sent)})
        VALUES (%(account)s, %(id)s, {", ".join(f"%({name})s" for name in sent)})
        ON CONFLICT (account_id, external_id) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in sent)}
        RETURNING id, title, problem, steps_count
    """)


def new_steps(
    session: Session, account_id: UUID, kept: Kept, steps: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Those of `steps` that the session does not have yet, in their order.

    A client that hands a session off again sends its whole history. A step is the same when all that was
    sent of it is the same; sent twice in one history, it is kept twice.
    """
    if not kept.steps_count:
        return steps
    known = Counter(step_identity(step) for step in _plain_steps(session, account_id, kept.id))
    fresh = []
    for step in steps:
        if known[step_identity(step)] > 0:
            known[step_identity(step)] -= 1
        else:
            fresh.append(step)
    return fresh


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
    added = step_values(account_id, kept, [step], by=by)
    count = session.connection().exec_driver_sql(f"WITH {ADD_STEPS} SELECT steps_count FROM counted", added)
    set_committed_value(kept, "steps_count", count.scalar_one())
    return kept, session.get_one(SessionStep, (account_id, kept.id, kept.steps_count))


def lock(session: Session, account_id: UUID, session_id: UUID) -> TroubleshootingSession:
    """The session, its row locked until commit."""
    return session.scalars(
        select(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.id == session_id)
        .with_for_update()
    ).one()


# The parts of a statement that adds step_values(); however many steps, it has one shape.
ADD_STEPS = """
    step AS (
        INSERT INTO session_steps (account_id, session_id, seq, kind, text, outcome, at, author, added_by_id)
        SELECT %(account)s, %(session)s, seq, kind, text, outcome, at, author, %(by)s
        FROM jsonb_to_recordset(CAST(%(steps)s AS jsonb))
            AS row(seq int, kind text, text text, outcome text, at timestamptz, author text)
    ), counted AS (
        UPDATE sessions SET steps_count = steps_count + %(count)s
        WHERE account_id = %(account)s AND id = %(session)s AND %(count)s > 0 RETURNING steps_count
    )
"""


def step_values(
    account_id: UUID, kept: Kept | TroubleshootingSession, steps: Sequence[dict[str, Any]], *, by: UUID
) -> dict[str, Any]:
    """What ADD_STEPS takes. Conflict when the session would become too long."""
    if kept.steps_count + len(steps) > MAX_STEPS:
        raise Conflict("too_many_steps", f"A session holds at most {MAX_STEPS} steps.", limit=MAX_STEPS)
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
    return {
        "account": str(account_id),
        "session": str(kept.id),
        "steps": dump_json(rows),
        "count": len(rows),
        "by": str(by),
    }


def step_identity(step: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two steps of a session the same: all that was sent of them."""
    at: datetime | None = step.get("at")
    return (step["kind"], step["text"], step.get("outcome"), at and at.timestamp(), step.get("author"))


def _plain_steps(session: Session, account_id: UUID, session_id: UUID) -> Iterable[dict[str, Any]]:
    for step in steps_of(session, account_id, session_id):
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
