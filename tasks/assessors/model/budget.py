"""The budget of an account for models: concurrent calls, calls per minute, tokens per day. Kept in Redis.

Without Redis nothing is limited, and a log line counts it: limits protect the bill, not the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import structlog
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis, RedisError

from models.settings import Settings
from tasks.assessors.base import AssessorError

log = structlog.get_logger(__name__)

DAY_KEPT_SECONDS = 2 * 86_400

# Slot and tokens are taken together or not at all. A slot is a lease: its score is the instant it ends, by
# the clock of Redis, so that the slot of a killed worker frees itself.
_RESERVE = """
local now = tonumber(redis.call('TIME')[1]) + tonumber(redis.call('TIME')[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 'concurrent calls' end
local spent = tonumber(redis.call('GET', KEYS[2]) or '0')
if spent + tonumber(ARGV[3]) > tonumber(ARGV[2]) then return 'tokens per day' end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[4]), ARGV[5])
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[4])) + 60)
redis.call('INCRBY', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 'ok'
"""


@dataclass
class Lease:
    """A slot and reserved tokens. Set `spent` before it ends; the rest goes back."""

    budget: Budget
    account_id: UUID
    spent: int = 0

    def count_call(self) -> None:
        """Count one provider call. AssessorError("budget") beyond the calls per minute."""
        self.budget.count_call(self.account_id)


@dataclass(frozen=True)
class Budget:
    """The limits of every account, taken from the settings."""

    redis: Redis
    settings: Settings
    _window: MovingWindowRateLimiter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        storage = RedisStorage(
            "redis://", connection_pool=self.redis.connection_pool, key_prefix=self.settings.redis_key("budget")
        )
        object.__setattr__(self, "_window", MovingWindowRateLimiter(storage))

    @contextmanager
    def lease(self, account_id: UUID, *, tokens: int, seconds: float, most: int | None = None) -> Iterator[Lease]:
        """Hold a slot for at most `seconds` and reserve `tokens` (an estimate) of today's.

        `most` is the account's own limit of a day, which the installation's bounds.

        AssessorError("budget"), not retryable, when the account has no slot or too few tokens left today.
        """
        day, holder = f"{datetime.now(UTC):%Y%m%d}", uuid4().hex
        slots = self.settings.redis_key("budget", str(account_id), "slots")
        spent = self.settings.redis_key("budget", str(account_id), "tokens", day)
        reserved = self._reserve(slots, spent, tokens, seconds, holder, most)
        lease = Lease(self, account_id)
        try:
            yield lease
        finally:
            if reserved:
                self._settle(slots, spent, holder, lease.spent - tokens)

    def count_call(self, account_id: UUID) -> None:
        """Count one provider call now. AssessorError("budget") beyond the calls per minute."""
        limit = RateLimitItemPerMinute(self.settings.model_calls_per_minute)
        try:
            within = self._window.hit(limit, "model-calls", str(account_id))
        except RedisError as error:
            return _log_away(error)
        if not within:
            raise AssessorError("budget", "calls per minute")

    def _reserve(self, slots: str, spent: str, tokens: int, seconds: float, holder: str, most: int | None) -> bool:
        """Reserve; False: Redis is down and nothing is limited."""
        per_day = self.settings.model_tokens_per_day
        limits = (self.settings.model_concurrent_calls, per_day if most is None else min(most, per_day))
        try:
            answer = self.redis.eval(_RESERVE, 2, slots, spent, *limits, tokens, seconds, holder, DAY_KEPT_SECONDS)
        except RedisError as error:
            _log_away(error)
            return False
        verdict = answer.decode() if isinstance(answer, bytes) else str(answer)
        if verdict != "ok":
            raise AssessorError("budget", verdict)
        return True

    def _settle(self, slots: str, spent: str, holder: str, difference: int) -> None:
        try:
            pipeline = self.redis.pipeline()
            pipeline.zrem(slots, holder)
            pipeline.incrby(spent, difference)
            pipeline.execute()
        except RedisError as error:
            _log_away(error)


def _log_away(error: RedisError) -> None:
    log.warning("budget_unavailable", error=type(error).__name__)
