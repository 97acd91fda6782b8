"""Every generation of an assessment, and the lease that lets exactly one worker write it.

The row is the truth and a message only a wake-up: a task may run twice, at once, on two machines. Taking the
lease counts an attempt, and completing is conditional on that attempt (a fencing token), so that a worker
which was presumed dead cannot write after another took over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Numeric,
    String,
    Text,
    and_,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.db import Base, CreatedAt, MaybeTime, Runs, Time, dump_json, new_id, quoted, stored_enum
from models.prepared import Prepared
from models.settings import settings


class State(StrEnum):
    """How far a generation is. It never changes after it has ended."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FALLBACK = "fallback"
    FAILED = "failed"


class Lane(StrEnum):
    """Which workers serve it: a person waits for interactive work, nobody for bulk."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


UNFINISHED = (State.QUEUED, State.RUNNING)

# How an attempt ended that left the row unfinished, as its log says it.
RETRIED = "retried"
GIVEN_BACK = "given_back"


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
    # When a wake-up was last sent, and how often: the sweep waits longer each time.
    woken_at: Mapped[Time] = mapped_column(server_default=func.now())
    wakes: Mapped[int] = mapped_column(default=0, server_default="0")
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
        # The sweep: the few rows that have not ended, across accounts.
        Index(
            "ix_assessments_unfinished",
            "state",
            "woken_at",
            postgresql_where=text(f"state IN ({quoted(UNFINISHED)})"),
        ),
    )


@dataclass(frozen=True)
class Lease:
    """The right to write one generation, until `until` or until somebody else's attempt begins."""

    account_id: UUID
    assessment_id: UUID
    handoff_id: UUID
    generation: int
    lane: Lane
    attempt: int  # the fence; it only ever grows
    tries: int  # attempts that count, with this one: not those that a stopping worker gave back
    crashes: int  # earlier attempts that ended without a word, most likely with their process
    seconds_to_deadline: float  # by the database's clock, when the lease was taken
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """From now to the deadline; negative when it has passed."""
        return self.seconds_to_deadline - (time.monotonic() - self.taken_at)


# SQL as it is sent, here and below: putting a statement together anew takes longer than PostgreSQL needs for it.
QUEUE = """
    INSERT INTO assessments (account_id, id, handoff_id, generation, lane, state, asked_by_id, deadline_at)
    SELECT %(account)s, %(assessment)s, %(handoff)s, %(generation)s, %(lane)s, 'queued', %(by)s,
        now() + %(limit)s * interval '1 s'
"""


def queue_values(lane: Lane, assessment_id: UUID | None, *, generation: int) -> dict[str, Any]:
    """What QUEUE takes beside `account`, `handoff` and `by`. The deadline starts when it is sent."""
    limit = settings().assess_deadline_seconds if lane is Lane.INTERACTIVE else settings().bulk_deadline_seconds
    return {
        "assessment": assessment_id and str(assessment_id),
        "generation": generation,
        "lane": lane,
        "limit": limit,
    }


def queue(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    generation: int,
    *,
    asked_by: UUID | None,
    lane: Lane = Lane.INTERACTIVE,
) -> UUID:
    """A new generation, waiting for a worker. Its deadline starts now."""
    assessment_id = new_id()
    who = {"account": str(account_id), "handoff": str(handoff_id), "by": asked_by and str(asked_by)}
    values = queue_values(lane, assessment_id, generation=generation)
    session.connection().exec_driver_sql(QUEUE, who | values)
    return assessment_id


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


# What taking a lease changes, and what as_lease() is told of it.
TAKING = """
    state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    lease_until = now() + %(lease)s * interval '1 s'
"""
TAKEN = """
    account_id, id, handoff_id, generation, lane, attempts, attempt_log,
    extract(epoch FROM deadline_at - now())::float8
"""
_TAKE = Prepared(f"""
    UPDATE assessments SET {TAKING}
    WHERE account_id = %(account)s AND id = %(assessment)s
        AND (state = 'queued' AND (not_before <= now() OR %(late)s) OR state = 'running' AND lease_until < now())
    RETURNING {TAKEN}
""")


def take_lease(runs: Runs, account_id: UUID, assessment_id: UUID, *, late: bool = False) -> Lease | None:
    """Become the one who writes this generation; counts an attempt. None: it has ended, waits, or is taken.

    All comparisons use the database's clock, so that a worker with a wrong one harms nobody. `late` does not
    wait for a retry that is due later: the sweep takes what is past its deadline.
    """
    values = {"assessment": str(assessment_id), "late": late, "lease": settings().lease_seconds}
    taken = _TAKE(runs, values | {"account": str(account_id)}).one_or_none()
    return as_lease(taken) if taken else None


def as_lease(taken: Sequence[Any]) -> Lease:
    """The lease of a row that was taken just now; `taken` are the values of TAKEN."""
    account_id, assessment_id, handoff_id, generation, lane, attempt, ended, seconds_left = taken
    tries = attempt - sum(entry["result"] == GIVEN_BACK for entry in ended)
    crashes = attempt - 1 - len(ended)
    return Lease(account_id, assessment_id, handoff_id, generation, Lane(lane), attempt, tries, crashes, seconds_left)


def _lease_end() -> ColumnElement[datetime]:
    return func.now() + timedelta(seconds=settings().lease_seconds)


def renew(session: Session, leases: list[Lease]) -> set[UUID]:
    """Prolong these leases, which may span accounts; returns the assessments that are still theirs.

    Nothing is prolonged past the deadline: a worker that hangs there loses its lease.
    """
    if not leases:
        return set()
    mine = or_(
        *(
            and_(
                Assessment.account_id == lease.account_id,
                Assessment.id == lease.assessment_id,
                Assessment.attempts == lease.attempt,
            )
            for lease in leases
        )
    )
    return set(
        session.scalars(
            update(Assessment)
            .where(mine, Assessment.state == State.RUNNING, Assessment.deadline_at > func.now())
            .values(lease_until=_lease_end())
            .returning(Assessment.id)
            .execution_options(synchronize_session=False)
        )
    )


# The fence: the row as long as no later attempt has begun and it has not ended. A lease that ran out still owns
# a row that nobody has taken since: its result is as good as the next one's.
_END_ATTEMPT = """
    UPDATE assessments SET {changes}, lease_until = NULL, attempt_log = attempt_log || jsonb_build_array(
        jsonb_build_object('attempt', %(attempt)s::int, 'at', clock_timestamp(), 'result', %(result)s::text,
            'error', %(error)s::text))
    WHERE account_id = %(account)s AND id = %(assessment)s AND attempts = %(attempt)s
        AND state IN ('queued', 'running') AND {when}
    RETURNING state, lane, generation, content, source
"""
_SUMS = ("provider_calls", "tokens_in", "tokens_out", "cost")


Statement = tuple[str, dict[str, Any]]  # SQL as it is sent, and its values


def finishing(lease: Lease, state: State, values: Mapping[str, Any], *, when: str) -> Statement:
    """The statement that ends this generation if the lease still holds, and `when`; it returns what became of it."""
    changes = f"state = '{state}', finished_at = clock_timestamp()"
    return _ending(lease, changes, values, result=state, error_kind=values.get("error_kind"), when=when)


def put_back(
    runs: Runs,
    lease: Lease,
    *,
    delay_seconds: float,
    error_kind: str | None,
    result: str = RETRIED,
    **spent: Any,
) -> bool:
    """Queue it again after a failed try, not before `delay_seconds`. False: the lease was lost."""
    # Woken so long ago that the sweep wakes it as soon as it is due.
    woken = delay_seconds - settings().requeue_after_seconds
    changes = f"""state = 'queued', wakes = 0, not_before = now() + {delay_seconds:f} * interval '1 s',
        woken_at = now() + {woken:f} * interval '1 s'"""
    statement = _ending(lease, changes, spent, result=result, error_kind=error_kind)
    return runs.exec_driver_sql(*statement).first() is not None


def give_back(runs: Runs, lease: Lease) -> bool:
    """Queue it again at once, because this worker stops; the try does not count. False: the lease was lost."""
    return put_back(runs, lease, delay_seconds=0, error_kind=None, result=GIVEN_BACK)


def _ending(
    lease: Lease, changes: str, values: Mapping[str, Any], *, result: str, error_kind: str | None, when: str = "true"
) -> Statement:
    """What failed tries spent counts too: the sums grow, everything else is set."""
    sets = [f"{name} = {name} + %({name})s" if name in _SUMS else f"{name} = %({name})s" for name in values]
    sent = {name: dump_json(value) if isinstance(value, dict) else value for name, value in values.items()}
    fence = {"account": str(lease.account_id), "assessment": str(lease.assessment_id), "attempt": lease.attempt}
    sql = _END_ATTEMPT.format(changes=", ".join([changes, *sets]), when=when)
    return sql, {**sent, **fence, "result": result, "error": error_kind}


# Ends what is queued or running of a handoff that no longer wants it. The attempt is counted up, so that a worker in
# the middle of it is fenced out.
END_OPEN = f"""
    UPDATE assessments SET state = 'failed', error_kind = 'withdrawn', finished_at = now(), lease_until = NULL,
        attempts = attempts + 1
    WHERE account_id = %(account)s AND handoff_id = %(handoff)s AND state IN ({quoted(UNFINISHED)})
"""


def generations(session: Session, account_id: UUID, handoff_id: UUID) -> list[Assessment]:
    """Every generation, the oldest first."""
    return list(
        session.scalars(
            select(Assessment)
            .where(Assessment.account_id == account_id, Assessment.handoff_id == handoff_id)
            .order_by(Assessment.generation)
        )
    )


def sent(session: Session, account_id: UUID, handoff_id: UUID, generation: int) -> str | None:
    """What left the service for this generation, after redaction, as JSON text. None: nothing did, or no such."""
    return session.scalars(
        select(Assessment.sent).where(
            Assessment.account_id == account_id,
            Assessment.handoff_id == handoff_id,
            Assessment.generation == generation,
        )
    ).one_or_none()
