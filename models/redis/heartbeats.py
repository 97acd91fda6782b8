"""Heartbeats of workers: the time at which each last executed its own ping, stored in Redis."""

from __future__ import annotations

from typing import Any

from models.redis import client, redis_key

FORGOTTEN_AFTER_SECONDS = 3600.0  # a worker that was taken away for good


def note_heartbeat(name: str) -> None:
    """Record that this worker has just executed a message, by the clock of Redis. RedisError when it is down."""
    client().zadd(redis_key("workers"), {name: _now()})


def heartbeat_ages() -> dict[str, float]:
    """Return the seconds since the last heartbeat of every worker. RedisError when Redis is down."""
    now = _now()
    client().zremrangebyscore(redis_key("workers"), "-inf", now - FORGOTTEN_AFTER_SECONDS)
    beats: Any = client().zrange(redis_key("workers"), 0, -1, withscores=True)
    return {name.decode(): max(0.0, now - at) for name, at in beats}


def _now() -> float:
    clock: Any = client().time()
    return float(clock[0]) + float(clock[1]) / 1_000_000
