"""Check a feed: are its numbers complete, its cards current, and its hint in Redis not too low?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from models import feed
from models.database import Executor
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


# One statement, so that one moment is examined while others write.
_STATE = text("""
    SELECT f.account_id, a.name, f.head, f.floor, control.epoch,
        count(e.seq) AS events, min(e.seq) AS lowest, max(e.seq) AS highest,
        (SELECT count(*) FROM handoffs AS h WHERE h.account_id = f.account_id
            AND (h.seq > f.head OR h.seq <> (h.card->>'seq')::bigint
                 OR h.seq < (SELECT max(own.seq) FROM feed_events AS own
                             WHERE own.account_id = h.account_id AND own.handoff_id = h.id))) AS stale
    FROM feeds AS f JOIN accounts AS a ON a.id = f.account_id CROSS JOIN feed_control AS control
    LEFT JOIN feed_events AS e ON e.account_id = f.account_id
    WHERE f.account_id = coalesce(CAST(:account AS uuid), f.account_id)
    GROUP BY f.account_id, a.name, f.head, f.floor, control.epoch ORDER BY a.name, f.account_id
""")


def examine(session: Session, account_id: UUID | None = None) -> list[Report]:
    """Report on each feed, or on one. Needs a maintenance transaction; changes nothing."""
    rows = session.execute(_STATE, {"account": account_id and str(account_id)}).all()
    return [_report(row) for row in rows]


def _report(row: Any) -> Report:
    wrong = []
    if row.events != row.head - row.floor:
        wrong.append(f"{row.events} events where floor and head say {row.head - row.floor}")
    if row.events and (row.lowest, row.highest) != (row.floor + 1, row.head):
        wrong.append(f"the events run from {row.lowest} to {row.highest}")
    if row.stale:
        wrong.append(f"{row.stale} handoffs do not show their last event")
    hint, low = _hint(row.account_id, row.epoch, row.head)
    wrong += [f"the hint in Redis, {hint}, is below the head"] if low else []
    return Report(row.account_id, row.name, row.floor, row.head, row.events, hint, wrong)


def _hint(account_id: UUID, epoch: str, head: int) -> tuple[str, bool]:
    """Describe the hint, and tell whether it is below a head that was read before it, which must never be."""
    try:
        found = heads().look(account_id, epoch)
    except (redis.RedisError, OSError):
        return "Redis does not answer", False
    return ("none", False) if found is None else (str(found.head), found.head < head)


def database_is_known(session: Session) -> bool:
    """Whether the epoch belongs to this database. False right after a restore, until the sweep has run."""
    kept = session.scalar(text("SELECT database_identity FROM feed_control"))
    return kept in (None, feed.identity(session))


# Asked as the login itself: the roles of a transaction may not see when others began theirs.
_LOCKS = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::float8
    FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.relation = 'feeds'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
"""


def oldest_lock_seconds(runs: Executor) -> float:
    """How long the oldest transaction that writes to a feed has been running; 0: there is none."""
    return float(runs.exec_driver_sql(_LOCKS, {}).scalar_one())
