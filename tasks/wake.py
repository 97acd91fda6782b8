"""Wake workers: bounded in time, and never a reason to fail.

The rows are committed before, and the sweep rings again for what was lost. A publish that raised may still have been
delivered, so nothing is ever undone for it.
"""

from __future__ import annotations

import time

from prometheus_client import Counter
from redis.exceptions import RedisError

from models import logs
from models.assessment import Lane
from tasks.message import send

PAUSE_SECONDS = 1.0

# Enough messages for a lane's list, however much is due: each woken worker wakes the next (tasks/assess.py).
MOST_WAITING = 16

SENT = Counter("escalation_wakes_sent", "Wake-ups handed to Redis", ["lane"])
LOST = Counter("escalation_wakes_lost", "Wake-ups that Redis did not take; the sweep sends them again", ["lane"])

log = logs.logger(__name__)


class _Pause:
    """A pause of one second after a Redis failure, so that a flood of intakes does not wait for each timeout."""

    until = 0.0


def wake(lane: Lane, times: int = 1) -> int:
    """Wake workers of the lane, which then look for due work. Never raises for Redis.

    Returns how many wake-ups were added to the lane's list: fewer than `times` if it is full or Redis is unavailable.
    """
    return sum(_send(lane) for _ in range(min(times, MOST_WAITING)))


def nudge(task: str, *, queue: str) -> None:
    """Request one run of a task that beat starts anyway. Never raises for Redis."""
    if time.monotonic() < _Pause.until:
        return
    try:
        send(task, queue=queue)
    except (RedisError, OSError) as error:
        _Pause.until = time.monotonic() + PAUSE_SECONDS
        log.warning("task not nudged", task=task, error=type(error).__name__)


def _send(lane: Lane) -> bool:
    if time.monotonic() < _Pause.until:
        LOST.labels(lane).inc()
        return False
    try:
        put = send("assess", lane, queue=lane, most=MOST_WAITING)
    except (RedisError, OSError) as error:
        _Pause.until = time.monotonic() + PAUSE_SECONDS
        LOST.labels(lane).inc()
        log.warning("wake-up not sent", lane=lane, error=type(error).__name__)
        return False
    SENT.labels(lane).inc(put)
    return True
