"""What the end of an assessment does to its handoff: it becomes ready, whatever the assessment became."""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client import Counter

from models import assessment
from models.assessment import Lease, State
from models.feed import EventType
from models.numbering import QUIET, telling
from models.prepared import Prepared
from models.transaction import change

FENCED = Counter("escalation_fenced_finishes", "Results that came after somebody else's attempt had begun")


# The handoff is locked before its assessment, as every move does it, so that none waits for the other: hence
# _LOCKED. What the generation became decides whether it is shown, and whether it is told.
_LOCKED = "EXISTS (SELECT FROM before)"
_END = f"""
    before AS (
        SELECT h.ready_at IS NULL AS unready, shown.state, shown.content, shown.source
        FROM handoffs AS h LEFT JOIN assessments AS shown ON shown.account_id = h.account_id
            AND shown.handoff_id = h.id AND shown.generation = h.shown_generation
        WHERE h.account_id = %(account)s AND h.id = %(handoff)s FOR NO KEY UPDATE OF h
    ), ended AS ({{finishing}}), became AS (
        SELECT before.unready, before.unready OR ended.lane = 'interactive'
                OR (before.state, before.content, before.source)
                    IS DISTINCT FROM (ended.state, ended.content, ended.source) AS told,
            CASE WHEN ended.state = 'succeeded' OR ended.state = 'fallback'
                AND before.state IS DISTINCT FROM 'succeeded' THEN ended.generation END AS shown
        FROM before, ended
    ), changed AS (
        UPDATE handoffs SET shown_generation = coalesce(became.shown, shown_generation),
            status = CASE WHEN ready_at IS NULL AND status = 'pending' THEN 'ready' ELSE status END,
            ready_at = coalesce(ready_at, now()), version = version + became.told::int
        FROM became WHERE account_id = %(account)s AND id = %(handoff)s
        RETURNING CASE WHEN became.unready THEN '{EventType.READY}' WHEN became.told THEN '{EventType.REASSESSED}'
            ELSE '{QUIET}' END AS told
    )
"""


@cache  # one for each way to end
def _end(finishing: str) -> Prepared:
    return telling(_END.format(finishing=finishing))


def complete(lease: Lease, state: State, **values: Any) -> bool:
    """Write the result of a leased generation and tell the feed.

    False: the lease was lost, nothing was written. The first generation makes the handoff ready, once; a
    later one is told when it changed something, or when a person asked for it. A generation without good
    content leaves the last good one shown.
    """
    sql, ending = assessment.finishing(lease, state, values, when=_LOCKED)
    told = {"handoff": str(lease.handoff_id), "by": None, "note": None}
    if not change(lease.account_id, _end(sql), {**ending, **told}).happened:
        FENCED.inc()
        return False
    return True
