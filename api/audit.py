"""The account's audit: what admins and operators did, and the events that the feed no longer has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer, page_position, page_token
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas.audit import AuditPageSchema, AuditQuery
from models import account, audit
from models.audit import Audit, Filter
from models.feed.card import rfc3339
from models.transaction import transaction

blueprint = Blueprint("audit", __name__, url_prefix="/api/v1/audit", description="Who did what, for good")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.get("")
@requires("admin")
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditPageSchema)
@problems()
def index(query: dict[str, Any]) -> Response:
    """The lines of the audit, the newest first. An event comes here when the feed's retention has passed."""
    limit, page = query.pop("limit"), query.pop("page", None)
    account_id = caller().account_id
    lines = audit.listed(account_id, Filter(**query)).limit(limit + 1)
    if page:
        lines = lines.where(Audit.seq < page_position(account_id, "audit", query, page)[0])
    with transaction(account_id) as session:
        found = list(session.scalars(lines))
        names = account.names(session, account_id, {line.actor_id for line in found if line.actor_id})
    more = page_token(account_id, "audit", query, [found[limit - 1].seq]) if len(found) > limit else None
    return answer({"items": [_show(line, names) for line in found[:limit]], "next_page": more})


def _show(line: Audit, names: dict[UUID, str]) -> dict[str, Any]:
    by = line.actor_id
    return {
        "seq": line.seq,
        "at": rfc3339(line.at),
        "kind": line.kind,
        "by": by and {"id": str(by), "name": names.get(by)},
        "handoff_id": line.handoff_id and str(line.handoff_id),
        "subject": line.subject,
        "note": line.note,
        "hash": line.hash,
    }
