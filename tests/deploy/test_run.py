"""`make run`: one process starts everything, keeps it running, and stops all of it when it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from deploy.local.servers import Postgres, Redis, free_port

ROOT = Path(__file__).parents[2]
PROJECT = ("api", "tasks", "models", "migrations", "deploy", "celeryconfig.py", "wsgi.py")
OURS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HOST", "PORT"}


READY = {"status": "ok"}


def until(promise: Callable[[], Any], seconds: float = 100) -> Any:
    """Wait until the promise is true and return its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if kept := promise():
            return kept
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


class Stack:
    """A copy of the project in a folder of its own, and the `make run` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in PROJECT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        self.port = free_port()
        self.runs = 0
        self.main: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """Return the output of the latest run so far."""
        return self.folder.with_name(f"output-{self.runs}").read_text()

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / ".local" / "demo.json").read_text()))

    def run(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        self.runs += 1
        with self.folder.with_name(f"output-{self.runs}").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "deploy.local", *arguments],
                cwd=self.folder,
                env={**environment, "PORT": str(self.port), **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self, *arguments: str, with_cases: bool = False, **variables: str) -> None:
        self.main = self.run(*arguments, *["--empty"] * (not with_cases), **variables)
        until(lambda: "Ready: " in self.output or self.main is None or self.main.poll() is not None, seconds=200)
        assert "Ready: " in self.output, self.output

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.main is not None
        self.main.send_signal(number)
        return self.main.wait(timeout=30)

    def ready(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=3) as answer:
                return dict(json.load(answer))
        except OSError:
            return None

    def processes(self) -> list[psutil.Process]:
        """All that work anywhere inside the folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def find(self, word: str) -> psutil.Process | None:
        """The first process with this word in its command line: parents come before their children."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                if word in " ".join(process.cmdline()):
                    return process
        return None

    def has_another(self, word: str, pid: int) -> bool:
        """Return whether another process than that one is now the first with this word."""
        process = self.find(word)
        return process is not None and process.pid != pid


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path.resolve() / "a project, 100% 'copied'")
    yield stack
    for process in stack.processes():
        process.kill()


# What a shell may hold that is used to another server.
ELSEWHERE = {
    "PGSERVICE": "nowhere",
    "PGHOSTADDR": "192.0.2.1",
    "PGSSLMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "German",
}
# And that is used to other programs of the same kind.
FOREIGN = {
    "CELERY_BROKER_URL": "amqp://192.0.2.1",
    "CELERY_CONFIG_MODULE": "nowhere",
    "FLASK_APP": "nowhere:app",
    "FLASK_DEBUG": "1",
    "FLASK_RUN_PORT": "1",
    "GUNICORN_CMD_ARGS": "--bind 192.0.2.1:1 --workers 9",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONSTARTUP": "/nowhere",
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "HOST": "x86_64-conda-linux-gnu",
    "DATABASE_URL": "",
    "REDIS_URL": " ",
    "SECRET_KEY": "",
    "ASSESSOR_UNKNOWN": "",
    "STATEMENT_SECONDS": "",
}


def test_all_of_it_runs_and_ends_with_the_main_process(stack: Stack) -> None:
    stack.start(ASSESSOR="openai", **ELSEWHERE, **FOREIGN)
    assert until(lambda: READY.items() <= (stack.ready() or {}).items())
    for word in ("interactive@", "bulk@", "maintenance@", "beat", "gunicorn"):
        process = stack.find(word)
        assert process
        assert process.environ()["ASSESSOR"] == "openai"
        assert "escalation_service_resolutionflow:" in process.environ()["DATABASE_URL"]
    assert stack.facts["url"] == f"http://127.0.0.1:{stack.port}"
    assert set(stack.facts["tokens"]) == {"junior", "junior2", "senior", "senior2", "admin", "viewer"}
    assert stack.facts["tokens"]["senior"] in stack.output
    assert "escalation_owner_resolutionflow:" in stack.facts["database_url"]
    secrets = ("demo.json", "secret_key", "service_password", "owner_password")
    assert {(stack.folder / ".local" / name).stat().st_mode & 0o777 for name in secrets} == {0o600}
    # A second one in the same folder leaves the first alone.
    first = stack.main
    assert stack.run().wait(timeout=30) == 1
    assert stack.output == "make run: the service runs already from this folder\n"
    stack.main = first
    assert stack.ready()
    assert stack.end() == 0
    assert stack.processes() == []


def test_the_terminal_shows_five_lines_and_what_has_died_unless_the_logs_are_asked_for(stack: Stack) -> None:
    stack.start(with_cases=True)
    until(stack.ready)
    starting, filled, ready, sign_in, stop = stack.output.splitlines()
    assert starting.startswith("Starting")
    assert filled.startswith("Demo MSP was filled with ")
    assert ready == f"Ready: {stack.facts['url']}"
    assert stack.facts["tokens"]["senior"] in sign_in
    assert "Ctrl-C" in stop
    victim = stack.find("bulk@")
    assert victim
    victim.kill()
    until(lambda: "exited: bulk" in stack.output)
    assert stack.end() == 0
    stack.start("-v")
    until(lambda: "maintenance@" in stack.output)
    assert stack.end() == 0


def test_the_demo_account_may_be_empty(stack: Stack) -> None:
    stack.start()
    assert "was filled" not in stack.output
    request = urllib.request.Request(f"{stack.facts['url']}/api/v1/handoffs")
    request.add_header("Authorization", f"Bearer {stack.facts['tokens']['admin']}")
    with urllib.request.urlopen(request, timeout=3) as answer:
        assert json.load(answer)["items"] == []
    assert stack.end() == 0


def test_what_dies_is_started_again(stack: Stack) -> None:
    stack.start()
    for name in ("gunicorn", "bin/postgres", "bin/redis-server", "bulk@", "supervisord"):
        victim = stack.find(name)
        assert victim
        victim.kill()
        until(partial(stack.has_another, name, victim.pid))
        until(stack.ready)
    assert stack.end(signal.SIGINT) == 0
    assert stack.processes() == []


def test_a_start_after_kill_9_continues_with_the_same_data(stack: Stack) -> None:
    stack.start()
    facts, before = stack.facts, stack.processes()
    stack.end(signal.SIGKILL)
    stack.start()
    assert stack.facts == facts
    assert not {one.pid for one in before} & {one.pid for one in stack.processes()}
    (stack.folder / ".local" / "demo.json").unlink()
    assert stack.end(signal.SIGHUP) == 0
    stack.start()
    assert stack.facts["account"] == facts["account"]
    assert stack.facts["tokens"] != facts["tokens"]
    assert stack.end() == 0


def test_a_folder_of_a_version_without_a_way_to_this_one_is_refused_in_a_line(stack: Stack) -> None:
    stack.start()
    with closing(psycopg2.connect(stack.facts["database_url"])) as link, link, link.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0012'")
    assert stack.end() == 0
    assert stack.run().wait(timeout=60) == 1
    _, reason = stack.output.splitlines()
    assert reason.startswith("make run: ")
    assert "0012" in reason
    assert ".local" in reason


def test_a_signal_during_the_start_stops_it(stack: Stack) -> None:
    stack.main = stack.run()
    until(lambda: "Starting" in stack.output)
    assert stack.end() == 0
    assert "Ready" not in stack.output
    assert stack.processes() == []


def test_a_port_in_use_is_one_clear_line(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", stack.port)):
        assert stack.run().wait(timeout=30) == 1
    line = f"make run: cannot listen on 127.0.0.1:{stack.port}: Address already in use"
    assert stack.output.startswith(line)
    assert stack.output.count("\n") == 1


def test_servers_given_by_url_are_used_and_left_running(stack: Stack, tmp_path: Path) -> None:
    with Postgres(tmp_path / "given", durable=False) as postgres, Redis(tmp_path / "given", durable=False) as redis:
        stack.start(DATABASE_URL=postgres.url(), REDIS_URL=redis.url)
        assert stack.facts["database_url"] == postgres.url()
        assert stack.facts["redis_url"] == redis.url
        assert until(lambda: READY.items() <= (stack.ready() or {}).items())
        assert stack.find("bin/postgres") is None
        assert stack.end() == 0
        assert postgres.running
        assert redis.running


def test_a_process_that_cannot_start_ends_it_with_its_reason(stack: Stack) -> None:
    failing = stack.run(WEB_CONCURRENCY="many")
    assert failing.wait(timeout=60) == 1
    last = stack.output.strip().splitlines()[-1]
    assert last.startswith("make run: web cannot start: ")
    assert "many" in last
    until(lambda: stack.processes() == [])


def test_a_setting_that_cannot_be_ends_it_with_its_name(stack: Stack) -> None:
    failing = stack.run(ASSESSOR="nobody")
    assert failing.wait(timeout=60) == 1
    assert "ASSESSOR" in stack.output.strip().splitlines()[-1]
    assert "Traceback" not in stack.output


def test_it_listens_on_ipv6(stack: Stack) -> None:
    stack.start(HOST="::1")
    assert stack.facts["url"] == f"http://[::1]:{stack.port}"

    def status() -> str:
        with urllib.request.urlopen(f"{stack.facts['url']}/readyz", timeout=3) as answer:
            return str(json.load(answer)["status"])

    until(lambda: status() == "ok", seconds=30)  # when a message has reached the worker
    assert status() == "ok"
    with urllib.request.urlopen(stack.facts["metrics_url"], timeout=3) as answer:
        assert b"escalation_" in answer.read()
    assert stack.end() == 0


def test_two_signals_at_once_to_the_whole_group_end_it(stack: Stack) -> None:
    stack.start()
    assert stack.main is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.killpg(stack.main.pid, number)
    assert stack.main.wait(timeout=30) == 0
    assert stack.output.rstrip().endswith("stopped")
    until(lambda: stack.processes() == [])
