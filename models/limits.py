"""How many requests a token and an account may make; counted in Redis, and nobody waits for it.

Fixed windows of a minute, because what they are for is a client that runs away: one call of Redis a limit. The
feed has a limit of its own, in the one call that its poll makes (models/head.py).
"""

from __future__ import annotations

import time
from functools import cache, partial

from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from models.account import Caller
from models.head import Guard
from models.redis import client
from models.settings import settings


class Limits:
    """The counters in one Redis."""

    def __init__(self) -> None:
        pool = client().connection_pool
        self.window = FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool))
        self.guard = Guard()
        self.per_token = RateLimitItemPerMinute(settings().token_requests_per_minute, namespace="token")
        self.per_account = RateLimitItemPerMinute(settings().account_requests_per_minute, namespace="account")

    def seconds_to_wait(self, caller: Caller) -> float:
        """Count a request. 0: it may go on, also when Redis is away, frozen, or lately was."""
        for item, key in ((self.per_token, caller.token_id.hex), (self.per_account, caller.account_id.hex)):
            if self.guard(partial(self.window.hit, item, key)) is False:
                stats = self.guard(partial(self.window.get_window_stats, item, key))
                return 1.0 if stats is None else max(1.0, stats.reset_time - time.time())
        return 0.0


@cache
def limits() -> Limits:
    """This process's limits."""
    return Limits()
