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
from models.assessment.unfinished import Wake
from tasks.message import send

PAUSE_SECONDS = 1.0

# So many messages in a lane's list are enough, however much is due: who is woken wakes the next (tasks/assess.py).
MOST_WAITING = 16

SENT = Counter("escalation_wakes_sent", "Wake-ups handed to Redis", ["lane"])
LOST = Counter("escalation_wakes_lost", "Wake-ups that Redis did not take; the sweep sends them again", ["lane"])

log = logs.logger(__name__)


class _Pause:
    """After a failure Redis is left alone for a second, so that a flood of intakes does not pay each time."""

    until = 0.0


def wake(wakes: Iterable[Wake]) -> int:
    """Wake workers for these assessments; returns for how many Redis has a wake-up now. Never raises for Redis."""
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
        put = send("assess", str(each.account_id), str(each.assessment_id), queue=each.lane, most=MOST_WAITING)
    except (RedisError, OSError) as error:
        _Pause.until = time.monotonic() + PAUSE_SECONDS
        LOST.labels(each.lane).inc()
        log.warning("wake-up not sent", assessment=str(each.assessment_id), error=type(error).__name__)
        return False
    SENT.labels(each.lane).inc(put)
    return True
