"""I3, I4, I9: snapshot and tail are together the queue, along any history; and the machine finds planted bugs.

The client is the reference client, the server the real application; answers get lost, pages of the snapshot are
read with writes in between, events are pruned, and the database is restored to an earlier state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import hypothesis.strategies as st
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from api import feed as routes
from api.cli import feed_client
from api.cli.feed_client import Answer, FeedClient
from api.feed import responses
from api.feed.cursor import Cursor
from models import database, feed
from models import transaction as transactions
from models.database import Base
from models.feed import head
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.api.feed.feeds import forget_hints, snapshot
from tests.conftest import OneConnection
from tests.proofs.conftest import Note, scaled

EXAMPLES = scaled(8, 200)
STEPS = scaled(15, 40)
EVENTS = Base.metadata.tables["feed_events"]
FEEDS = Base.metadata.tables["feeds"]


class Lost(ConnectionError):
    """The server has answered and the answer never arrived."""


class Watched(FeedClient):
    """The client, and the promise that no card it shows becomes older."""

    def _apply(self, event: dict[str, Any]) -> None:
        card = event["handoff"]["id"]
        before = self.items.get(card, {"seq": 0})["seq"]
        super()._apply(event)
        assert self.items.get(card, {"seq": before})["seq"] >= before, "a card became older"


class FeedMachine(RuleBasedStateMachine):
    """One account, one client, and everything that can come between them."""

    http: FlaskClient

    def __init__(self) -> None:
        super().__init__()
        self.lose = False
        self.between_pages: list[Callable[[], None]] = []
        self.count = 0

    @initialize()
    def begin(self) -> None:
        """A transaction and an account of this history's own."""
        self.connection = database.engine().connect()
        self.connection.begin()
        transactions.source = OneConnection(self.connection)
        self.world = worlds.create(self.http)
        self.client = Watched(self.send, limit=3)
        for _ in range(3):
            self.hand_off()

    def send(self, path: str, headers: Mapping[str, str]) -> Answer:
        """Pass a request to the application; lose the answer on request."""
        reply = self.world.viewer.get(path.removeprefix("/api/v1"), headers=dict(headers))
        if self.between_pages and path.startswith("/api/v1/queue"):
            self.between_pages.pop()()
        if self.lose:
            self.lose = False
            raise Lost
        assert reply.status_code in (200, 304, 410), reply.text
        return Answer(reply.status_code, {name.lower(): value for name, value in reply.headers}, reply.data)

    @rule()
    def hand_off(self) -> None:
        """A new handoff."""
        self.count += 1
        self.world.junior.hand_off(f"T-{self.count}")

    @rule(choice=st.integers(0, 20), move=st.sampled_from(["claim", "release", "resolve", "withdraw"]))
    def move(self, choice: int, move: str) -> None:
        """A move on some open handoff; many are refused, which is fine."""
        items = self._queue()
        if items:
            body = {"resolution": "Done."} if move == "resolve" else {}
            self.world.admin.post(f"/handoffs/{sorted(items)[choice % len(items)]}/{move}", body)

    @rule(share=st.floats(0, 1))
    def prune(self, share: float) -> None:
        """Forget the oldest events."""
        with transaction(self.world.account_id) as session:
            at = session.execute(FEEDS.select().where(FEEDS.c.account_id == self.world.account_id)).one().head
            feed.prune(session, self.world.account_id, keep=timedelta(days=1), most=int(share * at))

    @rule()
    def wipe_redis(self) -> None:
        """Redis restarts empty."""
        forget_hints()

    @rule(writes=st.integers(1, 2), seen=st.booleans())
    def lose_the_last_writes(self, writes: int, seen: bool) -> None:
        """The database goes back to an earlier state, and numbers are used a second time."""
        backup = self.connection.begin_nested()
        for _ in range(writes):
            self.hand_off()
        if seen:
            self.step()
        backup.rollback()
        forget_hints()  # what ten seconds do
        with maintenance() as session:
            feed.rotate_epoch(session)
        for _ in range(writes):
            self.hand_off()

    @rule()
    def lose_the_next_answer(self) -> None:
        """The next answer does not arrive."""
        self.lose = True

    @rule(writes=st.lists(st.sampled_from(["withdraw first", "claim last", "hand off"]), min_size=1, max_size=3))
    def reload(self, writes: list[str]) -> None:
        """Load the snapshot page by page, with writes in between."""
        self.client.cursor = None
        last = max(0, len(self._queue()) - 1)
        changes: dict[str, Callable[[], None]] = {
            "withdraw first": lambda: self.move(0, "withdraw"),
            "claim last": lambda: [self.move(last, "claim"), self.move(last, "release")].clear(),  # type: ignore[func-returns-value]
            "hand off": self.hand_off,
        }
        self.between_pages = [changes[write] for write in writes]
        self.step()
        self.between_pages = []

    @rule()
    def step(self) -> None:
        """One request of the client."""
        self.client.step()

    @rule()
    def catch_up(self) -> None:
        """When no writer is active, one poll per page brings everything, without a difference."""
        self.lose = False
        self.step()
        while self.client.cursor is None:  # 410: the snapshot
            self.client.step()
        behind = self._head() - (self.client.seq if self.client.seq is not None else 0)
        polls = 0
        while (step := self.client.step()) and (step.wait_seconds == 0 or step.loaded):
            polls += 1
            assert polls <= math.ceil(behind / self.client.limit) + 1, "catching up does not end"
        assert _shared(self.client.items) == _shared(self._queue()), "the client and the queue differ"

    def _head(self) -> int:
        with maintenance() as session:
            return int(session.execute(FEEDS.select().where(FEEDS.c.account_id == self.world.account_id)).one().head)

    def _queue(self) -> dict[str, dict[str, Any]]:
        return {item["id"]: item for item in snapshot(self.world.viewer, "limit=200")["items"]}

    def teardown(self) -> None:
        """The history ends well: the client arrives."""
        try:
            self.catch_up()
        finally:
            self.connection.close()


def _shared(items: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the cards without what a queue row says to its reader alone."""
    return {each: {key: value for key, value in card.items() if key != "unread"} for each, card in items.items()}


def _run(http: FlaskClient, examples: int) -> None:
    machine = type("Machine", (FeedMachine,), {"http": http})
    # No shrinking: whether a bug is found is the question, and a run must stay short.
    phases = [Phase.generate]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=phases,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        ),
    )


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client asks for two rows of the snapshot at a time, so that much happens between pages."""
    plain = feed_client.FeedClient._ask

    def small(self: FeedClient, path: str, query: dict[str, Any], *more: Any) -> Answer:
        return plain(self, path, query | ({"limit": 2} if path == "/queue" else {}), *more)

    monkeypatch.setattr(feed_client.FeedClient, "_ask", small)
    monkeypatch.setattr(head, "POLL_BURST", 10**9)
    monkeypatch.setattr(transactions, "source", transactions.source)  # each history puts its own there


@pytest.mark.usefixtures("small_pages")
@pytest.mark.timeout(scaled(600, 3600))
def test_snapshot_and_tail_are_the_queue_along_any_history(client: FlaskClient, figure: Note) -> None:
    _run(client, EXAMPLES)
    figure("I3, I4, I9: state machine over HTTP", f"{EXAMPLES} histories of up to {STEPS} steps, no divergence")


@contextmanager
def _cursor_after_rows() -> Iterator[None]:
    def at_the_end(account_id: UUID, kind: str, query: dict[str, Any], token: str) -> list[Any]:
        _, _, last = routes_page_position(account_id, kind, query, token)
        with transaction(account_id) as session:
            return [*feed.tail(session, account_id), last]

    routes_page_position = routes.page_position
    with patch.object(routes, "page_position", at_the_end):
        yield


@contextmanager
def _no_floor_check() -> Iterator[None]:
    plain = routes._refuse_what_cannot_continue

    def lenient(at: routes.Cursor, page: feed.Page) -> None:
        plain(at, replace(page, floor=0))

    with patch.object(routes, "_refuse_what_cannot_continue", lenient):
        yield


@contextmanager
def _next_is_always_the_head() -> Iterator[None]:
    plain = responses.page

    def jumping(account_id: UUID, to: Cursor, after: int, head: int, *more: Any) -> Any:
        return plain(account_id, Cursor(to.epoch, head), after, head, *more)

    with patch.object(responses, "page", jumping):
        yield


@contextmanager
def _no_epoch() -> Iterator[None]:
    with patch.object(feed, "rotate_epoch", lambda session: None):
        yield


@contextmanager
def _no_version_guard() -> Iterator[None]:
    def apply(self: FeedClient, event: dict[str, Any]) -> None:
        self.items.pop(event["handoff"]["id"], None)
        plain(self, event)

    plain = FeedClient._apply
    with patch.object(FeedClient, "_apply", apply):
        yield


PLANTED = [_cursor_after_rows, _no_floor_check, _next_is_always_the_head, _no_epoch]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__.strip("_"))
def test_the_machine_finds_a_planted_bug(client: FlaskClient, bug: Any) -> None:
    with bug(), pytest.raises((AssertionError, feed_client.FeedBroken)):
        _run(client, 400)  # it ends with the first history that finds it


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("guarded", [True, False])
def test_only_the_guard_by_number_keeps_a_card_from_becoming_older(client: FlaskClient, guarded: bool) -> None:
    # Random histories meet this rarely: a row read late in the snapshot, with two moves just before.
    machine = type("Machine", (FeedMachine,), {"http": client})()
    machine.begin()
    try:
        machine.reload(["claim last"])
        if guarded:
            machine.step()
            return
        with _no_version_guard(), pytest.raises(AssertionError, match="a card became older"):
            machine.step()
    finally:
        machine.connection.close()
