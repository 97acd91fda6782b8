"""A WSGI application behind an event loop: each request runs in a thread, once all of it is here.

The loop has read the request before a thread is taken and sends the answer after the thread was given back, so a
slow client costs a connection and no thread. (a2wsgi reads and writes piece by piece from within the thread.)
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Answer:
    """A status, its headers and its body."""

    status: int
    headers: Iterable[tuple[str, str]]
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it whole."""
        head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": self.body})


class InThreads:
    """ASGI, for a WSGI application whose requests and answers are small enough to be held whole."""

    def __init__(self, application: WSGIApplication, pool: Executor, *, most_body: int) -> None:
        self._application = application
        self._pool = pool
        self._most_body = most_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send, **more: Any) -> None:
        """One request. `more` is added to its environment."""
        body = await self._read(receive)
        if body is None:
            return
        run = asyncio.get_running_loop().run_in_executor
        answer = await run(self._pool, self._call, environ(scope, body) | more)
        await answer.send(send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; of one that is too long as much as shows that it is. None: the client has left."""
        body = b""
        while len(body) <= self._most_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        return body

    def _call(self, environment: WSGIEnvironment) -> Answer:
        answer = Answer(500, [], b"")

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            answer.status, answer.headers = int(status[:3]), headers
            return written.append

        written: list[bytes] = []
        chunks: Any = self._application(environment, start_response)
        try:
            answer.body = b"".join([*written, *chunks])
        finally:
            getattr(chunks, "close", bool)()
        return answer


def environ(scope: Scope, body: bytes = b"") -> WSGIEnvironment:
    """The environment of a request, by PEP 3333."""
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
    if body:
        made.setdefault("CONTENT_LENGTH", str(len(body)))
    return made
