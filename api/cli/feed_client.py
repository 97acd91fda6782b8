"""A client of the feed for others to copy: needs nothing but Python, and proves that it misses nothing.

    client = FeedClient(http("https://escalation.example", token))
    for change in client.follow():
        ...  # after each change, client.items is the queue: {handoff id: card}

The protocol is described in docs/how-to/follow-the-feed.md.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0
OPEN = ("pending", "ready", "claimed")


@dataclass(frozen=True)
class Answer:
    """A response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Send = Callable[[str, Mapping[str, str]], Answer]  # path and headers; OSError when there is no answer


class FeedBroken(RuntimeError):
    """A number is missing or comes twice: the service broke its promise. Report it and load the snapshot."""


class FeedRefused(RuntimeError):
    """The service will not answer this client: a wrong token, a wrong address, a wrong parameter."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"HTTP {answer.status}: {answer.body[:300].decode(errors='replace')}")
        self.status = answer.status


@dataclass(frozen=True)
class Step:
    """What one request brought. `wait_seconds`: before the next one; None: the service asks to stop.

    `loaded`: the snapshot replaced everything known before.
    """

    events: list[dict[str, Any]]
    wait_seconds: float | None
    loaded: bool = False


@dataclass
class FeedClient:
    """The current queue, kept up to date by polling.

    `cursor` and `seq` are all that has to be kept to go on later; `items` only if the queue is wanted. With a
    cursor and no items the client follows the events alone.
    """

    send: Send
    cursor: str | None = None  # None: load the snapshot first
    seq: int | None = None  # the last number seen, when it is known
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    limit: int = 100
    failures: int = 0
    etag: str | None = None

    def follow(self, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Step]:
        """Every step that brought something, for ever; ends when the service asks clients to stop."""
        while True:
            step = self.step()
            if step.loaded or step.events:
                yield step
            if step.wait_seconds is None:
                return
            sleep(step.wait_seconds)

    def step(self) -> Step:
        """Load the snapshot or ask once for what is new. Never raises for what passes by itself."""
        try:
            return self._load() if self.cursor is None else self._poll()
        except _Wait as wait:
            return Step([], wait.seconds)
        except (OSError, HTTPException):
            return Step([], self._backoff())

    def _load(self) -> Step:
        items: dict[str, dict[str, Any]] = {}
        page: dict[str, Any] = {"next_page": ""}
        while page["next_page"] is not None:
            query = {"limit": 200} | ({"page": page["next_page"]} if page["next_page"] else {})
            page = self._json(self._ask("/queue", query))
            items |= {item["id"]: item for item in page["items"]}
        self.items, self.cursor, self.seq, self.etag = items, page["cursor"], None, None
        return Step([], 0.0, loaded=True)

    def _poll(self) -> Step:
        headers = {"If-None-Match": self.etag} if self.etag else {}
        answer = self._ask("/feed", {"cursor": self.cursor, "limit": self.limit}, headers)
        wait = _interval(answer)
        if answer.status == 304:
            return Step([], wait)
        page = self._json(answer)
        self._prove(page)
        for event in page["events"]:
            self._apply(event)
        self.cursor, self.seq, self.etag = page["cursor"], page["to"], answer.headers.get("etag")
        return Step(page["events"], wait)

    def _prove(self, page: dict[str, Any]) -> None:
        """The numbers follow one another from where we stand. FeedBroken if not."""
        numbers = [event["seq"] for event in page["events"]]
        if self.seq not in (None, page["from"]) or numbers != list(range(page["from"] + 1, page["to"] + 1)):
            raise FeedBroken(f"at {self.seq} came {numbers} as {page['from']}..{page['to']}")

    def _apply(self, event: dict[str, Any]) -> None:
        card = event["handoff"]
        known = self.items.get(card["id"])
        if known and event["seq"] <= known["seq"]:
            return  # the snapshot was newer
        if card["status"] in OPEN:
            self.items[card["id"]] = card
        else:
            self.items.pop(card["id"], None)

    def _ask(self, path: str, query: dict[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        answer = self.send(f"/api/v1{path}?{urlencode(query)}", headers or {})
        if answer.status >= 500:
            raise _Wait(max(self._backoff(), _retry_after(answer)))
        if answer.status == 429:
            raise _Wait(max(1.0, _retry_after(answer)))
        self.failures = 0
        if answer.status == 410 or (answer.status in (400, 422) and self._cursor_is_wrong(answer)):
            self.cursor = None
            raise _Wait(json.loads(answer.body).get("retry_after_ms", 1000) / 1000)
        if answer.status not in (200, 304):
            raise FeedRefused(answer)
        return answer

    @staticmethod
    def _cursor_is_wrong(answer: Answer) -> bool:
        return json.loads(answer.body).get("code") in ("cursor_invalid", "page_invalid")

    @staticmethod
    def _json(answer: Answer) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(answer.body)
        return parsed

    def _backoff(self) -> float:
        """Full jitter: anything between nothing and a bound that doubles with every failure."""
        self.failures += 1
        bound = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self.failures - 1, 16))
        return random.uniform(0, bound)


class _Wait(Exception):
    """Not now: ask again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def _interval(answer: Answer) -> float | None:
    seconds = float(answer.headers.get("poll-interval", 3))
    return None if seconds < 0 else seconds


def _retry_after(answer: Answer) -> float:
    given = answer.headers.get("retry-after", "")
    return float(given) if given.isdigit() else 0.0


def http(url: str, token: str) -> Send:
    """Sends over one persistent connection, which is reopened after an error."""
    address = urlsplit(url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)

    def send(path: str, headers: Mapping[str, str]) -> Answer:
        try:
            connection.request(
                "GET", address.path.rstrip("/") + path, headers={"Authorization": f"Bearer {token}", **headers}
            )
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise ConnectionError(str(error)) from error
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    return send
