"""The Redis shortcut for "nothing new": a hint of each feed's head, which counts for nothing while somebody writes.

1. the writer, before it asks for a number, announces itself;
2. the writer, after commit, raises the hint if it is there, ends the lease of 4, and takes its announcement back, in
   one step;
3. a reader believes a hint only while no announcement stands;
4. a reader that found no hint fills it only while it still holds a lease taken before its database read.

Under any single fault no hint that is believed is below the head, when all have ended; without a fault at no moment
(every interleaving: tests/models/feed/test_head_interleavings.py). A writer needs no number for its first call, so no
feed's counter is locked while Redis is waited for (docs/decisions/0006).

Every hint ends at a fixed time, 10 s after a moment at which nothing greater was committed: a writer's clock starts
before it is given its number, a reader's when it takes the lease. So a command that a frozen Redis carries out much
later brings nothing back, and a reader is at most 10 s late whatever Redis does (plus what the clocks of the hosts
differ). The announcement of a writer that died stands until every hint from before its commit has ended; meanwhile
polls read the database.

The key of a hint carries the epoch: after a rotation nobody writes the old one any more, and it ends. Redis is never
waited for longer than 50 ms, and after repeated failures it is left alone for a second.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar
from uuid import UUID

import redis
from prometheus_client import Counter

from models.redis import Script, ThreadConnections, client, redis_key
from models.settings import settings

TTL_SECONDS = 10
LEASE_SECONDS = 5
WRITE_SECONDS = 30.0
FAILURES_BEFORE_PAUSE = 2  # one failed call is often alone, and the writer's second call mends it
PAUSE_SECONDS = 1.0

# Polls per token: a burst, then a rate per second.
POLL_BURST = 100
POLLS_A_SECOND = 5

# Answers any number of polls, with three keys each. The generic cell rate algorithm limits the rate: the bucket's one
# number is the time at which it will be empty again.
POLL = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local gap = 1 / tonumber(ARGV[2])
local function poll(bucket, hint, writers)
    local empty_at = tonumber(redis.call('GET', bucket)) or now
    if empty_at < now then empty_at = now end
    local wait = empty_at + gap - now - tonumber(ARGV[1]) * gap
    if wait > 0.000001 then return {string.format('%.6f', wait), {}, 0} end
    empty_at = empty_at + gap
    redis.call('SET', bucket, string.format('%.6f', empty_at), 'PX', math.ceil((empty_at - now) * 1000) + 1000)
    local last = redis.call('ZRANGE', writers, -1, -1, 'WITHSCORES')
    local writing = last[2] and tonumber(last[2]) > now and 1 or 0
    return {'0', redis.call('ZRANGE', hint, 0, -1, 'WITHSCORES'), writing}
end
local replies = {}
for n = 1, #KEYS, 3 do replies[#replies + 1] = poll(KEYS[n], KEYS[n + 1], KEYS[n + 2]) end
return replies
"""

# A writer's two calls, for the keys of _writers_key(), and of hint, lease and writers.
ANNOUNCE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ARGV[4])
"""
COMMITTED = """
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[1], 'head')
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], 'pace', ARGV[3], 'changed')
redis.call('PEXPIREAT', KEYS[1], ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[5])
"""

FAILURES = Counter("escalation_head_redis_failures", "Calls of the head hint that Redis did not answer")

T = TypeVar("T")


@dataclass(frozen=True)
class Hint:
    """A believed hint of one feed in one epoch. `quiet_seconds`: time since its last change."""

    head: int
    pace: float
    quiet_seconds: float


@dataclass(frozen=True)
class Lease:
    """The right to fill a missing hint with what is read from the database after `taken_at`."""

    token: str
    taken_at: float


@dataclass(frozen=True)
class Writing:
    """A writer's announcement. None of its numbers was committed before `since`."""

    token: str
    since: float


@dataclass(frozen=True)
class Polled:
    """Redis's answer to a poll.

    `hint` may be believed. `missing`: Redis answered and has no hint, so a reader may fill it.
    """

    wait_seconds: float
    hint: Hint | None
    missing: bool

    @classmethod
    def of(cls, reply: Sequence[Any]) -> Polled:
        """Parse the reply of POLL to one poll."""
        wait, members, writing = reply
        hint = _parse(dict(zip(members[::2], map(float, members[1::2]), strict=True)))
        return cls(float(wait), None if writing else hint, missing=hint is None)


UNKNOWN = Polled(0.0, None, missing=False)  # Redis is unavailable


@dataclass
class Guard:
    """Calls Redis unless it failed a moment ago. Errors are counted and become None."""

    failures: int = 0
    paused_until: float = 0.0

    def __call__(self, call: Callable[[], T]) -> T | None:
        """Return the call's result, or None if Redis is unavailable or paused."""
        if not self.is_paused:
            with self.counting():
                return call()
        return None

    @property
    def is_paused(self) -> bool:
        """Whether calls are paused after failures."""
        return time.monotonic() < self.paused_until

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count an error of Redis and end the block quietly."""
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
    """The hints in one Redis. `write_seconds`: the longest time from an announcement to the end of its commit."""

    def __init__(
        self, client: redis.Redis, *, ttl_seconds: float = TTL_SECONDS, write_seconds: float = WRITE_SECONDS
    ) -> None:
        self.client = client
        self.guard = Guard()
        self.ttl_seconds = ttl_seconds
        self.announced_seconds = write_seconds + ttl_seconds
        self._connections = ThreadConnections(client)
        self._poll_script, self._announce_script, self._committed_script = (
            Script(self._connections, source) for source in (POLL, ANNOUNCE, COMMITTED)
        )

    def poll(self, account_id: UUID, token_id: UUID, epoch: str) -> Polled:
        """Count a poll of this token and read the hint, in one call. Without Redis no poll is limited."""
        replies = self.guard(lambda: self._poll_script(poll_keys(account_id, token_id, epoch), poll_limits()))
        return UNKNOWN if replies is None else Polled.of(replies[0])

    def look(self, account_id: UUID, epoch: str) -> Hint | None:
        """Return the hint that a poll would believe, for examination. Raises RedisError when Redis is unavailable."""
        with self.client.pipeline(transaction=True) as pipe:
            pipe.zrange(_key(account_id, epoch), 0, -1, withscores=True)
            pipe.zcount(_writers_key(account_id), time.time(), "+inf")
            members, writing = pipe.execute()
        return None if writing else _parse(dict(members))

    def announce(self, account_id: UUID) -> Writing:
        """Announce that numbers are about to be committed; to be called before the first of them is requested."""
        writing = Writing(secrets.token_hex(8), time.time())
        self.guard(lambda: self._announce(account_id, writing))
        return writing

    def _announce(self, account_id: UUID, writing: Writing) -> None:
        until = writing.since + self.announced_seconds
        self._announce_script([_writers_key(account_id)], [writing.since, until, writing.token, int(until * 1000)])

    def committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        """Raise an existing hint to the committed number, and take the announcement back."""
        self.guard(lambda: self._committed(account_id, writing, head, epoch, pace))

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        keys = [_key(account_id, epoch), _lease_key(account_id), _writers_key(account_id)]
        self._committed_script(keys, [head, pace, writing.since, self._end(writing.since), writing.token])

    def withdraw(self, account_id: UUID, writing: Writing) -> None:
        """Take back the announcement of a writer that certainly committed no number."""
        self.guard(lambda: self._connections.send("ZREM", _writers_key(account_id), writing.token))

    def lease(self, account_id: UUID) -> Lease | None:
        """Take the right to fill a missing hint, before reading the database. None: another reader has it."""
        lease = Lease(secrets.token_hex(8), time.time())
        key = _lease_key(account_id)
        taken = self.guard(lambda: self.client.set(key, lease.token, nx=True, ex=LEASE_SECONDS))
        return lease if taken else None

    def fill(self, account_id: UUID, lease: Lease, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        """Store a head read from the database, unless a writer came in between and ended the lease."""
        self.guard(lambda: self._fill(account_id, lease, head, epoch, pace, quiet_seconds))

    def _fill(self, account_id: UUID, lease: Lease, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        key, changed_at = _key(account_id, epoch), time.time() - quiet_seconds
        with self.client.pipeline(transaction=True) as pipe:
            pipe.watch(_lease_key(account_id))
            if pipe.get(_lease_key(account_id)) != lease.token.encode():
                return
            pipe.multi()
            pipe.zadd(key, {"head": head}, gt=True)
            pipe.zadd(key, {"pace": pace, "changed": changed_at})
            pipe.execute_command("PEXPIREAT", key, self._end(lease.taken_at))
            pipe.delete(_lease_key(account_id))
            try:
                pipe.execute()
            except redis.WatchError:
                return

    def _end(self, known_at: float) -> int:
        """Return when a hint expires, in milliseconds; at `known_at` nothing greater had been committed."""
        return int((known_at + self.ttl_seconds) * 1000)


def poll_keys(account_id: UUID, token_id: UUID, epoch: str) -> tuple[str, str, str]:
    """The three keys of a poll for POLL."""
    return _poll_keys(settings().installation, account_id, token_id, epoch)


# Every open page asks for the same ones again. The first argument keeps installations apart.
@lru_cache(maxsize=20_000)
def _poll_keys(_: str, account_id: UUID, token_id: UUID, epoch: str) -> tuple[str, str, str]:
    return redis_key("polls", token_id.hex), _key(account_id, epoch), _writers_key(account_id)


def poll_limits() -> list[int]:
    """The arguments of POLL."""
    return [POLL_BURST, POLLS_A_SECOND]


def _key(account_id: UUID, epoch: str) -> str:
    return redis_key("feed", account_id.hex, epoch)


def _lease_key(account_id: UUID) -> str:
    return redis_key("feed-lease", account_id.hex)


def _writers_key(account_id: UUID) -> str:
    return redis_key("feed-writers", account_id.hex)


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
    """Return this process's hints."""
    # The append and the commit; PostgreSQL cancels what takes longer.
    return Heads(client(), write_seconds=2 * settings().statement_seconds)
