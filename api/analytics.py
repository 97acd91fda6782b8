"""Escalation metrics of the account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import (
    BreakdownQuery,
    BreakdownSchema,
    EscalationsSchema,
    NowSchema,
    PeriodQuery,
    RatingsSchema,
)
from models import analytics
from models.analytics import Attribute
from models.feed.card import rfc3339
from models.handoff import Priority
from models.transaction import transaction

blueprint = Blueprint("analytics", __name__, url_prefix="/api/v1/analytics", description="How long handoffs wait")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.get("/escalations")
@requires("engineer")
@blueprint.arguments(PeriodQuery, location="query")
@blueprint.response(200, EscalationsSchema)
@problems()
def escalations(query: dict[str, Any]) -> Response:
    """Time to ready, to claim and to first action; `metric_definition` defines each."""
    with transaction(caller().account_id) as session:
        measured = analytics.escalations(session, caller().account_id, **_span(query["period"]))
    return answer({"period": query["period"], **measured})


@blueprint.get("/breakdown")
@requires("engineer")
@blueprint.arguments(BreakdownQuery, location="query")
@blueprint.response(200, BreakdownSchema)
@problems()
def breakdown(query: dict[str, Any]) -> Response:
    """The same metrics for each priority, client, claimer or author."""
    attribute = Attribute(query["by"])
    with transaction(caller().account_id) as session:
        items = analytics.breakdown(session, caller().account_id, attribute, **_span(query["period"]))
    return answer({**query, "items": items})


@blueprint.get("/ratings")
@requires("engineer")
@blueprint.arguments(PeriodQuery, location="query")
@blueprint.response(200, RatingsSchema)
@problems()
def ratings(query: dict[str, Any]) -> Response:
    """Ratings of the assessments, by assessor."""
    with transaction(caller().account_id) as session:
        items = analytics.ratings(session, caller().account_id, **_span(query["period"]))
    return answer({**query, "items": items})


@blueprint.get("/now")
@requires("engineer")
@blueprint.response(200, NowSchema)
@problems()
def now() -> Response:
    """What waits and what is taken at this moment."""
    with transaction(caller().account_id) as session:
        found = analytics.now(session, caller().account_id)
    return answer({"items": [_open(priority, found.get(priority)) for priority in reversed(Priority)]})


def _open(priority: Priority, counts: dict[str, Any] | None) -> dict[str, Any]:
    if counts is None:
        return {"priority": priority, "waiting": 0, "waiting_since": None, "claimed": 0, "without_action": 0}
    return counts | {"waiting_since": rfc3339(counts["waiting_since"])}


def _span(period: str) -> dict[str, datetime]:
    until = datetime.now(UTC)
    return {"since": until - timedelta(days=int(period.removesuffix("d"))), "until": until}
