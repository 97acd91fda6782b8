"""Limit how many assessments a process works on at once, however many wait for a model.

Model calls that start together finish together. To keep that burst from slowing intake down, only a few threads do
local work at once; their next calls then finish apart. All threads of a process share one interpreter, so more at
once would hardly be faster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

AT_ONCE = 4  # one computes while the others wait for the database

_one_long = threading.Lock()
_places = threading.BoundedSemaphore(AT_ONCE)
_own = threading.local()


@dataclass
class Slot:
    """A thread's slot. `seconds`: the time it worked, without yielding()."""

    seconds: float = 0.0
    since: float | None = None  # None: it waits, or is done

    def begin(self) -> None:
        self.since = time.monotonic()

    def end(self) -> None:
        assert self.since is not None
        self.seconds += time.monotonic() - self.since
        self.since = None


@contextmanager
def slot() -> Iterator[Slot]:
    """Wait for a slot, and hold it except while yielding()."""
    with _places:
        work = _own.work = Slot()
        work.begin()
        try:
            yield work
        finally:
            work.end()


@contextmanager
def yielding() -> Iterator[None]:
    """Let others work meanwhile; does nothing for a thread without a slot."""
    work: Slot | None = getattr(_own, "work", None)
    if work is None or work.since is None:
        yield
        return
    work.end()
    _places.release()
    try:
        yield
    finally:
        _places.acquire()
        work.begin()


@contextmanager
def alone() -> Iterator[None]:
    """Run long computations one thread at a time; yields the slot while waiting for the turn.

    Several at once would end no sooner, and a short one would get a small part of the interpreter beside them.
    """
    with yielding():
        _one_long.acquire()
    try:
        yield
    finally:
        _one_long.release()


def rest(work: Slot, share: float) -> None:
    """Sleep for a share of the time that this work took."""
    time.sleep(share * work.seconds)
