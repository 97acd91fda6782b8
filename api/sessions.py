"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint

from api.auth import actor, caller, requires
from api.http.answers import answer, in_pieces
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import SessionQuery, SessionSchema, StepSchema, StoredStepSchema
from models import feed, handoff, text
from models import session as sessions
from models.feed import card
from models.handoff import Handoff, edits, listing, timeline
from models.handoff.listing import Filter
from models.session import SentStep
from models.transaction import append_now, transaction

PAGE = 50  # steps that are read at once

blueprint = Blueprint("sessions", __name__, url_prefix="/api/v1", description="Sessions and their steps")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.get("/sessions/<path:external_id>")
@requires("viewer")
@blueprint.arguments(SessionQuery, location="query")
@blueprint.response(200, SessionSchema)
@problems(404)
def read(which: dict[str, Any], external_id: str) -> Response:
    """A session, its steps, and its handoffs, the newest first.

    404 when none of its handoffs may be seen: what is parked is private to its author and the admins.
    """
    account_id, wanted, external_id = caller().account_id, which.get("handoff"), text.ticket_id(external_id)
    with transaction(account_id) as session:
        stored = handoff.find_session(session, account_id, external_id, seen_by=actor(), handoff_id=wanted)
        ids = listing.listed(session, account_id, Filter(session=external_id), seen_by=actor()).order_by(
            Handoff.id.desc()
        )
        found = list(session.scalars(ids))
        cards = card.cards(session, {(account_id, each) for each in found})
        head = card.session_head(stored)
        pages = _steps(account_id, stored.id, timeline.steps_after(session, account_id, stored.id, 0, most=PAGE))
    return in_pieces(pages, "steps", **head, handoffs=[cards[account_id, each] for each in found])


def _steps(account_id: UUID, session_id: UUID, page: Sequence[Any]) -> Iterator[list[dict[str, Any]]]:
    """Yield all steps, from the first page on. No connection is held while the client reads."""
    while page:
        yield [card.step(step, {step.added_by_id: name}) for step, name in page]
        if len(page) < PAGE:
            return
        with transaction(account_id) as session:
            page = timeline.steps_after(session, account_id, session_id, page[-1][0].seq, most=PAGE)


@blueprint.post("/sessions/<path:external_id>/steps")
@requires("engineer")
@blueprint.arguments(SessionQuery, location="query")
@blueprint.arguments(StepSchema)
@blueprint.response(201, StoredStepSchema)
@problems(404, 409)
def add_step(which: dict[str, Any], step: dict[str, Any], external_id: str) -> Response:
    """Add a step. The first one by the claimer after the claim ends the time to first action."""
    account_id, by, external_id = caller().account_id, caller().user_id, text.ticket_id(external_id)
    with transaction(account_id) as session:
        stored = handoff.find_session(
            session, account_id, external_id, seen_by=actor(), handoff_id=which.get("handoff"), locked=True
        )
        sent = SentStep.of(step)
        added = sessions.append_step(session, stored, sent, by=by)
        edits.note_steps(session, account_id, stored.id, [sent], by=by)
        made = append_now(session).get(account_id)
        head = made.head if made else feed.tail(session, account_id)[1]
        body = card.step(added, {by: caller().name})
    return answer(body, 201, Feed_Seq=head)
