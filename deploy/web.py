"""gunicorn's worker: its processes, and in each of them uvicorn's event loop before the threads of Flask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from api.front import Front

MOST_HEAD_BYTES = 64 * 1024
LAST_SECONDS = 2.0


class Connection(HttpToolsProtocol):
    """uvicorn's, for clients that are not to be trusted: a head has a length, and silence within a request an end."""

    is_head_open = is_request_open = True
    is_leaving = False
    head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """A client that never says anything goes as one that has nothing more to say."""
        super().connection_made(transport)
        self._wait(self.timeout_keep_alive)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.is_head_open = self.is_request_open = True

    def on_headers_complete(self) -> None:
        """Its head is here."""
        super().on_headers_complete()
        self.is_head_open, self.head_bytes = False, 0
        if self.is_leaving:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """All of it is here."""
        super().on_message_complete()
        self.is_request_open = False

    def data_received(self, data: bytes) -> None:
        """Some of it has come."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.is_head_open:
            self.head_bytes += len(data)
            if self.head_bytes > MOST_HEAD_BYTES:
                return self.send_400_response("The head of the request is too long.")
        if self.is_request_open:
            self._wait(self.timeout_keep_alive)

    def shutdown(self) -> None:
        """The process ends. What is asked on an open connection may be on its way: it is the last to be answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
        else:
            self.is_leaving = True
            self._unset_keepalive_if_required()
            self._wait(LAST_SECONDS)

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)


class Worker(UvicornWorker):
    """Serves a Flask application, `threads` requests of it at once, and its polls beside them."""

    wsgi: Any
    CONFIG_KWARGS: ClassVar = {
        "loop": "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "off",
        "server_header": False,
        "access_log": False,
        "log_level": "warning",
    }

    def load_wsgi(self) -> None:
        """Put the front before the application."""
        super().load_wsgi()
        self.wsgi = Front(self.wsgi, ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="request"))
