"""A small HTTP load generator: raw keep-alive sockets, ready-made request bytes, one thread, one process.

Nothing is parsed but the status and the length of an answer, so that it takes a small part of one core; it
shares the machine with the server all the same, and therefore ratios count and absolute numbers do not.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

ANSWER_SECONDS = 30.0


@dataclass
class Result:
    """The result of one run. Latencies are seconds, from the moment a request was due to its whole answer."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)  # whole ones, heads and bodies

    @property
    def bodies(self) -> list[bytes]:
        """Bodies of sampled answers."""
        return [answer.partition(b"\r\n\r\n")[2] for answer in self.answers]

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


@dataclass(eq=False)
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

    def will_close(self) -> bool:
        """Return whether the server announced the end of the connection, as gunicorn does when it renews a worker."""
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
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float, keep: bool = False
) -> Result:
    """Every connection sends its next request as soon as it has its answer, until time or requests are over."""
    plan = ((0.0, request) for request in requests)
    return _Drive(port, plan, connections, seconds, keep).run()


def open_loop(port: int, requests: Iterable[tuple[float, bytes]], *, connections: int) -> Result:
    """Requests at given seconds after the start, whether the server keeps up or not; waiting counts as latency."""
    return _Drive(port, iter(requests), connections, float("inf"), False).run()


class _Drive:
    """One run. `plan` yields the next request and when it is due; 0: as soon as a connection is free."""

    def __init__(
        self, port: int, plan: Iterator[tuple[float, bytes]], connections: int, seconds: float, keep: bool
    ) -> None:
        self.port, self.plan, self.keep = port, plan, keep
        self.idle = deque(connect(port) for _ in range(connections))
        self.busy: set[Connection] = set()
        self.result = Result()
        self.selector = selectors.EpollSelector()
        self.start = time.perf_counter()
        self.end = self.start + seconds
        self.next: tuple[float, bytes] | None = next(plan, None)

    def run(self) -> Result:
        """Send and receive until everything that was sent is answered."""
        self.start_what_is_due()
        while self.busy or self.next is not None:
            events = self.selector.select(self.pause())
            if self.busy and not events and self.pause() >= ANSWER_SECONDS:
                raise TimeoutError("the server does not answer")
            for key, _ in events:
                self.take(key.data)
            self.start_what_is_due()
        self.result.seconds = time.perf_counter() - self.start
        for connection in self.idle:
            connection.wire.close()
        self.selector.close()
        return self.result

    def pause(self) -> float:
        """Seconds until something is to be sent, as far as that depends on the clock."""
        if self.next is None or not self.idle:
            return ANSWER_SECONDS
        return max(0.0, self.start + self.next[0] - time.perf_counter())

    def start_what_is_due(self) -> None:
        while self.idle and self.next is not None:
            now = time.perf_counter()
            after, request = self.next
            if now >= self.end:
                self.next = None
                return
            if now < self.start + after:
                return
            connection = self.idle.popleft()
            connection.send(request, self.start + after if after else now)
            self.selector.register(connection.wire, selectors.EVENT_READ, connection)
            self.busy.add(connection)
            self.next = next(self.plan, None)

    def take(self, connection: Connection) -> None:
        status = connection.receive()
        if status is None:
            return
        self.busy.remove(connection)
        self.selector.unregister(connection.wire)
        self.result.statuses[status] += 1
        self.result.latencies.append(time.perf_counter() - connection.began)
        if self.keep or status >= 400:
            self.result.answers.append(connection.received)
        if connection.will_close():
            connection.wire.close()
            connection = connect(self.port)
        self.idle.append(connection)
