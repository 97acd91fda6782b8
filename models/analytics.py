"""Escalation metrics: how long handoffs wait until they are ready, claimed, and first acted on. Computed in SQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

DEFINITION = (
    "Handoffs whose wait began in the period: at created_at, or, for one that was parked first, when it was"
    " escalated. time_to_ready runs from there to ready_at, time_to_claim from there to claimed_at, and"
    " time_to_first_action from claimed_at to the first step that the claimer added later. Seconds; what would be"
    " negative counts as 0. A handoff that is not ready, not claimed or without an action is left out of that time"
    " and shows in the counts; after a release or a reassignment the current claim counts. p50 and p95 are"
    " interpolated linearly (percentile_cont). Imported history counts as handoffs; its times were not measured here"
    " and are left out. These are waiting times; they say nothing of what"
    " would have happened otherwise."
)

TIMES = ("time_to_ready", "time_to_claim", "time_to_first_action")

# The first part reads one index and nothing else; those that were parked first are few and have their own. No
# assessment is asked for before its handoff begins to wait, so that theirs are bounded by the period as well.
_MEASURE = text("""
    WITH begun AS (
        SELECT id, generation, created_at AS began, ready_at, claimed_at, first_action_at FROM handoffs
        WHERE account_id = :account AND created_at >= :since AND created_at < :until
          AND escalated_at IS NULL AND status <> 'parked'
        UNION ALL
        SELECT id, generation, escalated_at, ready_at, claimed_at, first_action_at FROM handoffs
        WHERE account_id = :account AND escalated_at >= :since AND escalated_at < :until
    ), waits AS (
        SELECT coalesce(a.state, 'none') COLLATE "C" AS state, (began AT TIME ZONE 'UTC')::date AS day,
            greatest(date_part('epoch', ready_at - began), 0) AS time_to_ready,
            greatest(date_part('epoch', claimed_at - began), 0) AS time_to_claim,
            greatest(date_part('epoch', first_action_at - claimed_at), 0) AS time_to_first_action,
            ready_at IS NOT NULL AND i IS NULL AS ready, claimed_at IS NOT NULL AND i IS NULL AS claimed,
            claimed_at IS NOT NULL AND first_action_at IS NOT NULL AND i IS NULL AS acted
        FROM begun LEFT JOIN assessments AS a
            ON a.account_id = :account AND a.handoff_id = begun.id AND a.generation = begun.generation
            AND a.queued_at >= :since
        LEFT JOIN (SELECT handoff_id AS i FROM imported_handoffs WHERE account_id = :account) AS imported
            ON i = begun.id
    )
    SELECT state, day, grouping(state, day) AS level, count(*) AS n_handoffs,
        count(*) FILTER (WHERE ready) AS n_ready,
        count(*) FILTER (WHERE claimed) AS n_claimed,
        count(*) FILTER (WHERE acted) AS n_with_action,
        avg(time_to_ready) FILTER (WHERE ready) AS time_to_ready_avg,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_ready) FILTER (WHERE ready)
            AS time_to_ready,
        avg(time_to_claim) FILTER (WHERE claimed) AS time_to_claim_avg,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_claim) FILTER (WHERE claimed)
            AS time_to_claim,
        avg(time_to_first_action) FILTER (WHERE acted) AS time_to_first_action_avg,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_first_action) FILTER (WHERE acted)
            AS time_to_first_action
    FROM waits GROUP BY GROUPING SETS ((), (state), (day)) ORDER BY level DESC, state, day
""")
WHOLE, BY_STATE, BY_DAY = 3, 1, 2  # grouping(state, day): a set bit is a column that was not grouped by


def escalations(session: Session, account_id: UUID, *, since: datetime, until: datetime) -> dict[str, Any]:
    """Compute the metrics of [since, until): in total, by assessment state, and by day in UTC with empty days.

    A time that nobody had is None; `assessment_state` is `none` where no assessment was asked for.
    """
    rows = session.execute(_MEASURE, {"account": account_id, "since": since, "until": until}).all()
    days = {row.day: row for row in rows if row.level == BY_DAY}
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        **_metrics(next(row for row in rows if row.level == WHOLE)),
        "by_assessment_state": [
            {"assessment_state": row.state, **_metrics(row)} for row in rows if row.level == BY_STATE
        ],
        "by_day": [{"day": day.isoformat(), **_metrics(days.get(day))} for day in _days(since, until)],
        "metric_definition": DEFINITION,
    }


def _metrics(row: Row[Any] | None) -> dict[str, Any]:
    counts = ("n_handoffs", "n_ready", "n_claimed", "n_with_action")
    return {name: getattr(row, name, 0) for name in counts} | {name: _spread(row, name) for name in TIMES}


def _spread(row: Row[Any] | None, name: str) -> dict[str, float | None]:
    p50, p95 = getattr(row, name, None) or (None, None)
    return {"avg": _rounded(getattr(row, f"{name}_avg", None)), "p50": _rounded(p50), "p95": _rounded(p95)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _days(since: datetime, until: datetime) -> list[date]:
    first, last = since.astimezone(UTC).date(), (until - timedelta(microseconds=1)).astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
