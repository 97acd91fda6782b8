"""Few assessments are worked on at once, and one that waits for a model does not delay the others."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
from redis import Redis

import tasks.concurrency
from tasks.concurrency import AT_ONCE, alone, slot, yielding
from tests.conftest import Provider
from tests.stack import wait_for
from tests.tasks.accepted import at_once
from tests.tasks.assessors.model.test_providers import Desk


class Room:
    """Count the threads inside."""

    def __init__(self) -> None:
        self.now = self.most = self.gone = 0
        self.lock = threading.Lock()

    def enter(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self) -> None:
        with self.lock:
            self.now -= 1
            self.gone += 1


THREADS = 8


def most_at_work() -> int:
    """Return how many of eight threads worked together; the first ones stay until all others wait for a slot."""
    room = Room()

    def work() -> None:
        with slot():
            room.enter()
            wait_for(lambda: room.most > AT_ONCE or waiters() == THREADS - AT_ONCE or room.gone, "all others to wait")
            room.leave()

    at_once(THREADS, work)
    assert room.now == 0
    return room.most


def waiters() -> int:
    """Return the number of threads that wait for a slot."""
    return len(tasks.concurrency._places._cond._waiters)  # type: ignore[attr-defined]


def test_so_many_work_at_once_and_no_more() -> None:
    assert most_at_work() == AT_ONCE


def test_who_waits_lets_others_work() -> None:
    room = Room()
    count = AT_ONCE + 3

    def wait() -> None:
        with slot(), yielding():
            room.enter()
            wait_for(lambda: room.now == count, "everybody to wait", seconds=10)

    at_once(count, wait)
    assert room.most == count


def test_an_error_gives_the_place_back() -> None:
    for _ in range(AT_ONCE + 1):
        with pytest.raises(ValueError, match="at work"), slot():
            raise ValueError("at work")
        with pytest.raises(ValueError, match="waiting"), slot(), yielding():
            raise ValueError("waiting")
    assert most_at_work() == AT_ONCE


def test_waiting_without_a_place_makes_none() -> None:
    with yielding(), yielding():
        pass
    with slot(), yielding(), yielding():
        pass
    assert most_at_work() == AT_ONCE


def test_the_time_of_work_is_that_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 60, 10))
    monkeypatch.setattr(tasks.concurrency, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with slot() as work:  # 0
        with yielding():  # 10
            pass  # 20
        assert work.seconds == 10
    assert work.seconds == 20
    with slot() as other:  # 40
        pass
    assert (work.seconds, other.seconds) == (20, 10)


def test_calls_of_a_model_are_made_at_once(provider: Provider, redis: Redis) -> None:
    provider.behave("slow", seconds=3600, reset=True)
    desk = Desk("openai", provider, redis, model_call_seconds=8.0)
    count = AT_ONCE + 3
    kinds: list[str] = []

    def ask() -> None:
        with slot():
            kinds.append(desk.failure(seconds=8, account_id=uuid4()).kind)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    wait_for(lambda: provider.calls == count, "every call to be made before one has ended", seconds=7)
    assert kinds == []
    provider.behave("good")
    for thread in threads:
        thread.join()
    assert kinds == ["timeout"] * count


def test_what_computes_long_goes_alone_and_keeps_no_place_while_it_waits() -> None:
    inside, most, passed = [], [], []
    go_on = threading.Event()

    def compute() -> None:
        with slot(), alone():
            inside.append(1)
            most.append(len(inside))
            go_on.wait()
            inside.pop()

    def pass_through() -> None:
        with slot():
            passed.append(1)

    threads = [threading.Thread(target=compute) for _ in range(AT_ONCE * 3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: most, "one to compute")
    short = threading.Thread(target=pass_through)
    short.start()
    try:
        wait_for(lambda: passed, "a place for a short one, however many long ones wait")
    finally:
        go_on.set()
        for thread in (*threads, short):
            thread.join()
    assert most == [1] * len(threads)
