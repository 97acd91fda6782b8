"""The effect of slow or silent clients on others, and the memory that they leave behind."""

from __future__ import annotations

import multiprocessing
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import repeat
from multiprocessing.synchronize import Event

from deploy.local import processes
from deploy.production import database
from tests.benchmarks import load
from tests.benchmarks.population import token
from tests.benchmarks.stage import Service, Stage, memory_mib, warm_up
from tests.benchmarks.table import Row, alternate

DRIPPING, SILENT, NOT_READING = 300, 2_000, 10
STEPS, STEP_CHARS = 2_000, 4_000  # of the session that nobody reads
RATE, SECONDS, ROUNDS = 100, 6.0, 5
REST_SECONDS = 40.0  # longer than an answer may be unread


def slow_clients(stage: Stage) -> list[Row]:
    """p99 of the queue beside such a crowd and without it; the web process's memory before the crowd and after it."""
    with stage.service() as crowded, stage.service() as quiet:
        web = crowded.web(WEB_CONCURRENCY="1", **processes.FRUGAL)
        quiet.web(WEB_CONCURRENCY="1")
        _store_long_session(crowded)
        sides = [_queue_p99(service) for service in (crowded, quiet)]
        sides[0]()
        before = sum(memory_mib(web))
        with crowd(crowded):
            result = alternate(sides[0], sides[1], ROUNDS)
        time.sleep(REST_SECONDS)
        after = sum(memory_mib(web))
    return [
        Row("queue p99 beside 2,310 slow clients", *result, "ms", "nobody else", 2.0, least=False),
        Row(
            "memory 40 s after they have left",
            after,
            before,
            after / before,
            "MiB",
            "before they came",
            1.5,
            least=False,
        ),
    ]


def _queue_p99(service: Service) -> Callable[[], float]:
    request = load.get("/api/v1/queue", token(1))
    warm_up(service.port, repeat(request), 2)

    def measure() -> float:
        plan = [(n / RATE, request) for n in range(int(RATE * SECONDS))]
        return 1000 * load.open_loop(service.port, plan, connections=8).only(200).quantile(0.99)

    return measure


def _store_long_session(service: Service) -> None:
    session = '{"external_id":"T-long","title":"t","problem":"p"}'
    body = f'{{"intent":"escalate","reason":"r","session":{session}}}'.encode()
    request = load.post("/api/v1/handoffs", body, token(1))
    load.closed_loop(service.port, iter([request]), connections=1, seconds=9).only(202)
    with closing(database.connect(service.stack.environment["BENCH_DATABASE_URL"])) as link, link.cursor() as cursor:
        cursor.execute(
            "WITH kept AS ("
            " UPDATE sessions SET steps_count = %s WHERE external_id = 'T-long' RETURNING account_id, id)"
            " INSERT INTO session_steps (account_id, session_id, seq, kind, text, added_by_id)"
            " SELECT h.account_id, h.session_id, n, 'note', repeat('x', %s), h.handed_off_by_id"
            " FROM kept JOIN handoffs AS h ON h.account_id = kept.account_id AND h.session_id = kept.id,"
            " generate_series(1, %s) AS n",
            [STEPS, STEP_CHARS, STEPS],
        )


@contextmanager
def crowd(service: Service) -> Iterator[None]:
    """So many of each kind are connected all the time; whom the service leaves comes again.

    They are a process of their own, so that their work is not taken for the service's.
    """
    context = multiprocessing.get_context("spawn")
    here, over = context.Event(), context.Event()
    unread = load.get("/api/v1/sessions/T-long", token(1))
    process = context.Process(target=_be_many, args=(service.port, unread, here, over))
    process.start()
    try:
        assert here.wait(60)
        yield
    finally:
        over.set()
        process.join()


def _be_many(port: int, unread: bytes, here: Event, over: Event) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    kinds = [b"GET /healthz HTTP/1.1\r\nHost: d\r\nX: "] * DRIPPING + [b""] * SILENT + [unread] * NOT_READING
    members = [Member(port, first, drips=n < DRIPPING) for n, first in enumerate(kinds)]
    while not over.wait(0.5):
        for member in members:
            member.go_on()
        here.set()
    for member in members:
        member.leave()


class Member:
    """One client of the crowd."""

    def __init__(self, port: int, first: bytes, *, drips: bool) -> None:
        self._port = port
        self._first = first
        self._drips = drips
        self._socket: socket.socket | None = None

    def go_on(self) -> None:
        """Come again, or send the next byte."""
        if self._socket is not None and self._is_left():
            self.leave()
        if self._socket is None:
            self._come()
        elif self._drips:
            with suppress(OSError):
                self._socket.send(b"x")

    def leave(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _come(self) -> None:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            made.connect(("127.0.0.1", self._port))
            made.sendall(self._first)
        except OSError:
            made.close()
            return
        made.setblocking(False)
        self._socket = made

    def _is_left(self) -> bool:
        assert self._socket is not None
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
