"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, CreatedAt, MaybeTime, Time, dump_json, new_id, sql_file, stored_enum
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Conflict

MAX_STEPS = 2000  # per session, over all its handoffs
DETAILS = ("external_id", "title", "problem", "category", "client", "asset", "opened_at")  # what intake may send

Identity = tuple[Any, ...]  # equal for equal steps
Step = TypeVar("Step", "SentStep", "SessionStep")


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
        """The identity of a stored step; comparable with that of a sent one."""
        return (self.kind, self.text, self.outcome, self.at and self.at.timestamp(), self.author)


@dataclass(frozen=True)
class SentStep:
    """A step as a client sent it."""

    kind: StepKind
    text: str
    outcome: Outcome | None = None
    at: datetime | None = None
    author: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> SentStep:
        """Build it from a validated body."""
        outcome = body.get("outcome")
        return cls(
            StepKind(body["kind"]), body["text"], outcome and Outcome(outcome), body.get("at"), body.get("author")
        )

    @property
    def identity(self) -> Identity:
        """The identity of a step within its session: everything that was sent of it."""
        return (self.kind, self.text, self.outcome, self.at and self.at.timestamp(), self.author)


@dataclass(frozen=True)
class SentSession:
    """A session as a client sent it. `sent` names its details that were sent, be they null."""

    external_id: str
    title: str
    problem: str
    category: str | None = None
    client: str | None = None
    asset: str | None = None
    opened_at: datetime | None = None
    steps: tuple[SentStep, ...] = ()
    sent: frozenset[str] = frozenset()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> SentSession:
        """Build it from a validated body."""
        details = {name: body[name] for name in DETAILS if name in body}
        steps = tuple(SentStep.of(step) for step in body.get("steps") or ())
        return cls(**details, steps=steps, sent=frozenset(details))

    def details(self) -> dict[str, Any]:
        """Return the details that were sent, in order."""
        return {name: getattr(self, name) for name in DETAILS if name in self.sent}


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
    session: Session, account_id: UUID, details: Mapping[str, Any], *, draft_of: UUID | None = None
) -> StoredSession:
    """Create or refresh the session named by `external_id`, and lock its row until commit.

    The lock makes two handoffs of one session wait for each other. What is not in `details` stays as it was. With
    `draft_of`, the id of a parked handoff, it is that handoff's draft and the ticket's session is left alone.
    """
    new = new_id()
    (row,) = _store(tuple(details))(session, {**details, "account_id": account_id, "id": new, "draft_of": draft_of})
    shown = row.title, row.problem, row.client, row.asset, row.category
    return StoredSession(row.id, details["external_id"], *shown, row.steps_count, row.id == new)


@cache
def _store(sent: tuple[str, ...]) -> Prepared:
    """Prepare the upsert of a session of which these details were sent."""
    table = TroubleshootingSession
    new = insert(table).values({name: bindparam(name) for name in ("account_id", "id", "draft_of", *sent)})
    return Prepared(
        new.values(steps_count=0)
        .on_conflict_do_update(
            index_elements=["account_id", "external_id", "draft_of"],
            # Not the key, though it would stay the same: the row would be locked against foreign keys.
            set_={name: new.excluded[name] for name in sent if name != "external_id"},
        )
        .returning(table.id, table.title, table.problem, table.client, table.asset, table.category, table.steps_count)
    )


def authors(steps: Iterable[Step]) -> list[str]:
    """Return the named authors of these steps, each once."""
    return list(dict.fromkeys(step.author for step in steps if step.author))


def new_steps(session: Session, account_id: UUID, stored: StoredSession, steps: Sequence[Step]) -> Sequence[Step]:
    """Return those of `steps` that the session does not have yet, in order.

    A client that hands a session off again sends its whole history. A step is the same if everything that was
    sent of it is the same; a step sent twice in one history is stored twice.
    """
    if not stored.steps_count:
        return steps
    known = Counter(step.identity for step in steps_of(session, account_id, stored.id))
    return without_known(steps, known)


def without_known(steps: Iterable[Step], known: Counter[Identity]) -> list[Step]:
    """Return the steps that are not in `known`, in order. Consumes matches in `known`."""
    fresh = []
    for step in steps:
        if known[step.identity] > 0:
            known[step.identity] -= 1
        else:
            fresh.append(step)
    return fresh


def append_step(session: Session, stored: TroubleshootingSession, step: SentStep, *, by: UUID) -> SessionStep:
    """Append a step to a session whose row is locked, so that numbers have no gaps."""
    _refuse_too_many(stored.steps_count + 1)
    stored.steps_count += 1
    added = SessionStep(
        account_id=stored.account_id, session_id=stored.id, seq=stored.steps_count, added_by_id=by, **asdict(step)
    )
    session.add(added)
    session.flush()
    return added


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
    stored = store(session, account_id, details)
    steps = steps_of(session, account_id, draft_id)
    fresh = [step.seq for step in new_steps(session, account_id, stored, steps)]
    _refuse_too_many(stored.steps_count + len(fresh))
    moved = {
        "account": account_id,
        "draft": draft_id,
        "ticket": stored.id,
        "steps": fresh,
        "before": stored.steps_count,
    }
    session.execute(_MOVE_STEPS, moved)
    return stored


_MOVE_STEPS = sql_file(__file__, "move_steps")


def empty(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """Delete what a draft says. Its row stays for the handoff that refers to it."""
    own = (SessionStep.account_id == account_id, SessionStep.session_id == draft_id)
    session.execute(delete(SessionStep).where(*own))
    said = dict.fromkeys(("category", "client", "asset", "opened_at"))
    session.execute(
        update(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.id == draft_id)
        .values(title="", problem="", steps_count=0, **said)
        .execution_options(synchronize_session=False)
    )


def discard(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """Delete a draft and the rest of its steps. No handoff may refer to it any more."""
    for table, key in ((SessionStep, SessionStep.session_id), (TroubleshootingSession, TroubleshootingSession.id)):
        session.execute(delete(table).where(table.account_id == account_id, key == draft_id))


def numbered(stored: StoredSession, steps: Sequence[SentStep]) -> str:
    """Render new steps with their numbers as JSON. Conflict if the session would become too long."""
    _refuse_too_many(stored.steps_count + len(steps))
    return dump_json([as_row(step, seq) for seq, step in enumerate(steps, start=stored.steps_count + 1)])


def as_row(step: SentStep, seq: int) -> dict[str, Any]:
    """Render a step with its number for a JSON parameter."""
    return {**vars(step), "seq": seq, "at": step.at and step.at.isoformat()}


def _refuse_too_many(count: int) -> None:
    if count > MAX_STEPS:
        raise Conflict("too_many_steps", f"A session holds at most {MAX_STEPS} steps.", limit=MAX_STEPS)


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
