"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from models.database import Base, CreatedAt, MaybeTime, Time, dump_json, new_id, stored_enum
from models.database.prepared import Prepared
from models.errors import Conflict

MAX_STEPS = 2000  # in one session, over all its handoffs
DETAILS = ("external_id", "title", "problem", "category", "client", "asset", "opened_at")  # what intake may tell

Identity = tuple[Any, ...]  # what makes two steps the same
T = TypeVar("T")


class StepKind(StrEnum):
    """Kinds of steps."""

    QUESTION = "question"
    ACTION = "action"
    OBSERVATION = "observation"
    NOTE = "note"


class Outcome(StrEnum):
    """The outcome of a step, as its author saw it."""

    WORKED = "worked"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


class TroubleshootingSession(Base):
    """A piece of troubleshooting, named by its ticket.

    A ticket has one session that everybody of the account sees, and one draft for each parked handoff of it, which
    only those who may see that handoff see. `draft_of` is the parked handoff; None: the ticket's session.
    """

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
    draft_of: Mapped[UUID | None]

    __table_args__ = (
        # One session a ticket, and its drafts; found by the ticket's id.
        Index(
            "uq_sessions_external_id",
            "account_id",
            "external_id",
            "draft_of",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )


class SessionStep(Base):
    """A step: a question, an action or an observation. `seq` counts from 1 in its session, without gaps."""

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

    @property
    def identity(self) -> Identity:
        """The identity of a stored step; comparable with step_identity() of a sent one."""
        return (self.kind, self.text, self.outcome, self.at and self.at.timestamp(), self.author)


@dataclass(frozen=True)
class StoredSession:
    """A session whose row is locked until commit. `steps_count`: the number before this change."""

    id: UUID
    external_id: str
    title: str
    problem: str
    client: str | None
    asset: str | None
    category: str | None
    steps_count: int
    is_new: bool


def store(
    session: Session, account_id: UUID, details: dict[str, Any], *, draft_of: UUID | None = None
) -> StoredSession:
    """Create or refresh the session named by `external_id`, and lock its row until commit.

    The lock makes two handoffs of one session wait for each other. What was not sent stays as it was. With
    `draft_of`, the id of a parked handoff, it is that handoff's draft and the ticket's session is left alone.
    """
    new = str(new_id())
    values = details | {"account": str(account_id), "id": new, "draft_of": draft_of and str(draft_of)}
    sent = tuple(name for name in DETAILS if name in details)
    row = _store(sent)(session.connection(), values).one()
    shown = row.title, row.problem, row.client, row.asset, row.category
    return StoredSession(row.id, details["external_id"], *shown, row.steps_count, str(row.id) == new)


@cache
def _store(sent: tuple[str, ...]) -> Prepared:
    return Prepared(f"""
        INSERT INTO sessions (account_id, id, draft_of, {", ".join(sent)})
        VALUES (%(account)s, %(id)s, %(draft_of)s, {", ".join(f"%({name})s" for name in sent)})
        ON CONFLICT (account_id, external_id, draft_of) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in sent if name != "external_id")}
        RETURNING id, title, problem, client, asset, category, steps_count
    """)


def authors(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the named authors of these steps, each once."""
    return list(dict.fromkeys(step["author"] for step in steps if step.get("author")))


def new_steps(
    session: Session, account_id: UUID, kept: StoredSession, steps: Sequence[T], identity: Callable[[T], Identity]
) -> Sequence[T]:
    """Return those of `steps` that the session does not have yet, in order.

    A client that hands a session off again sends its whole history. A step is the same when all that was
    sent of it is the same; sent twice in one history, it is kept twice.
    """
    if not kept.steps_count:
        return steps
    known = Counter(step.identity for step in steps_of(session, account_id, kept.id))
    return without_known(steps, known, identity)


def without_known(steps: Iterable[T], known: Counter[Identity], identity: Callable[[T], Identity]) -> list[T]:
    """Return the steps that are not in `known`, in order. Consumes matches in `known`."""
    fresh = []
    for step in steps:
        if known[identity(step)] > 0:
            known[identity(step)] -= 1
        else:
            fresh.append(step)
    return fresh


def append_step(session: Session, kept: TroubleshootingSession, step: dict[str, Any], *, by: UUID) -> SessionStep:
    """Append a step to a session whose row is locked, so that numbers have no gaps."""
    added = step_values(kept.account_id, kept, [step], by=by)
    count = session.connection().exec_driver_sql(f"WITH {ADD_STEPS} SELECT steps_count FROM counted", added)
    set_committed_value(kept, "steps_count", count.scalar_one())
    return session.get_one(SessionStep, (kept.account_id, kept.id, kept.steps_count))


def lock(session: Session, account_id: UUID, session_id: UUID) -> TroubleshootingSession:
    """Return the session with its row locked until commit."""
    return session.scalars(
        select(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.id == session_id)
        .with_for_update(key_share=True)
    ).one()


def publish(session: Session, account_id: UUID, draft_id: UUID) -> StoredSession:
    """Move a draft's details and steps into the ticket's session, created if missing, and lock that.

    The draft is then empty; discard() it once its handoff has left it. Conflict when the session would become too
    long.
    """
    draft = lock(session, account_id, draft_id)
    details = {name: getattr(draft, name) for name in DETAILS if getattr(draft, name) is not None}
    kept = store(session, account_id, details)
    steps = steps_of(session, account_id, draft_id)
    fresh = [step.seq for step in new_steps(session, account_id, kept, steps, attrgetter("identity"))]
    _refuse_too_many(kept.steps_count + len(fresh))
    moved = {"account": account_id, "draft": draft_id, "ticket": kept.id, "seqs": fresh, "before": kept.steps_count}
    session.execute(_MOVE_STEPS, moved)
    return kept


# A moved step keeps who added it and when, which the timeline shows.
_MOVE_STEPS = text("""
    WITH moved AS (
        UPDATE session_steps SET session_id = :ticket, seq = :before + fresh.place
        FROM unnest(CAST(:seqs AS int[])) WITH ORDINALITY AS fresh (seq, place)
        WHERE account_id = :account AND session_id = :draft AND session_steps.seq = fresh.seq
        RETURNING session_steps.seq
    )
    UPDATE sessions SET steps_count = :before + (SELECT count(*) FROM moved)
    WHERE account_id = :account AND id = :ticket
""")


def discard(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """Delete a draft and the rest of its steps. No handoff may refer to it any more."""
    for table, key in ((SessionStep, SessionStep.session_id), (TroubleshootingSession, TroubleshootingSession.id)):
        session.execute(delete(table).where(table.account_id == account_id, key == draft_id))


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
    account_id: UUID, kept: StoredSession | TroubleshootingSession, steps: Sequence[dict[str, Any]], *, by: UUID
) -> dict[str, Any]:
    """Return the values of ADD_STEPS. Conflict when the session would become too long."""
    _refuse_too_many(kept.steps_count + len(steps))
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


def _refuse_too_many(count: int) -> None:
    if count > MAX_STEPS:
        raise Conflict("too_many_steps", f"A session holds at most {MAX_STEPS} steps.", limit=MAX_STEPS)


def step_identity(step: dict[str, Any]) -> Identity:
    """The identity of a step within its session: everything that was sent of it."""
    at: datetime | None = step.get("at")
    return (step["kind"], step["text"], step.get("outcome"), at and at.timestamp(), step.get("author"))


def steps_of(session: Session, account_id: UUID, session_id: UUID) -> list[SessionStep]:
    """Return every step, in order."""
    return list(
        session.scalars(
            select(SessionStep)
            .where(SessionStep.account_id == account_id, SessionStep.session_id == session_id)
            .order_by(SessionStep.seq)
        )
    )


def ticket(session: Session, account_id: UUID, external_id: str) -> TroubleshootingSession | None:
    """Return the ticket's session, or None; drafts do not count."""
    return session.scalars(
        select(TroubleshootingSession).where(
            TroubleshootingSession.account_id == account_id,
            TroubleshootingSession.external_id == external_id,
            TroubleshootingSession.draft_of.is_(None),
        )
    ).one_or_none()
