"""Assessments: the record of what was sent to a provider."""

from __future__ import annotations

import json
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint

from api.auth import actor, caller, requires
from api.http.answers import answer
from api.openapi import problems
from api.schemas import SentSchema
from models import assessment, handoff
from models.errors import NotFound
from models.transaction import transaction

blueprint = Blueprint("assessments", __name__, url_prefix="/api/v1/handoffs", description="What a provider was shown")


@blueprint.get("/<uuid:handoff_id>/assessments/<int:generation>/sent")
@requires("admin")
@blueprint.response(200, SentSchema)
@problems(404)
def sent(handoff_id: UUID, generation: int) -> Response:
    """What left the service for this generation, after redaction; 404 when nothing did."""
    account_id = caller().account_id
    with transaction(account_id) as session:
        handoff.find(session, account_id, handoff_id, seen_by=actor())
        text = assessment.sent(session, account_id, handoff_id, generation)
    if text is None:
        raise NotFound("Nothing was sent for this generation.")
    return answer({"generation": generation, **json.loads(text)})
