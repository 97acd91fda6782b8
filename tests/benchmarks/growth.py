"""The growth of costs with size: pages, accounts, history, past cases, steps. Each is flat or linear."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from time import perf_counter

import psutil

from tests.benchmarks import load
from tests.benchmarks import population as people
from tests.benchmarks.population import account_id, intakes, token
from tests.benchmarks.reads import NEWS, know_the_tokens, latency_of, polls, polls_with_news
from tests.benchmarks.stage import Service, Stage, cpu_seconds, warm_up
from tests.benchmarks.table import Growth

PAGES = (10, 100, 1000, 10_000)
POLL_SECONDS = 3.0  # what the service asks of a page after half a minute without news
WINDOW_SECONDS = 6.0
ACCOUNTS = (1, 100, 10_000)
HISTORY = (10_000, 100_000, 1_000_000, 10_000_000)
READERS = 40  # of each account: one token may not poll as fast as this does
PAST = (100, 1_000, 10_000)
STEPS = (1, 10, 100, 500)


def pages(stage: Stage) -> list[Growth]:
    """Processor time of web, PostgreSQL and Redis per second, with a number of idle open queue pages.

    Each page asks again after the interval that the service named, with its cursor and ETag.
    """
    people_each = 10
    with stage.service(accounts=PAGES[-1] // people_each, people=people_each) as service:
        web = service.web()
        requests = polls(service, PAGES[-1] // people_each, people_each, conditional=True)
        random.Random(1).shuffle(requests)
        costs, slowest = [], []
        for count in PAGES:
            know_the_tokens(service, requests[:count])
            cost, latency = _cost_of_pages(service, web.pid, requests[:count])
            costs.append(1000 * cost)
            slowest.append(1000 * latency)
    return [
        Growth("open pages: processor time", PAGES, costs, "ms per second"),
        Growth("open pages: p99 of a poll", PAGES, slowest, "ms"),
    ]


def _cost_of_pages(service: Service, web: int, requests: list[bytes]) -> tuple[float, float]:
    """Processor seconds per second and the p99 latency, while these pages poll."""
    stage = service.stage
    processes = [psutil.Process(pid) for pid in (web, stage.servers.postgres.pid, stage.servers.redis.pid)]
    before = cpu_seconds(processes)
    connections = min(64, len(requests))
    result = load.open_loop(service.port, _as_pages_do(requests), connections=connections).only(200, 304)
    return (cpu_seconds(processes) - before) / max(WINDOW_SECONDS, result.seconds), result.quantile(0.99)


def _as_pages_do(requests: list[bytes]) -> Iterator[tuple[float, bytes]]:
    """When which page polls: each begins at a moment of its own and comes again after about three seconds."""
    chance = random.Random(2)
    plan = []
    for request in requests:
        at = chance.uniform(0, POLL_SECONDS)
        while at < WINDOW_SECONDS:
            plan.append((at, request))
            at += POLL_SECONDS * chance.uniform(0.8, 1.2)
    return iter(sorted(plan))


def accounts(stage: Stage) -> list[Growth]:
    """A poll with news, as the number of accounts grows."""
    found = []
    for count in ACCOUNTS:
        with stage.service(accounts=count, people=READERS) as service:
            service.web(WEB_CONCURRENCY="1")
            requests = polls_with_news(service, 1, READERS, before=200)
            found.append(latency_of(service, requests, 1.0)())
    return [Growth("accounts: poll with news, p50", ACCOUNTS, found, "ms")]


def history(stage: Stage) -> list[Growth]:
    """A poll with news, as an account's feed grows."""
    found = []
    with stage.service(people=READERS) as service:
        service.web(WEB_CONCURRENCY="1")
        last = 0
        for size in HISTORY:
            people.add_events(stage.servers, service.name, account=1, first=last + 1, count=size - NEWS - last)
            requests = polls(service, 1, READERS)
            people.add_events(stage.servers, service.name, account=1, first=size - NEWS + 1, count=NEWS, whole=True)
            service.redis().flushdb()
            found.append(latency_of(service, requests, 1.5)())
            last = size
    return [Growth("history: poll with news, p50", HISTORY, found, "ms")]


def past_cases(stage: Stage) -> list[Growth]:
    """The search for similar resolved cases, which every assessment makes, as they become more."""
    found, last = [], 0
    with stage.service() as service, service.inside():
        from models.assessment import case
        from models.transaction import transaction

        for size in PAST:
            people.add_handoffs(
                stage.servers,
                service.name,
                account=1,
                first=last + 1,
                count=size - last,
                status="resolved",
                words=True,
            )
            last, times = size, []
            for _ in range(5):
                begin = perf_counter()
                with transaction(account_id(1)) as session:
                    case.similar(session, account_id(1), people.TITLE + people.PROBLEM, besides=account_id(1))
                times.append(1000 * (perf_counter() - begin))
            found.append(statistics.median(times))
    return [Growth("past cases: search for similar ones", PAST, found, "ms")]


def steps(stage: Stage) -> list[Growth]:
    """An intake, as its session has more steps."""
    found = []
    with stage.service() as service:
        service.web(WEB_CONCURRENCY="1")
        for count in STEPS:
            bodies = intakes(f"g{count}", count)
            requests = (load.post("/api/v1/handoffs", body, token(1)) for body in bodies)
            warm_up(service.port, requests, 2)
            service.settle()
            result = load.closed_loop(service.port, requests, connections=1, seconds=1.5)
            found.append(1000 * result.only(202).quantile(0.5))
    return [Growth("steps of a session: intake, p50", STEPS, found, "ms")]
