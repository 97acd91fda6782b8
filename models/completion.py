"""What the end of an assessment does to its handoff: it becomes ready, whatever the assessment became."""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client import Counter
from sqlalchemy.orm import Session

from models import assessment, feed
from models.assessment import Lane, Lease, State
from models.feed import EventType
from models.prepared import Prepared

FENCED = Counter("escalation_fenced_finishes", "Results that came after somebody else's attempt had begun")


_BEFORE = Prepared("""
    SELECT h.ready_at IS NULL AS unready, shown.state, shown.content, shown.source
    FROM handoffs AS h LEFT JOIN assessments AS shown ON shown.account_id = h.account_id
        AND shown.handoff_id = h.id AND shown.generation = h.shown_generation
    WHERE h.account_id = %(account)s AND h.id = %(handoff)s FOR UPDATE OF h
""")
_END = """
    WITH ended AS ({finishing})
    UPDATE handoffs SET shown_generation = coalesce(%(shown)s::int, shown_generation),
        status = CASE WHEN ready_at IS NULL AND status = 'pending' THEN 'ready' ELSE status END,
        ready_at = coalesce(ready_at, now()), version = version + %(told)s::int
    WHERE account_id = %(account)s AND id = %(handoff)s AND EXISTS (SELECT FROM ended)
"""


@cache  # one for each way to end
def _end(finishing: str) -> Prepared:
    return Prepared(_END.format(finishing=finishing))


def complete(session: Session, lease: Lease, state: State, **values: Any) -> bool:
    """Write the result of a leased generation and tell the feed.

    False: the lease was lost, nothing was written. The first generation makes the handoff ready, once; a
    later one is told when it changed something, or when a person asked for it. A generation without good
    content leaves the last good one shown.
    """
    runs = session.connection()
    handoff = {"account": str(lease.account_id), "handoff": str(lease.handoff_id)}
    before: Any = _BEFORE(runs, handoff).one()
    told = before.unready or lease.lane is Lane.INTERACTIVE or _changed(before, state, values)
    shown = lease.generation if _is_better(state, before.state) else None
    sql, ending = assessment.finishing(lease, state, values)
    ended = _end(sql)(runs, {**ending, **handoff, "shown": shown, "told": int(told)})
    if not ended.rowcount:
        FENCED.inc()
        return False
    if told:
        event = EventType.READY if before.unready else EventType.REASSESSED
        feed.collect(session, lease.account_id, lease.handoff_id, event, by=None)
    return True


def _is_better(state: State, shown: str | None) -> bool:
    if state is State.FALLBACK:
        return shown != State.SUCCEEDED
    return state is State.SUCCEEDED


def _changed(before: Any, state: State, values: dict[str, Any]) -> bool:
    return (before.state, before.content, before.source) != (state, values.get("content"), values.get("source"))
