"""Check a feed: are its numbers complete, its cards current, and its hint in Redis not too low?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from sqlalchemy import select

from models import feed
from models.database import sql_file
from models.database.executor import Executor, Session
from models.database.prepared import Prepared
from models.feed import FeedControl
from models.feed.head import heads

LONGEST_LOCK_SECONDS = 10.0  # a transaction that idles longer is ended by PostgreSQL


@dataclass(frozen=True)
class Report:
    """Findings about one feed. `wrong` lists faults in words; empty: the feed is well."""

    account_id: UUID
    account: str
    floor: int
    head: int
    events: int
    hint: str
    wrong: list[str]


_EXAMINE = sql_file(__file__, "examine")
_OLDEST_LOCK = Prepared(sql_file(__file__, "oldest_lock"))


def examine(session: Session, account_id: UUID | None = None) -> list[Report]:
    """Report on each feed, or on one. Needs a maintenance transaction; changes nothing."""
    rows = session.execute(_EXAMINE, {"account": account_id}).all()
    return [_report(row) for row in rows]


def _report(row: Any) -> Report:
    wrong = []
    if row.events != row.head - row.floor:
        wrong.append(f"{row.events} events where floor and head imply {row.head - row.floor}")
    if row.events and (row.lowest, row.highest) != (row.floor + 1, row.head):
        wrong.append(f"the events run from {row.lowest} to {row.highest}")
    if row.stale:
        wrong.append(f"{row.stale} handoffs do not show their last event")
    hint, low = _hint(row.account_id, row.epoch, row.head)
    wrong += [f"the hint in Redis, {hint}, is below the head"] if low else []
    return Report(row.account_id, row.name, row.floor, row.head, row.events, hint, wrong)


def _hint(account_id: UUID, epoch: str, head: int) -> tuple[str, bool]:
    """Describe the hint, and return whether it is below a head read earlier, which must never happen."""
    try:
        found = heads().look(account_id, epoch)
    except (redis.RedisError, OSError):
        return "Redis does not answer", False
    return ("none", False) if found is None else (str(found.head), found.head < head)


def database_is_known(session: Session) -> bool:
    """Whether the epoch belongs to this database. False right after a restore, until the sweep has run."""
    stored = session.scalar(select(FeedControl.database_identity))
    return stored in (None, feed.identity(session))


def oldest_lock_seconds(executor: Executor) -> float:
    """How long the oldest transaction that writes to a feed has been running; 0: there is none."""
    (row,) = _OLDEST_LOCK(executor, {})
    return float(row.seconds)
