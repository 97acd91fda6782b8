"""How many assessments a process works on at once, however many wait for a model.

All threads of a process share one interpreter, so more at once are no faster. Calls that began together end
together, and then sixteen threads, each with its own process of PostgreSQL, stood in the way of whoever handed off
meanwhile; they go one after the other now, and their next calls end apart.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE = 2  # one computes while the other waits for the database

_places = threading.BoundedSemaphore(AT_ONCE)
_own = threading.local()


@contextmanager
def working() -> Iterator[None]:
    """Wait for a place, and keep it but for waiting()."""
    with _places:
        _own.has_place = True
        try:
            yield
        finally:
            _own.has_place = False


@contextmanager
def waiting() -> Iterator[None]:
    """Let others work meanwhile; does nothing for a thread that has no place."""
    if not getattr(_own, "has_place", False):
        yield
        return
    _own.has_place = False
    _places.release()
    try:
        yield
    finally:
        _places.acquire()
        _own.has_place = True
