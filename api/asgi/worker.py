"""gunicorn's worker: in each process uvicorn's event loop in front of Flask's threads."""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from api.asgi import Front
from api.asgi.connection import Connection
from api.asgi.framing import MOST_HEAD_BYTES
from api.asgi.places import Places
from models.redis import log_fault
from models.settings import settings

__all__ = ["MOST_HEAD_BYTES", "Worker", "most_connections"]

OWN_FILES = 100  # of a process: the database's connections, Redis's, logs, listening sockets
MOST_FILES = 65_536


class Worker(UvicornWorker):
    """Serves a Flask application with `threads` concurrent requests, and polls beside them."""

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
        """Load the application and put the front before it."""
        super().load_wsgi()
        log_fault()
        Connection.places = Places(most_connections(raise_file_limit()))
        self.wsgi = Front(self.wsgi, ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="request"))


def raise_file_limit() -> int:
    """Raise this process's limit of open files to the maximum and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return most if soft == resource.RLIM_INFINITY else soft


def most_connections(files: int) -> int:
    """Return how many clients are possible: each may need a connection and a file that is sent on it."""
    return max(1, min(settings().web_connections, (files - OWN_FILES) // 2))
