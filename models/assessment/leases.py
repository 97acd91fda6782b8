"""Leases: exactly one worker may write a generation.

The row is the truth and a message only a wake-up: a task may run twice, at once, on two machines. Taking the lease
counts an attempt, and completing is conditional on that attempt (a fencing token), so a worker that was presumed dead
cannot write after another took over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, update
from sqlalchemy.orm import Session

from models.assessment import Assessment, Lane, State
from models.database import Executor, dump_json
from models.database.prepared import Prepared
from models.settings import settings

# How an attempt ended that left the row unfinished, as its log says it.
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


def take(runs: Executor, account_id: UUID, assessment_id: UUID, *, late: bool = False) -> Lease | None:
    """Take the lease of this generation and count an attempt. None: it has ended, waits, or is taken.

    All comparisons use the database's clock, so that a worker with a wrong one harms nobody. `late` does not
    wait for a retry that is due later: the sweep takes what is past its deadline.
    """
    values = {"assessment": str(assessment_id), "late": late, "lease": settings().lease_seconds}
    taken = _TAKE(runs, values | {"account": str(account_id)}).one_or_none()
    return as_lease(taken) if taken else None


def as_lease(taken: Sequence[Any]) -> Lease:
    """Build the lease of a row just taken; `taken` are the values of TAKEN."""
    account_id, assessment_id, handoff_id, generation, lane, attempt, ended, seconds_left = taken
    tries = attempt - sum(entry["result"] == GIVEN_BACK for entry in ended)
    crashes = attempt - 1 - len(ended)
    return Lease(account_id, assessment_id, handoff_id, generation, Lane(lane), attempt, tries, crashes, seconds_left)


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
    """Build the statement that ends this generation if the lease still holds and `when`; it returns the outcome."""
    changes = f"state = '{state}', finished_at = clock_timestamp()"
    return _ending(lease, changes, values, result=state, error_kind=values.get("error_kind"), when=when)


def put_back(
    runs: Executor,
    lease: Lease,
    *,
    delay_seconds: float,
    error_kind: str | None,
    result: str = RETRIED,
    **spent: Any,
) -> bool:
    """Queue it again after a failed try, not before `delay_seconds`. False: the lease was lost."""
    changes = f"state = 'queued', not_before = now() + {delay_seconds:f} * interval '1 s'"
    statement = _ending(lease, changes, spent, result=result, error_kind=error_kind)
    return runs.exec_driver_sql(*statement).first() is not None


def give_back(runs: Executor, lease: Lease) -> bool:
    """Queue it again at once, because this worker stops; the try does not count. False: the lease was lost."""
    return put_back(runs, lease, delay_seconds=0, error_kind=None, result=GIVEN_BACK)


def _ending(
    lease: Lease, changes: str, values: Mapping[str, Any], *, result: str, error_kind: str | None, when: str = "true"
) -> Statement:
    """Build the update that ends an attempt. Costs of failed tries count too: sums grow, all else is set."""
    sets = [f"{name} = {name} + %({name})s" if name in _SUMS else f"{name} = %({name})s" for name in values]
    sent = {name: dump_json(value) if isinstance(value, dict) else value for name, value in values.items()}
    fence = {"account": str(lease.account_id), "assessment": str(lease.assessment_id), "attempt": lease.attempt}
    sql = _END_ATTEMPT.format(changes=", ".join([changes, *sets]), when=when)
    return sql, {**sent, **fence, "result": result, "error": error_kind}
