"""Run a WSGI application behind an event loop: each request takes a thread only once it has arrived completely.

The loop reads the request before a thread is taken and sends the answer after the thread was given back, so a slow
client costs a connection and no thread. (a2wsgi reads and writes piece by piece from within the thread.) A thread
produces a long answer one piece at a time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
NextPiece = Callable[[Iterator[bytes]], Awaitable[bytes | None]]

WHOLE_BYTES = 64 * 1024  # an answer of fewer is sent at once
READS = ("GET", "HEAD", "OPTIONS")


@lru_cache(maxsize=4096)  # most fields of an answer are those of every answer
def _field(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")


@dataclass
class Answer:
    """Status, headers and body: the whole body, or its beginning with the rest in pieces."""

    status: int
    headers: Iterable[tuple[str, str]]
    body: bytes
    rest: Iterator[bytes] | None = None

    async def send(self, send: Send, next_piece: NextPiece | None = None) -> None:
        """Send it; each piece of the rest is made when the client has read most of those before it."""
        head = [_field(name, value) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": self.body, "more_body": self.rest is not None})
        if self.rest is None or next_piece is None:
            return
        while (piece := await next_piece(self.rest)) is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class InThreads:
    """An ASGI wrapper for a WSGI application. Requests are small enough to be held whole; answers need not be."""

    def __init__(self, application: WSGIApplication, pool: Executor, too_long: Answer) -> None:
        self._application = application
        self._pool = pool
        self._too_long = too_long

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, most_body: int, **more: Any) -> None:
        """One request with its body, whose length is bounded; 0: nothing of it is read.

        `more` is added to its environment.
        """
        body = await self._read(receive, most_body) if most_body else b""
        if body is None:
            return None
        if len(body) > most_body:
            return await self._too_long.send(send)
        loop = asyncio.get_running_loop()

        def is_abandoned() -> bool:
            """Whether nobody waits for the answer; writes are carried out anyway."""
            return scope["method"] in READS and is_gone(receive)

        answer = await loop.run_in_executor(self._pool, self._call, scope, body, more, is_abandoned)
        if answer is None:
            return None

        async def next_piece(rest: Iterator[bytes]) -> bytes | None:
            return None if is_gone(receive) else await loop.run_in_executor(self._pool, next, rest, None)

        try:
            await answer.send(send, next_piece)
        finally:
            if answer.rest is not None:
                await loop.run_in_executor(self._pool, getattr(answer.rest, "close", bool))

    async def _read(self, receive: Receive, most: int) -> bytes | None:
        """Read the body; of one that is too long only as much as proves it. None: the client has disconnected."""
        body = bytearray()
        while len(body) <= most:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        return bytes(body)

    def _call(
        self, scope: Scope, body: bytes, more: Mapping[str, Any], is_abandoned: Callable[[], bool]
    ) -> Answer | None:
        """Return the answer with the beginning of its body; None: nobody waits for it."""
        if is_abandoned():
            return None
        answer = Answer(500, [], b"")

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            answer.status, answer.headers = int(status[:3]), headers
            return written.append

        written: list[bytes] = []
        pieces = _closed(self._application({**environ(scope, body), **more}, start_response))
        for piece in pieces:
            written.append(piece)
            if sum(map(len, written)) >= WHOLE_BYTES:
                answer.rest = pieces
                break
        answer.body = b"".join(written)
        return answer


def _closed(chunks: Any) -> Iterator[bytes]:
    """Iterate over the pieces of an answer, and close it at the end or when no more are wanted."""
    try:
        yield from chunks
    finally:
        getattr(chunks, "close", bool)()


def is_gone(receive: Receive) -> bool:
    """Whether the client has disconnected. uvicorn records it on the request that `receive` belongs to."""
    return bool(getattr(getattr(receive, "__self__", None), "disconnected", False))


def environ(scope: Scope, body: bytes = b"") -> WSGIEnvironment:
    """Build the environment of a request by PEP 3333."""
    host, port = scope.get("server") or ("localhost", 80)
    made: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or ""),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name == b"transfer-encoding":
            continue  # it would pass for the header with a hyphen in its place; the chunks are put together
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        made[key] = f"{made[key]},{text}" if key in made else text
    if not body:
        made["CONTENT_LENGTH"] = "0"  # whatever was announced, nothing of it was read
    made.setdefault("CONTENT_LENGTH", str(len(body)))
    return made
