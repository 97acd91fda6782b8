"""A client's connection: uvicorn's protocol, hardened against clients that cannot be trusted.

However its bytes arrive, a request is bounded in length and time. One request at a time is handled; pipelined ones
wait unread. A client that does not read its answer holds a bounded part of it, and not for long.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api import SECURITY_HEADERS
from api.asgi import framing
from api.asgi.framing import MOST_FIELDS, MOST_HEAD_BYTES, MOST_URL_BYTES, RefusedError
from api.asgi.places import Phase, Places
from api.http.errors import CODES, problem
from models.settings import settings

LAST_SECONDS = (
    2.0  # for a request on its way when the process ends, and for bytes on their way when an answer is final
)
MOST_IGNORED_BYTES = 2 * 1024 * 1024
MOST_HELD_BYTES = 64 * 1024  # of requests that were sent before an earlier one was answered
SLICE_BYTES = 16 * 1024
LEAST_READ_BYTES = 16 * 1024  # of an answer, in the time after which one that is not read is given up
END_OF_HEAD = b"\r\n\r\n"


class PipelinedError(Exception):
    """Raised when the next request begins within bytes taken for the rest of this one."""


class Cycle(RequestResponseCycle):
    """uvicorn's request-response cycle; for HTTP/1.0 an answer without a length ends with the connection."""

    ends_with_connection = False

    def send(self, message: Any) -> Any:
        """Send like uvicorn, whose coroutine it returns."""
        if message["type"] == "http.response.start":
            self._begin(message)
        elif self.ends_with_connection:
            self.expected_content_length = len(message.get("body", b""))
        return super().send(message)

    def _begin(self, message: Any) -> None:
        if self.more_body:
            self.keep_alive = False  # nobody will read the rest of the request
        if self.scope["http_version"] != "1.0":
            return
        if not any(name.lower() == b"content-length" for name, _ in message["headers"]):
            self.chunked_encoding, self.ends_with_connection = False, True


class Connection(HttpToolsProtocol):
    """See above. Its cycles write to it as to their transport."""

    places: ClassVar[Places]  # of this process
    phase = Phase.REQUEST
    deadline = 0.0
    request_ends = 0.0
    address = ""
    is_head_open = True  # the bytes that come next are of a head
    is_request_open = False  # some of a request is here, and some is not
    is_leaving = False
    is_deaf = False  # what the client sends no longer counts
    head_bytes = ignored_bytes = 0
    tail = b""  # the last bytes of the head so far
    body_left: int | None = 0  # None: the body comes in chunks
    room = 0  # how many bytes that are no body may come before more of the body
    left_before = 0

    write: Callable[[bytes], None]  # sends it, as the transport does

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.received = bytearray()

    # What the transport calls.

    def connection_made(self, transport: Any) -> None:
        """Accept a client, or turn it away if there is no place."""
        super().connection_made(transport)
        self.write = transport.write
        self.address = self.client[0] if self.client else ""
        self.deadline = self.loop.time() + self.timeout_keep_alive
        if not self.places.enter(self):
            self.is_deaf = True
            transport.write(answer(503, "Too many connections; try again.", Retry_After="2"))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection."""
        self.places.leave(self)
        self.received.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handle received bytes."""
        if self.is_deaf:
            return self._ignore(len(data))
        if not self.is_request_open and not self._is_answering:
            self._begin_request()
        self.received += data
        self._parse()
        self._settle()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        """The client has read most of the answer."""
        super().resume_writing()
        self._settle()

    # What bounds it.

    @property
    def unsent_bytes(self) -> int:
        """Bytes of the answer that wait in this process."""
        return int(self.transport.get_write_buffer_size())

    def overdue(self) -> None:
        """Handle a timeout: close, unless the delay is not the client's fault."""
        if self.phase is Phase.REQUEST and self.flow.read_paused:
            self.deadline = self.loop.time() + self.timeout_keep_alive
        elif self.phase is Phase.IDLE:
            self.close()
        elif self.phase is Phase.REQUEST or not self._is_read():
            self.drop()

    def drop(self) -> None:
        """Close at once."""
        self.is_deaf = True
        self.transport.abort()

    def shutdown(self) -> None:
        """Handle the end of the process. A request may be on its way on an open connection: it is still answered."""
        if self._is_answering:
            self.cycle.keep_alive = False
        else:
            self.is_leaving = True
            self.request_ends = self.loop.time() + LAST_SECONDS
            self.deadline = min(self.deadline, self.request_ends)

    def _is_read(self) -> bool:
        """Whether the client has read part of its answer since the last check."""
        left = self._left()
        has_read = self.left_before - left >= LEAST_READ_BYTES
        self._watch_reader()
        return has_read

    def _watch_reader(self) -> None:
        self.left_before = self._left()
        self.deadline = self.loop.time() + settings().web_unread_seconds

    def _left(self) -> int:
        """Bytes written but not yet received by the client, here and in the kernel."""
        handle = self.transport.get_extra_info("socket").fileno()
        queued = fcntl.ioctl(handle, termios.TIOCOUTQ, bytes(4)) if handle >= 0 else bytes(4)
        return self.unsent_bytes + int(struct.unpack("i", queued)[0])

    def _begin_request(self) -> None:
        self.is_request_open = True
        seconds = LAST_SECONDS if self.is_leaving else settings().web_head_seconds
        self.request_ends = self.loop.time() + seconds

    @property
    def _is_answering(self) -> bool:
        """Whether there is a request whose answer is incomplete."""
        return not self.is_request_open and self.cycle is not None and not self.cycle.response_complete

    def _settle(self) -> None:
        """Set the current phase and its timeout."""
        if self.is_deaf:
            return
        before = self.phase
        if self.is_request_open:
            phase = Phase.REQUEST
            self.deadline = min(self.request_ends, self.loop.time() + self.timeout_keep_alive)
        elif self.flow.write_paused:
            phase = Phase.ANSWER_READ
        elif self._is_answering:
            phase = Phase.ANSWER
        else:
            phase = Phase.IDLE
            self.deadline = self.loop.time() + (LAST_SECONDS if self.is_leaving else self.timeout_keep_alive)
        if phase is not before:
            self.places.move(self, phase)
            if phase is Phase.ANSWER_READ:
                self._watch_reader()

    def _ignore(self, size: int) -> None:
        self.ignored_bytes += size
        if self.ignored_bytes > MOST_IGNORED_BYTES:
            self.drop()

    # What is in the bytes.

    def _parse(self) -> None:
        """Continue the open request, or begin the next one."""
        while self.received and not self.is_deaf and not self._is_answering:
            if not self.is_request_open:
                self._begin_request()
            try:
                self.parser.feed_data(self._next_piece())
            except httptools.HttpParserUpgrade:
                self.cycle.keep_alive = (
                    False  # no other protocol is spoken here, so its request is answered in this one
                )
            except httptools.HttpParserError as error:
                self._fail(error.__context__)
            except RefusedError as error:
                self._refuse(error)
        if len(self.received) > MOST_HELD_BYTES:
            self.flow.pause_reading()

    def _next_piece(self) -> bytes:
        """Take the bytes of at most one head, or of one body as far as its end is known."""
        if self.is_head_open:
            size = self._head_end()
            self.tail = bytes(self.tail[-3:] + self.received[max(0, size - 3) : size])[-3:]
            self.head_bytes += size
            if self.head_bytes > MOST_HEAD_BYTES:
                raise RefusedError(400, "The head of the request is too long.")
        elif self.body_left is None:
            size = SLICE_BYTES
            self.room -= min(size, len(self.received))
            if self.room < -SLICE_BYTES:
                raise RefusedError(400, "Too much of the request is not its body.")
        else:
            size = self.body_left
        if size >= len(self.received):
            piece = bytes(self.received)
            self.received.clear()
        else:
            piece = bytes(self.received[:size])
            del self.received[:size]
        return piece

    def _head_end(self) -> int:
        """Count the bytes that belong to the open head."""
        for known in (3, 2, 1) if self.tail else ():
            if self.tail.endswith(END_OF_HEAD[:known]) and self.received.startswith(END_OF_HEAD[known:]):
                return len(END_OF_HEAD) - known
        found = self.received.find(END_OF_HEAD)
        return len(self.received) if found < 0 else found + len(END_OF_HEAD)

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._is_answering:
            raise PipelinedError
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Collect part of the request target."""
        self.url += url
        if len(self.url) > MOST_URL_BYTES:
            raise RefusedError(414, "The request target is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header field; trailers after the body are ignored."""
        if not self.is_head_open:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Validate the head and start the application."""
        self._check_head()
        self.is_head_open, self.room = False, MOST_HEAD_BYTES
        version = self.scope["http_version"]
        self.cycle = Cycle(
            scope=self.scope,
            transport=self,  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue and version == "1.1",
            keep_alive=version == "1.1" and self.parser.should_keep_alive() and not self.is_leaving,
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def _check_head(self) -> None:
        version, method = self.parser.get_http_version(), self.parser.get_method()
        framing.check_version(version)
        if len(self.headers) > MOST_FIELDS:
            raise RefusedError(400, "The request has too many header fields.")
        target = framing.target(method, self.url)
        hosts, codings, length = self._framing_fields()
        framing.check_host(version, hosts)
        if codings:
            framing.check_coding(version, codings)
        self.body_left = None if codings else length
        if self.body_left != 0:
            if self.parser.should_upgrade():
                raise RefusedError(400, "A request with a body cannot change the protocol.")
            self.request_ends = self.loop.time() + settings().web_body_seconds
        if (allowed := settings().allowed_hosts) and target.path not in framing.FOR_ANY_HOST:
            framing.check_allowed(target.authority or (hosts[0] if hosts else b""), allowed)
        if target.authority is not None:
            self.headers[:] = [each for each in self.headers if each[0] != b"host"] + [(b"host", target.authority)]
        self.scope["method"], self.scope["http_version"] = method.decode("ascii"), version
        self.scope["raw_path"], self.scope["query_string"] = target.path, target.query
        self.scope["path"] = unquote(target.path.decode("latin-1"))

    def _framing_fields(self) -> tuple[list[bytes], list[bytes], int]:
        """Return Host, Transfer-Encoding, and Content-Length (0 if absent)."""
        hosts, codings, length = [], [], 0
        for name, value in self.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"transfer-encoding":
                codings.append(value)
            elif name == b"content-length":
                length = int(value)
        return hosts, codings, length

    def on_body(self, body: bytes) -> None:
        """Collect part of the body. A chunk costs a few bytes more than it holds, however small it is."""
        super().on_body(body)
        if self.body_left is None:
            self.room = min(MOST_HEAD_BYTES, self.room + 9 * len(body))
        else:
            self.body_left -= len(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self.is_request_open, self.is_head_open = False, True
        self.head_bytes, self.tail = 0, b""

    def on_response_complete(self) -> None:
        """The answer is complete; the next request may be here already."""
        self.server_state.total_requests += 1
        if self.is_deaf:
            return
        self.flow.resume_reading()
        self._parse()
        self._settle()

    def _fail(self, error: BaseException | None) -> None:
        if isinstance(error, PipelinedError):
            self.cycle.keep_alive = False
            self.received.clear()
        elif isinstance(error, RefusedError):
            self._refuse(error)
        else:
            self._refuse(RefusedError(400, "This is no valid HTTP request."))

    def _refuse(self, error: RefusedError) -> None:
        """Answer a refused request, in place of the application if that has begun."""
        if not self.is_head_open and self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                return self.drop()
        self.write(answer(error.status, error.detail))
        self.close()

    # What a cycle calls as its transport.

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self.is_deaf or bool(self.transport.is_closing())

    def close(self) -> None:
        """Close after what was written. Closing while the client still sends would make it lose the answer."""
        if self.is_closing():
            return
        is_sending = self.is_request_open or bool(self.received)
        self.is_deaf = True
        self.received.clear()
        if is_sending:
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()
        self.places.move(self, Phase.ENDING)
        self._watch_reader()
        if is_sending and not self.unsent_bytes:
            self.deadline = self.loop.time() + LAST_SECONDS


def answer(status: int, detail: str, **headers: str) -> bytes:
    """Render a problem as the last answer of a connection."""
    made = problem(status, CODES.get(status, "error"), detail)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {made.status}"]
    lines += [f"{name}: {value}" for name, value in {**made.headers, **SECURITY_HEADERS, **named}.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + made.get_data()
