"""Retry requests that PostgreSQL interrupted by a restart, where that is safe and invisible to the client."""

from __future__ import annotations

import time

from flask import Flask, request
from flask.typing import ResponseReturnValue

from models import logs
from models.database import is_away
from models.database.conflicts import repeated

log = logs.logger(__name__)

WAIT_SECONDS = 5.0
PAUSE_SECONDS = 0.25


class RetryingFlask(Flask):
    """Flask, for a database that may be unavailable for some seconds.

    A read is answered by the second try, and so is a request with an Idempotency-Key, since its repetition
    finds what the first try may have committed. Other writes get 503 with Retry-After: only the client knows
    whether to send them again. What PostgreSQL rolled back in favour of another transaction is always repeated.
    """

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view, again after a conflict: a view writes in one transaction."""
        return repeated(self._dispatch)()

    def _dispatch(self) -> ResponseReturnValue:
        """Call the view, again while the database is unavailable and the request may be repeated."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return super().dispatch_request()
            except Exception as error:
                if not (is_away(error) and _may_be_repeated() and time.monotonic() < end):
                    raise
                log.warning("request repeated", path=request.path, error=type(error).__name__)
            time.sleep(PAUSE_SECONDS)


def _may_be_repeated() -> bool:
    return request.method in ("GET", "HEAD") or bool(request.headers.get("Idempotency-Key"))
