"""Every interleaving of writers, readers and one fault, carried out by the code under test on a Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import fakeredis

from models.head import Heads, Lease, _key, _lease_key

ACCOUNT, TOKEN, EPOCH = UUID(int=1), UUID(int=2), "e1"
FAULTS = ("none", "wipe", "failover", "crash", "call")


@dataclass(frozen=True)
class Writer:
    """start → locked → raised → committed → done. The number is taken under the counter's lock."""

    at: str = "start"
    number: int = 0


@dataclass(frozen=True)
class Reader:
    """start → polled → read → done. `leased`: the lease was taken before the read."""

    at: str = "start"
    leased: bool = False
    found: int = 0


@dataclass(frozen=True)
class State:
    """One moment. `before` is the hint before its last write: what a failover to a late replica brings back."""

    head: int
    hint: int | None
    before: int | None
    lease: int | None
    lock: int | None
    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]
    fault: str

    @property
    def ended(self) -> bool:
        return all(each.at == "done" for each in (*self.writers, *self.readers))


class Explorer:
    """Carries each step out with the code under test, on a Redis that is set to the state before it."""

    def __init__(self, protocol: type[Heads], *, writers: int = 2, readers: int = 2) -> None:
        self.redis = fakeredis.FakeRedis()
        self.heads = protocol(self.redis)
        self.writers, self.readers = writers, readers
        self.states = 0
        self.results: dict[tuple[int | None, int | None, str, int], tuple[int | None, int | None]] = {}

    def lasting_staleness(self, fault: str) -> State | None:
        """A state in which everybody is done and the hint is below the head; None: there is none."""
        first = State(0, 0, 0, None, None, (Writer(),) * self.writers, (Reader(),) * self.readers, fault)
        found = None
        for hint in (0, None):
            found = found or self._explore(replace(first, hint=hint, before=hint))
        return found

    def _explore(self, first: State) -> State | None:
        known, waiting = {first}, [first]
        while waiting:
            state = waiting.pop()
            if state.ended and state.hint is not None and state.hint < state.head:
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
            yield replace(state, hint=None, before=None, lease=None, fault="none")
        if state.fault == "failover":
            yield replace(state, hint=state.before, lease=None, fault="none")

    def _writer(self, state: State, n: int, writer: Writer) -> Iterator[State]:
        number = writer.number
        if writer.at == "start" and state.lock is None:
            yield _with(replace(state, lock=n), n, Writer("locked", state.head + 1))
        elif writer.at == "locked":
            yield _with(self._redis(state, "before_commit", number), n, replace(writer, at="raised"))
        elif writer.at == "raised":
            yield _with(replace(state, head=number, lock=None), n, replace(writer, at="committed"))
            yield _with(replace(state, lock=None), n, Writer("done"))
        elif writer.at == "committed":
            yield _with(self._redis(state, "after_commit", number), n, Writer("done"))
        if state.fault == "call" and writer.at in ("locked", "committed"):
            then = replace(writer, at="raised") if writer.at == "locked" else Writer("done")
            yield _with(replace(state, fault="none"), n, then)
        if state.fault == "crash" and writer.at in ("locked", "raised", "committed"):
            lock = None if state.lock == n else state.lock
            yield _with(replace(state, lock=lock, fault="none"), n, Writer("done"))

    def _redis(self, state: State, call: str, number: int) -> State:
        more = (1.0,) if call == "before_commit" else ()
        write = getattr(self.heads, call)
        return self._carry_out(state, call, number, lambda: write(ACCOUNT, number, EPOCH, *more))

    def _reader(self, state: State, n: int, reader: Reader) -> Iterator[State]:
        if reader.at == "start":
            then = self._carry_out(state, "lease", n, lambda: self._ask(n)) if state.hint is None else state
            yield _with(then, n, Reader("polled", then.lease == n))
        elif reader.at == "polled":
            yield _with(state, n, Reader("read" if reader.leased else "done", reader.leased, state.head))
        elif reader.at == "read":
            lease = Lease(f"reader {n}", time.time())
            then = self._carry_out(
                state,
                f"fill by {n}",
                reader.found,
                lambda: self.heads.fill(ACCOUNT, lease, reader.found, EPOCH, 1.0, 0.0),
            )
            yield _with(then, n, Reader("done"))

    def _ask(self, n: int) -> None:
        if self.heads.lease(ACCOUNT, EPOCH) is not None:
            self.redis.set(_lease_key(ACCOUNT, EPOCH), f"reader {n}")

    def _carry_out(self, state: State, call: str, argument: int, run: Callable[[], None]) -> State:
        """The state after a call. Equal calls on an equal Redis are carried out once."""
        key = (state.hint, state.lease, call, argument)
        if key not in self.results:
            self._set(state)
            run()
            hint = self.heads.look(ACCOUNT, EPOCH)
            holder = self.redis.get(_lease_key(ACCOUNT, EPOCH))
            self.results[key] = (hint and hint.head, int(holder.split()[1]) if holder else None)
        hint, lease = self.results[key]
        return replace(state, hint=hint, before=state.hint, lease=lease)

    def _set(self, state: State) -> None:
        self.redis.delete(_key(ACCOUNT, EPOCH), _lease_key(ACCOUNT, EPOCH))
        if state.hint is not None:
            self.redis.zadd(_key(ACCOUNT, EPOCH), {"head": state.hint})
        if state.lease is not None:
            self.redis.set(_lease_key(ACCOUNT, EPOCH), f"reader {state.lease}")


def _with(state: State, n: int, who: Writer | Reader) -> State:
    if isinstance(who, Writer):
        return replace(state, writers=(*state.writers[:n], who, *state.writers[n + 1 :]))
    return replace(state, readers=(*state.readers[:n], who, *state.readers[n + 1 :]))


class NoRaiseBefore(Heads):
    """Known bad: only tells Redis after the commit."""

    def _before_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        pass


class NoRaiseAfter(Heads):
    """Known bad: only tells Redis before the commit."""

    def _after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        pass


class CreatesAfter(Heads):
    """Known bad: the late call creates the hint."""

    def _after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        self._before_commit(account_id, head, epoch, 1.0)


class NoLease(Heads):
    """Known bad: fills whatever happened since the read."""

    def _fill(self, account_id: UUID, lease: Lease, head: int, epoch: str, pace: float, quiet_seconds: float) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, gt=True)


class KeepsLease(Heads):
    """Known bad: a writer does not end the lease."""

    def _before_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, gt=True)

    def _after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, gt=True, xx=True)


class SetsInsteadOfRaising(Heads):
    """Known bad: the late call writes its number whatever stands there."""

    def _after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        self.client.zadd(_key(account_id, epoch), {"head": head}, xx=True)


class DeletesAfter(Heads):
    """Known bad: the usual cache: delete after the commit, let readers fill."""

    def _before_commit(self, account_id: UUID, head: int, epoch: str, pace: float) -> None:
        pass

    def _after_commit(self, account_id: UUID, head: int, epoch: str) -> None:
        self.client.delete(_key(account_id, epoch))

    _fill = NoLease._fill


KNOWN_BAD = (NoRaiseBefore, NoRaiseAfter, CreatesAfter, NoLease, KeepsLease, SetsInsteadOfRaising, DeletesAfter)
