"""Every interleaving of writers, readers and one fault, executed by the code under test on a Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import fakeredis

from models.feed.head import Heads, Lease, Writing, _key, _lease_key, _writers_key

ACCOUNT, TOKEN, EPOCH = UUID(int=1), UUID(int=2), "e1"
FAULTS = ("none", "wipe", "failover", "crash", "call")
FAR = 2.0**40  # seconds since 1970: no announcement ends within a test


@dataclass(frozen=True)
class Writer:
    """start → announced → locked → committed → done. The number is taken under the counter's lock."""

    at: str = "start"
    number: int = 0


@dataclass(frozen=True)
class Reader:
    """start → polled → read → done. `leased`: the lease was taken before the read."""

    at: str = "start"
    leased: bool = False
    found: int = 0


@dataclass(frozen=True)
class Kept:
    """The state of Redis: the hint, the writers that announced themselves, and the holder of the lease."""

    hint: int | None = None
    writing: frozenset[int] = frozenset()
    lease: int | None = None


@dataclass(frozen=True)
class State:
    """One moment. `before` is Redis before its last write: what a failover to a late replica brings back."""

    head: int
    redis: Kept
    before: Kept
    lock: int | None
    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]
    fault: str

    @property
    def ended(self) -> bool:
        return all(each.at == "done" for each in (*self.writers, *self.readers))

    @property
    def is_stale(self) -> bool:
        """Return whether a poll would believe a hint that is below the head."""
        return self.redis.hint is not None and not self.redis.writing and self.redis.hint < self.head


class Explorer:
    """Carries each step out with the code under test, on a Redis that is set to the state before it."""

    def __init__(self, protocol: type[Heads], *, writers: int = 2, readers: int = 2) -> None:
        self.redis = fakeredis.FakeRedis()
        self.heads = protocol(self.redis)
        self.writers, self.readers = writers, readers
        self.states = 0
        self.results: dict[tuple[Kept, str, int, int], Kept] = {}

    def staleness(self, fault: str, *, lasting: bool = True) -> State | None:
        """A stale state, `lasting`: in which everybody is done. None: there is none."""
        found = None
        for hint in (0, None):
            kept = Kept(hint)
            first = State(0, kept, kept, None, (Writer(),) * self.writers, (Reader(),) * self.readers, fault)
            found = found or self._explore(first, lasting=lasting)
        return found

    def _explore(self, first: State, *, lasting: bool) -> State | None:
        known, waiting = {first}, [first]
        while waiting:
            state = waiting.pop()
            if state.is_stale and (state.ended or not lasting):
                return state
            new = set(self._next(state)) - known
            known |= new
            waiting += new
        self.states += len(known)
        return None

    def _next(self, state: State) -> Iterator[State]:
        for n, writer in enumerate(state.writers):
            yield from self._writer(state, n, writer)
        for n, reader in enumerate(state.readers):
            yield from self._reader(state, n, reader)
        if state.fault == "wipe":
            yield replace(state, redis=Kept(), before=Kept(), fault="none")
        if state.fault == "failover":
            yield replace(state, redis=replace(state.before, lease=None), fault="none")

    def _writer(self, state: State, n: int, writer: Writer) -> Iterator[State]:
        number, announced = writer.number, Writing(f"writer {n}", time.time())
        if writer.at == "start":
            then = self._carry_out(state, "announce", n, lambda: self.heads._announce(ACCOUNT, announced))
            yield _with(then, n, Writer("announced"))
        elif writer.at == "announced":
            then = self._carry_out(state, "withdraw", n, lambda: self.heads.withdraw(ACCOUNT, announced))
            yield _with(then, n, Writer("done"))
            if state.lock is None:
                yield _with(replace(state, lock=n), n, Writer("locked", state.head + 1))
        elif writer.at == "locked":
            yield _with(replace(state, head=number, lock=None), n, replace(writer, at="committed"))
            yield _with(replace(state, lock=None), n, Writer("done"))
        elif writer.at == "committed":
            write = partial(self.heads.committed, ACCOUNT, announced, number, EPOCH, 1.0)
            yield _with(self._carry_out(state, "committed", n, write, number), n, Writer("done"))
        if state.fault == "call" and writer.at in ("start", "committed"):
            yield _with(replace(state, fault="none"), n, Writer("announced" if writer.at == "start" else "done"))
        if state.fault == "crash" and writer.at in ("announced", "locked", "committed"):
            lock = None if state.lock == n else state.lock
            yield _with(replace(state, lock=lock, fault="none"), n, Writer("done"))

    def _reader(self, state: State, n: int, reader: Reader) -> Iterator[State]:
        if reader.at == "start":
            then = self._carry_out(state, "lease", n, lambda: self._ask(n)) if state.redis.hint is None else state
            yield _with(then, n, Reader("polled", then.redis.lease == n))
        elif reader.at == "polled":
            yield _with(state, n, Reader("read" if reader.leased else "done", reader.leased, state.head))
        elif reader.at == "read":
            lease, found = Lease(f"reader {n}", time.time()), reader.found
            fill = partial(self.heads.fill, ACCOUNT, lease, found, EPOCH, 1.0, 0.0)
            yield _with(self._carry_out(state, "fill", n, fill, found), n, Reader("done"))

    def _ask(self, n: int) -> None:
        if self.heads.lease(ACCOUNT) is not None:
            self.redis.set(_lease_key(ACCOUNT), f"reader {n}")

    def _carry_out(self, state: State, call: str, n: int, run: Callable[[], None], argument: int = 0) -> State:
        """The state after a call. Equal calls on an equal Redis are carried out once."""
        key = (state.redis, call, n, argument)
        if key not in self.results:
            self._set(state.redis)
            run()
            self.results[key] = self._read()
        return replace(state, redis=self.results[key], before=state.redis)

    def _read(self) -> Kept:
        hint = self.redis.zscore(_key(ACCOUNT, EPOCH), "head")
        writing = self.redis.zrange(_writers_key(ACCOUNT), 0, -1)
        holder = self.redis.get(_lease_key(ACCOUNT))
        return Kept(
            None if hint is None else int(hint),
            frozenset(int(token.split()[1]) for token in writing),
            int(holder.split()[1]) if holder else None,
        )

    def _set(self, kept: Kept) -> None:
        self.redis.delete(_key(ACCOUNT, EPOCH), _lease_key(ACCOUNT), _writers_key(ACCOUNT))
        if kept.hint is not None:
            self.redis.zadd(_key(ACCOUNT, EPOCH), {"head": kept.hint})
        if kept.writing:
            self.redis.zadd(_writers_key(ACCOUNT), {f"writer {n}": FAR for n in kept.writing})
        if kept.lease is not None:
            self.redis.set(_lease_key(ACCOUNT), f"reader {kept.lease}")


def _with(state: State, n: int, who: Writer | Reader) -> State:
    if isinstance(who, Writer):
        return replace(state, writers=(*state.writers[:n], who, *state.writers[n + 1 :]))
    return replace(state, readers=(*state.readers[:n], who, *state.readers[n + 1 :]))


class NoAnnouncement(Heads):
    """Known bad: informs Redis only after the commit."""

    def _announce(self, account_id: UUID, writing: Writing) -> None:
        pass


class NoRaise(Heads):
    """Known bad: takes its announcement back and leaves the hint as it is."""

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        self.withdraw(account_id, writing)


class Creates(Heads):
    """Known bad: the late call creates the hint."""

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, gt=True)
        super()._committed(account_id, writing, head, epoch, pace)


class Sets(Heads):
    """Known bad: the late call writes its number whatever stands there."""

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, xx=True)
        super()._committed(account_id, writing, head, epoch, pace)


class KeepsLease(Heads):
    """Known bad: a writer does not end the lease."""

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, gt=True, xx=True)
        self.withdraw(account_id, writing)


class NoLease(Heads):
    """Known bad: fills whatever happened since the read."""

    def _fill(self, account_id: UUID, lease: Lease, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, gt=True)


class Deletes(Heads):
    """Known bad: the usual cache: delete after the commit, let readers fill."""

    def _announce(self, account_id: UUID, writing: Writing) -> None:
        pass

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        self.client.delete(_key(account_id, epoch))

    _fill = NoLease._fill


class OneForAll(Heads):
    """Known bad: an announcement without a name, which the first to finish withdraws."""

    def _announce(self, account_id: UUID, writing: Writing) -> None:
        super()._announce(account_id, Writing("writer 0", writing.since))

    def _committed(self, account_id: UUID, writing: Writing, head: int, epoch: str, pace: float) -> None:
        super()._committed(account_id, Writing("writer 0", writing.since), head, epoch, pace)

    def withdraw(self, account_id: UUID, writing: Writing) -> None:
        super().withdraw(account_id, Writing("writer 0", writing.since))


KNOWN_BAD = (NoAnnouncement, NoRaise, Creates, Sets, KeepsLease, NoLease, Deletes, OneForAll)
