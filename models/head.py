"""The Redis shortcut for "nothing new": a hint of each feed's head that may be too high but not too low.

Of the protocols whose interleavings were explored with faults (tests/models/test_head_interleavings.py), this
is the one without lasting staleness under any single fault:

1. the writer, before commit, raises the hint (creating it);
2. the writer, after commit, raises it only if it is there: a late call must not bring an old number back
   after Redis was wiped;
3. a reader that found no hint fills it only while it still holds a lease taken before its database read;
   every write of a hint ends the lease.

Every hint ends at a fixed time, 10 s after its writer knew that nothing greater was committed: a writer's
clock starts before its commit, a reader's when it takes the lease, and 2 does not prolong. So a command that a
frozen Redis carries out much later creates nothing, and a reader is at most 10 s late whatever Redis does
(plus what the clocks of the hosts differ). Too high (a rollback after 1) only costs reads of the database.

The key carries the epoch: after a rotation nobody writes the old hint any more, and it ends. Redis is never
waited for longer than 50 ms, and after repeated failures it is left alone for a second.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import redis
from prometheus_client import Counter

from models.redis import Script, ThreadConnections, client

TTL_SECONDS = 10
LEASE_SECONDS = 5
FAILURES_BEFORE_PAUSE = 2  # one failed call is often alone, and the writer's second call mends it
PAUSE_SECONDS = 1.0

# What one token may poll: so many at once, then so many a second.
POLL_BURST = 100
POLLS_A_SECOND = 5

# Any number of polls, two keys each. The generic cell rate algorithm: the bucket's one number is the time at which
# it will be empty again.
POLL = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local gap = 1 / tonumber(ARGV[2])
local function poll(bucket, hint)
    local empty_at = tonumber(redis.call('GET', bucket)) or now
    if empty_at < now then empty_at = now end
    local wait = empty_at + gap - now - tonumber(ARGV[1]) * gap
    if wait > 0.000001 then return {string.format('%.6f', wait), {}} end
    empty_at = empty_at + gap
    redis.call('SET', bucket, string.format('%.6f', empty_at), 'PX', math.ceil((empty_at - now) * 1000) + 1000)
    return {'0', redis.call('ZRANGE', hint, 0, -1, 'WITHSCORES')}
end
local replies = {}
for n = 1, #KEYS, 2 do replies[#replies + 1] = poll(KEYS[n], KEYS[n + 1]) end
return replies
"""

FAILURES = Counter("escalation_head_redis_failures", "Calls of the head hint that Redis did not answer")

T = TypeVar("T")


@dataclass(frozen=True)
class Hint:
    """What Redis believes of a feed in one epoch. `quiet_seconds`: how long ago it changed."""

    head: int
    pace: float
    quiet_seconds: float


@dataclass(frozen=True)
class Lease:
    """The right to fill a missing hint with what is read from the database after `taken_at`."""

    token: str
    taken_at: float


@dataclass(frozen=True)
class Polled:
    """Redis's answer to a poll. `missing`: Redis answered and holds no hint, so a reader may fill it."""

    wait_seconds: float
    hint: Hint | None
    missing: bool

    @classmethod
    def of(cls, reply: Sequence[Any]) -> Polled:
        """What POLL said to one poll."""
        wait, members = reply
        hint = _parse(dict(zip(members[::2], map(float, members[1::2]), strict=True)))
        return cls(float(wait), hint, missing=hint is None)


UNKNOWN = Polled(0.0, None, missing=False)  # Redis is away


@dataclass
class Guard:
    """Calls Redis, or does not while it was lately away. Errors are counted and become None."""

    failures: int = 0
    paused_until: float = 0.0

    def __call__(self, call: Callable[[], T]) -> T | None:
        """The call's result, or None: Redis is away, or is being left alone."""
        if not self.is_paused:
            with self.counting():
                return call()
        return None

    @property
    def is_paused(self) -> bool:
        """Whether Redis is being left alone."""
        return time.monotonic() < self.paused_until

    @contextmanager
    def counting(self) -> Iterator[None]:
        """An error of Redis's ends the block and goes no further."""
        try:
            yield
        except (redis.RedisError, OSError):
            FAILURES.inc()
            self.failures += 1
            if self.failures >= FAILURES_BEFORE_PAUSE:
                self.paused_until = time.monotonic() + PAUSE_SECONDS
        else:
            self.failures = 0


class Heads:
    """The hints in one Redis."""

    def __init__(self, client: redis.Redis, *, ttl_seconds: float = TTL_SECONDS) -> None:
        self.client = client
        self.guard = Guard()
        self.ttl_seconds = ttl_seconds
        self._connections = ThreadConnections(client)
        self._poll = Script(self._connections, POLL)

    def poll(self, account_id: UUID, token_id: UUID, epoch: str) -> Polled:
        """Count a poll of this token and read the hint, in one call. Without Redis nobody waits."""
        replies = self.guard(lambda: self._poll(poll_keys(account_id, token_id, epoch), poll_limits()))
        return UNKNOWN if replies is None else Polled.of(replies[0])

    def look(self, account_id: UUID, epoch: str) -> Hint | None:
        """The hint, for whoever examines it. Raises RedisError when Redis is away."""
        members: Any = self.client.zrange(_key(account_id, epoch), 0, -1, withscores=True)
        return _parse(dict(members))

    def before_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        """Raise the hint to a number that is about to be committed."""
        self.guard(lambda: self._before_commit(account_id, head, epoch, pace))

    def _before_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        now = time.time()
        self._connections.transaction(*self._write(account_id, epoch, head, pace, changed_at=now, known_at=now))

    def after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        """Raise the hint again where it still is, in case it lost the first call."""
        self.guard(lambda: self._after_commit(account_id, head, epoch))

    def _after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        raised = ("ZADD", _key(account_id, epoch), "XX", "GT", head, "head")
        self._connections.transaction(raised, ("DEL", _lease_key(account_id, epoch)))

    def lease(self, account_id: UUID, epoch: str) -> Lease | None:
        """The right to fill a missing hint. Take it before reading the database."""
        lease = Lease(secrets.token_hex(8), time.time())
        key = _lease_key(account_id, epoch)
        taken = self.guard(lambda: self.client.set(key, lease.token, nx=True, ex=LEASE_SECONDS))
        return lease if taken else None

    def fill(self, account_id: UUID, lease: Lease, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        """Write what was read from the database, unless a writer came in between and ended the lease."""
        self.guard(lambda: self._fill(account_id, lease, head, epoch, pace, quiet_seconds))

    def _fill(self, account_id: UUID, lease: Lease, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        changed_at = time.time() - quiet_seconds
        with self.client.pipeline(transaction=True) as pipe:
            pipe.watch(_lease_key(account_id, epoch))
            if pipe.get(_lease_key(account_id, epoch)) != lease.token.encode():
                return
            pipe.multi()
            for command in self._write(account_id, epoch, head, pace, changed_at=changed_at, known_at=lease.taken_at):
                pipe.execute_command(*command)
            try:
                pipe.execute()
            except redis.WatchError:
                return

    def _write(
        self,
        account_id: UUID,
        epoch: str,
        head: int,
        pace: float,
        *,
        changed_at: float,
        known_at: float,
    ) -> list[tuple[Any, ...]]:
        key = _key(account_id, epoch)
        return [
            ("ZADD", key, "GT", head, "head"),
            ("ZADD", key, pace, "pace", changed_at, "changed"),
            ("PEXPIREAT", key, int((known_at + self.ttl_seconds) * 1000)),
            ("DEL", _lease_key(account_id, epoch)),
        ]


def poll_keys(account_id: UUID, token_id: UUID, epoch: str) -> list[str]:
    """The two keys of a poll for POLL."""
    return [f"polls:{token_id.hex}", _key(account_id, epoch)]


def poll_limits() -> list[int]:
    """The arguments of POLL."""
    return [POLL_BURST, POLLS_A_SECOND]


def _key(account_id: UUID, epoch: str) -> str:
    return f"feed:{account_id.hex}:{epoch}"


def _lease_key(account_id: UUID, epoch: str) -> str:
    return f"feed-lease:{account_id.hex}:{epoch}"


def _parse(scores: dict[bytes, float]) -> Hint | None:
    if b"head" not in scores:
        return None
    return Hint(
        head=int(scores[b"head"]),
        pace=scores.get(b"pace", 1.0),
        quiet_seconds=max(0.0, time.time() - scores.get(b"changed", 0.0)),
    )


@cache
def heads() -> Heads:
    """This process's hints."""
    return Heads(client())
