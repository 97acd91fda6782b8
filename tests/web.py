"""A web process as clients see it: raw connections to a real gunicorn."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import ROOT, Stack, answers, running, wait_for
from tests.world import Person, World

THREADS = 2


@dataclass
class Web:
    """A running gunicorn: its address, and the people who may send it requests."""

    port: int
    world: World
    master: psutil.Process
    database_url: str  # the superuser's
    installation: str

    def connect(self, first: bytes = b"") -> socket.socket:
        """A connection on which so much was sent."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        made.sendall(first)
        return made

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a request that ends its connection."""
        with self.connect(request) as connection, connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def get(self, path: str, *headers: str, by: Person | None = None) -> bytes:
        """A GET by the viewer or by somebody else."""
        return self._request("GET", path, by or self.world.viewer, *headers)

    def post(self, path: str, *headers: str) -> bytes:
        """The head of a POST by the junior."""
        return self._request("POST", path, self.world.junior, "Content-Type: application/json", *headers)

    def _request(self, method: str, path: str, by: Person, *headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: desk", f"Authorization: Bearer {by.token}"]
        return "\r\n".join([*lines, *headers, "", ""]).encode()

    @property
    def worker(self) -> psutil.Process:
        """Its only process that serves."""
        return self.master.children()[0]


@contextmanager
def serving(servers: Servers, folder: Path, *options: str, **variables: str) -> Iterator[Web]:
    """One process with two threads, with a database of its own."""
    name = servers.create_database()
    try:
        with environment(servers.environment(name)):
            from wsgi import app

            world = worlds.create(app.test_client())
        with running(
            Stack(servers, name, folder, WEB_CONCURRENCY="1", WEB_THREADS=str(THREADS), **variables)
        ) as stack:
            settings = str(ROOT / "deploy/production/gunicorn.conf.py")
            process = stack.start("web", "-m", "gunicorn", "-c", settings, *options, "wsgi:app")
            wait_for(lambda: answers(f"{stack.url}/healthz"), "gunicorn to answer", process=process)
            yield Web(stack.port, world, psutil.Process(process.pid), servers.postgres.url(name), name)
    finally:
        servers.drop_database(name)


def whole(connection: socket.socket) -> bytes:
    """The next answer of /healthz."""
    answer = b""
    while not answer.endswith(b'{"status":"ok"}'):
        part = connection.recv(4096)
        assert part, answer
        answer += part
    return answer


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n"


def chunked(body: bytes, size: int = 4096) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
