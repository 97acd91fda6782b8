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
from typing import Any, TypeVar
from uuid import UUID

import redis
from prometheus_client import Counter

from models.redis import client

TTL_SECONDS = 10
LEASE_SECONDS = 5
FAILURES_BEFORE_PAUSE = 2  # one failed call is often alone, and the writer's second call mends it
PAUSE_SECONDS = 1.0

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

    def read(self, account_id: UUID) -> Hint | None:
        """The hint, in one call. None: there is none, or Redis is away."""
        members = self.guard(lambda: self.client.zrange(_key(account_id), 0, -1, withscores=True))
        return _parse(members) if members else None

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


def _parse(members: Any) -> Hint:
    scores = {name.decode(): score for name, score in members}
    return Hint(
        epochs={name[5:]: int(score) for name, score in scores.items() if name.startswith("head:")},
        pace=scores.get("pace", 1.0),
        quiet_seconds=max(0.0, time.time() - scores.get("changed", 0.0)),
    )


@cache
def heads() -> Heads:
    """This process's hints."""
    return Heads(client())
