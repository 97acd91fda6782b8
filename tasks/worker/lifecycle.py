"""Worker lifecycle: pings itself through the broker, exits when the pings stop arriving, and shuts down in time.

Celery's own means do not fit the thread pool. A warm shutdown waits for every thread, and so does a cold one: a
thread cannot be ended, and the pool joins them all. And a consumer that lost its broker without noticing still
answers pings. So one thread here looks after both, and the supervisor restarts a process that has ended.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import worker_init, worker_ready, worker_shutting_down
from celery.utils.nodenames import worker_direct
from celery.worker import state
from redis.exceptions import RedisError

from models import logs
from models.assessment import Lane
from models.redis import client, heartbeats, log_fault
from models.settings import SettingsError, settings
from tasks import celery, embeddings
from tasks.assessors import build
from tasks.leases import give_back_all
from tasks.message import send
from tasks.sweep import LastRun, sweep_now

log = logs.logger(__name__)

DEAF_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: the supervisor should restart the process
GIVE_BACK_SECONDS = 3.0
MISSED_SWEEPS = 3


class Heartbeat:
    """The last pings that this worker received, by its monotonic clock."""

    slots = 1
    heard_at = 0.0
    redis_since: float | None = None  # start of the current run of successful pings to Redis


@celery.task(name="heartbeat", ignore_result=True)
def heartbeat(name: str) -> None:
    """Receive a worker's ping to itself, which has passed through Redis and the pool."""
    Heartbeat.heard_at = time.monotonic()
    try:
        heartbeats.note_heartbeat(name)
    except (RedisError, OSError) as error:
        log.warning("heartbeat not noted", error=type(error).__name__)


@worker_init.connect
def _look_at_redis(**_: object) -> None:
    log_fault()


@worker_init.connect
def _load_assessor(**_: object) -> None:
    """Import the vendor's SDK at start-up: the import takes a second, which the first request should not pay."""
    try:
        build(settings(), client())
    except SettingsError as error:
        log.error("assessor not loaded", error=str(error))


def _load_embedder() -> None:
    """Load the model of EMBEDDINGS at start-up, where cases are embedded; without it words alone count."""
    try:
        embeddings.build(settings())
    except SettingsError as error:
        log.error("embeddings not loaded", error=str(error))


@worker_ready.connect
def _begin(sender: Any, **_: object) -> None:
    if not isinstance(sender.pool, ThreadPool):
        # Child processes would receive the pings unknown to this one, and a healthy worker would exit as deaf.
        log.error("this service is made for workers with -P threads")
        return
    Heartbeat.heard_at, Heartbeat.slots = time.monotonic(), sender.pool.num_processes
    name, queues = sender.hostname, set(sender.app.amqp.queues.consume_from)
    threading.Thread(target=_listen, args=[name], name="heartbeat", daemon=True).start()
    if {lane.value for lane in Lane} & queues:
        threading.Thread(target=_load_embedder, name="embedder", daemon=True).start()
    if "maintenance" in queues:
        threading.Thread(target=_keep_sweeping, name="second-clock", daemon=True).start()


def _listen(name: str) -> None:
    while not _is_deaf():
        _ping(name)
        time.sleep(settings().worker_deaf_seconds / 4)
    log.error("no message reaches this worker; it ends to be started anew")
    _leave(DEAF_EXIT_CODE)


def _ping(name: str) -> None:
    try:
        client().ping()
        send("heartbeat", name, queue=worker_direct(name).name)
    except (RedisError, OSError):
        Heartbeat.redis_since = None
        return
    if Heartbeat.redis_since is None:
        Heartbeat.redis_since = time.monotonic()


def _is_deaf() -> bool:
    """Whether pings stopped arriving although Redis answers. While Redis is down no worker counts as deaf."""
    if Heartbeat.redis_since is None:
        return False
    limit = settings().worker_deaf_seconds
    if len(state.active_requests) >= Heartbeat.slots:
        limit += settings().model_call_seconds  # busy is not deaf: a slot may be free only after the longest call
    return time.monotonic() - max(Heartbeat.heard_at, Heartbeat.redis_since) > limit


def _keep_sweeping() -> None:
    """Sweep without a message if beat or Redis is silent, since deadlines do not wait for them."""
    while True:
        time.sleep(settings().sweep_seconds)
        if time.monotonic() - LastRun.at > MISSED_SWEEPS * settings().sweep_seconds:
            sweep_now()


@worker_shutting_down.connect
def _told_to_stop(**_: object) -> None:
    """Let running work finish within the grace period, then give back the rest and exit, even if threads hang."""
    threading.Thread(target=_stop_in_time, name="leaving", daemon=True).start()


def _stop_in_time() -> None:
    # If all work ends earlier, so does the process, and this daemon thread with it.
    time.sleep(settings().worker_grace_seconds)
    _leave(0)


def _leave(code: int) -> None:
    """Give back the work, within seconds even if the database hangs, then exit at once."""
    giving = threading.Thread(target=_give_back, name="giving-back", daemon=True)
    giving.start()
    giving.join(GIVE_BACK_SECONDS)
    os._exit(code)


def _give_back() -> None:
    log.warning("work given back", count=give_back_all())
