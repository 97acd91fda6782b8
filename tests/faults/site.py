"""A complete service under load, with a stand-in provider, and a count of what became of every handoff."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg2
from flask.testing import FlaskClient

from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import CELERY, ROOT, Stack, wait_for
from tests.world import World

# Short waits, so that a recovery takes seconds; the proportions are those of production.
QUICK = {
    "LEASE_SECONDS": "2",
    "SWEEP_SECONDS": "1",
    "ASSESS_DEADLINE_SECONDS": "60",
    "WORKER_GRACE_SECONDS": "2",
    "ASSESSOR": "openai",
    "OPENAI_API_KEY": "sk-stand-in",
    "MODEL_CONCURRENT_CALLS": "1000",
    "MODEL_CALLS_PER_MINUTE": "100000",
    "MODEL_TOKENS_PER_DAY": "1000000000",
    "WEB_CONCURRENCY": "1",
}
CLIENT_TIMEOUT_SECONDS = 20
SLOTS = 16  # of each worker here


@dataclass
class Count:
    """The outcome of one run for its handoffs."""

    fault: str
    load: int = 0  # requests sent
    accepted: int = 0  # answered 202
    refused: int = 0  # answered otherwise, or not at all; the client knows and tries again
    lost: int = 0  # accepted and not ready, or not there
    duplicated: int = 0  # handoffs whose creation or readiness is not exactly one event
    ready: int = 0
    by_model: int = 0  # of these, written by the model and not by the fallback
    crashed: int = 0  # given up because processes had died under them
    stored: int = 0  # including those whose client got an error
    calls: int = 0
    attempts: int = 0
    cuts: int = 0  # how often every slot of a worker may have lost the call it was in
    recovery_seconds: float = 0.0  # the longest time from acceptance to ready

    HEAD = (
        "| fault | load | accepted | lost | duplicated | longest recovery | refused | by the model | crashed "
        "| model calls | at most |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|"
    )

    def most_calls(self) -> int:
        """A call a handoff, and one more for each slot that may have lost its call.

        A slotful is allowed in any case: on a starved machine the short leases of these sites may run out.
        """
        return self.stored + SLOTS * max(1, self.cuts)

    def wrong(self) -> list[str]:
        """Return the broken promises, in words."""
        found = {
            f"{self.lost} lost": self.lost > 0,
            f"{self.duplicated} duplicated": self.duplicated > 0,
            f"{self.calls} calls for {self.by_model} answers of the model": self.calls < self.by_model,
            f"{self.calls} calls in {self.attempts} attempts": self.calls > self.attempts,
            f"{self.calls} calls where {self.most_calls()} are the most": self.calls > self.most_calls(),
        }
        return [what for what, is_so in found.items() if is_so]

    def row(self) -> str:
        """A line of the table."""
        return (
            f"| {self.fault} | {self.load} | {self.accepted} | {self.lost} | {self.duplicated} "
            f"| {self.recovery_seconds:.1f} s | {self.refused} | {self.by_model} | {self.crashed} | {self.calls} "
            f"| {self.most_calls()} |"
        )


@dataclass
class Load:
    """Handoffs posted by several clients at an even pace."""

    site: Site
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sent: int = 0

    def post(self, count: int, *, seconds: float = 0.0, clients: int = 8, title: str = "Printer offline") -> None:
        """Hand `count` sessions off, spread over `seconds`; returns when all have been answered."""
        first, self.sent = self.sent, self.sent + count
        start = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            for n in range(count):
                time.sleep(max(0.0, start + seconds * n / count - time.monotonic()))
                pool.submit(self._one, first + n, title)

    @contextmanager
    def posting(self, count: int, *, seconds: float) -> Iterator[None]:
        """The same in the background, for as long as the block or longer."""
        thread = threading.Thread(target=self.post, args=[count], kwargs={"seconds": seconds})
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _one(self, n: int, title: str) -> None:
        try:
            body = worlds.intake(f"T-{n}", title=title)
            status, body = self.site.call("POST", "/handoffs", body, **{"Idempotency-Key": f"key-{n}"})
        except OSError as error:
            self.refused.append(type(error).__name__)
            return
        if status == 202:
            self.accepted.append(body["id"])
        else:
            self.refused.append(str(status))


class Site(Stack):
    """The service on a database of its own, with a provider to misbehave and a person to hand off."""

    world: World
    database: str
    provider: str
    web_process: subprocess.Popen[bytes]

    def worker(
        self,
        queues: str = "interactive,maintenance",
        concurrency: int = SLOTS,
        program: Sequence[str] = CELERY,
        **env: str,
    ) -> subprocess.Popen[bytes]:
        """A worker that is ready for messages."""
        before = self.logs().count(" ready.")
        process = self.start_worker(queues, concurrency, program, **env)
        wait_for(lambda: self.logs().count(" ready.") > before, "the worker to be ready", process=process)
        return process

    start_worker = Stack.worker  # without waiting

    def web(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start gunicorn, available as `web_process`."""
        self.web_process = super().web(**environment)
        return self.web_process

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One HTTP request as the junior: status and JSON. OSError when there was no answer."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self.world.junior.headers, **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=CLIENT_TIMEOUT_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, None

    def behave(self, behaviour: str = "good", **orders: Any) -> None:
        """Set what the next calls of the model meet; see tests/provider.py."""
        data = json.dumps({"behaviour": behaviour, **orders}).encode()
        urllib.request.urlopen(f"{self.provider}/control", data=data, timeout=5).close()

    @property
    def calls(self) -> int:
        """Return the number of calls of the model."""
        with urllib.request.urlopen(f"{self.provider}/control", timeout=5) as answer:
            return int(json.load(answer)["calls"])

    def ask(self, question: str) -> list[Any]:
        """Rows from the database, seen by its owner."""
        connection = psycopg2.connect(self.servers.postgres.url(self.database), connect_timeout=5)
        try:
            with connection.cursor() as cursor:
                cursor.execute(question)
                rows = cast(list[Any], cursor.fetchall())
            connection.commit()
            return rows
        finally:
            connection.close()

    def unfinished(self) -> int:
        """Return the number of assessments that have not ended."""
        return int(self.ask("SELECT count(*) FROM assessments WHERE state IN ('queued', 'running')")[0][0])

    def drained(self, *, seconds: float = 180) -> None:
        """Wait until everything has ended."""
        wait_for(lambda: self.unfinished() == 0, "every assessment to end", seconds=seconds)

    def count(self, fault: str, load: Load, *, cuts: int) -> Count:
        """Compare the accepted handoffs with the database, the feed and the model's calls."""
        rows = self.ask("""
            SELECT h.id::text, h.ready_at IS NOT NULL,
                coalesce(extract(epoch FROM h.ready_at - h.created_at), 0)::float,
                (SELECT count(*) FROM feed_events e WHERE e.handoff_id = h.id AND e.type = 'handoff.created'),
                (SELECT count(*) FROM feed_events e WHERE e.handoff_id = h.id AND e.type = 'handoff.ready'),
                (SELECT count(*) FROM assessments a WHERE a.handoff_id = h.id),
                (SELECT count(*) FROM assessments a WHERE a.handoff_id = h.id AND a.state = 'succeeded'),
                (SELECT sum(attempts) FROM assessments a WHERE a.handoff_id = h.id),
                (SELECT count(*) FROM assessments a WHERE a.handoff_id = h.id AND a.error_kind = 'crashed')
            FROM handoffs h""")
        found = {row[0]: row for row in rows}
        whole = Count(fault, load.sent, len(load.accepted), len(load.refused), calls=self.calls, cuts=cuts)
        whole.lost = sum(1 for each in load.accepted if each not in found or not found[each][1])
        whole.ready = sum(1 for row in rows if row[1])
        whole.duplicated = sum(1 for row in rows if row[3] != 1 or row[4] > 1 or row[5] != 1)
        whole.by_model = sum(row[6] for row in rows)
        whole.stored = len(rows)
        whole.crashed = sum(row[8] for row in rows)
        whole.attempts = int(sum(row[7] for row in rows))
        whole.recovery_seconds = max((row[2] for row in rows), default=0.0)
        return whole


@contextmanager
def provider() -> Iterator[str]:
    """The stand-in for the model, as a process of its own; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provider", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it reports every client that left
        text=True,
    )
    try:
        assert process.stdout
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def site(servers: Servers, folder: Path, address: str, **settings: str) -> Iterator[Site]:
    """A service with web and no worker yet, on an empty database and an empty Redis."""
    database = servers.create_database()
    made = Site(servers, database, folder, **{**QUICK, "OPENAI_BASE_URL": f"{address}/v1", **settings})
    made.database, made.provider = database, address
    try:
        with environment(servers.environment(database)):
            made.world = worlds.create(cast(FlaskClient, None))
        made.behave("good", reset=True)
        made.web()
        yield made
    finally:
        made.stop()
        servers.drop_database(database)


class Kept:
    """A worker that is restarted whenever it exits, as by a supervisor."""

    def __init__(self, made: Site, program: Sequence[str]) -> None:
        self.made, self.program = made, program
        self.over = threading.Event()
        self.process = made.worker(program=program)
        self.thread = threading.Thread(target=self._keep)

    def current(self) -> subprocess.Popen[bytes]:
        """The process that runs now, once it does."""
        wait_for(lambda: self.process.poll() is None, "the worker to be started anew")
        return self.process

    def _keep(self) -> None:
        while not self.over.wait(0.1):
            if self.process.poll() is not None:
                self.process = self.made.start_worker(concurrency=SLOTS, program=self.program)


@contextmanager
def kept_alive(made: Site, program: Sequence[str] = CELERY) -> Iterator[Kept]:
    """Keep a worker running for the length of the block."""
    kept = Kept(made, program)
    kept.thread.start()
    try:
        yield kept
    finally:
        kept.over.set()
        kept.thread.join()
