"""Escalation metrics: how long handoffs wait until they are ready, claimed, and first acted on. Computed in SQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from models.database import sql_file
from models.database.executor import Session

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

MOST_VALUES = 50  # of a breakdown

_MEASURE = sql_file(__file__, "escalations")
_BREAKDOWN = sql_file(__file__, "breakdown")
_RATINGS = sql_file(__file__, "ratings")
_NOW = sql_file(__file__, "now")
WHOLE, BY_STATE, BY_DAY = 3, 1, 2  # grouping(state, day): a set bit is a column that was not grouped by


class Attribute(StrEnum):
    """What the metrics can be broken down by."""

    PRIORITY = "priority"
    CLIENT = "client"
    CLAIMER = "claimer"
    AUTHOR = "author"


def escalations(session: Session, account_id: UUID, *, since: datetime, until: datetime) -> dict[str, Any]:
    """Compute the metrics of [since, until): in total, by assessment state, and by day in UTC with empty days.

    A time without a measurement is None; `assessment_state` is `none` if no assessment was requested.
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


def breakdown(
    session: Session, account_id: UUID, attribute: Attribute, *, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Compute the metrics of [since, until) for each value of an attribute, at most 50, the most frequent first.

    `value` is None where there is none; for people it is their id, and `name` their name.
    """
    values = {"account": account_id, "since": since, "until": until, "by": attribute, "limit": MOST_VALUES}
    rows = session.execute(_BREAKDOWN, values)
    return [{"value": row.value, "name": row.name, **_metrics(row)} for row in rows]


def ratings(session: Session, account_id: UUID, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Count the ratings that were given in [since, until) for each assessor."""
    rows = session.execute(_RATINGS, {"account": account_id, "since": since, "until": until})
    return [dict(row) for row in rows.mappings()]


def now(session: Session, account_id: UUID) -> dict[str, dict[str, Any]]:
    """Count what waits and what is taken at this moment, by priority; one of which nothing is open is left out."""
    rows = session.execute(_NOW, {"account": account_id}).mappings()
    return {row["priority"]: dict(row) for row in rows}


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
