"""Fair scheduling: a woken worker takes the oldest due assessment of the account with the fewest running."""

from __future__ import annotations

from dataclasses import dataclass

from models.assessment import Lane
from models.assessment.leases import Lease, as_lease
from models.database import sql_file
from models.database.executor import Executor
from models.database.prepared import Prepared
from models.settings import settings

SUSPECT_CRASHES = 2  # what was twice in a process that died may be what killed it

_TAKE_NEXT = Prepared(sql_file(__file__, "take_next"))


@dataclass(frozen=True)
class NextDue:
    """A lease just taken. `more`: others were due as well."""

    lease: Lease
    more: bool

    @property
    def suspect(self) -> bool:
        """Whether it has to run alone in its lane, because it may have killed a worker."""
        return self.lease.crashes >= SUSPECT_CRASHES


def take(executor: Executor, lane: Lane) -> NextDue | None:
    """Lease the next due assessment of the lane. None: there is nothing to take.

    Of the accounts with work that is due the one with the fewest running is served, and of its work the oldest.
    `executor` must see all accounts. The statement reads every row that waits in the lane.
    """
    rows = _TAKE_NEXT(executor, {"lane": lane, "crashes": SUSPECT_CRASHES, "lease": settings().lease_seconds})
    return NextDue(as_lease(rows[0]), more=rows[0].more) if rows else None
