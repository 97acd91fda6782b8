"""Rows about the workers: assessments per second, concurrent calls, time to ready, and slow models."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from time import perf_counter, sleep, time

from tasks.wake import MOST_WAITING
from tests.benchmarks import load
from tests.benchmarks import population as people
from tests.benchmarks.population import intake, intakes, token
from tests.benchmarks.reads import cursor
from tests.benchmarks.stage import Service, Stage, call, warm_up
from tests.benchmarks.table import Row, alternate
from tests.stack import wait_for

BACKLOG = 300
FIRST = 80  # before them, as in tests.benchmarks.writes: filling the queue makes PostgreSQL forget its plans
ROUNDS = 7  # of about a second
SLOW_ROUNDS = 5
PROVIDER_SLOTS = 32
PROVIDER_ROUNDS = 10
PROVIDER_ACCOUNTS = 4  # more calls at once than one account may have by default
POLL_SECONDS = 0.1
SIGHTINGS = 40
INTAKE_RATE = 10.0  # handoffs a second, one machine's 36,000 an hour
INTAKE_SECONDS = 30.0  # so that three requests are slower than the 99th percentile, and it is no single accident
MODEL = {
    "ASSESSOR": "openai",
    "OPENAI_API_KEY": "sk-bench",
    "MODEL_CONCURRENT_CALLS": "1000",  # what is beyond an account's limit is written offline at once
    "MODEL_CALLS_PER_MINUTE": "1000000",
    "MODEL_TOKENS_PER_DAY": "1000000000",
}


def assessments(stage: Stage) -> list[Row]:
    """Measure how fast a worker ends what waits: assessments by an instant assessor, and tasks that do nothing."""
    with stage.service() as service:
        worker = service.worker(4, BENCH_ASSESSOR="instant")
        first = iter(range(1, 1_000_000, FIRST + BACKLOG))

        def assessed() -> float:
            return _assessed(service, worker, next(first))

        assessed()
        service.settle()
        result = alternate(assessed, lambda: _emptied(service, worker), ROUNDS)
    return [Row("assessments, instant assessor", *result, "/s", "empty task, same worker", 0.4)]


def _assessed(service: Service, worker: subprocess.Popen[bytes], first: int) -> float:
    """Assessments per second until all have ended and no wake-up is left, not even one that finds nothing."""
    _wait_for_worker(service, worker)
    with _stopped(worker):
        _queue_assessments(service, first, FIRST + BACKLOG)
    read, _ = _when(service, 0)
    unfinished = "SELECT count(*) FROM assessments WHERE finished_at IS NULL"
    wait_for(lambda: service.ask(unfinished) == 0, "every assessment", process=worker)
    begin, end = (
        service.ask(f"SELECT extract(epoch FROM finished_at)::float8 FROM assessments ORDER BY finished_at {which}")
        for which in (f"OFFSET {first + FIRST - 2} LIMIT 1", "DESC LIMIT 1")
    )
    return BACKLOG / (max(read, end) - begin)


def _queue_assessments(service: Service, first: int, count: int, *, accounts: int = 1) -> None:
    """So many for each account, with as many wake-ups as tasks.wake sends for them."""
    servers, name = service.stage.servers, service.name
    for account in range(1, accounts + 1):
        kind = {"account": account, "first": first, "count": count, "status": "pending", "words": True}
        people.add_handoffs(servers, name, **kind)
        people.add_assessments(servers, name, account=account, first=first, count=count)
    _send(service, "assess", [["interactive"]] * min(accounts * count, MOST_WAITING))


def _queue_empty(service: Service, count: int) -> None:
    _send(service, "empty", [["a", "b"]] * count)


def _send(service: Service, task: str, arguments: list[list[str]]) -> None:
    with service.inside():
        from celery import Celery

        app = Celery("bench", broker=service.stack.environment["REDIS_URL"])
        app.conf.broker_transport_options = {"global_keyprefix": service.stack.redis_key("")}
        for each in arguments:
            app.send_task(task, args=each, queue="interactive", ignore_result=True)
        app.close()


def _emptied(service: Service, worker: subprocess.Popen[bytes]) -> float:
    """Tasks that do nothing, per second until the queue is empty."""
    _wait_for_worker(service, worker)
    with _stopped(worker):
        _queue_empty(service, FIRST + BACKLOG)
    begin, left = _when(service, BACKLOG)
    end, _ = _when(service, 0)
    return left / (end - begin)


def _when(service: Service, length: int) -> tuple[float, int]:
    """When the queue was no longer than this, and how long it was."""
    queue, name = service.redis(), service.stack.redis_key("interactive")
    while (left := int(queue.llen(name))) > length:  # type: ignore[arg-type]
        sleep(0.005)
    return time(), left


def _wait_for_worker(service: Service, worker: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: _is_listening(service), "the worker to listen", process=worker, seconds=60)


def _is_listening(service: Service) -> bool:
    clients: list[dict[str, str]] = service.redis().client_list()
    number = service.stack.environment["REDIS_URL"].rpartition("/")[2]
    return any(each["cmd"] == "brpop" and each["db"] == number for each in clients)


@contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def handed_off(service: Service, count: int) -> None:
    """Hand sessions off and wait until the workers have written every assessment."""
    requests = (load.post("/api/v1/handoffs", body, token(1)) for body in islice(intakes("m"), count))
    load.closed_loop(service.port, requests, connections=4, seconds=120).only(202)
    done = "SELECT count(*) FROM assessments WHERE finished_at IS NOT NULL"
    wait_for(lambda: service.ask(done) >= count, "every assessment", seconds=120)


@contextmanager
def provider(service: Service, behaviour: str, seconds: float = 1.0) -> Iterator[str]:
    """A stand-in for the AI vendor; yields its address."""
    process = service.stack.start("provider", "-m", "tests.provider")
    log = service.stack.folder / f"provider-{len(service.stack.processes) - 1}.log"
    line = wait_for(lambda: log.read_text().strip(), "the stand-in provider", process=process)
    url = line.rpartition(" ")[2]
    order = json.dumps({"behaviour": behaviour, "seconds": seconds}).encode()
    call(int(url.rpartition(":")[2]), load.post("/control", order))
    yield url


def provider_calls(stage: Stage) -> list[Row]:
    """Calls per second of one worker with 32 threads, when every call takes a second."""
    with stage.service(accounts=PROVIDER_ACCOUNTS) as service, provider(service, "slow", 1.0) as url:
        worker = service.worker(PROVIDER_SLOTS, **MODEL, OPENAI_BASE_URL=f"{url}/v1")
        _wait_for_worker(service, worker)
        count = PROVIDER_SLOTS * (PROVIDER_ROUNDS + 2)
        _queue_assessments(service, 1, count // PROVIDER_ACCOUNTS, accounts=PROVIDER_ACCOUNTS)
        done = "SELECT count(*) FROM assessments WHERE state = 'succeeded'"
        wait_for(lambda: service.ask(done) >= count, "every call to end", seconds=120)
        # The first round starts everything up and the last one runs empty; what is between them counts.
        seconds = service.ask(f"""
            SELECT extract(epoch FROM max(at) FILTER (WHERE n = {PROVIDER_SLOTS * (PROVIDER_ROUNDS + 1)})
                - max(at) FILTER (WHERE n = {PROVIDER_SLOTS}))::float8
            FROM (SELECT finished_at AS at, row_number() OVER (ORDER BY finished_at) AS n FROM assessments) AS ended
        """)
    rate = PROVIDER_SLOTS * PROVIDER_ROUNDS / seconds
    name = "provider calls of 1 s, one worker with 32 threads"
    return [Row(name, rate, PROVIDER_SLOTS, rate / PROVIDER_SLOTS, "/s", "32 calls at once", 0.9)]


def ready(stage: Stage) -> list[Row]:
    """From 202 to handoff.ready in the feed of a 100 ms poller, beside an empty task and the same poller."""
    with stage.service(people=2) as service:
        service.web()
        flask = service.bare_flask()
        worker = service.worker(4)
        _wait_for_worker(service, worker)
        ours, theirs = [], []
        for n in range(SIGHTINGS + 3):
            ours.append(_until_ready(service, n))
            theirs.append(_until_task_ended(flask, n))
            sleep(random.uniform(0.3, 0.4))  # idle in between, and no step with the poller
    rows = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        mine, other = (1000 * sorted(side[3:])[int(share * SIGHTINGS)] for side in (ours, theirs))
        label = f"accepted to ready in the feed, {name}"
        rows.append(Row(label, mine, other, mine / other, "ms", "empty task, same poller", 2.0, least=False))
    return rows


def _until_ready(service: Service, n: int) -> float:
    place, _ = cursor(service, 1)
    call(service.port, load.post("/api/v1/handoffs", intake(f"ready-{n}"), token(1)), 202)

    def seen() -> bool:
        nonlocal place
        answer = call(service.port, load.get(f"/api/v1/feed?cursor={place}", token(1, 2)))
        place = answer["cursor"]
        return any(event["type"] == "handoff.ready" for event in answer["events"])

    return _polled(seen)


def _until_task_ended(port: int, n: int) -> float:
    call(port, load.post(f"/tasks/{n}", b""), 202)
    return _polled(lambda: bool(call(port, load.get(f"/tasks/{n}"))["done"]))


def _polled(seen: Callable[[], bool]) -> float:
    """Seconds until a poller that looks every 100 ms, at no particular moment, has seen it."""
    begin = perf_counter()
    due = begin + random.uniform(0, POLL_SECONDS)
    while True:
        sleep(max(0.0, due - perf_counter()))
        if seen():
            return perf_counter() - begin
        due += POLL_SECONDS
        if due - begin > 30:
            raise TimeoutError("never seen")


def slow_model(stage: Stage) -> list[Row]:
    """p99 of intake while every call of the model takes 30 s, beside a model that answers at once."""
    with (
        stage.service() as slow,
        stage.service() as instant,
        provider(slow, "slow", 30.0) as slow_url,
        provider(instant, "good") as instant_url,
    ):
        sides = []
        for service, url in ((slow, slow_url), (instant, instant_url)):
            service.web()
            worker = service.worker(16, **MODEL, OPENAI_BASE_URL=f"{url}/v1")
            _wait_for_worker(service, worker)
            sides.append(intake_p99(service))
        result = alternate(sides[0], sides[1], SLOW_ROUNDS)
    name = "intake p99 while the AI takes 30 s a call"
    return [Row(name, *result, "ms", "an instant AI", 1.2, least=False)]


def intake_p99(service: Service) -> Callable[[], float]:
    """Measures the 99th percentile, in milliseconds, of intakes that come at a steady pace."""
    bodies = intakes(service.name)

    def request() -> bytes:
        return load.post("/api/v1/handoffs", next(bodies), token(1))

    warm_up(service.port, (request() for _ in range(40)), 4)

    def measure() -> float:
        plan = [(n / INTAKE_RATE, request()) for n in range(int(INTAKE_RATE * INTAKE_SECONDS))]
        return 1000 * load.open_loop(service.port, plan, connections=16).only(202).quantile(0.99)

    return measure


def frozen_redis(stage: Stage) -> list[Row]:
    """p99 of intake while Redis accepts connections and answers nothing, beside a Redis that is well."""
    with stage.service() as service:
        service.web()
        measure = intake_p99(service)

        def frozen() -> float:
            stage.servers.redis.freeze()
            try:
                return measure()
            finally:
                stage.servers.redis.thaw()
                sleep(1.5)  # the service leaves Redis alone for a second after a failure

        result = alternate(frozen, measure, 2)
    return [Row("intake p99 with Redis frozen", *result, "ms", "Redis well")]
