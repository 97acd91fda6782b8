"""The Redis shortcut for "nothing new": a hint of each feed's head that may be too high but not too low.

Of the protocols whose interleavings were explored with faults (tests/models/test_head_model.py), this is the
one without lasting staleness under any single fault:

1. the writer, before commit, raises the hint (creating it);
2. the writer, after commit, raises it only if it is there: a late call must not bring an old number back
   after Redis was wiped;
3. a reader that found no hint fills it only while it still holds a lease taken before its database read;
   every write of a hint ends the lease.

A hint lives 10 s from the last write and readers do not prolong it, so that even a Redis that lies makes a
reader at most 10 s late. Too high (a rollback after 1) only costs reads of the database. Redis is never
waited for longer than 50 ms, and after repeated failures it is left alone for a second.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from uuid import UUID

import redis
from prometheus_client import Counter

from models.redis import client

TTL_SECONDS = 10
LEASE_SECONDS = 5
FAILURES_BEFORE_PAUSE = 2  # one failed call is often alone, and the writer's second call mends it
PAUSE_SECONDS = 1.0

# What one token may poll: so many at once, then so many a second.
POLL_BURST = 100
POLLS_A_SECOND = 5

# The generic cell rate algorithm: the bucket's one number is the time at which it will be empty again.
POLL = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local gap = 1 / tonumber(ARGV[2])
local empty_at = tonumber(redis.call('GET', KEYS[1])) or now
if empty_at < now then empty_at = now end
local wait = empty_at + gap - now - tonumber(ARGV[1]) * gap
if wait > 0.000001 then return {string.format('%.6f', wait), {}} end
empty_at = empty_at + gap
redis.call('SET', KEYS[1], string.format('%.6f', empty_at), 'PX', math.ceil((empty_at - now) * 1000) + 1000)
return {'0', redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')}
"""

FAILURES = Counter("escalation_head_redis_failures", "Calls of the head hint that Redis did not answer")

T = TypeVar("T")


@dataclass(frozen=True)
class Hint:
    """What Redis believes of a feed. `epochs` maps an epoch to its head; ages are in seconds."""

    epochs: dict[str, int]
    pace: float
    quiet_seconds: float

    def caught_up(self, epoch: str, seq: int) -> bool:
        """Whether a cursor stands at the head."""
        return self.epochs.get(epoch) == seq


@dataclass
class Guard:
    """Calls Redis, or does not while it was lately away. Errors are counted and become None."""

    failures: int = 0
    paused_until: float = 0.0

    def __call__(self, call: Callable[[], T]) -> T | None:
        """The call's result, or None: Redis is away, or is being left alone."""
        if time.monotonic() < self.paused_until:
            return None
        try:
            result = call()
        except (redis.RedisError, OSError):
            FAILURES.inc()
            self.failures += 1
            if self.failures >= FAILURES_BEFORE_PAUSE:
                self.paused_until = time.monotonic() + PAUSE_SECONDS
            return None
        self.failures = 0
        return result


class Heads:
    """The hints in one Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.guard = Guard()
        self._poll = client.register_script(POLL)

    def poll(self, account_id: UUID, token_id: UUID) -> tuple[float, Hint | None]:
        """Count a poll of this token and read the hint, in one call.

        Returns the seconds that the token has to wait (0: it may go on) and the hint. Without Redis nobody
        waits and there is no hint.
        """
        counted = self.guard(
            lambda: self._poll(keys=[f"polls:{token_id.hex}", _key(account_id)], args=[POLL_BURST, POLLS_A_SECOND])
        )
        if counted is None:
            return 0.0, None
        wait, members = float(counted[0]), counted[1]
        return wait, _parse(dict(zip(members[::2], members[1::2], strict=True))) if members else None

    def before_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        """Raise the hint to a number that is about to be committed."""
        self.guard(lambda: self._raise(account_id, head, epoch, pace, only_present=False))

    def after_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        """Raise the hint again where it still is, in case it was lost in between."""
        self.guard(lambda: self._raise(account_id, head, epoch, pace, only_present=True))

    def _raise(self, account_id: UUID, head: int, epoch: str, pace: float, *, only_present: bool) -> None:
        with self.client.pipeline(transaction=True) as pipe:
            pipe.zadd(_key(account_id), {f"head:{epoch}": head}, gt=True, xx=only_present)
            if not only_present:
                pipe.zadd(_key(account_id), {"pace": pace, "changed": time.time()})
            pipe.expire(_key(account_id), TTL_SECONDS)
            pipe.delete(_lease_key(account_id))
            pipe.execute()

    def lease(self, account_id: UUID) -> str | None:
        """The right to fill a missing hint. Take it before reading the database."""
        token = secrets.token_hex(8)
        taken = self.guard(lambda: self.client.set(_lease_key(account_id), token, nx=True, ex=LEASE_SECONDS))
        return token if taken else None

    def fill(self, account_id: UUID, token: str, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        """Write what was read from the database, unless a writer came in between and ended the lease."""
        self.guard(lambda: self._fill(account_id, token, head, epoch, pace, quiet_seconds))

    def _fill(self, account_id: UUID, token: str, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        with self.client.pipeline(transaction=True) as pipe:
            pipe.watch(_lease_key(account_id))
            if pipe.get(_lease_key(account_id)) != token.encode():
                return
            pipe.multi()
            pipe.zadd(_key(account_id), {f"head:{epoch}": head}, gt=True)
            pipe.zadd(_key(account_id), {"pace": pace, "changed": time.time() - quiet_seconds})
            pipe.expire(_key(account_id), TTL_SECONDS)
            pipe.delete(_lease_key(account_id))
            try:
                pipe.execute()
            except redis.WatchError:
                return


def _key(account_id: UUID) -> str:
    return f"feed:{account_id.hex}"


def _lease_key(account_id: UUID) -> str:
    return f"feed-lease:{account_id.hex}"


def _parse(members: dict[bytes, bytes]) -> Hint:
    scores = {name.decode(): float(score) for name, score in members.items()}
    return Hint(
        epochs={name[5:]: int(score) for name, score in scores.items() if name.startswith("head:")},
        pace=scores.get("pace", 1.0),
        quiet_seconds=max(0.0, time.time() - scores.get("changed", 0.0)),
    )


@cache
def heads() -> Heads:
    """This process's hints."""
    return Heads(client())
