"""The stage of a benchmark: private servers, the service, and a reference under the same gunicorn settings."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import psutil
import redis

from deploy.local.servers import free_port
from deploy.production import database
from tests import servers as private
from tests.benchmarks import load, population
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import ROOT, Stack, answers, running, wait_for

WARM_UP_SECONDS = 0.7
NICE = 5  # of workers, as deploy/local/processes.py starts them
Handler = Callable[[], Iterator[bytes]]


@dataclass
class Stage:
    """The servers of one run."""

    servers: Servers
    folder: Path
    seconds: float  # of one round of load
    redis_number: int = 0

    @contextmanager
    def service(self, *, accounts: int = 1, people: int = 1, **more: str) -> Iterator[Service]:
        """A database of its own with accounts in it, and the means to start the service's processes on it."""
        name = self.servers.create_database()
        population.add_accounts(self.servers, name, accounts, people)
        # A Redis database of its own too, so that no worker of another service takes its messages.
        self.redis_number = self.redis_number % 15 + 1
        redis_url = self.servers.redis.url.removesuffix("/0") + f"/{self.redis_number}"
        variables = {
            # The limits are counted as always, and are not what is measured.
            "TOKEN_REQUESTS_PER_MINUTE": "10000000",
            "ACCOUNT_REQUESTS_PER_MINUTE": "10000000",
            "BENCH_DATABASE_URL": self.servers.postgres.url(name),
            "REDIS_URL": redis_url,
            **more,
        }
        stack = Stack(self.servers, name, self.folder / name, **variables)
        try:
            with running(stack):
                yield Service(self, name, stack)
        finally:
            self.servers.drop_database(name)


@dataclass
class Service:
    """One installation of the service, and what stands beside it to be compared with."""

    stage: Stage
    name: str
    stack: Stack

    @property
    def port(self) -> int:
        """Of the service's own gunicorn."""
        return self.stack.port

    def web(self, **more: str) -> subprocess.Popen[bytes]:
        """Start the service's gunicorn."""
        return self.stack.web(**more)

    def bare_flask(self) -> int:
        """Start the bare Flask reference with the service's own gunicorn settings; returns its port."""
        port = free_port()
        self._serve(
            port,
            "gunicorn",
            "-c",
            str(ROOT / "deploy/production/gunicorn.conf.py"),
            "tests.benchmarks.references.bare_flask:app",
        )
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/nothing"), "bare Flask")
        return port

    def fastapi(self) -> int:
        """Start the FastAPI reference in two processes, as gunicorn has two; returns its port."""
        port = free_port()
        self._serve(
            port, "uvicorn", "--port", str(port), "--workers", "2", "--no-access-log",
            "tests.benchmarks.references.fastapi_poll:app",
        )  # fmt: skip
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/events/{population.account_id(1)}/0"), "FastAPI")
        return port

    def _serve(self, port: int, *command: str) -> None:
        self.stack.start(command[0], "-m", *command, PORT=str(port), METRICS_PORT="")

    def worker(self, concurrency: int = 4, **more: str) -> subprocess.Popen[bytes]:
        """Start a Celery worker that also knows the empty tasks."""
        name = f"bench-{secrets.token_hex(3)}@bench"
        options = ["-Q", "interactive", "-P", "threads", "-c", str(concurrency), "-n", name]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        started = self.stack.start(
            "worker", "-m", "celery", "-A", "tests.benchmarks.references.worker", "worker", *options, *quiet,
            REMAP_SIGTERM="SIGQUIT", **more,
        )  # fmt: skip
        os.setpriority(os.PRIO_PROCESS, started.pid, NICE)
        return started

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this process be one of the service's, with its database and Redis."""
        names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
        with environment({name: self.stack.environment[name] for name in names}):
            yield

    def redis(self) -> redis.Redis:
        """A client of the service's Redis database."""
        return redis.Redis.from_url(self.stack.environment["REDIS_URL"])

    def sql(self, *statements: str) -> None:
        """Run statements as the superuser."""
        population.run_sql(self.stage.servers, self.name, *statements)

    def settle(self) -> None:
        """Look at the tables as autovacuum does every minute: until then plans are those of empty ones, also those
        of foreign keys.
        """
        self.sql("ANALYZE sessions, session_steps, handoffs, assessments, feed_events")

    def ask(self, query: str) -> Any:
        """The one value that a query of the superuser's finds."""
        url = self.stage.servers.postgres.url(self.name)
        with closing(database.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]


@contextmanager
def stage(folder: Path, *, seconds: float = 2.0) -> Iterator[Stage]:
    """Start private servers, migrate a template, and stop everything at the end."""
    servers = private.start(folder)
    try:
        with environment(
            servers.environment(private.TEMPLATE) | {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
        ):
            private.migrate_template(servers)
        yield Stage(servers, folder, seconds)
    finally:
        servers.postgres.stop()
        servers.redis.stop()


def rate(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float, allowed: tuple[int, ...] = (200,)
) -> float:
    """Answers per second in a closed loop; an answer of another status stops the benchmark."""
    return load.closed_loop(port, requests, connections=connections, seconds=seconds).only(*allowed).rate


def call(port: int, request: bytes, status: int = 200) -> Any:
    """Send one request; the JSON of its answer."""
    result = load.closed_loop(port, iter([request]), connections=1, seconds=load.ANSWER_SECONDS, keep=True)
    return json.loads(result.only(status).bodies[0])


def warm_up(port: int, requests: Iterator[bytes], connections: int = 16) -> None:
    """Let a server import, connect and fill its caches before it is measured."""
    load.closed_loop(port, requests, connections=connections, seconds=WARM_UP_SECONDS)


def forever(requests: list[bytes]) -> Iterator[bytes]:
    """These requests over and over."""
    return chain.from_iterable(repeat(requests))


def memory_mib(process: subprocess.Popen[bytes]) -> list[float]:
    """Return each process's memory in a group (PSS: its own and its share of what is shared), the parent's first."""
    parent = psutil.Process(process.pid)
    return [each.memory_full_info().pss / 2**20 for each in (parent, *parent.children(recursive=True))]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """User and system time of these processes and of the children they have now."""
    everyone = {each for process in processes for each in (process, *process.children(recursive=True))}
    return sum(sum(each.cpu_times()[:2]) for each in everyone)


def moment() -> float:
    """A clock for durations."""
    return time.perf_counter()
