"""Sends wake-ups to the workers: bounded in time, and never a reason to fail.

The rows are committed before, and the sweep sends again what was lost. A publish that raised may still have
been delivered, so nothing is ever undone for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import Counter
from redis.exceptions import RedisError

from models import logs
from models.upkeep import Wake
from tasks.message import send

PAUSE_SECONDS = 1.0

SENT = Counter("escalation_wakes_sent", "Wake-ups handed to Redis", ["lane"])
LOST = Counter("escalation_wakes_lost", "Wake-ups that Redis did not take; the sweep sends them again", ["lane"])

log = logs.logger(__name__)


class _Pause:
    """After a failure Redis is left alone for a second, so that a flood of intakes does not pay each time."""

    until = 0.0


def wake(wakes: Iterable[Wake]) -> int:
    """Wake workers for these assessments; returns how many wake-ups Redis took. Never raises for Redis."""
    sent = 0
    for each in wakes:
        sent += _send(each)
    return sent


def nudge(task: str, *, queue: str) -> None:
    """Ask for one run of a task that beat starts anyway. Never raises for Redis."""
    if time.monotonic() < _Pause.until:
        return
    try:
        send(task, queue=queue)
    except (RedisError, OSError) as error:
        _Pause.until = time.monotonic() + PAUSE_SECONDS
        log.warning("task not nudged", task=task, error=type(error).__name__)


def _send(each: Wake) -> bool:
    if time.monotonic() < _Pause.until:
        LOST.labels(each.lane).inc()
        return False
    try:
        send("assess", str(each.account_id), str(each.assessment_id), queue=each.lane)
    except (RedisError, OSError) as error:
        _Pause.until = time.monotonic() + PAUSE_SECONDS
        LOST.labels(each.lane).inc()
        log.warning("wake-up not sent", assessment=str(each.assessment_id), error=type(error).__name__)
        return False
    SENT.labels(each.lane).inc()
    return True
