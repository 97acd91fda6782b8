"""Renew the leases of this process while their assessments are written, and give them back when it stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from models import logs
from models.assessment import leases
from models.assessment.leases import Lease
from models.settings import settings
from models.transaction import maintenance
from tasks.wake import wake

GIVEN_BACK = Counter("escalation_leases_given_back", "Assessments that a stopping worker put back into the queue")

log = logs.logger(__name__)

_held: dict[tuple[str, int], Lease] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None


@contextmanager
def held(lease: Lease) -> Iterator[None]:
    """Hold a lease, renewed three times per lease length by one thread for all leases of the process.

    A process that dies stops renewing, and another one takes over within one lease length. Losing a lease needs
    no signal: completion is conditional on it.
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


def give_back_all() -> int:
    """Queue again everything that this process still writes, and wake others; returns how many.

    For a worker that is about to exit. A result it still completes is accepted until another attempt has begun.
    """
    with _lock:
        leases = list(_held.values())
    return sum(map(_give_back, leases))


def _give_back(lease: Lease) -> bool:
    try:
        with maintenance() as session:
            returned = leases.give_back(session, lease)
    except SQLAlchemyError as error:
        log.warning("lease not given back; it runs out", error=type(error).__name__)
        return False
    if returned:
        GIVEN_BACK.inc()
        wake(lease.lane)
    return returned


def _start() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(
            target=_renew_while_held, args=[settings().lease_seconds / 3], name="lease-renewal", daemon=True
        )
        _thread.start()


def _renew_while_held(pause_seconds: float) -> None:
    global _thread
    while True:
        time.sleep(pause_seconds)
        with _lock:
            mine = list(_held.values())
            if not mine:
                _thread = None
                return
        try:
            with maintenance() as session:
                leases.renew(session, mine)
        except Exception as error:
            # The next turn retries after any error, because every lease of the process depends on this thread.
            # If the database stays unavailable the leases expire, as they should.
            log.warning("leases not renewed", error=type(error).__name__)
