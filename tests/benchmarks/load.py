"""A small HTTP load generator: raw keep-alive sockets, ready-made request bytes, one thread, one process.

Nothing is parsed but the status and the length of an answer, so that it takes a small part of one core; it
shares the machine with the server all the same, and therefore ratios count and absolute numbers do not.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

ANSWER_SECONDS = 30.0


@dataclass
class Result:
    """What one run saw. Latencies are seconds, from the moment a request was due to its whole answer."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency that this share of the answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def only(self, *allowed: int) -> Result:
        """The result itself; RuntimeError when another status came: a fast error is not an answer."""
        others = {status: count for status, count in self.statuses.items() if status not in allowed}
        if others or not self.latencies:
            raise RuntimeError(f"answers that do not count: {others or 'none at all'} {self.bodies[:1]}")
        return self


@dataclass
class Connection:
    """One keep-alive connection and the request that is under way on it."""

    wire: socket.socket
    began: float = 0.0
    received: bytes = b""

    def send(self, request: bytes, began: float) -> None:
        """Begin a request. Bodies here are smaller than a socket's buffer, so this does not block."""
        self.began, self.received = began, b""
        self.wire.sendall(request)

    def receive(self) -> int | None:
        """Take what has come; the status once the answer is whole, before that None."""
        part = self.wire.recv(262_144)
        if not part:
            raise ConnectionError("the server closed a connection in the middle of an answer")
        self.received = self.received + part if self.received else part
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        status = int(self.received[9:12])
        if len(self.received) - end - 4 < self._body_length(end, status):
            return None
        return status

    def _body_length(self, end: int, status: int) -> int:
        if status in (204, 304):
            return 0
        head = self.received[:end].lower()
        at = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", at)
        return int(head[at : stop if stop >= 0 else end])

    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]

    def will_close(self) -> bool:
        """Whether the server said that it ends the connection, as gunicorn does with a worker that is renewed."""
        return b"connection: close" in self.received.partition(b"\r\n\r\n")[0].lower()


def connect(port: int) -> Connection:
    """A new connection to loopback."""
    wire = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(wire)


def get(path: str, token: str | None = None, **headers: str) -> bytes:
    """The bytes of a GET."""
    return _request("GET", path, token, b"", headers)


def post(path: str, body: bytes, token: str | None = None, **headers: str) -> bytes:
    """The bytes of a POST of JSON."""
    return _request("POST", path, token, body, {"Content-Type": "application/json", **headers})


def _request(method: str, path: str, token: str | None, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if method == "POST" else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def closed_loop(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float, keep_bodies: bool = False
) -> Result:
    """Every connection sends its next request as soon as it has its answer, until the time or `requests` is over."""
    start = time.perf_counter()
    return _drive(
        port, connections, lambda: next(requests, None), start, start + seconds, lambda: 0.0, keep_bodies
    )


def open_loop(port: int, requests: Iterable[tuple[float, bytes]], *, connections: int) -> Result:
    """Requests at given seconds after the start, whether the server keeps up or not; waiting counts as latency."""
    waiting = deque(requests)
    last = waiting[-1][0]
    start = time.perf_counter() + 0.05

    def due() -> float:
        return start + waiting[0][0] if waiting else 0.0

    return _drive(
        port,
        connections,
        lambda: waiting.popleft()[1] if waiting else None,
        start,
        start + last + ANSWER_SECONDS,
        due,
        False,
    )


def _drive(
    port: int,
    connections: int,
    next_request: Callable[[], bytes | None],
    start: float,
    end: float,
    due: Callable[[], float],
    keep_bodies: bool,
) -> Result:
    result = Result()
    idle = deque(connect(port) for _ in range(connections))
    everyone = list(idle)
    with selectors.EpollSelector() as selector:
        busy = 0
        more = True
        while more or busy:
            now = time.perf_counter()
            while more and idle and now >= due():
                began = due() or now
                request = next_request() if now < end else None
                if request is None:
                    more = False
                    break
                connection = idle.popleft()
                connection.send(request, began)
                selector.register(connection.wire, selectors.EVENT_READ, connection)
                busy += 1
            pause = due() - time.perf_counter() if more and idle else ANSWER_SECONDS
            events = selector.select(max(0.0, pause))
            if not events and busy and pause >= ANSWER_SECONDS:
                raise TimeoutError("the server does not answer")
            for key, _ in events:
                connection = key.data
                status = connection.receive()
                if status is None:
                    continue
                busy -= 1
                selector.unregister(connection.wire)
                result.statuses[status] += 1
                result.latencies.append(time.perf_counter() - connection.began)
                if keep_bodies or status >= 400:
                    result.bodies.append(connection.body())
                if connection.will_close():
                    connection.wire.close()
                    connection = connect(port)
                    everyone.append(connection)
                idle.append(connection)
    result.seconds = time.perf_counter() - start
    for connection in everyone:
        connection.wire.close()
    return result
