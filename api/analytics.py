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
from api.schemas import EscalationsSchema, PeriodQuery
from models import analytics
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
    until = datetime.now(UTC)
    since = until - timedelta(days=int(query["period"].removesuffix("d")))
    with transaction(caller().account_id) as session:
        measured = analytics.escalations(session, caller().account_id, since=since, until=until)
    return answer({"period": query["period"], **measured})
