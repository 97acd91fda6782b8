"""Rate limits: requests per token and per account, and wrong tokens per address.

They are counted in Redis in fixed windows of a minute, with one call per request, because their purpose is to stop
clients that run away. Requests are never held up by Redis. The feed has a limit of its own, which is part of the one
call that a poll makes (models/feed/head.py).
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address, ip_network

from models.account import Caller
from models.feed.head import Guard
from models.redis import Script, ThreadConnections, client, redis_key
from models.settings import settings

WINDOW_SECONDS = 60

# Counts the request in one window after the other, and not beyond one that is full. A window begins with its first
# request. Returns the milliseconds until a full window ends, or 0.
_COUNT = """
for n, key in ipairs(KEYS) do
    local count = redis.call('INCR', key)
    if count == 1 then redis.call('EXPIRE', key, ARGV[1]) end
    if count > tonumber(ARGV[n + 1]) then return math.max(redis.call('PTTL', key), 1) end
end
return 0
"""
# Returns the milliseconds until a full window ends, or 0.
_WAIT = """
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then return 0 end
return math.max(redis.call('PTTL', KEYS[1]), 1)
"""


class Limits:
    """Counters in one Redis."""

    def __init__(self) -> None:
        self.guard = Guard()
        self._count = Script(ThreadConnections(client()), _COUNT)
        self._most = settings().token_requests_per_minute, settings().account_requests_per_minute
        self._wait = Script(ThreadConnections(client()), _WAIT)

    def seconds_to_wait(self, caller: Caller) -> float:
        """Count a request and return the seconds to wait; 0 while Redis is, or just was, unavailable."""
        keys = [redis_key("requests", caller.token_id.hex), redis_key("requests", caller.account_id.hex)]
        milliseconds = self.guard(lambda: self._count(keys, [WINDOW_SECONDS, *self._most]))
        return (milliseconds or 0) / 1000

    def count_wrong_token(self, address: str) -> None:
        """Count a wrong token from this address."""
        self.guard(lambda: self._count([_key(address)], [WINDOW_SECONDS, settings().wrong_tokens_per_minute]))

    def seconds_to_wait_with_tokens(self, address: str) -> float:
        """Seconds until a token from this address may be looked up. 0: now, also when Redis is unavailable."""
        milliseconds = self.guard(lambda: self._wait([_key(address)], [settings().wrong_tokens_per_minute]))
        return (milliseconds or 0) / 1000


def _key(address: str) -> str:
    """The key of an address; an IPv6 network counts as one, since a customer has countless addresses in it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return redis_key("wrong_tokens", "unknown")
    network = ip_network((parsed, 64), strict=False) if parsed.version == 6 else parsed
    return redis_key("wrong_tokens", str(network))


@cache
def limits() -> Limits:
    """Return this process's limits."""
    return Limits()
