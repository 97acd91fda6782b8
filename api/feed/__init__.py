"""Routes of the feed (cursor) and of the queue (snapshot and cursor)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import Text, cast

from api.auth import caller, requires
from api.feed import cursor as cursors
from api.feed import responses
from api.feed.cursor import Cursor, CursorError
from api.feed.responses import COUNTED, FeedResponse, caught_up
from api.http import answers
from api.http.answers import page_position, page_token
from api.http.errors import Problem
from api.http.parsing import StrictParser
from api.openapi import problems
from api.schemas import CountsSchema, FeedQuery, FeedSchema, NothingQuery, QueuePageSchema, QueueQuery
from models import feed
from models.database import dump_json
from models.feed.head import heads
from models.handoff import OPEN, Actor, Handoff, Priority, Status
from models.handoff.counts import counts
from models.handoff.listing import Filter, listed
from models.handoff.matched import matched
from models.handoff.reading import IS_UNREAD
from models.transaction import one_message, transaction

blueprint = Blueprint("feed", __name__, url_prefix="/api/v1", description="What is open, and what happens to it")
blueprint.ARGUMENTS_PARSER = StrictParser()

MAX_LIMIT = 200
DEFAULT_LIMIT = 100

RESET_SPREAD_MS = 3000  # clients that are reset together come back apart


@dataclass(frozen=True)
class Ask:
    """A parsed poll."""

    text: str
    limit: int
    collapse: str

    def cursor(self, account_id: UUID) -> Cursor | None:
        """The client's position. None: it wants to begin at the head."""
        if self.text == "now":
            return None
        try:
            return cursors.decode(self.text, account_id, answers.signing_keys())
        except CursorError as error:
            raise Problem(400, "cursor_invalid", "This is not a cursor of this feed; load the queue.") from error


@blueprint.get("/feed")
@requires("viewer", limited=False)
@blueprint.arguments(FeedQuery(), location="query")
@blueprint.response(200, FeedSchema)
@blueprint.alt_response(304, description="Nothing new; only with a matching If-None-Match")
@problems(410)
def poll(query: dict[str, str]) -> Response:
    """What happened after a cursor, the oldest first. The numbers are exactly from+1 to to: nothing is missing.

    Wait Poll-Interval seconds before the next poll; -1 means stop.
    """
    ask = _understood(query)
    account_id = caller().account_id
    at = ask.cursor(account_id)
    polled = request.environ.get(COUNTED) or heads().poll(account_id, caller().token_id, at.epoch if at else "")
    if polled.wait_seconds > 0:
        headers = {"Retry-After": str(int(polled.wait_seconds) + 1)}
        raise Problem(429, "too_fast", "Poll more slowly.", headers=headers)
    if at and (hint := caught_up(at, polled)):
        return _sent(_nothing_new(account_id, at, hint.pace, hint.quiet_seconds))
    page = _read(account_id, at, ask, fill=polled.missing)
    if at is None:
        at = Cursor(page.epoch, page.head)
    _refuse_what_cannot_continue(at, page)
    if at.seq == page.head:
        return _sent(_nothing_new(account_id, at, page.pace, page.quiet_seconds))
    return _sent(_news(account_id, at, page, ask))


def _nothing_new(account_id: UUID, at: Cursor, pace: float, quiet_seconds: float) -> FeedResponse:
    return responses.nothing_new(account_id, at, pace, quiet_seconds, request.headers.get("If-None-Match"))


def _read(account_id: UUID, at: Cursor | None, ask: Ask, *, fill: bool) -> feed.Page:
    """Read the feed after the cursor; a missing hint is filled with the result."""
    lease = heads().lease(account_id) if at and fill else None
    after = at.seq if at else feed.MAX_SEQ
    with one_message(account_id) as message:
        page = feed.read_page(message, account_id, after=after, limit=ask.limit, collapse=ask.collapse)
    if at and lease and page.epoch == at.epoch:
        heads().fill(account_id, lease, page.head, page.epoch, page.pace, page.quiet_seconds)
    return page


def _understood(query: dict[str, str]) -> Ask:
    text = query.get("cursor", "")
    if not text:
        raise Problem(400, "cursor_required", "Give a cursor; the last page of /queue has one, `now` begins here.")
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= MAX_LIMIT):
        raise Problem(400, "parameter_invalid", f"limit is a number from 1 to {MAX_LIMIT}.", parameter="limit")
    collapse = query.get("collapse", "none")
    if collapse not in ("none", "entity"):
        raise Problem(400, "parameter_invalid", "collapse is none or entity.", parameter="collapse")
    return Ask(text, int(limit), collapse)


def _refuse_what_cannot_continue(at: Cursor, page: feed.Page) -> None:
    """Raise 410 unless the feed continues exactly where the cursor stands."""
    if at.epoch != page.epoch:
        reason = "epoch"
    elif at.scope != cursors.SCOPE:
        reason = "scope"
    elif at.seq > page.head:
        reason = "ahead"
    elif at.seq < page.floor:
        reason = "expired"
    else:
        return
    raise Problem(
        410,
        "feed_reset",
        "The feed cannot be continued from this cursor; load the queue.",
        reason=reason,
        retry_after_ms=random.randint(0, RESET_SPREAD_MS),
    )


def _news(account_id: UUID, at: Cursor, page: feed.Page, ask: Ask) -> FeedResponse:
    events = page.events[: ask.limit]
    more = len(page.events) > ask.limit
    to = events[-1][0] if more else page.head
    if ask.collapse == "none" and [seq for seq, _ in events] != list(range(at.seq + 1, to + 1)):
        raise RuntimeError("the feed has a hole")
    bodies = [body for _, body in events]
    return responses.page(
        account_id, Cursor(page.epoch, to), at.seq, page.head, bodies, page.pace, page.quiet_seconds
    )


def _sent(said: FeedResponse) -> Response:
    return Response(said.body or None, status=said.status, headers=said.headers)


@blueprint.get("/queue")
@requires("viewer")
@blueprint.arguments(QueueQuery, location="query")
@blueprint.response(200, QueuePageSchema)
@problems()
def queue(query: dict[str, Any]) -> Response:
    """The open handoffs, the oldest first. The last page carries the cursor from which the feed continues.

    Apply an event of the feed to an item only if its seq is greater than the item's: then the snapshot and
    what follows are together the queue as it is, always.
    """
    limit, page = query.pop("limit"), query.pop("page", None)
    account_id, words = caller().account_id, query.get("q")
    with transaction(account_id) as session:
        if page:
            epoch, head, last = page_position(account_id, "queue", query, page)
        else:
            # Before the rows: the feed reports what happens in between.
            epoch, head = feed.tail(session, account_id)
            last = None
        ids = listed(session, account_id, _queue_filter(query), seen_by=Actor(caller().user_id, caller().is_admin))
        if last:
            ids = ids.where(Handoff.id > UUID(last))
        rows = session.execute(
            ids.with_only_columns(Handoff.id, cast(Handoff.card, Text), IS_UNREAD)
            .order_by(Handoff.id)
            .limit(limit + 1),
            {"by": caller().user_id},
        ).all()
        places = matched(session, account_id, [row[0] for row in rows[:limit]], words) if words else None
    items = ",".join(
        f"{body[:-1]},{dump_json({'unread': unread} | ({} if places is None else {'matched': places[each]}))[1:]}"
        for each, body, unread in rows[:limit]
    )
    if len(rows) > limit:
        end = dump_json({"next_page": page_token(account_id, "queue", query, [epoch, head, str(rows[limit - 1][0])])})
    else:
        tail = cursors.encode(Cursor(epoch, head), account_id, answers.signing_keys())
        end = dump_json({"next_page": None, "cursor": tail})
    response = Response(f'{{"items":[{items}],{end[1:]}', mimetype="application/json")
    response.headers["Cache-Control"] = answers.PRIVATE
    response.headers["Vary"] = "Authorization, Cookie, Accept-Encoding"
    return response


@blueprint.get("/queue/counts")
@requires("viewer")
@blueprint.arguments(NothingQuery, location="query")
@blueprint.response(200, CountsSchema)
@problems()
def view_counts(_: dict[str, str]) -> Response:
    """How many handoffs each of your views has, as of the event `seq`. Ask again when the feed has a later one."""
    with one_message(caller().account_id) as message:
        return answers.answer(counts(message, caller().account_id, by=caller().user_id))


def _queue_filter(query: dict[str, Any]) -> Filter:
    return Filter(
        status=tuple(Status(value) for value in query.get("status", [])) or OPEN,
        priority=tuple(Priority(value) for value in query.get("priority", [])),
        category=query.get("category"),
        claimed_by=caller().user_id if query.get("mine") else None,
        q=query.get("q"),
    )
