"""The whole service on one machine, for `make run`: servers, migrations, demo account, processes."""

from __future__ import annotations

from deploy.local.stop import StopSignal

stopping = StopSignal()
if __name__ == "__main__":
    stopping.listen()  # before the slow imports: a signal during them must end this quietly, too

import argparse
import fcntl
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from deploy.local import minilm, processes
from deploy.local.servers import (
    Postgres,
    Redis,
    Server,
    ServerError,
    forget_libpq,
    free_port,
    is_free,
    write_private,
)
from deploy.production import database
from deploy.web_address import WebAddress, WebAddressError, read
from models.addresses.postgres import AddressError
from models.database.roles import MayNotError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ".local"
DATABASE = "resolutionflow"
MARK = {processes.MARK: str(ROOT / FOLDER)}
TICK_SECONDS = 0.25
SUPERVISOR_SECONDS = 20  # supervisord kills its programs after 11


class CannotRunError(Exception):
    """Raised when the service cannot run here. The text is the reason, in one line for the terminal."""


class StopAskedError(Exception):
    """Raised when a signal came during the start."""


FAILURES = (
    CannotRunError,
    WebAddressError,
    AddressError,
    ServerError,
    database.SetUpError,
    psycopg2.Error,
    OSError,
)


def say(line: str) -> None:
    """Print a line. A terminal that has gone away is no reason to stop halfway."""
    with suppress(OSError):
        print(line, flush=True)


def kept_secret(name: str) -> str:
    """Return a random secret that stays the same for this folder."""
    path = Path(FOLDER, name)
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text()


def check_address_is_free(address: WebAddress) -> None:
    """Raise CannotRunError if another program listens there; gunicorn would retry for a while first."""
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise CannotRunError(
                f"cannot listen on {address.bind}: {error.strerror}; try another: make run PORT=8001"
            ) from error


def metrics_port() -> int:
    """Return the port of an earlier start if it is still free, otherwise another free one."""
    port = urlsplit(str(read_demo().get("metrics_url", ""))).port
    return port if port and is_free(port) else free_port()


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the folder's lock. The kernel releases it when this process ends, however it ends."""
    Path(FOLDER).mkdir(exist_ok=True)
    with Path(FOLDER, "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotRunError("the service runs already from this folder") from error
        yield


def base_environment(address: WebAddress) -> dict[str, str]:
    """Return our environment without variables meant for other programs, with this Python first on PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        **{name: value for name, value in os.environ.items() if not processes.is_foreign(name)},
        **MARK,
        "PATH": path,
        "HOST": address.host,
        "PORT": str(address.port),
        "METRICS_PORT": os.environ.get("METRICS_PORT") or str(metrics_port()),
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": os.environ.get("SECRET_KEY") or kept_secret("secret_key"),
        "EMBEDDINGS": os.environ.get("EMBEDDINGS") or own_model(),
    }


def own_model() -> str:
    """Return the setting for the model that the development packages bring; off without them."""
    folder = minilm.link(Path(FOLDER, "minilm").resolve())
    return f"onnx:{folder}" if folder else "off"


def flask(environment: dict[str, str], *arguments: str) -> str:
    """Run one of the service's commands and return what it printed. CannotRunError with the reason if it fails."""
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # a signal to our process group is ours to pass on
    ) as process:
        out, errors = _communicate(process)
    stop_if_asked()
    if process.returncode != 0:
        lines = (errors.strip() or out.strip()).splitlines()
        for line in lines[:-1]:
            if '"level": "info"' not in line:
                say(f"{'flask':11} | {line}")
        raise CannotRunError(f"flask {' '.join(arguments)} failed: {processes.reason(lines)}")
    return out


def _communicate(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what the process printed on stdout and stderr. Terminate it when we are asked to stop."""
    while True:
        try:
            return process.communicate(timeout=TICK_SECONDS)
        except subprocess.TimeoutExpired:
            if stopping.is_set:
                process.terminate()


def stop_if_asked() -> None:
    if stopping.is_set:
        raise StopAskedError


def read_demo() -> dict[str, Any]:
    """Return what an earlier start wrote; empty if there is nothing to read."""
    with suppress(OSError, ValueError):
        return dict(json.loads(Path(FOLDER, "demo.json").read_text()))
    return {}


def demo(environment: dict[str, str], *, empty: bool) -> dict[str, Any]:
    """Return the demo account and its tokens. Only the first call prints the tokens; lost ones are replaced."""
    kept = read_demo()
    answer = json.loads(flask(environment, "demo", "--json", *["--empty"] * empty))
    if answer.get("summary"):
        say(answer["summary"])
    if not answer.get("tokens") and kept.get("account") == answer["account"]:
        answer["tokens"] = kept.get("tokens")
    if not answer.get("tokens"):
        answer = json.loads(flask(environment, "demo", "--json", "--new-tokens"))
    return {"account": answer["account"], "tokens": answer["tokens"]}


def start_servers(servers: list[Server]) -> tuple[str, str]:
    """Return the owner's database URL and the Redis URL, from the environment or from servers started here."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if not database_url:
        postgres = Postgres(Path(FOLDER, "postgres"), durable=True, is_stopping=lambda: stopping.is_set)
        servers.append(postgres)
        postgres.start()
        database_url = own_database(postgres)
    stop_if_asked()
    if not redis_url:
        redis = Redis(Path(FOLDER, "redis"), durable=True, is_stopping=lambda: stopping.is_set)
        servers.append(redis)
        redis.start()
        redis_url = redis.url
    stop_if_asked()
    return database_url, redis_url


def own_database(postgres: Postgres) -> str:
    """Return the owner's URL of the database in our own server. Create the owner and the login: neither may do it."""
    database.ensure_database(postgres.url(), DATABASE)
    administrators = postgres.url(DATABASE)
    owner_url = database.owner_url(administrators, kept_secret("owner_password"))
    database.service_url(administrators, kept_secret("service_password"))
    return owner_url


def prepare(environment: dict[str, str], *, empty: bool) -> dict[str, Any]:
    """Migrate, create the service's login, write demo.json and return its content.

    Replaces the owner's DATABASE_URL in the environment with the service's, unless that login may not be created.
    """
    owner_url = environment["DATABASE_URL"]
    flask(environment, "db", "upgrade")
    facts = {
        "url": read(environment).url,
        "metrics_url": f"{read(environment).at(int(environment['METRICS_PORT'])).url}/metrics",
        "database_url": owner_url,
        "redis_url": environment["REDIS_URL"],
        **demo(environment, empty=empty),
    }
    write_private(Path(FOLDER, "demo.json"), json.dumps(facts, indent=2) + "\n")
    try:
        environment["DATABASE_URL"] = database.service_url(owner_url, kept_secret("service_password"))
    except MayNotError as error:
        say(f"{error} Until then the service uses that login itself.")
    return facts


def is_ready(url: str) -> bool:
    try:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def announce(facts: dict[str, Any]) -> None:
    token = facts["tokens"]["senior"]
    say(
        f"Ready: {facts['url']}\n"
        f"Sign in as the senior engineer with the token {token} (more of them: {FOLDER}/demo.json), or ask the API: "
        f'curl -H "Authorization: Bearer {token}" {facts["url"]}/api/v1/queue\n'
        "Stop with Ctrl-C."
    )


class Supervised:
    """supervisord with the service's processes, their logs, and whether they came up."""

    def __init__(self, environment: dict[str, str], url: str, *, verbose: bool) -> None:
        self._environment = environment
        self._url = url
        self._logs = processes.LogFollower(Path(FOLDER, "logs"), say, whole=verbose)
        self._supervisor: subprocess.Popen[bytes] | None = None
        self.is_up = False

    def tend(self) -> None:
        """Start supervisord if it is not running; show new logs. Raise CannotRunError if a process cannot start."""
        self._logs.follow()
        if not self.is_up:
            self._refuse_failure()
        if self._supervisor is None or self._supervisor.poll() is not None:
            processes.sweep(MARK[processes.MARK])
            self._supervisor = processes.start_supervisor(FOLDER, self._environment)
        self.is_up = self.is_up or is_ready(self._url)

    def _refuse_failure(self) -> None:
        """Raise CannotRunError for a process that failed before the service was up: restarting it would not help."""
        if self._supervisor is not None and (self._supervisor.poll() or 0) > 0:
            raise CannotRunError(f"supervisord cannot start: {processes.reason(self._logs.latest('start'))}")
        if name := processes.failed_program(self._logs.latest("supervisord")):
            raise CannotRunError(f"{name} cannot start: {processes.reason(self._logs.latest(name))}")

    def end(self) -> None:
        """End supervisord with all its processes."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            for _ in range(SUPERVISOR_SECONDS):
                with suppress(subprocess.TimeoutExpired):
                    self._supervisor.wait(1)
                    break
                processes.terminate_children(self._supervisor.pid)
        self._logs.follow()


def keep_running(environment: dict[str, str], servers: list[Server], facts: dict[str, Any], *, verbose: bool) -> None:
    """Start the processes and restart whatever dies, until a signal comes. Then end the processes."""
    supervised = Supervised(environment, facts["url"], verbose=verbose)
    try:
        while not stopping.is_set:
            was_up = supervised.is_up
            supervised.tend()
            if supervised.is_up and not was_up:
                announce(facts)
            revive(servers)
            stopping.wait(TICK_SECONDS)
    finally:
        supervised.end()


def revive(servers: list[Server]) -> None:
    """Start the servers that died. One that fails to start is tried again at the next call."""
    for server in servers:
        if not server.running:
            say(f"{server.program} ended; starting it again")
            try:
                server.start()
            except ServerError as error:
                say(str(error))


def run(servers: list[Server], *, verbose: bool, empty: bool) -> None:
    """Start everything, and keep it running until a signal comes."""
    processes.sweep(MARK[processes.MARK])
    address = read(os.environ)
    check_address_is_free(address)
    say(f"Starting; the logs are in {FOLDER}/logs" + ("" if verbose else ', and here with args="-v"'))
    if not os.environ.get("DATABASE_URL"):
        forget_libpq(os.environ)
    environment = base_environment(address)
    environment["DATABASE_URL"], environment["REDIS_URL"] = start_servers(servers)
    facts = prepare(environment, empty=empty)
    keep_running(environment, servers, facts, verbose=verbose)


def end(servers: list[Server]) -> None:
    """Stop the servers and every process that carries our mark, including those of an earlier run."""
    processes.sweep(MARK[processes.MARK])
    for server in reversed(servers):
        server.stop()


def main() -> int:
    """Run until a signal. Return 0 after a clean stop, or 1 with the reason on stderr if the service cannot run."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the processes log")
    parser.add_argument("--empty", action="store_true", help="create the demo account without cases")
    options = parser.parse_args()
    os.chdir(ROOT)
    for name in [name for name, value in os.environ.items() if not value.strip()]:
        del os.environ[name]  # a blank variable counts as unset
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # this terminal's locale may lack characters of a log
    servers: list[Server] = []
    try:
        with only_one():
            try:
                run(servers, verbose=options.verbose, empty=options.empty)
            finally:
                end(servers)
    except StopAskedError:
        pass
    except FAILURES as error:
        if not stopping.is_set:  # otherwise the stop caused the failure
            print(f"make run: {str(error).strip()}", file=sys.stderr)
            return 1
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
