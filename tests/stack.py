"""The service as real processes: gunicorn, Celery workers, beat; tests start, kill and watch them."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.servers import free_port
from tests.servers import Servers

ROOT = Path(__file__).parents[1]
CELERY = ("-m", "celery", "-A", "tasks")


class Stack:
    """Processes of one service on one database. Every start returns the process; `stop` ends what is left."""

    def __init__(self, servers: Servers, database: str, folder: Path, **environment: str) -> None:
        self.servers = servers
        self.installation = database
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.metrics_port = free_port()
        self.environment = {
            **os.environ,
            **servers.environment(database),
            "PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def redis_key(self, *parts: str) -> str:
        """The name of something in Redis, as this service has it."""
        return ":".join((self.installation, *parts))

    def web(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start gunicorn and wait until it answers."""
        process = self.start(
            "web", "-m", "gunicorn", "-c", str(ROOT / "deploy/production/gunicorn.conf.py"), "wsgi:app", **environment
        )
        wait_for(lambda: answers(f"{self.url}/healthz"), "gunicorn to answer", process=process)
        return process

    def worker(
        self,
        queues: str = "interactive,maintenance",
        concurrency: int = 4,
        program: Sequence[str] = CELERY,
        **env: str,
    ) -> subprocess.Popen[bytes]:
        """Start a Celery worker with threads. `program` may wrap Celery's own."""
        name = f"{queues.split(',')[0]}-{secrets.token_hex(3)}@test"
        options = ["-Q", queues, "-P", "threads", "-c", str(concurrency), "-n", name]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return self.start("worker", *program, "worker", *options, *quiet, **env)

    def beat(self) -> subprocess.Popen[bytes]:
        """Start the clock of the sweep."""
        schedule = self.folder / f"beat-{secrets.token_hex(3)}"
        return self.start("beat", "-m", "celery", "-A", "tasks", "beat", "-s", str(schedule))

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a Python process in a group of its own, its output in a file of the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def logs(self) -> str:
        """All that the processes printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        """End every process, politely and then not."""
        for process in self.processes:
            signal_group(process, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                signal_group(process, signal.SIGKILL)
                process.wait(5)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a process and its children; one that is gone is fine."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def answers(url: str) -> bool:
    """Return whether an HTTP GET gets a 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(200 <= response.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def wait_for(
    condition: Callable[[], Any], what: str, *, seconds: float = 60, process: subprocess.Popen[bytes] | None = None
) -> Any:
    """Wait until a condition holds and return its value; fail with its name when it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise AssertionError(f"waited for {what}, but the process ended with {process.returncode}")
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


@contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """Stop the stack's processes at the end, whatever happens."""
    try:
        yield stack
    finally:
        stack.stop()
