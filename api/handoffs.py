"""Handoffs: intake, reading, lists, moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_smorest import Blueprint

from api.auth import actor, caller, requires
from api.http.answers import answer, in_pieces, page_position, page_token, versioned, wanted_versions
from api.http.errors import Problem
from api.http.parsing import StrictParser, read_json
from api.openapi import problems
from api.schemas import (
    AssessmentPageSchema,
    EditSchema,
    FeedbackAnswer,
    FeedbackSchema,
    HandoffSchema,
    IntakeHeaders,
    IntakeSchema,
    ListQuery,
    NothingSchema,
    ReadSchema,
    ReasonSchema,
    ReassessedSchema,
    ReassignSchema,
    ResolveSchema,
    RowPageSchema,
    SnoozeSchema,
    TimelineSchema,
)
from models import handoff
from models.assessment import Lane, feedback
from models.assessment.feedback import Rating
from models.feed import card
from models.feed.card import Representation
from models.handoff import (
    Priority,
    Status,
    assessing,
    claims,
    edits,
    idempotency,
    intake,
    listing,
    moves,
    parked,
    reading,
    reopening,
)
from models.handoff.intake import Intake
from models.handoff.listing import Filter, PlaceError
from models.handoff.matched import matched
from models.handoff.timeline import timeline, with_texts
from models.handoff.views import Sort, View
from models.transaction import append_and_represent, one_message, transaction
from tasks.wake import wake

TIMELINE_PAGE = 50  # entries whose texts are read at once

blueprint = Blueprint("handoffs", __name__, url_prefix="/api/v1/handoffs", description="Handing a session over")
blueprint.ARGUMENTS_PARSER = StrictParser()


@blueprint.post("")
@requires("engineer")
@blueprint.arguments(IntakeHeaders, location="headers")
@blueprint.arguments(IntakeSchema)
@blueprint.response(202, HandoffSchema)
@problems(409)
def create(headers: dict[str, Any], body: dict[str, Any]) -> Response:
    """Hand a session off. Answers at once; the assessment is written later, and the feed reports it."""
    account_id, by, key = caller().account_id, caller().user_id, headers.get("idempotency_key")
    with transaction(account_id) as session:
        if key:
            first = idempotency.begin(session, account_id, by, key, _body_hash())
            if first is not None:
                return _accepted(first, UUID(first["id"]), first["seq"], Idempotent_Replayed="true")
        handoff_id, assessment_id = intake.accept(session, account_id, Intake.of(body), by=by)
        shown = append_and_represent(session, account_id, handoff_id)
        if key:
            idempotency.remember(session, account_id, by, key, shown.text)
    _wake(assessment_id)
    return _accepted(shown.text, handoff_id, shown.seq)


def _body_hash() -> str:
    return hashlib.sha256(repr(_sorted(read_json(request))).encode("utf-8", "surrogatepass")).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _sorted(value[key])) for key in sorted(value)]
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _accepted(body: str | dict[str, Any], handoff_id: UUID, seq: int | None, **headers: str) -> Response:
    location = url_for("handoffs.read", handoff_id=handoff_id)
    return answer(body, 202, Location=location, Feed_Seq=seq, **headers)


def _wake(assessment_id: UUID | None) -> None:
    if assessment_id is not None:
        wake(Lane.INTERACTIVE)


@blueprint.get("")
@requires("viewer")
@blueprint.arguments(ListQuery, location="query")
@blueprint.response(200, RowPageSchema)
@problems()
def index(query: dict[str, Any]) -> Response:
    """The account's handoffs, without `view` and `sort` the newest first."""
    limit, page = query.pop("limit"), query.pop("page", None)
    account_id, words = caller().account_id, query.get("q")
    after = page_position(account_id, "handoffs", query, page) if page else None
    how = {"sort": Sort(query["sort"]) if "sort" in query else None, "after": after, "limit": limit}
    with transaction(account_id) as session:
        try:
            rows = listing.page(session, account_id, _filter(query), seen_by=actor(), **how)
        except PlaceError as error:
            raise Problem(422, "page_invalid", "This page token belongs to another list.") from error
        shown = rows[:limit]
        cards = card.cards(session, {(account_id, row.id) for row in shown})
        places = matched(session, account_id, [row.id for row in shown], words) if words else None
    items = [
        cards[account_id, row.id]
        | {"unread": row.is_unread}
        | ({} if places is None else {"matched": places[row.id]})
        for row in shown
    ]
    more = page_token(account_id, "handoffs", query, rows[limit - 1].place) if len(rows) > limit else None
    return answer({"items": items, "next_page": more})


def _filter(query: dict[str, Any]) -> Filter:
    narrowing = {name: value for name, value in query.items() if name != "sort"}
    kinds = {
        "status": tuple(Status(value) for value in query.get("status", [])),
        "priority": tuple(Priority(value) for value in query.get("priority", [])),
        "view": View(query["view"]) if "view" in query else None,
    }
    return Filter(**narrowing | kinds)


@blueprint.get("/<uuid:handoff_id>")
@requires("viewer")
@blueprint.response(200, HandoffSchema)
@blueprint.alt_response(304, description="As you have it; only with a matching If-None-Match")
@problems(404)
def read(handoff_id: UUID) -> Response:
    """One handoff with its assessment. Its ETag begins with its version."""
    with transaction(caller().account_id) as session:
        handoff.find(session, caller().account_id, handoff_id, seen_by=actor())
        shown = card.representation(session, caller().account_id, handoff_id)
    return versioned(shown)


@blueprint.put("/<uuid:handoff_id>/read")
@requires("viewer")
@blueprint.arguments(ReadSchema)
@blueprint.response(200, ReadSchema)
@problems(404)
def mark_read(body: dict[str, Any], handoff_id: UUID) -> Response:
    """Note that you have read the handoff up to the event `seq`, which is the handoff's own as you loaded it.

    Never backwards; the answer has the number that counts from now on.
    """
    account_id = caller().account_id
    with one_message(account_id) as message:
        seq = reading.mark_read(message, account_id, handoff_id, body["seq"], by=actor())
    return answer({"seq": seq})


@blueprint.patch("/<uuid:handoff_id>")
@requires("engineer")
@blueprint.arguments(EditSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def edit(body: dict[str, Any], handoff_id: UUID) -> Response:
    """Correct an open or parked handoff: its author, the one who took it, or an admin. What is left out stays."""
    changes = {"target_id" if name == "target_user_id" else name: value for name, value in body.items()}
    if "priority" in changes:
        changes["priority"] = Priority(changes["priority"])
    return _moved(handoff_id, edits.edit, changes=changes)


def _wanted_version(handoff_id: UUID) -> int | None:
    """Return the version that the move requires; None: any. Of several acceptable ones the current one."""
    versions = wanted_versions()
    if versions is None:
        return None
    if len(versions) == 1:
        return versions.pop()
    with transaction(caller().account_id) as session:
        now = handoff.find(session, caller().account_id, handoff_id, seen_by=actor()).version
    return now if now in versions else versions.pop()


def _moved(handoff_id: UUID, move: Callable[..., Representation], **how: Any) -> Response:
    """Make a move as the caller and answer with the handoff after it."""
    shown = move(caller().account_id, handoff_id, by=actor(), version=_wanted_version(handoff_id), **how)
    return answer(shown.text, Feed_Seq=shown.seq)


@blueprint.post("/<uuid:handoff_id>/claim")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def claim(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Take the handoff. One wins; the others get 409 with the winner's name."""
    return _moved(handoff_id, moves.claim)


@blueprint.post("/<uuid:handoff_id>/release")
@requires("engineer")
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def release(body: dict[str, Any], handoff_id: UUID) -> Response:
    """Give a claimed handoff back to the queue."""
    return _moved(handoff_id, moves.release, reason=body.get("reason"))


@blueprint.post("/<uuid:handoff_id>/reassign")
@requires("engineer")
@blueprint.arguments(ReassignSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def reassign(body: dict[str, Any], handoff_id: UUID) -> Response:
    """Hand a claim over to somebody else."""
    return _moved(handoff_id, moves.reassign, to=body["user_id"], reason=body.get("reason"))


@blueprint.post("/<uuid:handoff_id>/resolve")
@requires("engineer")
@blueprint.arguments(ResolveSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def resolve(body: dict[str, Any], handoff_id: UUID) -> Response:
    """Close the handoff with what fixed it; later assessments may cite it."""
    return _moved(handoff_id, moves.resolve, resolution=body["resolution"], root_cause=body.get("root_cause"))


@blueprint.post("/<uuid:handoff_id>/withdraw")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def withdraw(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Take the handoff back."""
    return _moved(handoff_id, moves.withdraw)


@blueprint.post("/<uuid:handoff_id>/reopen")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def reopen(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Give a resolved handoff back to who had taken it. By the one who resolved it, or an admin."""
    return _moved(handoff_id, reopening.reopen)


@blueprint.post("/<uuid:handoff_id>/keep")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def keep(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Restart the lease of one's claim."""
    return _moved(handoff_id, claims.keep)


@blueprint.post("/<uuid:handoff_id>/unsnooze")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def unsnooze(_: dict[str, Any], handoff_id: UUID) -> Response:
    """End a snooze early; the lease starts over."""
    return _moved(handoff_id, claims.unsnooze)


@blueprint.post("/<uuid:handoff_id>/discard")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def discard(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Discard a parked handoff and every word of it. By its author, or an admin."""
    return _moved(handoff_id, parked.discard)


@blueprint.post("/<uuid:handoff_id>/snooze")
@requires("engineer")
@blueprint.arguments(SnoozeSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def snooze(body: dict[str, Any], handoff_id: UUID) -> Response:
    """Stop the lease of a claim until a time, and say why."""
    return _moved(handoff_id, claims.snooze, until=body["until"], reason=body["reason"])


@blueprint.post("/<uuid:handoff_id>/restore")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(200, HandoffSchema)
@problems(404, 409, 412)
def restore(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Undo a withdrawal within ten minutes. By the one who withdrew it, or an admin."""
    account_id, version = caller().account_id, _wanted_version(handoff_id)
    with transaction(account_id) as session:
        assessment_id = reopening.restore(session, account_id, handoff_id, by=actor(), version=version)
        shown = append_and_represent(session, account_id, handoff_id)
    _wake(assessment_id)
    return answer(shown.text, Feed_Seq=shown.seq)


@blueprint.post("/<uuid:handoff_id>/escalate")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(202, HandoffSchema)
@problems(404, 409, 412)
def escalate(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Put a parked handoff into the queue."""
    account_id, version = caller().account_id, _wanted_version(handoff_id)
    with transaction(account_id) as session:
        assessment_id = parked.escalate(session, account_id, handoff_id, by=actor(), version=version)
        shown = append_and_represent(session, account_id, handoff_id)
    _wake(assessment_id)
    return _accepted(shown.text, handoff_id, shown.seq)


@blueprint.post("/<uuid:handoff_id>/reassess")
@requires("engineer")
@blueprint.arguments(NothingSchema)
@blueprint.response(202, ReassessedSchema)
@blueprint.alt_response(200, schema=ReassessedSchema, description="One is queued or running already")
@problems(404, 409, 412)
def reassess(_: dict[str, Any], handoff_id: UUID) -> Response:
    """Ask for a new generation; the last good one stays shown until it has ended."""
    account_id, version = caller().account_id, _wanted_version(handoff_id)
    with transaction(account_id) as session:
        found, assessment_id = assessing.reassess(session, account_id, handoff_id, by=actor(), version=version)
        shown = card.representation(session, account_id, handoff_id)
    _wake(assessment_id)
    body = json.loads(shown.text) | {"generation": found.generation}
    return answer(body, 200 if assessment_id is None else 202, Feed_Seq=shown.seq)


@blueprint.get("/<uuid:handoff_id>/assessments")
@requires("viewer")
@blueprint.response(200, AssessmentPageSchema)
@problems(404)
def assessments(handoff_id: UUID) -> Response:
    """Every generation, the oldest first, whatever became of it."""
    account_id = caller().account_id
    with transaction(account_id) as session:
        handoff.find(session, account_id, handoff_id, seen_by=actor())
        items = card.generations(session, account_id, handoff_id)
    return answer({"items": items, "next_page": None})


@blueprint.post("/<uuid:handoff_id>/assessments/<int:generation>/feedback")
@requires("engineer")
@blueprint.arguments(FeedbackSchema)
@blueprint.response(200, FeedbackAnswer)
@problems(404)
def rate(body: dict[str, Any], handoff_id: UUID, generation: int) -> Response:
    """Rate a generation. A second rating by the same person replaces the first."""
    account_id = caller().account_id
    with transaction(account_id) as session:
        found = handoff.find(session, account_id, handoff_id, seen_by=actor())
        given = feedback.give(
            session,
            account_id,
            handoff_id,
            generation,
            by=caller().user_id,
            rating=Rating(body["rating"]),
            comment=body.get("comment"),
        )
    return answer({"generation": generation, "rating": given.rating, "comment": given.comment}, Feed_Seq=found.seq)


@blueprint.get("/<uuid:handoff_id>/timeline")
@requires("viewer")
@blueprint.response(200, TimelineSchema)
@problems(404)
def history(handoff_id: UUID) -> Response:
    """Who did what when."""
    account_id = caller().account_id
    with transaction(account_id) as session:
        found = handoff.find(session, account_id, handoff_id, seen_by=actor())
        session_id, entries = found.session_id, timeline(session, found)
    return in_pieces(_with_texts(account_id, session_id, entries), "items", next_page=None)


def _with_texts(account_id: UUID, session_id: UUID, entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the entries in pages. No connection is held while the client reads."""
    for start in range(0, len(entries), TIMELINE_PAGE):
        with transaction(account_id) as session:
            page = with_texts(session, account_id, session_id, entries[start : start + TIMELINE_PAGE])
        yield page
