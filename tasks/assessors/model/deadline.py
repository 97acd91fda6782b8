"""HTTP calls with a total deadline, a bounded body and no redirects.

The timeouts of an HTTP client start again with every byte, so a server that drips holds a call forever, and a name
lookup has no timeout at all. Here the call runs in another thread, the caller waits no longer than the deadline, and
the connection is then shut, which ends the call there too.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from typing import Any, TypeVar

import httpx2

CONNECT_SECONDS = 5.0
BODY_BYTES = 256 * 1024

T = TypeVar("T")

# Kept for the next call, since starting one is a good part of what a call costs. Far more than a worker has slots,
# so that no call waits behind one that was given up and still looks a name up.
_threads = ThreadPoolExecutor(512, thread_name_prefix="model-call")


class DeadlinePassed(Exception):
    """Raised for a call that did not end in time."""


class ReplyTooLarge(Exception):
    """Raised for a reply longer than any assessment, or compressed so that its length is unknown."""


def within(seconds: float, call: Callable[[httpx2.Client], T]) -> T:
    """Return `call(client)` or raise its errors; DeadlinePassed after `seconds`, whatever the server does."""
    wire = _Wire()

    def run() -> T:
        try:
            with wire.client(seconds) as client:
                return call(client)
        finally:
            wire.close()

    result = _threads.submit(copy_context().run, run)
    try:
        if wait([result], timeout=seconds).not_done:
            raise DeadlinePassed(f"no reply within {seconds:.1f} s")
        return result.result()
    finally:
        wire.cut()


class _Wire:
    """The connections of one call, which another thread can shut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def client(self, seconds: float) -> httpx2.Client:
        return httpx2.Client(
            verify=_tls(),
            timeout=httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            follow_redirects=False,
            event_hooks={"request": [self._watch], "response": [_bound]},
        )

    def cut(self) -> None:
        """Shut every connection. A thread blocked in reading from one of them gets an error."""
        with self._lock:
            self._is_cut = True
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()

    def _watch(self, request: httpx2.Request) -> None:
        request.headers["Accept-Encoding"] = "identity"
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith("connect_tcp.complete"):
            return
        with self._lock:
            if self._is_cut:
                raise DeadlinePassed("connected too late")
            # A duplicate stays valid when TLS takes the original over.
            self._sockets.append(info["return_value"].get_extra_info("socket").dup())


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        length = 0
        for chunk in self._inner:
            length += len(chunk)
            if length > BODY_BYTES:
                raise ReplyTooLarge(f"more than {BODY_BYTES} bytes")
            yield chunk

    def close(self) -> None:
        self._inner.close()


def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ReplyTooLarge("compressed")
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _BoundedStream(response.stream)


@cache
def _tls() -> ssl.SSLContext:
    """Create the TLS context once: loading the certificates takes longer than the rest of a client."""
    return httpx2.create_ssl_context()
