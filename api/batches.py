"""Batches: re-assess many handoffs, watch and control the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_smorest import Blueprint

from api.auth import caller, requires
from api.http.answers import answer, page_position, page_token
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import NothingSchema
from api.schemas.batches import (
    BatchItemPageSchema,
    BatchItemsQuery,
    BatchListQuery,
    BatchPageSchema,
    BatchSchema,
    EstimateSchema,
    NewBatchSchema,
    ResumeSchema,
    selection,
)
from models import batch
from models.batch import Batch, ItemState
from models.batch.selection import estimate
from models.database.executor import Session
from models.feed.card import rfc3339
from models.transaction import transaction
from tasks.batch import kick

blueprint = Blueprint("batches", __name__, url_prefix="/api/v1/batches", description="Assessing many again")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.post("")
@requires("admin")
@blueprint.arguments(NewBatchSchema)
@blueprint.response(202, BatchSchema)
@blueprint.alt_response(200, schema=EstimateSchema, description="A dry run: nothing was started")
@problems(409)
def create(body: dict[str, Any]) -> Response:
    """Assess every handoff that matches now again. The last good assessment stays shown until a new one ends."""
    account_id, wanted = caller().account_id, selection(body["filter"])
    with transaction(account_id) as session:
        if body["dry_run"]:
            would = estimate(session, account_id, wanted)
            return answer(
                {
                    "count": would.count,
                    "expected_tokens": would.expected_tokens,
                    "expected_cost": float(would.expected_cost),
                }
            )
        made = batch.create(
            session,
            account_id,
            wanted,
            by=caller().user_id,
            note=body.get("note"),
            cost_ceiling=body.get("cost_ceiling"),
        )
        shown = show(session, made)
    kick()
    return answer(shown, 202, Location=url_for("batches.read", batch_id=made.id))


@blueprint.get("")
@requires("viewer")
@blueprint.arguments(BatchListQuery, location="query")
@blueprint.response(200, BatchPageSchema)
@problems()
def index(query: dict[str, Any]) -> Response:
    """The account's batches, the newest first."""
    limit, page = query["limit"], query.get("page")
    account_id = caller().account_id
    rows = batch.listed(account_id).limit(limit + 1)
    if page:
        rows = rows.where(Batch.id < UUID(page_position(account_id, "batches", {}, page)[0]))
    with transaction(account_id) as session:
        found = list(session.scalars(rows))
        items = [show(session, each) for each in found[:limit]]
    more = page_token(account_id, "batches", {}, [str(found[limit - 1].id)]) if len(found) > limit else None
    return answer({"items": items, "next_page": more})


@blueprint.get("/<uuid:batch_id>")
@requires("viewer")
@blueprint.response(200, BatchSchema)
@problems(404)
def read(batch_id: UUID) -> Response:
    """One batch and how far it is."""
    with transaction(caller().account_id) as session:
        shown = show(session, batch.find(session, caller().account_id, batch_id))
    return answer(shown)


@blueprint.get("/<uuid:batch_id>/items")
@requires("viewer")
@blueprint.arguments(BatchItemsQuery, location="query")
@blueprint.response(200, BatchItemPageSchema)
@problems(404)
def items(query: dict[str, Any], batch_id: UUID) -> Response:
    """The handoffs of a batch in its order, each with its assessments before and after."""
    limit, page = query.pop("limit"), query.pop("page", None)
    account_id, named = caller().account_id, {**query, "batch": batch_id}
    after = page_position(account_id, "batch items", named, page)[0] if page else 0
    state = ItemState(query["state"]) if "state" in query else None
    with transaction(account_id) as session:
        batch.find(session, account_id, batch_id)
        only_changed = query["changed"]
        found = batch.items(
            session, account_id, batch_id, after=after, most=limit + 1, state=state, only_changed=only_changed
        )
    shown = found[:limit]
    more = page_token(account_id, "batch items", named, [shown[-1].position]) if len(found) > limit else None
    return answer({"items": [_item(row) for row in shown], "next_page": more})


def _item(row: Any) -> dict[str, Any]:
    return {
        "position": row.position,
        "handoff_id": str(row.handoff_id),
        "session": {"external_id": row.external_id, "title": row.title},
        "state": row.state,
        "reason": row.reason,
        "before": row.before,
        "after": row.after,
        "differs": row.differs,
    }


def _moved(batch_id: UUID, move: Callable[..., Batch], **how: Any) -> Response:
    with transaction(caller().account_id) as session:
        shown = show(session, move(session, caller().account_id, batch_id, by=caller().user_id, **how))
    kick()
    return answer(shown)


@blueprint.post("/<uuid:batch_id>/pause")
@requires("admin")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, BatchSchema)
@problems(404, 409)
def pause(_: dict[str, Any], batch_id: UUID) -> Response:
    """Begin nothing more for now; what is being written is finished."""
    return _moved(batch_id, batch.pause)


@blueprint.post("/<uuid:batch_id>/resume")
@requires("admin")
@blueprint.arguments(ResumeSchema)
@blueprint.response(200, BatchSchema)
@problems(404, 409)
def resume(body: dict[str, Any], batch_id: UUID) -> Response:
    """Go on where it was paused."""
    return _moved(batch_id, batch.resume, cost_ceiling=body.get("cost_ceiling"))


@blueprint.post("/<uuid:batch_id>/cancel")
@requires("admin")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, BatchSchema)
@problems(404, 409)
def cancel(_: dict[str, Any], batch_id: UUID) -> Response:
    """End it for good; what was written stays."""
    return _moved(batch_id, batch.cancel)


def show(session: Session, row: Batch) -> dict[str, Any]:
    """Represent a batch for answers and for the terminal."""
    speed, person = batch.progress(row, datetime.now(UTC)), batch.starter(session, row)
    return {
        "id": str(row.id),
        "kind": row.kind,
        "state": row.state,
        "paused_reason": row.paused_reason,
        "filter": row.filter,
        "note": row.note,
        "started_by": person and {"id": str(person.id), "name": person.name},
        "created_at": rfc3339(row.created_at),
        "started_at": rfc3339(row.started_at),
        "finished_at": rfc3339(row.finished_at),
        "total": row.total,
        "done": row.done,
        "in_flight": row.cursor - row.done,
        "succeeded": row.succeeded,
        "fallback": row.fallback,
        "failed": row.failed,
        "skipped": row.skipped,
        "rate": None if speed.rate is None else round(speed.rate, 2),
        "eta": rfc3339(speed.eta),
        "eta_seconds": None if speed.eta_seconds is None else round(speed.eta_seconds, 1),
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "cost": float(row.cost),
        "cost_ceiling": None if row.cost_ceiling is None else float(row.cost_ceiling),
    }
