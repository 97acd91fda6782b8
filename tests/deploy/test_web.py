"""A web process as clients see it: raw connections to a real gunicorn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psutil
import pytest

from api.asgi.worker import MOST_HEAD_BYTES
from deploy.production import database
from tests.servers import Servers
from tests.stack import wait_for
from tests.web import HEALTH, THREADS, Web, chunked, serving, whole
from tests.world import intake


@pytest.fixture(scope="module")
def web(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Its connections are silent for a second at most."""
    with serving(servers, tmp_path_factory.mktemp("web"), "--keep-alive", "1") as made:
        yield made


def test_two_requests_go_over_one_connection(web: Web) -> None:
    with web.connect() as connection:
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: desk\r\n\r\n")
            assert whole(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_server_does_not_say_what_it_is(web: Web) -> None:
    with web.connect(HEALTH) as connection:
        assert b"server:" not in whole(connection).lower()


def test_an_answer_to_head_has_no_body(web: Web) -> None:
    assert web.ask(HEALTH.replace(b"GET", b"HEAD")) == (200, b"")


def test_a_body_in_chunks_is_a_body(web: Web) -> None:
    body = json.dumps(intake("T-chunks")).encode()
    request = web.post("/api/v1/handoffs", "Transfer-Encoding: chunked", "Connection: close")
    status, answer = web.ask(request + chunked(body, 50))
    assert status == 202, answer


@pytest.mark.parametrize("way", ["whole", "in chunks"])
def test_a_body_that_is_too_long_is_413_as_a_problem(web: Web, way: str) -> None:
    body = b'{"reason": "' + b"x" * 1024 * 1024 + b'"}'
    length = f"Content-Length: {len(body)}" if way == "whole" else "Transfer-Encoding: chunked"
    sent = body if way == "whole" else chunked(body)
    status, answer = web.ask(web.post("/api/v1/handoffs", length, "Connection: close") + sent)
    assert (status, json.loads(answer)["status"]) == (413, 413)


def test_clients_that_are_slow_to_send_hold_no_thread(web: Web) -> None:
    with ExitStack() as open_ones:
        for _ in range(THREADS * 4):
            open_ones.enter_context(web.connect())
            open_ones.enter_context(web.connect(b"GET /healthz HT"))
            open_ones.enter_context(web.connect(web.post("/api/v1/handoffs", "Content-Length: 100") + b"{"))
        assert web.ask(HEALTH)[0] == 200


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: d",
        b"POST /sign-in HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\nto",
    ],
    ids=["at once", "in the head", "in the body"],
)
def test_a_client_that_says_nothing_more_is_left(web: Web, begun: bytes) -> None:
    with web.connect(begun) as connection:
        assert connection.recv(100) == b""


def test_an_answer_may_take_longer_than_a_client_may_be_silent(web: Web) -> None:
    request = HEALTH.replace(b"/healthz", b"/api/v1/queue")
    token = f"Authorization: Bearer {web.world.viewer.token}\r\n\r\n".encode()
    with closing(database.connect(web.database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("LOCK TABLE handoffs IN ACCESS EXCLUSIVE MODE")
        # The service waits two seconds for a lock.
        assert web.ask(request.removesuffix(b"\r\n") + token)[0] == 503
        connection.rollback()


def test_a_head_without_an_end_is_refused(web: Web) -> None:
    with web.connect(b"GET /healthz HTTP/1.1\r\nX-Long: ") as connection:
        connection.sendall(b"x" * (MOST_HEAD_BYTES + 1))
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_many_heads_on_one_connection_are_not_one_long_one(web: Web) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: desk\r\nX-Long: " + b"x" * 20_000
    with web.connect() as connection:
        for _ in range(1 + MOST_HEAD_BYTES // 20_000 * 2):
            connection.sendall(request)
            connection.sendall(b"\r\n\r\n")
            assert whole(connection).startswith(b"HTTP/1.1 200 ")


def test_a_query_of_any_bytes_is_answered(web: Web) -> None:
    request = b"GET /api/v1/feed?cursor=\xff\xfe HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n"
    token = f"Authorization: Bearer {web.world.viewer.token}\r\n\r\n".encode()
    status, answer = web.ask(request + token)
    assert status == 400, answer


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_cookie_is_secure_when_the_proxy_in_front_says_https(web: Web, scheme: str) -> None:
    form = f"token={web.world.viewer.token}".encode()
    lines = ["POST /sign-in HTTP/1.1", "Host: desk", f"X-Forwarded-Proto: {scheme}", "Connection: close"]
    kind = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
    with web.connect("\r\n".join([*lines, *kind, "", ""]).encode() + form) as connection:
        head = connection.makefile("rb").read().lower()
    assert b"set-cookie: escalation=" in head
    assert (b"; secure" in head) is (scheme == "https")


def test_polls_of_a_page_are_answered_one_after_the_other(web: Web) -> None:
    token = f"Authorization: Bearer {web.world.viewer.token}"
    ask = f"GET /api/v1/feed?cursor=%s HTTP/1.1\r\nHost: desk\r\n{token}\r\nConnection: close\r\n\r\n"
    place = json.loads(web.ask((ask % "now").encode())[1])["cursor"]
    for _ in range(4):
        status, body = web.ask((ask % place).encode())
        assert (status, json.loads(body)["events"]) == (200, [])


def test_what_is_asked_on_an_open_connection_of_a_process_that_ends_is_answered(web: Web) -> None:
    worker = web.master.children()[0]
    with ExitStack() as open_ones:
        new, used, begun = (open_ones.enter_context(web.connect()) for _ in range(3))
        used.sendall(b"GET /healthz HTTP/1.1\r\nHost: desk\r\n\r\n")
        whole(used)
        begun.sendall(b"GET /healthz HTTP/1.1\r\n")
        worker.terminate()
        wait_for(lambda: not listens(worker), "the process to accept nobody any more")
        for connection, rest in ((new, 0), (used, 0), (begun, len(b"GET /healthz HTTP/1.1\r\n"))):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: desk\r\n\r\n"[rest:])
        for connection in (new, used, begun):
            assert b"connection: close" in whole(connection)
            assert connection.recv(1) == b""
    wait_for(lambda: web.ask(HEALTH)[0] == 200, "its successor")


def listens(process: psutil.Process) -> bool:
    """Return whether it still receives new connections."""
    try:
        return any(each.status == psutil.CONN_LISTEN for each in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
