"""Keeps the leases of this process alive while their assessments are being written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from models import assessment, logs
from models.assessment import Lease
from models.settings import settings
from models.transaction import upkeep

log = logs.logger(__name__)

_held: dict[tuple[str, int], Lease] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None


@contextmanager
def held(lease: Lease) -> Iterator[None]:
    """Renew the lease three times in its length, in one thread for all leases of the process.

    A process that dies stops renewing, and another one takes over within a lease. Losing a lease needs no
    signal: completing is conditional on it.
    """
    key = (str(lease.assessment_id), lease.attempt)
    with _lock:
        _held[key] = lease
        _start()
    try:
        yield
    finally:
        with _lock:
            _held.pop(key, None)


def _start() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_renew_for_ever, name="lease-renewal", daemon=True)
        _thread.start()


def _renew_for_ever() -> None:
    pause = threading.Event()
    while not pause.wait(settings().lease_seconds / 3):
        with _lock:
            leases = list(_held.values())
        try:
            if leases:
                with upkeep() as session:
                    assessment.renew(session, leases)
        except SQLAlchemyError as error:
            # The next turn tries again; if the database stays away the leases run out, as they should.
            log.warning("leases not renewed", error=type(error).__name__)
