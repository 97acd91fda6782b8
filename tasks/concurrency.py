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
    """A thread's slot. `seconds` is the time worked, excluding yielding()."""

    seconds: float = 0.0
    since: float | None = None  # None while waiting and after the end

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
    """Release the slot for the duration of the block; does nothing in a thread without a slot."""
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

    Several at once would finish no sooner, and would leave short ones only a small share of the interpreter.
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
