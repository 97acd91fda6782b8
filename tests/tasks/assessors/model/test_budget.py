"""The limits of an account on a real Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID, uuid4

import pytest
from redis import Redis

from models.addresses.redis import RedisAddress
from models.redis import connect
from tasks.assessors.base import AssessorError
from tasks.assessors.model.budget import Budget
from tests.tasks.assessors.model.provider_case import some_settings

ACCOUNT = UUID("01920000-0000-7000-8000-0000000000ac")


def budget_of(redis: Redis, **limits: int) -> Budget:
    return Budget(redis, some_settings(**limits))


_held: list[ExitStack] = []  # a lease that nobody refers to ends at once


@pytest.fixture(autouse=True)
def _end_leases() -> Iterator[None]:
    yield
    while _held:
        _held.pop().close()


def hold(
    budget: Budget, account: UUID = ACCOUNT, tokens: int = 1, seconds: float = 60, most: int | None = None
) -> ExitStack:
    """A lease that lasts until its `close()` or the end of the test."""
    held = ExitStack()
    held.enter_context(budget.lease(account, tokens=tokens, seconds=seconds, most=most))
    _held.append(held)
    return held


def spend(budget: Budget, *, reserved: int, spent: int) -> None:
    with budget.lease(ACCOUNT, tokens=reserved, seconds=60) as lease:
        lease.spent = spent


def refusal(budget: Budget, account: UUID = ACCOUNT, **wanted: int) -> str:
    with pytest.raises(AssessorError) as caught:
        hold(budget, account, **wanted)
    assert (caught.value.kind, caught.value.retryable) == ("budget", False)
    return str(caught.value)


def test_one_call_too_many_at_once_is_refused(redis: Redis) -> None:
    budget = budget_of(redis, model_concurrent_calls=2)
    hold(budget)
    second = hold(budget)
    assert "concurrent" in refusal(budget)
    second.close()
    hold(budget)


def test_accounts_do_not_share_limits(redis: Redis) -> None:
    budget = budget_of(redis, model_concurrent_calls=1, model_tokens_per_day=10, model_calls_per_minute=1)
    hold(budget, tokens=10)
    budget.count_call(ACCOUNT)
    other = uuid4()
    hold(budget, other, tokens=10)
    budget.count_call(other)


def test_the_slot_of_a_dead_worker_frees_itself(redis: Redis) -> None:
    budget = budget_of(redis, model_concurrent_calls=1)
    hold(budget, seconds=0.05)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            hold(budget)
            return
        except AssessorError:
            time.sleep(0.02)
    raise AssertionError("the slot was never free again")


def test_reserved_tokens_count_before_they_are_spent(redis: Redis) -> None:
    budget = budget_of(redis, model_tokens_per_day=100)
    hold(budget, tokens=60)
    assert "tokens" in refusal(budget, tokens=41)
    hold(budget, tokens=40)


def test_an_account_may_have_a_lower_limit_of_its_own_and_no_higher_one(redis: Redis) -> None:
    budget = budget_of(redis, model_tokens_per_day=100)
    hold(budget, tokens=40, most=50)
    assert "tokens" in refusal(budget, tokens=11, most=50)
    assert "tokens" in refusal(budget, tokens=61, most=200)
    hold(budget, tokens=60, most=200)
    assert "tokens" in refusal(budget, uuid4(), tokens=1, most=0)


def test_what_was_not_spent_goes_back(redis: Redis) -> None:
    budget = budget_of(redis, model_tokens_per_day=100)
    spend(budget, reserved=90, spent=10)
    hold(budget, tokens=90)
    assert "tokens" in refusal(budget, tokens=1)


def test_what_was_spent_beyond_the_estimate_counts(redis: Redis) -> None:
    budget = budget_of(redis, model_tokens_per_day=100)
    spend(budget, reserved=10, spent=95)
    assert "tokens" in refusal(budget, tokens=6)


def fail_after_spending(budget: Budget, *, reserved: int, spent: int) -> None:
    with budget.lease(ACCOUNT, tokens=reserved, seconds=60) as lease:
        lease.spent = spent
        raise ZeroDivisionError


def test_a_failure_settles_too(redis: Redis) -> None:
    budget = budget_of(redis, model_tokens_per_day=100, model_concurrent_calls=1)
    with pytest.raises(ZeroDivisionError):
        fail_after_spending(budget, reserved=90, spent=20)
    hold(budget, tokens=80)


def test_a_refused_lease_reserves_nothing(redis: Redis) -> None:
    budget = budget_of(redis, model_tokens_per_day=100)
    refusal(budget, tokens=101)
    hold(budget, tokens=100)


def test_calls_per_minute_are_counted_one_by_one(redis: Redis) -> None:
    budget = budget_of(redis, model_calls_per_minute=3)
    for _ in range(3):
        budget.count_call(ACCOUNT)
    with pytest.raises(AssessorError, match="calls per minute"):
        budget.count_call(ACCOUNT)


def test_nothing_is_kept_for_ever(redis: Redis) -> None:
    budget = budget_of(redis)
    hold(budget)
    budget.count_call(ACCOUNT)
    keys = redis.keys("*")
    assert len(keys) == 3
    assert all(redis.ttl(key) > 0 for key in keys)


def test_without_redis_nothing_is_limited() -> None:
    nowhere = connect(RedisAddress.parse("redis://127.0.0.1:9/0"))
    budget = budget_of(nowhere, model_concurrent_calls=1, model_tokens_per_day=1, model_calls_per_minute=1)
    for _ in range(3):
        hold(budget, tokens=1000)
        budget.count_call(ACCOUNT)
