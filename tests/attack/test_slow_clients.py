"""Clients that send or read slowly, or not at all, are dropped while everybody else is served."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any
from uuid import UUID

import pytest
import redis

from deploy.production import database
from models.session import MAX_STEPS
from tests.servers import Servers
from tests.stack import wait_for
from tests.web import HEALTH, THREADS, Web, serving

STEP_CHARS = 4000
CONNECTIONS = 30
PATIENCE = {
    "WEB_HEAD_SECONDS": "1",
    "WEB_BODY_SECONDS": "1.5",
    "WEB_UNREAD_SECONDS": "4",
    "WEB_CONNECTIONS": str(CONNECTIONS),
}


@pytest.fixture(scope="module")
def web(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(servers, tmp_path_factory.mktemp("web"), **PATIENCE) as made:
        yield made


@pytest.fixture(scope="module")
def long_one(web: Web) -> str:
    """A handoff whose session is as long as can be."""
    made = json.loads(web.ask(handed_off(web, "T-long"))[1])["id"]
    with closing(database.connect(web.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "WITH kept AS ("
            " UPDATE sessions SET steps_count = %s WHERE external_id = 'T-long' RETURNING account_id, id)"
            " INSERT INTO session_steps (account_id, session_id, seq, kind, text, added_by_id, added_at)"
            " SELECT account_id, id, n, 'note', n || ' ' || repeat('é', %s), %s, now() + interval '1 second'"
            " FROM kept, generate_series(1, %s) AS n",
            [MAX_STEPS, STEP_CHARS, str(web.world.junior.id), MAX_STEPS],
        )
    return str(made)


def handed_off(web: Web, ticket: str) -> bytes:
    session = {"external_id": ticket, "title": "A title", "problem": "A problem"}
    body = json.dumps({"intent": "escalate", "reason": "a reason", "session": session}).encode()
    return web.post("/api/v1/handoffs", f"Content-Length: {len(body)}", "Connection: close") + body


def drip(connection: socket.socket, piece: bytes = b"x", most_seconds: float = 20) -> bool:
    """Send a byte ten times a second; return whether the server ends that before long."""
    end = time.monotonic() + most_seconds
    with suppress(ConnectionError):
        while time.monotonic() < end:
            connection.sendall(piece)
            connection.settimeout(0.1)
            with suppress(TimeoutError):
                if connection.recv(65536) == b"":
                    return True
        return False
    return True


def test_a_head_that_never_ends_has_a_total_time(web: Web) -> None:
    with web.connect(b"GET /healthz HTTP/1.1\r\nHost: desk\r\nX: ") as connection:
        assert drip(connection)


@pytest.mark.parametrize("kind", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
def test_a_body_that_never_ends_has_a_total_time(web: Web, kind: str) -> None:
    with web.connect(web.post("/api/v1/handoffs", kind)) as connection:
        assert drip(connection, b"1\r\nx\r\n" if "chunked" in kind else b"x")


def test_trailers_that_never_end_have_a_total_time(web: Web) -> None:
    head = web.post("/api/v1/handoffs", "Transfer-Encoding: chunked")
    with web.connect(head + b"2\r\n{}\r\n0\r\n") as connection:
        assert drip(connection, b"A: b\r\n")


def test_more_connections_than_there_are_places_keep_nobody_out(web: Web) -> None:
    with ExitStack() as open_ones:
        for number in range(CONNECTIONS * 3):
            started = [b"", b"GET / HTTP/1.1\r\nX: ", web.post("/api/v1/handoffs", "Content-Length: 100")][number % 3]
            open_ones.enter_context(web.connect(started))
        assert web.ask(HEALTH)[0] == 200
        assert web.ask(web.get("/api/v1/queue", "Connection: close"))[0] == 200
        connected = [each for each in web.worker.net_connections("tcp") if each.raddr and each.laddr.port == web.port]
        assert len(connected) <= CONNECTIONS + 1


def test_a_long_session_and_its_timeline_come_whole(web: Web, long_one: str) -> None:
    status, body = web.ask(web.get("/api/v1/sessions/T-long", "Connection: close").replace(b"HTTP/1.1", b"HTTP/1.0"))
    session = json.loads(body)
    assert status == 200
    assert [step["seq"] for step in session["steps"]] == list(range(1, MAX_STEPS + 1))
    assert {step["added_by"]["name"] for step in session["steps"]} == {web.world.junior.name}
    assert [each["id"] for each in session["handoffs"]] == [long_one]
    timeline = web.get(f"/api/v1/handoffs/{long_one}/timeline", "Connection: close").replace(b"HTTP/1.1", b"HTTP/1.0")
    items = json.loads(web.ask(timeline)[1])["items"]
    notes = [item["note"] for item in items if item["kind"] == "step"]
    assert [int(note.split()[0]) for note in notes] == list(range(1, MAX_STEPS + 1))


def test_answers_that_nobody_reads_are_dropped_and_hold_little(web: Web, long_one: str) -> None:
    paths = ["/api/v1/sessions/T-long", f"/api/v1/handoffs/{long_one}/timeline"]
    before = web.worker.memory_info().rss
    with ExitStack() as open_ones:
        greedy = []
        for number in range(10):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", web.port))
            connection.sendall(web.get(paths[number % 2]))
            greedy.append(open_ones.enter_context(connection))
        ports = {each.getsockname()[1] for each in greedy}
        assert web.ask(web.get("/api/v1/queue", "Connection: close"))[0] == 200
        wait_for(lambda: in_transaction(web) == 0, "no connection of the database to be held")
        assert ports <= served(web)
        # The whole answers are 160 MiB and more.
        assert web.worker.memory_info().rss < before + 64 * 1024 * 1024
        wait_for(lambda: not ports & served(web), "the server to give them up")


def in_transaction(web: Web) -> int:
    """Return how many of the service's connections are in a transaction in which nothing runs."""
    with closing(database.connect(web.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
        return int(cursor.fetchone()[0])


def served(web: Web) -> set[int]:
    """The ports of the clients that the process is connected with."""
    return {each.raddr.port for each in web.worker.net_connections("tcp") if each.raddr}


def requests_of(web: Web, servers: Servers) -> int:
    """Return how many requests of the viewer Flask has begun."""
    with closing(database.connect(web.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM api_tokens WHERE user_id = %s", [str(web.world.viewer.id)])
        (token,) = cursor.fetchone()
    with redis.Redis.from_url(servers.environment("any")["REDIS_URL"]) as counters:
        return int(counters.get(f"{web.installation}:requests:{UUID(str(token)).hex}") or 0)


def test_what_nobody_waits_for_any_more_is_not_begun(web: Web, servers: Servers) -> None:
    web.ask(web.get("/api/v1/queue", "Connection: close"))
    with closing(database.connect(web.database_url)) as locking, locking.cursor() as cursor, ExitStack() as open_ones:
        locking.autocommit = False
        cursor.execute("LOCK TABLE handoffs IN ACCESS EXCLUSIVE MODE")
        for _ in range(THREADS):  # each waits two seconds for the lock
            open_ones.enter_context(web.connect(web.get("/api/v1/queue", by=web.world.senior)))
        wait_for(lambda: waiting(cursor) == THREADS, "the threads to wait")
        before = requests_of(web, servers)
        left = [web.connect(web.get("/api/v1/handoffs")) for _ in range(20)]
        ports = {each.getsockname()[1] for each in left}
        wait_for(lambda: ports <= served(web), "all of them to be connected")
        for each in left:
            each.close()
        wait_for(lambda: not ports & served(web), "them to be gone")
        locking.rollback()
    assert web.ask(web.get("/api/v1/queue", "Connection: close"))[0] == 200
    assert requests_of(web, servers) == before + 1


def waiting(cursor: Any) -> int:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
    return int(cursor.fetchone()[0])
