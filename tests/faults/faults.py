"""The faults. Each one loads a site, breaks something meanwhile, and leaves it mended; the count follows.

Each returns its cuts: how often all that the slots of one worker were doing may have been lost.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from models.addresses.redis import RedisAddress
from models.redis import connect
from tests.faults.site import SLOTS, Load, Site, kept_alive
from tests.stack import signal_group, wait_for

POISON = "POISON-PILL"  # tests/faults/poison_worker.py dies of it
POISON_WORKER = ("-m", "tests.faults.poison_worker", "-A", "tasks")
WRONG_CLOCK = ("-m", "tests.faults.wrong_clock", "-A", "tasks")


@dataclass(frozen=True)
class Size:
    """The load of a run: the short one is part of the suite, the long one is `make faults`."""

    handoffs: int
    seconds: float  # over which they are posted
    times: int  # how often the fault strikes
    outage_seconds: float
    beatless_seconds: float


SHORT = Size(handoffs=24, seconds=2, times=1, outage_seconds=2, beatless_seconds=2)
LONG = Size(handoffs=200, seconds=25, times=4, outage_seconds=10, beatless_seconds=60)


def worker_killed_in_a_call(site: Site, load: Load, size: Size) -> int:
    """kill -9 of a worker whose every slot waits for the model."""
    victim = site.worker()
    site.beat()
    site.behave("slow", seconds=30)
    load.post(size.handoffs)
    wait_for(lambda: site.calls >= min(SLOTS, size.handoffs), "the slots to be in a call")
    kill(victim)
    site.behave("good")
    site.worker()
    return 1


def worker_tree_killed_under_load(site: Site, load: Load, size: Size) -> int:
    """kill -9 of the whole worker tree, again and again, while handoffs come in."""
    site.beat()
    site.behave("slow", seconds=0.5)
    with kept_alive(site) as worker, load.posting(size.handoffs, seconds=size.seconds):
        for _ in range(size.times):
            before = site.calls
            wait_for(lambda: _moved(site, before), "a call to be running", seconds=60)  # noqa: B023 - at once
            kill(worker.current())
        site.drained()
    return size.times


def _moved(site: Site, calls: int) -> bool:
    """Return whether a call has begun since, or nothing is left that needs one."""
    return site.calls > calls or site.unfinished() == 0


def deploy_under_load(site: Site, load: Load, size: Size) -> int:
    """A new worker beside the old one, then TERM and HUP, each time with calls of 20 s running."""
    old = site.worker()
    site.beat()
    with load.posting(size.handoffs, seconds=size.seconds):
        for _ in range(size.times + 1):
            time.sleep(size.seconds / (size.times + 2))
            site.behave("slow", seconds=20)
            before = site.calls
            load.post(4)
            wait_for(lambda: site.calls >= before + 4, "long calls", seconds=60)  # noqa: B023 - called at once
            site.behave("good")
            new = site.worker()
            site.web_process.send_signal(signal.SIGHUP)
            signal_group(old, signal.SIGTERM)
            assert old.wait(30) == 0
            old = new
    assert not load.refused, load.refused
    return size.times + 1


def redis_killed_and_empty(site: Site, load: Load, size: Size) -> int:
    """kill -9 of Redis, which comes back with nothing."""
    site.worker()
    site.beat()
    site.behave("slow", seconds=0.2)
    with load.posting(size.handoffs, seconds=size.seconds):
        for _ in range(size.times):
            time.sleep(size.seconds / (size.times + 1))
            site.servers.redis.kill()
            time.sleep(0.5)
            site.servers.redis.start()
    return 0


def redis_frozen(site: Site, load: Load, size: Size) -> int:
    """SIGSTOP to Redis: its connections stay open without answers. Everybody still gets a 202."""
    site.worker()
    site.beat()
    site.behave("slow", seconds=0.5)
    load.post(SLOTS)
    site.servers.redis.freeze()
    try:
        load.post(size.handoffs, seconds=size.outage_seconds)
        assert len(load.accepted) == load.sent, load.refused
    finally:
        site.servers.redis.thaw()
    return 0


def broker_refuses_at_intake(site: Site, load: Load, size: Size) -> int:
    """No Redis at all while handoffs are accepted. Nobody is refused, and the worker is there first."""
    site.worker()
    site.beat()
    site.servers.redis.stop()
    try:
        load.post(size.handoffs)
        assert not load.refused, load.refused
    finally:
        site.servers.redis.start()
    return 0


def redis_full(site: Site, load: Load, size: Size) -> int:
    """Redis answers every write with an error, as with a full disk or maxmemory."""
    site.worker()
    site.beat()
    client = connect(RedisAddress.parse(site.servers.redis.url))
    client.config_set("maxmemory", "1mb")
    client.config_set("maxmemory-policy", "noeviction")
    try:
        _fill(client)
        load.post(size.handoffs, seconds=size.seconds)
        assert not load.refused, load.refused
    finally:
        client.config_set("maxmemory", "0")
    return 0


def _fill(client: redis.Redis) -> None:
    try:
        for n in range(1000):
            client.set(f"ballast:{n}", "x" * 10_000)
    except redis.ResponseError:
        return
    raise AssertionError("Redis never became full")


def postgres_restarted(site: Site, load: Load, size: Size) -> int:
    """Restarts of PostgreSQL under load. Every request carries a key, so the service repeats it unseen."""
    site.worker()
    site.beat()
    site.behave("slow", seconds=0.2)
    with load.posting(size.handoffs, seconds=size.seconds):
        for _ in range(size.times):
            time.sleep(size.seconds / (size.times + 1))
            site.servers.postgres.restart()
    assert not load.refused, load.refused
    return size.times


def postgres_frozen(site: Site, load: Load, size: Size) -> int:
    """SIGSTOP to PostgreSQL, longer than a lease. Whoever is not waited for gets a 503, and nobody no answer."""
    site.worker()
    site.beat()
    site.behave("slow", seconds=0.5)
    with load.posting(size.handoffs, seconds=size.seconds):
        time.sleep(size.seconds / 2)
        site.servers.postgres.freeze()
        time.sleep(size.outage_seconds)
        site.servers.postgres.thaw()
    assert set(load.refused) <= {"503"}, load.refused
    return 1


def five_messages_at_once(site: Site, load: Load, size: Size) -> int:
    """Every wake-up delivered five times, to two workers."""
    site.beat()
    load.post(size.handoffs)
    client = connect(RedisAddress.parse(site.servers.redis.url))
    messages = client.lrange(site.redis_key("interactive"), 0, -1)
    assert messages
    for _ in range(4):
        client.lpush(site.redis_key("interactive"), *messages)  # type: ignore[misc]
    site.behave("slow", seconds=1)
    site.worker()
    site.worker()
    return 0


def poison(site: Site, load: Load, size: Size) -> int:
    """A handoff, among others, whose assessment kills the whole process; the worker is restarted each time."""
    site.beat()
    site.behave("slow", seconds=0.3)
    with kept_alive(site, program=POISON_WORKER), load.posting(size.handoffs, seconds=size.seconds):
        load.post(1, title=POISON)
        site.drained()
    crashed = site.ask("""
        SELECT s.title LIKE '%POISON%', a.state, a.attempts FROM assessments a JOIN handoffs h ON h.id = a.handoff_id
        JOIN sessions s ON s.id = h.session_id WHERE a.error_kind = 'crashed'""")
    assert crashed == [(True, "fallback", 4)], crashed
    return 3


def clocks_off(site: Site, load: Load, size: Size) -> int:
    """One worker five minutes ahead, one five minutes behind, and one of them killed in its calls."""
    victim = site.worker(program=WRONG_CLOCK, CLOCK_OFF_SECONDS="300")
    site.worker(program=WRONG_CLOCK, CLOCK_OFF_SECONDS="-300")
    site.beat()
    site.behave("slow", seconds=0.5)
    with load.posting(size.handoffs, seconds=size.seconds):
        time.sleep(size.seconds / 2)
        kill(victim)
        site.worker(program=WRONG_CLOCK, CLOCK_OFF_SECONDS="300")
    return 1


def beat_dead_then_two(site: Site, load: Load, size: Size) -> int:
    """No beat for a minute, in which Redis loses every wake-up once; afterwards two beats at once."""
    site.worker()
    with load.posting(size.handoffs // 2, seconds=size.beatless_seconds):
        time.sleep(size.beatless_seconds / 2)
        site.servers.redis.kill()
        load.post(size.handoffs // 4)
        site.servers.redis.start()
    site.drained()
    site.beat()
    site.beat()
    load.post(size.handoffs // 4, seconds=size.seconds)
    return 0


Fault = Callable[[Site, Load, Size], int]

FAULTS: dict[str, Fault] = {
    "kill -9 a worker in the middle of its calls": worker_killed_in_a_call,
    "kill -9 the worker tree under load": worker_tree_killed_under_load,
    "deploy (TERM, HUP) under load": deploy_under_load,
    "Redis killed, restarted empty": redis_killed_and_empty,
    "Redis frozen": redis_frozen,
    "PostgreSQL restarted": postgres_restarted,
    "PostgreSQL frozen": postgres_frozen,
    "broker refuses at intake": broker_refuses_at_intake,
    "every message five times": five_messages_at_once,
    "a poison handoff": poison,
    "worker clocks 5 minutes off": clocks_off,
    "Redis full": redis_full,
    "beat dead, then two": beat_dead_then_two,
}


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 to a process and its children."""
    signal_group(process, signal.SIGKILL)
    process.wait(5)
