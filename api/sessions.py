"""Troubleshooting sessions and their steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint

from api.auth import actor, caller, requires
from api.http.answers import answer, in_pieces, wanted_versions
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import (
    EditedSessionSchema,
    NothingSchema,
    SessionEditSchema,
    SessionQuery,
    SessionSchema,
    StepSchema,
    StoredStepSchema,
)
from models import feed, handoff, text
from models import session as sessions
from models.feed import card
from models.feed.unit_of_work import UnitOfWork
from models.handoff import Handoff, corrections, edits, listing, questions, timeline
from models.handoff.listing import Filter
from models.session import SentStep, SessionStep
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


def _steps(
    account_id: UUID, session_id: UUID, page: tuple[Sequence[SessionStep], Mapping[UUID, str]]
) -> Iterator[list[dict[str, Any]]]:
    """Yield all steps, from the first page on. No connection is held while the client reads."""
    steps, names = page
    while steps:
        yield [card.step(step, names) for step in steps]
        if len(steps) < PAGE:
            return
        with transaction(account_id) as session:
            steps, names = timeline.steps_after(session, account_id, session_id, steps[-1].seq, most=PAGE)


@blueprint.post("/sessions/<path:external_id>/steps")
@requires("engineer")
@blueprint.arguments(SessionQuery, location="query")
@blueprint.arguments(StepSchema)
@blueprint.response(201, StoredStepSchema)
@problems(404, 409)
def add_step(which: dict[str, Any], step: dict[str, Any], external_id: str) -> Response:
    """Add a step. The first one by the claimer after the claim ends the time to first action."""
    account_id, by, external_id = caller().account_id, caller().user_id, text.ticket_id(external_id)
    sent = SentStep.of(step)
    with transaction(account_id) as session:
        # Before the session's row is locked: it may wait for somebody whose access is just being taken away.
        questions.refuse_unfit_addressees(session, [sent])
        stored = handoff.find_session(
            session, account_id, external_id, seen_by=actor(), handoff_id=which.get("handoff"), locked=True
        )
        added = sessions.append_step(session, stored, sent, by=by)
        edits.note_steps(session, account_id, stored.id, [sent], by=by)
        head = _head_after(session, account_id)
        names = timeline.names_of(session, account_id, [added]) if sent.to_user_id else {by: caller().name}
        body = card.step(added, names)
    return answer(body, 201, Feed_Seq=head)


def _head_after(session: UnitOfWork, account_id: UUID) -> int:
    """Append what the transaction has collected; returns the number up to which the feed has to be read."""
    made = append_now(session).get(account_id)
    return made.head if made else feed.tail(session, account_id)[1]


@blueprint.post("/sessions/<path:external_id>/steps/<int:seq>/retract")
@requires("engineer")
@blueprint.arguments(SessionQuery, location="query")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, StoredStepSchema)
@problems(404, 405)  # with a `seq` that is no number, the path is that of a session whose id has slashes
def retract_step(which: dict[str, Any], _: dict[str, Any], external_id: str, seq: int) -> Response:
    """Take one's own step back. It stays stored, and assessments rest on it no more."""
    account_id, external_id = caller().account_id, text.ticket_id(external_id)
    with transaction(account_id) as session:
        stored = handoff.find_session(
            session, account_id, external_id, seen_by=actor(), handoff_id=which.get("handoff"), locked=True
        )
        retracted = corrections.retract(session, account_id, stored, seq, by=actor())
        head = _head_after(session, account_id)
        body = card.step(retracted, timeline.names_of(session, account_id, [retracted]))
    return answer(body, Feed_Seq=head)


@blueprint.patch("/sessions/<path:external_id>")
@requires("engineer")
@blueprint.arguments(SessionQuery, location="query")
@blueprint.arguments(SessionEditSchema)
@blueprint.response(200, EditedSessionSchema)
@problems(404, 409, 412)
def edit(which: dict[str, Any], changes: dict[str, Any], external_id: str) -> Response:
    """Correct what a session says of itself. The version in If-Match is that of the handoff in the answer.

    For the author of the session's handoff, for who took it, and for admins, while it is open or parked.
    """
    account_id, external_id = caller().account_id, text.ticket_id(external_id)
    with transaction(account_id) as session:
        edited, handoff_id = corrections.edit_session(
            session,
            account_id,
            external_id,
            changes,
            by=actor(),
            handoff_id=which.get("handoff"),
            versions=wanted_versions(),
        )
        head = _head_after(session, account_id)
        shown = card.cards(session, {(account_id, handoff_id)})[account_id, handoff_id]
        body = card.session_head(edited) | {"handoff": shown}
    return answer(body, Feed_Seq=head)
