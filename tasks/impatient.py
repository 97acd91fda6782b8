"""A Redis client for what is nice to have: it gives up within half a second, and does not try again."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_SECONDS = 0.5


def redis_client(url: str, seconds: float = PATIENCE_SECONDS) -> Redis:
    """A client that raises RedisError within `seconds` when Redis is away or frozen.

    The client library tries ten times by default, which makes seconds out of every half second.
    """
    return Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )
