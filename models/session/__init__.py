"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, CreatedAt, MaybeTime, Time, dump_json, new_id, sql_file, stored_enum
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Conflict, Invalid

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
    to_user_id: Mapped[UUID | None]  # whom a question is for
    answers: Mapped[int | None] = mapped_column(BigInteger)  # the seq of an earlier question
    retracted_at: Mapped[MaybeTime]  # it stays stored, and is no evidence any more
    retracted_by_id: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "session_id"], ["sessions.account_id", "sessions.id"]),
        ForeignKeyConstraint(["account_id", "added_by_id"], ["users.account_id", "users.id"]),
        ForeignKeyConstraint(["account_id", "to_user_id"], ["users.account_id", "users.id"]),
        ForeignKeyConstraint(["account_id", "retracted_by_id"], ["users.account_id", "users.id"]),
        # The few steps that ask somebody, answer, or are retracted: open questions, evidence that is none any more.
        Index(
            "ix_session_steps_marked",
            "account_id",
            "session_id",
            "seq",
            postgresql_where=sql("to_user_id IS NOT NULL OR answers IS NOT NULL OR retracted_at IS NOT NULL"),
        ),
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
    to_user_id: UUID | None = None
    answers: int | None = None
    retracted_at: datetime | None = None  # in history only

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> SentStep:
        """Build it from a validated body."""
        outcome = body.get("outcome")
        others = ("at", "author", "to_user_id", "answers", "retracted_at")
        return cls(
            StepKind(body["kind"]),
            body["text"],
            outcome and Outcome(outcome),
            **{name: body[name] for name in others if name in body},
        )

    @property
    def identity(self) -> Identity:
        """The identity of a step within its session: what was sent of it, without whom it asks or what it answers."""
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


class KnownSteps:
    """The steps of a session, to find those again that are sent once more; each is found once."""

    def __init__(self, count: int, steps: Iterable[SessionStep]) -> None:
        self.count = count
        self.questions: set[int] = set()
        self._left: dict[Identity, list[SessionStep]] = defaultdict(list)
        for step in steps:
            self._left[step.identity].append(step)
            if step.kind is StepKind.QUESTION:
                self.questions.add(step.seq)

    def take(self, step: SentStep | SessionStep, answers: int | None) -> int | None:
        """Return the seq of the same step, or None. `answers` is what the sent one answers here.

        A client that does not say whom a step asks or what it answers means any that is the same otherwise.
        """
        left = self._left.get(step.identity, [])
        same = [
            known
            for known in left
            if step.to_user_id in (None, known.to_user_id) and answers in (None, known.answers)
        ]
        if not same:
            return None
        found = min(same, key=lambda known: (known.to_user_id, known.answers) != (step.to_user_id, answers))
        left.remove(found)
        return found.seq


def not_known(steps: Sequence[Step], known: KnownSteps) -> list[tuple[Step, int | None]]:
    """Return the steps that the session does not have, in order, each with the seq that it answers there.

    A sent step answers by its place among the sent ones, from 1, or else by the seq of a step of the session, which a
    client has that sends new steps alone. Invalid: neither is an earlier question. Consumes matches in `known`.
    """
    fresh: list[tuple[Step, int | None]] = []
    places: list[int] = []  # the seq of each sent step in the session
    for step in steps:
        answers = None if step.answers is None else _answered(step.answers, steps, places, known)
        seq = known.take(step, answers)
        if seq is None:
            fresh.append((step, answers))
            seq = known.count + len(fresh)
        places.append(seq)
    return fresh


def _answered(answers: int, steps: Sequence[Step], places: Sequence[int], known: KnownSteps) -> int:
    if 1 <= answers <= len(places) and steps[answers - 1].kind is StepKind.QUESTION:
        return places[answers - 1]
    if answers in known.questions:
        return answers
    raise answers_nothing(answers)


def answers_nothing(seq: int) -> Invalid:
    """The error for a step that answers what is no earlier question."""
    return Invalid("question_unknown", "A step answers an earlier question of its session.", answers=seq)


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


def new_steps(
    session: Session, account_id: UUID, stored: StoredSession, steps: Sequence[Step]
) -> list[tuple[Step, int | None]]:
    """Return those of `steps` that the session does not have yet, in order, each with the seq that it answers.

    A client that hands a session off again sends its whole history. A step is the same if everything that was
    sent of it is the same; a step sent twice in one history is stored twice. Invalid: see not_known().
    """
    return not_known(steps, known_steps(session, account_id, stored))


def known_steps(session: Session, account_id: UUID, stored: StoredSession) -> KnownSteps:
    """Return the steps that a session has."""
    return KnownSteps(stored.steps_count, steps_of(session, account_id, stored.id) if stored.steps_count else ())


def append_step(session: Session, stored: TroubleshootingSession, step: SentStep, *, by: UUID) -> SessionStep:
    """Append a step to a session whose row is locked, so that numbers have no gaps.

    Invalid: what it answers is no question of the session.
    """
    _refuse_too_many(stored.steps_count + 1)
    if step.answers is not None and not _is_question(session, stored, step.answers):
        raise answers_nothing(step.answers)
    stored.steps_count += 1
    added = SessionStep(
        account_id=stored.account_id, session_id=stored.id, seq=stored.steps_count, added_by_id=by, **asdict(step)
    )
    session.add(added)
    session.flush()
    return added


def step_of(session: Session, stored: TroubleshootingSession, seq: int) -> SessionStep | None:
    """Return a step of a session by its number, whatever the number."""
    if not 1 <= seq <= stored.steps_count:
        return None
    return session.get(SessionStep, (stored.account_id, stored.id, seq), populate_existing=True)


def _is_question(session: Session, stored: TroubleshootingSession, seq: int) -> bool:
    found = step_of(session, stored, seq)
    return found is not None and found.kind is StepKind.QUESTION


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
    fresh = new_steps(session, account_id, stored, steps_of(session, account_id, draft_id))
    _refuse_too_many(stored.steps_count + len(fresh))
    moved = {
        "account": account_id,
        "draft": draft_id,
        "ticket": stored.id,
        "steps": [step.seq for step, _ in fresh],
        "answers": [answers for _, answers in fresh],
        "before": stored.steps_count,
    }
    session.execute(_MOVE_STEPS, moved)
    return stored


_MOVE_STEPS = sql_file(__file__, "move_steps")


def empty(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """Delete what a draft says. Its row stays for the handoff that refers to it."""
    own = (SessionStep.account_id == account_id, SessionStep.session_id == draft_id)
    session.execute(delete(SessionStep).where(*own))
    details = dict.fromkeys(("category", "client", "asset", "opened_at"))
    session.execute(
        update(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.id == draft_id)
        .values(title="", problem="", steps_count=0, **details)
        .execution_options(synchronize_session=False)
    )


def discard(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """Delete a draft and the rest of its steps. No handoff may refer to it any more."""
    for table, key in ((SessionStep, SessionStep.session_id), (TroubleshootingSession, TroubleshootingSession.id)):
        session.execute(delete(table).where(table.account_id == account_id, key == draft_id))


def numbered(stored: StoredSession, steps: Sequence[tuple[SentStep, int | None]]) -> str:
    """Render new steps with their numbers as JSON. Conflict if the session would become too long."""
    _refuse_too_many(stored.steps_count + len(steps))
    return dump_json(rows(stored, steps))


def rows(stored: StoredSession, steps: Sequence[tuple[SentStep, int | None]]) -> list[dict[str, Any]]:
    """Render new steps, each with the seq that it answers, with their numbers for a JSON parameter."""
    return [_row(step, seq, answers) for seq, (step, answers) in enumerate(steps, start=stored.steps_count + 1)]


def _row(step: SentStep, seq: int, answers: int | None) -> dict[str, Any]:
    return {
        **vars(step),
        "seq": seq,
        "at": step.at and step.at.isoformat(),
        "to_user_id": step.to_user_id and str(step.to_user_id),
        "answers": answers,
        "retracted_at": step.retracted_at and step.retracted_at.isoformat(),
    }


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
