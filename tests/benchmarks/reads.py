"""Rows about reading: the caught-up poll, a poll with news, and the feed and the queue as history grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from tests.benchmarks import load
from tests.benchmarks import population as people
from tests.benchmarks.population import account_id, token
from tests.benchmarks.stage import Service, Stage, call, forever, rate, warm_up
from tests.benchmarks.table import Row, alternate

CONNECTIONS = 64
ACCOUNTS = 200
PEOPLE = 6  # each with a token, since one token may not poll as fast as a benchmark does
NEWS = 20
OPEN = 500
LARGE_FEED, SMALL_FEED = 3_000_000, 10_000
LARGE_QUEUE = 1_000_000
LATENCY_ROUNDS = 5
READERS = 400  # of one account, for the same reason


def caught_up(stage: Stage) -> list[Row]:
    """GET /feed with nothing new, by 200 accounts."""
    with stage.service(accounts=ACCOUNTS, people=PEOPLE) as service:
        service.web()
        requests = polls(service, ACCOUNTS, PEOPLE)
        ours = forever(requests)
        know_the_tokens(service, requests)
        flask, fastapi = service.bare_flask(), service.fastapi()
        nothing = forever([load.get("/nothing")])
        query = forever([load.get(f"/events/{account_id(n)}/0") for n in range(1, ACCOUNTS + 1)])
        rows = []
        for name, aim, port, theirs in (
            ("bare Flask answering {}", 0.5, flask, nothing),
            ("FastAPI + asyncpg, one indexed query", 1.5, fastapi, query),
        ):
            result = compare(stage, (service.port, ours), (port, theirs), CONNECTIONS)
            rows.append(Row("caught-up poll", *result, "req/s", name, aim))
    return rows


def compare(
    stage: Stage, ours: tuple[int, Iterator[bytes]], theirs: tuple[int, Iterator[bytes]], connections: int
) -> tuple[float, float, float]:
    """The rates of both, measured in turns after a warm-up."""
    for port, requests in (ours, theirs):
        warm_up(port, requests, connections)
    return alternate(
        lambda: rate(*ours, connections=connections, seconds=stage.seconds),
        lambda: rate(*theirs, connections=connections, seconds=stage.seconds),
    )


def know_the_tokens(service: Service, requests: list[bytes]) -> None:
    """Let both processes have seen every token, as they have while pages are open."""
    load.closed_loop(service.port, iter(requests * 4), connections=8, seconds=30)


def polls(service: Service, accounts: int, persons: int, *, conditional: bool = False) -> list[bytes]:
    """A poll from where each account's feed stands now, for each of its people."""
    found = []
    for n in range(1, accounts + 1):
        place = cursor(service, n)
        tag = {"If_None_Match": place[1]} if conditional else {}
        found += [load.get(f"/api/v1/feed?cursor={place[0]}", token(n, p), **tag) for p in range(1, persons + 1)]
    return found


def cursor(service: Service, account: int) -> tuple[str, str]:
    """The cursor of an account's head, and the ETag of an answer that has nothing new."""
    request = load.get("/api/v1/feed?cursor=now", token(account))
    result = load.closed_loop(service.port, iter([request]), connections=1, seconds=9, keep=True).only(200)
    head, _, body = result.answers[0].partition(b"\r\n\r\n")
    tag = next(line[5:].strip() for line in head.decode().splitlines() if line.lower().startswith("etag:"))
    return body.split(b'"cursor":"')[1].split(b'"')[0].decode(), tag


def news(stage: Stage) -> list[Row]:
    """GET /feed with 20 new events."""
    accounts = 20
    with stage.service(accounts=accounts, people=ACCOUNTS * PEOPLE // accounts) as service:
        service.web()
        requests = polls_with_news(service, accounts, ACCOUNTS * PEOPLE // accounts, before=200)
        ours = forever(requests)
        know_the_tokens(service, requests)
        flask = service.bare_flask()
        theirs = forever([load.get(f"/events/{account_id(n)}/200") for n in range(1, accounts + 1)])
        result = compare(stage, (service.port, ours), (flask, theirs), CONNECTIONS)
    return [Row(f"poll with {NEWS} new events", *result, "req/s", "bare Flask, psycopg2, json.dumps", 0.6)]


def polls_with_news(service: Service, accounts: int, persons: int, *, before: int) -> list[bytes]:
    """Polls that each find 20 events, in feeds that have `before` older ones."""
    for n in range(1, accounts + 1):
        people.add_events(service.stage.servers, service.name, account=n, first=1, count=before)
    found = polls(service, accounts, persons)
    for n in range(1, accounts + 1):
        people.add_events(service.stage.servers, service.name, account=n, first=before + 1, count=NEWS, whole=True)
    service.redis().flushdb()  # its hints know nothing of events that SQL made
    return found


def history(stage: Stage) -> list[Row]:
    """The same poll in a feed of 3 million events and in one of 10 thousand: latency, one at a time."""
    with stage.service(people=READERS) as large, stage.service(people=READERS) as small:
        sides = []
        for service, size in ((large, LARGE_FEED), (small, SMALL_FEED)):
            service.web(WEB_CONCURRENCY="1")
            sides.append(latency_of(service, polls_with_news(service, 1, READERS, before=size - NEWS), stage.seconds))
        result = alternate(sides[0], sides[1], LATENCY_ROUNDS)
    return [Row("poll in a feed of 3 million events", *result, "ms", "in one of 10 thousand", 1.1, least=False)]


def latency_of(service: Service, requests: list[bytes], seconds: float) -> Callable[[], float]:
    """Measures the median milliseconds of these requests, one at a time."""
    again = forever(requests)
    warm_up(service.port, again, 2)
    return lambda: (
        1000 * load.closed_loop(service.port, again, connections=1, seconds=seconds).only(200).quantile(0.5)
    )


def queue(stage: Stage) -> list[Row]:
    """All pages of a snapshot of 500 open handoffs, beside nothing and beside a million closed ones."""
    with stage.service() as large, stage.service() as small:
        people.add_handoffs(
            stage.servers, large.name, account=1, first=1, count=LARGE_QUEUE - OPEN, status="resolved"
        )
        sides = []
        for service, first in ((large, LARGE_QUEUE - OPEN + 1), (small, 1)):
            people.add_handoffs(stage.servers, service.name, account=1, first=first, count=OPEN, status="ready")
            service.web(WEB_CONCURRENCY="1")
            sides.append(latency_of(service, queue_pages(service), stage.seconds))
        result = alternate(sides[0], sides[1], LATENCY_ROUNDS)
    name = f"queue page, {OPEN} open of 1 million handoffs"
    return [Row(name, *result, "ms", f"{OPEN} open of {OPEN}", 1.3, least=False)]


def queue_html(stage: Stage) -> list[Row]:
    """The page of 500 open handoffs as HTML, beside the same rows as JSON: until the last byte is there."""
    with stage.service() as service:
        people.add_handoffs(stage.servers, service.name, account=1, first=1, count=OPEN, status="ready")
        service.web(WEB_CONCURRENCY="1")
        pages = queue_pages(service)
        html = [load.get("/queue", Cookie=signed_in(service))]
        sides = [whole_of(service, each, stage.seconds) for each in (html, pages)]
        result = alternate(sides[0], sides[1], LATENCY_ROUNDS)
    name = f"queue as HTML, {OPEN} open, p95"
    return [Row(name, *result, "ms", f"its JSON in {len(pages)} pages, p95", 2, least=False)]


def signed_in(service: Service) -> str:
    """The cookie of a browser in which the account's first person has signed in."""
    body = urlencode({"token": token(1), "next": "/queue"}).encode()
    form = load.post("/sign-in", body, **{"Content-Type": "application/x-www-form-urlencoded"})
    answer = load.closed_loop(service.port, iter([form]), connections=1, seconds=9, keep=True).only(303).answers[0]
    head = answer.partition(b"\r\n\r\n")[0].decode()
    cookies = (line[11:] for line in head.splitlines() if line.lower().startswith("set-cookie:"))
    return next(cookies).partition(";")[0].strip()


def whole_of(service: Service, requests: list[bytes], seconds: float) -> Callable[[], float]:
    """Measures the p95 in milliseconds of all these requests one after the other."""
    again = forever(requests)
    warm_up(service.port, again, 1)

    def measure() -> float:
        single = load.closed_loop(service.port, forever(requests), connections=1, seconds=seconds).only(200).latencies
        wholes = sorted(map(sum, batched(single, len(requests))))
        return 1000 * wholes[int(0.95 * len(wholes))]

    return measure


def batched(values: list[float], size: int) -> Iterator[list[float]]:
    """Consecutive values, so many at a time; what is left at the end is not given."""
    return (values[at : at + size] for at in range(0, len(values) - size + 1, size))


def queue_pages(service: Service) -> list[bytes]:
    """The requests of a whole snapshot."""
    found, page = [], ""
    while True:
        found.append(load.get(f"/api/v1/queue?limit=200{page}", token(1)))
        answer = call(service.port, found[-1])
        if answer["next_page"] is None:
            return found
        page = f"&page={answer['next_page']}"
