"""Drive batches: keep a few assessments of each in flight, and count what has ended."""

from __future__ import annotations

import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from models import logs
from models.assessment import Lane
from models.batch import work
from models.batch.work import Moving
from models.settings import settings
from models.transaction import maintenance, transaction
from tasks import celery
from tasks.wake import nudge, wake

log = logs.logger(__name__)

TASK = "drive_batches"
TURN_SECONDS = 2.0  # length of one run while there is work; then it requests the next one
TICK_SECONDS = 0.1

_driving = threading.Lock()


@celery.task(name=TASK, ignore_result=True)
def drive_batches() -> None:
    """Drive every batch for two seconds. May run in many places at once.

    Only one run at a time per process: messages that piled up while workers were away return at once. So does
    beat's message if it arrives shortly before a run ends; a run that leaves work therefore requests the next one.
    """
    if not _driving.acquire(blocking=False):
        return
    try:
        end = time.monotonic() + TURN_SECONDS
        while (moving := step()) and time.monotonic() < end:
            time.sleep(TICK_SECONDS)
    finally:
        _driving.release()
    if moving:
        kick()


def step() -> bool:
    """Take one step of every batch. False: no batch is moving."""
    with maintenance() as session:
        moving = work.moving(session)
    given = work.shares(moving, window=settings().batch_in_flight, per_account=_per_account())
    for each in moving:
        _drive(each, given[each.id])
    return bool(moving)


def kick() -> None:
    """Request the next step now instead of in two seconds. Losing the request costs only that."""
    nudge(TASK, queue="maintenance")


def _drive(each: Moving, share: int) -> None:
    try:
        with transaction(each.account_id) as session:
            queued = work.drive(session, each.account_id, each.id, share=share, paced=_a_minute())
    except SQLAlchemyError as error:
        # A lock timeout or a restarting database: nothing was written, and the next step tries again.
        log.warning("batch not driven", batch=str(each.id), error=type(error).__name__)
        return
    wake(Lane.BULK, queued)


def _per_account() -> int:
    """Items in flight per account; at most half of a model's concurrent calls, to leave some for interactive work."""
    if settings().assessor == "extractive":
        return settings().batch_in_flight
    return max(1, settings().model_concurrent_calls // 2)


def _a_minute() -> int | None:
    """Items per minute and account; with a model at most half of its calls per minute, likewise. None: no limit."""
    if settings().assessor == "extractive":
        return None
    return max(1, settings().model_calls_per_minute // 2)
