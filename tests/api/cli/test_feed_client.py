"""The reference client: its reaction to every answer, and to none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from api.cli.feed_client import Answer, FeedBroken, FeedClient, FeedRefused
from tests.world import World


class Script:
    """A service with scripted answers."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def __call__(self, path: str, headers: Mapping[str, str]) -> Answer:
        """The next answer."""
        self.asked.append((path, headers))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _answer(status: int, body: Any = None, **headers: str) -> Answer:
    return Answer(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()
    )


def _page(after: int, *numbers: int, cursor: str = "c2", wait: str = "3") -> Answer:
    events = [{"seq": n, "type": "handoff.created", "handoff": _card(f"h{n}", n)} for n in numbers]
    to = numbers[-1] if numbers else after
    return _answer(200, {"events": events, "from": after, "to": to, "cursor": cursor}, poll_interval=wait, etag="t")


def _card(key: str, seq: int, status: str = "ready") -> dict[str, Any]:
    return {"id": key, "seq": seq, "status": status}


def _snapshot(*cards: dict[str, Any], cursor: str = "c1") -> Answer:
    return _answer(200, {"items": list(cards), "next_page": None, "cursor": cursor})


def test_it_follows_the_real_service(world: World) -> None:
    def send(path: str, headers: Mapping[str, str]) -> Answer:
        reply = world.viewer.get(path.removeprefix("/api/v1"), headers=dict(headers))
        return Answer(reply.status_code, {name.lower(): value for name, value in reply.headers}, reply.data)

    client = FeedClient(send)
    assert client.step().loaded
    made = world.junior.hand_off("T-1")
    assert [event["type"] for event in client.step().events] == ["handoff.created"]
    assert set(client.items) == {made["id"]}
    assert client.step() == client.step().__class__([], pytest.approx(1.5, abs=0.5), False)
    world.junior.post(f"/handoffs/{made['id']}/withdraw")
    client.step()
    assert client.items == {}


def test_it_loads_all_pages_and_takes_the_cursor_of_the_last() -> None:
    first = _answer(200, {"items": [_card("h1", 1)], "next_page": "p2"})
    client = FeedClient(Script(first, _snapshot(_card("h2", 2))))
    assert client.step().loaded
    assert (set(client.items), client.cursor) == ({"h1", "h2"}, "c1")


def test_it_applies_an_event_only_if_it_is_newer_than_the_card() -> None:
    client = FeedClient(Script(_snapshot(_card("h1", 5, "claimed")), _page(0, 1)))
    client.step()
    client.step()
    assert client.items["h1"]["status"] == "claimed"


def test_a_missing_number_raises() -> None:
    client = FeedClient(Script(_page(4, 5, 7)), cursor="c1")
    with pytest.raises(FeedBroken):
        client.step()
    assert client.cursor == "c1"


def test_a_page_that_does_not_begin_where_the_last_one_ended_raises() -> None:
    client = FeedClient(Script(_page(4, 5), _page(6, 7)), cursor="c1")
    client.step()
    with pytest.raises(FeedBroken):
        client.step()


def test_it_can_go_on_later_from_what_it_kept() -> None:
    before = FeedClient(Script(_page(4, 5)), cursor="c1")
    before.step()
    script = Script(_page(5, 6))
    after = FeedClient(script, cursor=before.cursor, seq=before.seq)
    assert [event["seq"] for event in after.step().events] == [6]
    assert "cursor=c2" in script.asked[0][0]


@pytest.mark.parametrize("failure", [ConnectionError(), TimeoutError(), _answer(500), _answer(503)])
def test_it_backs_off_with_full_jitter_and_keeps_its_cursor(failure: Answer | Exception) -> None:
    client = FeedClient(Script(*[failure] * 40, _page(0, 1)), cursor="c1")
    waits = [client.step().wait_seconds for _ in range(40)]
    assert client.cursor == "c1"
    assert all(0 <= wait <= min(30, 0.5 * 2**n) for n, wait in enumerate(waits))
    assert max(waits) > 5
    assert len(set(waits)) > 30
    assert client.step().events
    assert client.failures == 0


def test_it_waits_as_long_as_a_503_says() -> None:
    assert FeedClient(Script(_answer(503, retry_after="7")), cursor="c1").step().wait_seconds >= 7


def test_it_obeys_429() -> None:
    client = FeedClient(Script(_answer(429, retry_after="2")), cursor="c1")
    assert client.step().wait_seconds == 2
    assert client.cursor == "c1"


def test_told_that_the_feed_was_reset_it_waits_and_loads_the_snapshot() -> None:
    reset = _answer(410, {"code": "feed_reset", "reason": "epoch", "retry_after_ms": 1500})
    client = FeedClient(Script(reset, _snapshot(cursor="c9")), cursor="c1", items={"h1": _card("h1", 1)})
    assert client.step().wait_seconds == 1.5
    assert client.step().loaded
    assert (client.cursor, client.items) == ("c9", {})


def test_it_obeys_the_interval_and_stops_when_asked_to() -> None:
    script = Script(_page(0, 1, wait="2.5"), _answer(304, poll_interval="4"), _page(1, 2, wait="-1"))
    client, slept = FeedClient(script, cursor="c1"), []
    steps = list(client.follow(sleep=slept.append))
    assert [event["seq"] for step in steps for event in step.events] == [1, 2]
    assert slept == [2.5, 4.0]
    assert script.asked[1][1] == {"If-None-Match": "t"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_it_says_when_it_is_refused_and_keeps_its_cursor(status: int) -> None:
    client = FeedClient(Script(_answer(status, {"code": "unauthorized"})), cursor="c1")
    with pytest.raises(FeedRefused):
        client.step()
    assert client.cursor == "c1"
