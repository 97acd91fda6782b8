"""The WSGI environment that Flask gets for a request that came through the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from api.asgi.threads import WHOLE_BYTES, Answer, InThreads, environ
from tests.api.asgi.here import Here


def scope(**more: Any) -> dict[str, Any]:
    """A GET of /a."""
    usual = {"method": "GET", "raw_path": b"/a", "query_string": b"", "http_version": "1.1", "scheme": "http"}
    return {**usual, "headers": [], "server": ("10.0.0.1", 80), "client": ("10.0.0.2", 5000), **more}


def test_the_request_line() -> None:
    made = environ(scope(method="POST", raw_path=b"/caf%C3%A9/%2F", query_string=b"q=%41&r=\xe9", scheme="https"))
    assert (made["REQUEST_METHOD"], made["wsgi.url_scheme"]) == ("POST", "https")
    assert made["PATH_INFO"].encode("latin-1").decode() == "/café//"
    assert made["QUERY_STRING"] == "q=%41&r=\xe9"
    assert (made["SERVER_NAME"], made["SERVER_PORT"], made["REMOTE_ADDR"]) == ("10.0.0.1", "80", "10.0.0.2")


def test_headers_and_none_that_passes_for_another() -> None:
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"3"),
        (b"x-request-id", b"one"),
        (b"x_request_id", b"forged"),
        (b"accept", b"a"),
        (b"accept", b"b"),
    ]
    made = environ(scope(headers=headers), b"abc")
    assert (made["CONTENT_TYPE"], made["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert (made["HTTP_X_REQUEST_ID"], made["HTTP_ACCEPT"]) == ("one", "a,b")
    assert made["wsgi.input"].read() == b"abc"


class Chunks:
    """An answer in pieces that has to be closed."""

    closed = False

    def __init__(self, *, breaks: bool, size: int = 1) -> None:
        self.breaks = breaks
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        yield b"one " * self.size
        if self.breaks:
            raise RuntimeError("no more")
        yield b"two" * self.size

    def close(self) -> None:
        self.closed = True


def ask(chunks: Chunks, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is sent for a request whose body arrives in these messages."""
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)

    def application(environment: Any, start_response: Any) -> Chunks:
        start_response("201 CREATED", [("X-Read", environment["wsgi.input"].read().decode())])
        return chunks

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    here = Here()
    here.until(
        lambda: asyncio.run(
            InThreads(application, here, Answer(413, [], b"no"))(scope(), receive, send, most_body=10)
        )
    )
    return sent


def test_an_answer_goes_out_whole_and_is_closed() -> None:
    chunks = Chunks(breaks=False)
    parts = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"c"}]
    assert ask(chunks, *parts) == [
        {"type": "http.response.start", "status": 201, "headers": [(b"x-read", b"abc")]},
        {"type": "http.response.body", "body": b"one two", "more_body": False},
    ]
    assert chunks.closed


def test_an_application_that_breaks_is_closed_too() -> None:
    chunks = Chunks(breaks=True)
    with pytest.raises(RuntimeError):
        ask(chunks, {"type": "http.request", "body": b""})
    assert chunks.closed


def test_nothing_is_done_for_a_client_that_left() -> None:
    chunks = Chunks(breaks=False)
    assert ask(chunks, {"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}) == []
    assert not chunks.closed


def test_no_more_is_read_than_shows_that_a_body_is_too_long() -> None:
    part = {"type": "http.request", "body": b"12345678", "more_body": True}
    chunks = Chunks(breaks=False)
    assert [sent.get("status") for sent in ask(chunks, part, part)] == [413, None]
    assert not chunks.closed


def test_a_long_answer_goes_out_in_pieces_and_is_closed() -> None:
    chunks = Chunks(breaks=False, size=WHOLE_BYTES)
    sent = ask(chunks, {"type": "http.request", "body": b""})
    assert [len(part.get("body", b"")) for part in sent[1:]] == [4 * WHOLE_BYTES, 3 * WHOLE_BYTES, 0]
    assert [part.get("more_body", False) for part in sent[1:]] == [True, True, False]
    assert chunks.closed
