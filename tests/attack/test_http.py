"""HTTP as no client writes it, over raw sockets to a real web process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from api.asgi.framing import MOST_FIELDS, MOST_HEAD_BYTES, MOST_URL_BYTES
from tests.servers import Servers
from tests.web import HEALTH, Web, chunked, serving
from tests.world import intake

CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def web(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(servers, tmp_path_factory.mktemp("web"), WEB_HEAD_SECONDS="5") as made:
        yield made


@pytest.fixture(scope="module")
def guarded(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """It serves two hosts alone."""
    with serving(servers, tmp_path_factory.mktemp("web"), ALLOWED_HOSTS="desk,.example.com") as made:
        yield made


def status(web: Web, request: bytes) -> int:
    """The status of the first answer; 0: the connection ended without one."""
    with web.connect(request) as connection:
        try:
            head = connection.recv(65536)
        except ConnectionResetError:
            return 0
    return int(head.split()[1]) if head else 0


def in_parts(web: Web, parts: Iterator[bytes]) -> int:
    """The status of a request that is sent until the server has had enough. 0: it took no more; -1: it took all."""
    with web.connect() as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (ConnectionResetError, BrokenPipeError):
            return 0
        with suppress(ConnectionResetError, TimeoutError):
            if head := connection.recv(65536):
                return int(head.split()[1])
    return -1


def with_trailer(web: Web, head: str, *trailers: str) -> bytes:
    lines = ["POST /api/v1/handoffs HTTP/1.1", "Host: desk", "Content-Type: application/json", CLOSE, head]
    body = json.dumps(intake("T-trailer")).encode()
    sent = "\r\n".join([line for line in lines if line] + ["Transfer-Encoding: chunked", "", ""]).encode()
    return sent + chunked(body)[:-2] + "".join(f"{each}\r\n" for each in trailers).encode() + b"\r\n"


def test_a_token_in_a_trailer_does_not_sign_in(web: Web) -> None:
    token = f"Authorization: Bearer {web.world.junior.token}"
    assert web.ask(with_trailer(web, "", token))[0] == 401
    assert web.ask(with_trailer(web, "Trailer: Authorization", token))[0] == 401


@pytest.mark.parametrize(
    "trailer", ["Idempotency-Key: " + "k" * 300, "Content-Type: text/plain", "Cookie: escalation=x"]
)
def test_a_trailer_is_no_header(web: Web, trailer: str) -> None:
    token = f"Authorization: Bearer {web.world.junior.token}"
    status, body = web.ask(with_trailer(web, token, trailer))
    assert status in (202, 409), body


def endless_trailers(web: Web, size: int) -> Iterator[bytes]:
    yield with_trailer(web, f"Authorization: Bearer {web.world.junior.token}")[:-2]
    for number in range(size):
        yield b"X-%d: %s\r\n" % (number, b"x" * 200)


def test_trailers_are_bounded_and_cost_no_memory(web: Web) -> None:
    before = web.worker.memory_info().rss
    assert in_parts(web, endless_trailers(web, 100_000)) in (0, 400)
    assert in_parts(
        web,
        (
            part
            for part in [
                b"POST /sign-in HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                *[b"A: b\r\n"] * 200_000,
            ]
        ),
    ) in (0, 400, 403, 401)
    assert web.worker.memory_info().rss < before + 32 * 1024 * 1024
    assert web.ask(HEALTH)[0] == 200


@pytest.mark.parametrize("way", ["in one piece", "in small pieces", "in one field", "in one name"])
def test_a_head_is_bounded_whatever_way_it_comes(web: Web, way: str) -> None:
    start, size = b"GET /healthz HTTP/1.1\r\nHost: desk\r\n", MOST_HEAD_BYTES + 2000
    if way == "in one name":
        parts = iter([start + b"x" * size + b": a\r\n\r\n"])
    elif way == "in small pieces":
        parts = iter([start, *[b"X: " + b"x" * 990 + b"\r\n"] * (size // 990), b"\r\n"])
    elif way == "in one field":
        parts = iter([start + b"X: ", *[b"x" * 1000] * (size // 1000), b"\r\n\r\n"])
    else:
        parts = iter([start + b"X: " + b"x" * size + b"\r\n\r\n"])
    assert in_parts(web, parts) in (0, 400)
    assert web.ask(HEALTH)[0] == 200


@pytest.mark.parametrize(("fields", "expected"), [(MOST_FIELDS - 2, 200), (MOST_FIELDS + 1, 400)])
def test_the_number_of_fields_is_bounded(web: Web, fields: int, expected: int) -> None:
    assert status(web, HEALTH[:-2] + b"X: y\r\n" * fields + b"\r\n") == expected


def test_the_target_is_bounded(web: Web) -> None:
    assert status(web, b"GET /healthz?" + b"x" * MOST_URL_BYTES + b" HTTP/1.1\r\nHost: desk\r\n\r\n") == 414


HOSTS = [
    "",
    "Host: a\r\nHost: b\r\n",
    "Host: a\r\nHost: a\r\n",
    "Host: a b\r\n",
    "Host: a/b\r\n",
    "Host: a@b\r\n",
    "Host: [::1\r\n",
    "Host: a:99999\r\n",
    "Host: a:b\r\n",
    "Host: <x>\r\n",
    "Host: a,b\r\n",
    "Host:\r\n",
]


@pytest.mark.parametrize("hosts", HOSTS)
def test_a_request_names_one_possible_host(web: Web, hosts: str) -> None:
    assert status(web, f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode()) == 400


FRAMING = {
    "both lengths": "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": "Content-Length: 3, 4\r\n\r\nabcd",
    "a signed length": "Content-Length: +3\r\n\r\nabc",
    "a negative length": "Content-Length: -1\r\n\r\nabc",
    "a length in words": "Content-Length: three\r\n\r\nabc",
    "an enormous length": f"Content-Length: {'9' * 40}\r\n\r\nabc",
    "a blank before the colon": "Content-Length : 3\r\n\r\nabc",
    "a folded field": "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a bare return": "X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "a nul": "X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "an unknown coding": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk's size in words": "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk": "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
    "an enormous chunk": f"Transfer-Encoding: chunked\r\n\r\n{'f' * 40}\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMING)
def test_a_body_whose_end_is_in_doubt_is_refused(web: Web, name: str) -> None:
    head = f"POST /sign-in HTTP/1.1\r\nHost: desk\r\nContent-Type: application/x-www-form-urlencoded\r\n{CLOSE}\r\n"
    assert status(web, (head + FRAMING[name]).encode()) in (400, 413, 501)
    assert web.ask(HEALTH)[0] == 200


def test_nothing_is_smuggled_behind_a_refused_request(web: Web) -> None:
    """Bytes after a doubtful body are never answered as a request of their own."""
    inner = b"GET /healthz HTTP/1.1\r\nHost: desk\r\n\r\n"
    for name in FRAMING:
        head = "POST /sign-in HTTP/1.1\r\nHost: desk\r\n"
        with web.connect((head + FRAMING[name]).encode() + inner) as connection:
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        assert b'{"status":"ok"}' not in answer, name


def test_an_extension_of_a_chunk_is_bounded(web: Web) -> None:
    head = web.post("/api/v1/handoffs", "Transfer-Encoding: chunked", CLOSE)
    assert in_parts(web, iter([head, b"1;", *[b"x" * 1000] * 200, b"\r\na\r\n0\r\n\r\n"])) in (0, 400)


def test_a_version_of_another_framing_is_refused(web: Web) -> None:
    assert status(web, b"GET /healthz HTTP/2.0\r\nHost: desk\r\n\r\n") in (400, 505)
    assert status(web, b"GET /healthz HTTP/0.9\r\nHost: desk\r\n\r\n") in (400, 505)
    assert status(web, b"GET /healthz HTTP/1.0\r\n\r\n") == 200


@pytest.mark.parametrize(
    ("headers", "path", "expected"),
    [
        ([], "/api/v1/handoffs", 401),
        (["Authorization: Bearer rf_wrong"], "/api/v1/handoffs", 401),
        (["Authorization: Basic eDp5"], "/api/v1/handoffs", 401),
        (["Cookie: escalation=x.y.z"], "/api/v1/handoffs", 401),
        ([], "/nothing", 404),
    ],
)
@pytest.mark.parametrize("length", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
def test_nothing_of_a_body_is_waited_for_without_a_token(
    web: Web, headers: list[str], path: str, expected: int, length: str
) -> None:
    lines = [f"POST {path} HTTP/1.1", "Host: desk", "Content-Type: application/json", length, *headers, "", ""]
    assert status(web, "\r\n".join(lines).encode()) == expected


def test_who_expects_to_be_asked_for_the_body_is_not_asked_without_a_token(web: Web) -> None:
    lines = ["POST /api/v1/handoffs HTTP/1.1", "Host: desk", "Content-Length: 10", "Expect: 100-continue", "", ""]
    assert status(web, "\r\n".join(lines).encode()) == 401
    with web.connect(web.post("/api/v1/handoffs", "Content-Length: 2", "Expect: 100-continue", CLOSE)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 422 ")


def test_a_form_without_a_login_is_small(web: Web) -> None:
    body = b"token=" + b"x" * 900_000
    head = f"POST /sign-in HTTP/1.1\r\nHost: desk\r\nContent-Type: application/x-www-form-urlencoded\r\n{CLOSE}\r\n"
    assert web.ask(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)[0] == 413


def test_only_the_hosts_that_are_named_are_served(guarded: Web) -> None:
    def asked(host: str, path: str = "/api/v1/openapi.json") -> int:
        return status(guarded, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert [asked(host) for host in ("desk", "DESK:8000", "a.example.com", "b.a.example.com:1")] == [200] * 4
    assert [asked(host) for host in ("evil.example", "example.com", "desk.evil", "xdesk", "127.0.0.1")] == [400] * 5
    assert status(guarded, b"GET http://evil.example/sign-in HTTP/1.1\r\nHost: desk\r\n\r\n") == 400
    assert asked("10.0.0.7", "/healthz") == 200
    poll = guarded.get("/api/v1/feed?cursor=now").replace(b"Host: desk", b"Host: evil.example")
    assert status(guarded, poll) == 400


def test_no_redirect_names_the_host_of_the_request(web: Web) -> None:
    for path in ("/", "//", "/api/v1//me", "/static//js/api.js", "/queue", "/queue/", "//evil.example/%2e%2e"):
        with web.connect(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n{CLOSE}\r\n\r\n".encode()) as connection:
            head = connection.makefile("rb").read().partition(b"\r\n\r\n")[0].lower()
        assert b"location: http" not in head, path
        assert b"location: //" not in head, path
