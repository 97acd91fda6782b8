"""A circuit breaker per provider and model, shared by every process through Redis.

It opens on a rate of failures, not on consecutive ones, so that one lucky call in between does not keep a
broken provider in use. Without Redis every call is allowed: a breaker saves time, it does not guard data.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

import structlog
from redis import Redis, RedisError

log = structlog.get_logger(__name__)

BUCKET_SECONDS = 10


@dataclass(frozen=True)
class Permit:
    """Permission for one call. `probe` marks the single call that tests a provider found broken."""

    probe: str | None = None


@dataclass(frozen=True)
class Breaker:
    """A breaker. `name` is what fails together, such as openai:gpt-5-mini. Durations are seconds."""

    redis: Redis
    name: str
    calls: int = 10  # fewer calls prove nothing about a provider
    failure_share: float = 0.5
    window_seconds: int = 60
    open_seconds: float = 30
    probe_seconds: float = 60  # must outlast one call; a probe whose process died frees its place then

    def admit(self) -> Permit | None:
        """Return a permit to be passed to `report` after the call, or None while the circuit is open."""
        try:
            is_open, tripped = self.redis.mget(self._key("open"), self._key("tripped"))
            if is_open:
                return None
            return self._probe() if tripped else Permit()
        except RedisError as error:
            log.warning("breaker_unavailable", breaker=self.name, error=type(error).__name__)
            return Permit()

    def report(self, permit: Permit, *, failed: bool) -> None:
        """Count the outcome of a call. Only the probe can close the circuit."""
        try:
            if permit.probe is not None:
                self._end_probe(permit.probe, failed)
            else:
                self._count(failed)
        except RedisError as error:
            log.warning("breaker_unavailable", breaker=self.name, error=type(error).__name__)

    def _probe(self) -> Permit | None:
        token = uuid4().hex
        won = self.redis.set(self._key("probe"), token, nx=True, px=int(self.probe_seconds * 1000))
        return Permit(probe=token) if won else None

    def _end_probe(self, token: str, failed: bool) -> None:
        held = self.redis.get(self._key("probe"))
        if held is None or held not in (token, token.encode()):
            return  # it took too long, and another call is the probe now
        if failed:
            self._open()
            self.redis.delete(self._key("probe"))
        else:
            self.redis.delete(self._key("tripped"), self._key("probe"), *self._buckets())
            log.info("breaker_closed", breaker=self.name)

    def _count(self, failed: bool) -> None:
        newest = self._buckets()[0]
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.hincrby(newest, "failed" if failed else "good", 1)
        pipeline.expire(newest, self.window_seconds + BUCKET_SECONDS)
        pipeline.execute()
        if failed and self._is_broken():
            self._open()

    def _is_broken(self) -> bool:
        pipeline = self.redis.pipeline(transaction=False)
        for bucket in self._buckets():
            pipeline.hmget(bucket, "failed", "good")
        counts = [[int(count or 0) for count in pair] for pair in pipeline.execute()]
        failed, good = (sum(column) for column in zip(*counts, strict=True))
        return failed + good >= self.calls and failed > self.failure_share * (failed + good)

    def _open(self) -> None:
        """Open the circuit for a while. `tripped` outlives it and makes the next call a probe."""
        pipeline = self.redis.pipeline()
        pipeline.set(self._key("open"), 1, px=int(self.open_seconds * 1000))
        pipeline.set(self._key("tripped"), 1, px=int((self.open_seconds + 10 * self.window_seconds) * 1000))
        pipeline.execute()
        log.warning("breaker_open", breaker=self.name, seconds=self.open_seconds)

    def _buckets(self) -> list[str]:
        newest = int(time.time()) // BUCKET_SECONDS
        return [self._key(str(newest - age)) for age in range(max(1, self.window_seconds // BUCKET_SECONDS))]

    def _key(self, part: str) -> str:
        return f"{self.name}:{part}"
