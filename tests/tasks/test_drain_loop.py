"""A woken slot continues while something is due, so that a few wake-ups serve everything."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

import tasks.assess
import tasks.concurrency
import tasks.wake
from models.addresses.redis import RedisAddress
from models.assessment import Lane, case
from models.redis import Script, ThreadConnections, client, connect, redis_key
from models.settings import settings
from tasks import message
from tasks.wake import MOST_WAITING, wake
from tests.models.assessment.test_next_due import TWICE_IN_A_CRASH
from tests.tasks.accepted import a_world, accept, at_once, change, row
from tests.world import World

LANE = Lane.INTERACTIVE


@pytest.fixture
def world(committed: str) -> World:
    return a_world()


@pytest.fixture
def time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot has served long enough with its first assessment."""
    monkeypatch.setattr(tasks.assess, "SERVING_SECONDS", -1.0)


@pytest.fixture
def ample_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot has served long enough when nothing waits, however slow the machine is."""
    monkeypatch.setattr(tasks.assess, "SERVING_SECONDS", 60.0)


def accepted(world: World, count: int) -> list[UUID]:
    return [accept(world, f"T-{n}")[1] for n in range(count)]


def states(asked: list[UUID]) -> list[str]:
    return [row("assessments", each).state for each in asked]


def serve(lane: Lane = LANE) -> None:
    tasks.assess.assess(lane)


def waiting() -> int:
    """Return the number of wake-ups in the list."""
    return int(client().llen(redis_key(LANE)))


def serve_next() -> bool:
    """Handle the oldest wake-up as a worker does. Return False if there is none."""
    raw: Any = client().rpop(redis_key(LANE))
    if raw is not None:
        arguments, _, _ = json.loads(b64decode(json.loads(raw)["body"]))
        tasks.assess.assess(*arguments)
    return raw is not None


def test_one_wake_up_serves_everything_that_waits(world: World, ample_time: None) -> None:
    asked = accepted(world, 5)
    serve()
    assert states(asked) == ["succeeded"] * 5
    assert waiting() == 1  # another slot was woken once, whatever became of it
    assert serve_next()
    assert waiting() == 0
    assert {row("assessments", each).attempts for each in asked} == {1}


def test_another_slot_is_woken_before_the_first_has_done_its_part(
    world: World, time_is_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    load = case.load
    monkeypatch.setattr(case, "load", lambda *which: (seen.append(waiting()), load(*which))[1])
    asked = accepted(world, 2)
    serve()
    assert (states(asked), seen) == (["succeeded", "queued"], [1])


def test_who_has_served_long_enough_leaves_the_rest_to_another(world: World, time_is_up: None) -> None:
    asked = accepted(world, 3)
    serve()
    assert (states(asked), waiting()) == (["succeeded", "queued", "queued"], 1)
    assert serve_next()
    assert serve_next()
    assert (states(asked), waiting()) == (["succeeded"] * 3, 0)


def test_who_leaves_nothing_wakes_nobody(world: World, time_is_up: None) -> None:
    (asked,) = accepted(world, 1)
    serve()
    assert (states([asked]), waiting()) == (["succeeded"], 0)


def test_without_redis_it_goes_on(world: World, time_is_up: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = accepted(world, 3)
    away = Script(ThreadConnections(connect(RedisAddress.parse("redis://127.0.0.1:1/0"))), "")
    monkeypatch.setattr(message, "_put", lambda: away)
    monkeypatch.setattr(tasks.wake._Pause, "until", 0.0)
    serve()
    assert states(asked) == ["succeeded"] * 3


def test_one_wake_up_is_enough_for_all_suspects(world: World, time_is_up: None) -> None:
    suspects = accepted(world, 3)
    for each in suspects:
        change("assessments", each, TWICE_IN_A_CRASH)
    serve()
    assert states(suspects) == ["succeeded"] * 3


def test_a_bulk_worker_rests_after_its_work_and_others_do_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(tasks.concurrency, "time", SimpleNamespace(monotonic=time.monotonic, sleep=rests.append))
    _, interactive = accept(world, "T-1")
    serve()
    assert (row("assessments", interactive).state, rests) == ("succeeded", [])
    _, bulk = accept(world, "T-2")
    change("assessments", bulk, "lane = 'bulk'")
    begin = time.monotonic()
    serve(Lane.BULK)
    assert row("assessments", bulk).state == "succeeded"
    assert len(rests) == 1
    assert 0 < rests[0] <= settings().bulk_rest * (time.monotonic() - begin)


def test_a_message_of_an_older_version_does_nothing(world: World) -> None:
    (asked,) = accepted(world, 1)
    tasks.assess.assess(str(world.account_id), str(asked))
    assert states([asked]) == ["queued"]


def test_a_lane_s_list_grows_no_longer_than_is_of_use(world: World) -> None:
    assert [wake(LANE, 3), wake(LANE, MOST_WAITING + 10)] == [3, MOST_WAITING]
    assert waiting() == MOST_WAITING
    assert wake(Lane.BULK) == 1
    assert client().llen(redis_key(Lane.BULK)) == 1


@pytest.mark.parametrize("most_waiting", [1, 2])
def test_nothing_waits_in_the_end_however_short_the_list(
    world: World, time_is_up: None, monkeypatch: pytest.MonkeyPatch, most_waiting: int
) -> None:
    """Without a sweep: handoffs come in from four sides while three slots serve and wake each other."""
    monkeypatch.setattr(tasks.wake, "MOST_WAITING", most_waiting)
    coming = iter(range(60))
    asked: list[UUID] = []
    done = threading.Event()

    def hand_off() -> None:
        for n in coming:
            _, each = accept(world, f"T-{n}")
            asked.append(each)
            wake(LANE)

    def serve_all() -> None:
        while serve_next() or not done.is_set():
            pass

    slots = [threading.Thread(target=serve_all) for _ in range(3)]
    for slot in slots:
        slot.start()
    at_once(4, hand_off)
    done.set()
    for slot in slots:
        slot.join()
    assert waiting() == 0
    assert states(asked) == ["succeeded"] * 60
