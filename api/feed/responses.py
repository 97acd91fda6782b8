"""Responses of the feed, independent of Flask: headers, poll interval, and the page without news."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from api.feed import cursor as cursors
from api.feed.cursor import Cursor
from api.http import answers, etags
from models.database import dump_json
from models.feed.head import Hint, Polled

# How long to wait for the next poll, by how long nothing happened: (quiet for less than, seconds).
RHYTHM = ((30, 1.5), (600, 3.0), (3600, 5.0), (float("inf"), 10.0))
JITTER = 0.2


COUNTED = "escalation.polled"  # in a request's environment: the answer of Redis to this poll


def caught_up(at: Cursor, polled: Polled) -> Hint | None:
    """Return the hint that nothing came after the cursor; None: ask the database."""
    hint = polled.hint
    return hint if hint and hint.head == at.seq and at.scope == cursors.SCOPE else None


@dataclass(frozen=True)
class FeedResponse:
    """Status, headers and body of a response, for either way of sending it."""

    status: int
    headers: dict[str, str]
    body: str = ""


def nothing_new(
    account_id: UUID, at: Cursor, pace: float, quiet_seconds: float, if_none_match: str | None
) -> FeedResponse:
    """Respond to a client that has everything: 304 if its ETag matches, else an empty page."""
    # `*` would match anything, also what the client has never seen, and is not taken.
    if _tag(at.epoch, at.seq) in etags.named(if_none_match):
        return FeedResponse(304, _headers(at.epoch, at.seq, _interval(pace, quiet_seconds)))
    headers = {"Content-Type": "application/json"} | _headers(at.epoch, at.seq, _interval(pace, quiet_seconds))
    return FeedResponse(200, headers, _empty_page(account_id, at, answers.signing_keys()))


@lru_cache(maxsize=cursors.REMEMBERED)  # every open page of an account asks for the same one
def _empty_page(account_id: UUID, at: Cursor, keys: tuple[str, ...]) -> str:
    return _body(at.seq, at.seq, [], cursors.encode(at, account_id, keys), more=False, head=at.seq)


def page(
    account_id: UUID, to: Cursor, after: int, head: int, events: list[str], pace: float, quiet_seconds: float
) -> FeedResponse:
    """Respond with the numbers after+1 to to.seq, assembled from events that are JSON already."""
    more = to.seq < head
    interval = "0" if more and pace else _interval(pace, quiet_seconds)
    headers = {"Content-Type": "application/json"} | _headers(to.epoch, head, interval)
    cursor = cursors.encode(to, account_id, answers.signing_keys())
    return FeedResponse(200, headers, _body(after, to.seq, events, cursor, more=more, head=head))


def _body(after: int, to: int, events: list[str], cursor: str, *, more: bool, head: int) -> str:
    rest = dump_json({"from": after, "to": to, "head": head, "has_more": more, "cursor": cursor})
    return f'{{"events":[{",".join(events)}],{rest[1:]}'


def _headers(epoch: str, head: int, interval: str) -> dict[str, str]:
    return {
        "ETag": f'W/"{_tag(epoch, head)}"',
        "Cache-Control": answers.PRIVATE_VALIDATED,
        "Vary": "Authorization, Cookie, Accept-Encoding",
        "Poll-Interval": interval,
    }


def _tag(epoch: str, head: int) -> str:
    return f"{epoch}.{head}.{cursors.SCOPE}"


def _interval(pace: float, quiet_seconds: float) -> str:
    if pace == 0:
        return "-1"
    seconds = next(seconds for quiet, seconds in RHYTHM if quiet_seconds < quiet)
    return f"{seconds * pace * random.uniform(1 - JITTER, 1 + JITTER):.2f}"
