"""The circuit breaker on a real Redis. Its windows are shortened; nothing here depends on exact times."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redis import Redis

from models.addresses.redis import RedisAddress
from models.redis import connect
from tasks.assessors.model.breaker import Breaker, Permit


@pytest.fixture
def breaker(redis: Redis) -> Breaker:
    return Breaker(redis, "openai:some-model", open_seconds=60)


def make_calls(breaker: Breaker, failed: int = 0, good: int = 0) -> None:
    """Calls that all began before the first of them ended."""
    permits = [breaker.admit() for _ in range(failed + good)]
    assert None not in permits
    for number, permit in enumerate(permits):
        assert permit is not None
        breaker.report(permit, failed=number >= good)


def end_rest(breaker: Breaker) -> None:
    """Do what the end of open_seconds does."""
    breaker.redis.delete("openai:some-model:open")


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_nine_failures_say_too_little(breaker: Breaker) -> None:
    make_calls(breaker, failed=9)
    assert breaker.admit() == Permit()


def test_ten_failures_open_it(breaker: Breaker) -> None:
    make_calls(breaker, failed=10)
    assert breaker.admit() is None


def test_a_success_among_failures_does_not_keep_it_closed(breaker: Breaker) -> None:
    make_calls(breaker, failed=9, good=3)
    assert breaker.admit() is None


def test_half_of_the_calls_failing_is_still_borne(breaker: Breaker) -> None:
    make_calls(breaker, failed=10, good=10)
    assert breaker.admit() is not None


def test_it_is_shared_between_processes_by_its_name(breaker: Breaker, redis_url: str) -> None:
    make_calls(breaker, failed=10)
    elsewhere = connect(RedisAddress.parse(redis_url))
    assert Breaker(elsewhere, "openai:some-model").admit() is None
    assert Breaker(elsewhere, "openai:other-model").admit() is not None


def test_after_the_rest_exactly_one_call_probes(breaker: Breaker) -> None:
    make_calls(breaker, failed=10)
    end_rest(breaker)
    probe = breaker.admit()
    assert probe is not None
    assert probe.probe
    assert breaker.admit() is None


def test_the_rest_ends_by_itself(redis: Redis) -> None:
    breaker = Breaker(redis, "openai:some-model", open_seconds=0.1)
    make_calls(breaker, failed=10)
    assert eventually(lambda: breaker.admit() is not None)


def test_a_good_probe_closes_it_and_forgets_the_failures(breaker: Breaker) -> None:
    make_calls(breaker, failed=10)
    end_rest(breaker)
    probe = breaker.admit()
    assert probe is not None
    breaker.report(probe, failed=False)
    make_calls(breaker, failed=9)
    assert breaker.admit() == Permit()


def test_a_bad_probe_opens_it_again(breaker: Breaker) -> None:
    make_calls(breaker, failed=10)
    end_rest(breaker)
    probe = breaker.admit()
    assert probe is not None
    breaker.report(probe, failed=True)
    assert breaker.admit() is None


def test_a_call_from_before_does_not_close_it(breaker: Breaker) -> None:
    early = breaker.admit()
    assert early is not None
    make_calls(breaker, failed=10)
    breaker.report(early, failed=False)
    assert breaker.admit() is None


def test_a_probe_that_died_is_replaced(redis: Redis) -> None:
    breaker = Breaker(redis, "openai:some-model", open_seconds=60, probe_seconds=0.05)
    make_calls(breaker, failed=10)
    end_rest(breaker)
    dead = breaker.admit()
    assert dead is not None
    assert eventually(lambda: breaker.admit() is not None)
    breaker.report(dead, failed=False)
    assert redis.exists("openai:some-model:tripped")


def test_nothing_is_kept_for_ever(breaker: Breaker, redis: Redis) -> None:
    make_calls(breaker, failed=10, good=1)
    end_rest(breaker)
    breaker.admit()
    keys = redis.keys("*")
    assert len(keys) >= 3
    assert all(redis.ttl(key) > 0 for key in keys)


def test_without_redis_every_call_is_allowed() -> None:
    breaker = Breaker(connect(RedisAddress.parse("redis://127.0.0.1:9/0")), "openai:some-model")
    make_calls(breaker, failed=20)
    assert breaker.admit() == Permit()
