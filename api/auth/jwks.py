"""Public keys of the main product's JWTs, fetched in the background and never within a request.

A key server that is slow, silent or down costs a background thread and no request. Its last answer stays in use for a
while, a failure is remembered, and no token can make us ask more often than planned.
"""

from __future__ import annotations

import threading
import time
from math import ceil, inf

import httpx2
import jwt

from models import logs
from tasks.assessors.model import deadline

FETCH_SECONDS = 2.0  # for a whole answer
FIRST_SECONDS = 0.5  # how long the first requests of a process wait for its first fetch
FRESH_SECONDS = 300.0  # then the keys are fetched again, and used meanwhile
USABLE_SECONDS = 3600.0  # how long keys are used while the server is away
UNKNOWN_KEY_SECONDS = 10.0  # between two fetches because of keys that are not known
LONGEST_PAUSE_SECONDS = 60.0  # after repeated failures; the first pause is a second, and each doubles

log = logs.logger(__name__)


class KeysAwayError(Exception):
    """Raised when no keys are known, or they are too old. `retry_seconds` is when to ask again."""

    def __init__(self, retry_seconds: int) -> None:
        super().__init__("no signing keys")
        self.retry_seconds = retry_seconds


class KeySet:
    """The keys of one address. At most one thread fetches them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = -inf
        self._failures = 0
        self._next_fetch_at = -inf
        self._is_fetching = False
        self._began_at = inf
        self._first_ended = threading.Event()

    def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key with this id; None: there is none. KeysAwayError: it is unknown."""
        self.refresh_if_due(key_id)
        if not self._first_ended.is_set():
            self._first_ended.wait(max(0.0, self._began_at + FIRST_SECONDS - time.monotonic()))
        with self._lock:
            now = time.monotonic()
            if now - self._fetched_at > USABLE_SECONDS:
                raise KeysAwayError(ceil(max(1.0, self._next_fetch_at - now)))
            return self._keys.get(key_id)

    def refresh_if_due(self, key_id: str | None = None) -> None:
        """Start fetching the keys if they are old or this one is unknown, and the limits allow it."""
        with self._lock:
            now = time.monotonic()
            is_due = key_id not in self._keys or now - self._fetched_at > FRESH_SECONDS
            if not is_due or self._is_fetching or now < self._next_fetch_at:
                return
            self._is_fetching = True
            self._began_at = min(self._began_at, now)
        try:
            threading.Thread(target=self._refresh, name="signing-keys", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._failed(error)

    def _refresh(self) -> None:
        try:
            keys = _fetch(self._url)
        except Exception as error:  # whatever a server may answer
            self._failed(error)
            return
        with self._lock:
            self._keys, self._fetched_at, self._failures = keys, time.monotonic(), 0
            self._end(UNKNOWN_KEY_SECONDS)

    def _failed(self, error: Exception) -> None:
        with self._lock:
            pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self._failures, 10))
            self._failures += 1
            self._end(pause)
        log.error("signing keys not fetched", error=type(error).__name__, failures=self._failures)

    def _end(self, pause: float) -> None:
        self._next_fetch_at = time.monotonic() + pause
        self._is_fetching = False
        self._first_ended.set()


def _fetch(url: str) -> dict[str | None, jwt.PyJWK]:
    """Fetch the signing keys by id, within a deadline and at most wire.BODY_BYTES."""
    answer = deadline.within(FETCH_SECONDS, lambda client: client.get(url))
    if answer.status_code != httpx2.codes.OK:  # a redirection is none of the keys that were asked for
        raise jwt.PyJWKClientError(f"status {answer.status_code}")
    keys = jwt.PyJWKSet.from_dict(answer.json()).keys
    found: dict[str | None, jwt.PyJWK] = {
        key.key_id: key for key in keys if key.key_id and key.public_key_use in ("sig", None)
    }
    if not found:
        raise jwt.PyJWKSetError("no signing keys")
    return found
