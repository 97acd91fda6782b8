"""Fair scheduling: a woken worker takes the oldest due assessment of the account with the fewest running."""

from __future__ import annotations

from dataclasses import dataclass

from models.assessment import Lane
from models.assessment.leases import TAKEN, TAKING, Lease, as_lease
from models.database import Executor
from models.database.prepared import Prepared
from models.settings import settings

# What was twice in a process that died may be what killed it. It is written while no other such one of its lane
# is, so that of all that died together only the culprit dies a third time.
SUSPECT_CRASHES = 2

# A lock that somebody else holds means that the row is being taken or woken, so the next one is due; the one
# suspect that may be tried is the same for all who ask at once, so only one of them gets it.
# It reads every row that waits in the lane.
_TAKE_NEXT = Prepared(f"""
    WITH busy AS (
        SELECT account_id, count(*) AS running,
            bool_or(attempts - 1 - jsonb_array_length(attempt_log) >= %(crashes)s) AS with_suspect
        FROM assessments
        WHERE state = 'running' AND lease_until > now() AND lane = %(lane)s GROUP BY account_id
    ), suspect AS (
        SELECT id FROM assessments
        WHERE state = 'queued' AND not_before <= now() AND lane = %(lane)s
            AND attempts >= %(crashes)s AND attempts - jsonb_array_length(attempt_log) >= %(crashes)s
            AND NOT EXISTS (SELECT FROM busy WHERE with_suspect)
        ORDER BY queued_at, id LIMIT 1
    ), next AS (
        SELECT waiting.account_id AS its_account, waiting.id AS its_id
        FROM assessments AS waiting LEFT JOIN busy USING (account_id)
        WHERE waiting.state = 'queued' AND waiting.not_before <= now() AND waiting.lane = %(lane)s
            AND (waiting.attempts < %(crashes)s
                OR waiting.attempts - jsonb_array_length(waiting.attempt_log) < %(crashes)s
                OR waiting.id = (SELECT id FROM suspect))
        ORDER BY coalesce(busy.running, 0), waiting.queued_at LIMIT 1
        FOR NO KEY UPDATE OF waiting SKIP LOCKED
    )
    UPDATE assessments SET {TAKING} FROM next WHERE account_id = its_account AND id = its_id
    RETURNING {TAKEN}, EXISTS (
        SELECT FROM assessments AS other
        WHERE other.state = 'queued' AND other.not_before <= now() AND other.lane = %(lane)s
            AND other.id <> its_id
    )
""")


@dataclass(frozen=True)
class NextDue:
    """A lease just taken. `more`: others were due as well."""

    lease: Lease
    more: bool

    @property
    def suspect(self) -> bool:
        """Whether it has to run alone in its lane, because it may have killed a worker."""
        return self.lease.crashes >= SUSPECT_CRASHES


def take(runs: Executor, lane: Lane) -> NextDue | None:
    """Lease the next due assessment of the lane. None: there is nothing to take.

    Of the accounts with work that is due the one with the fewest running is served, and of its work the oldest.
    `runs` must see all accounts.
    """
    values = {"lane": lane, "crashes": SUSPECT_CRASHES, "lease": settings().lease_seconds}
    row = _TAKE_NEXT(runs, values).one_or_none()
    return NextDue(as_lease(row[:-1]), more=row[-1]) if row else None
