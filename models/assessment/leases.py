"""Leases: exactly one worker may write a generation.

The row is the truth and a message only a wake-up: a task may run twice, at once, on two machines. Taking the lease
counts an attempt, and completing is conditional on that attempt (a fencing token), so a worker that was presumed dead
cannot write after another took over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, update

from models.assessment import Assessment, Lane, State
from models.assessment.result import NOTHING_SPENT, Spent
from models.database import sql_file
from models.database.executor import Executor, Session
from models.database.prepared import Prepared
from models.settings import settings

# Results of an attempt that left the row unfinished, as its log records them.
RETRIED = "retried"
GIVEN_BACK = "given_back"


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
        """Seconds until the deadline; negative when it has passed."""
        return self.seconds_to_deadline - (time.monotonic() - self.taken_at)


_TAKE = Prepared(sql_file(__file__, "take"))
_PUT_BACK = Prepared(sql_file(__file__, "put_back"))


def take(executor: Executor, account_id: UUID, assessment_id: UUID, *, late: bool = False) -> Lease | None:
    """Take the lease of this generation and count an attempt. None: it has ended, waits, or is taken.

    All comparisons use the database's clock, so that a worker with a wrong one harms nobody. `late` does not
    wait for a retry that is due later: the sweep takes what is past its deadline.
    """
    seconds = settings().lease_seconds
    rows = _TAKE(executor, {"account": account_id, "assessment": assessment_id, "late": late, "lease": seconds})
    return as_lease(rows[0]) if rows else None


def as_lease(row: Any) -> Lease:
    """Build the lease of a row that take.sql or take_next.sql has returned."""
    ended = row.attempt_log
    return Lease(
        row.account_id,
        row.id,
        row.handoff_id,
        row.generation,
        Lane(row.lane),
        attempt=row.attempts,
        tries=row.attempts - sum(entry["result"] == GIVEN_BACK for entry in ended),
        crashes=row.attempts - 1 - len(ended),
        seconds_to_deadline=row.seconds_left,
    )


def _lease_end() -> ColumnElement[datetime]:
    return func.now() + timedelta(seconds=settings().lease_seconds)


def renew(session: Session, leases: list[Lease]) -> set[UUID]:
    """Renew these leases, which may span accounts; returns the assessments that still hold theirs.

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


def put_back(
    executor: Executor,
    lease: Lease,
    *,
    delay_seconds: float,
    error: str | None,
    result: str = RETRIED,
    spent: Spent = NOTHING_SPENT,
) -> bool:
    """Queue it again after a failed try, not before `delay_seconds`. False: the lease was lost."""
    values = {"delay": delay_seconds, "error": error, "result": result}
    return bool(_PUT_BACK(executor, {**fence(lease), **vars(spent), **values}))


def give_back(executor: Executor, lease: Lease) -> bool:
    """Queue it again at once, because this worker stops; the try does not count. False: the lease was lost."""
    return put_back(executor, lease, delay_seconds=0, error=None, result=GIVEN_BACK)


def fence(lease: Lease) -> dict[str, Any]:
    """Return the values that name an assessment for as long as the lease's attempt is its last."""
    return {"account": lease.account_id, "assessment": lease.assessment_id, "attempt": lease.attempt}
