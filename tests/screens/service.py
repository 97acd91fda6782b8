"""The running service for the tests of the screens, and the people who call its API."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from uuid import UUID

from deploy.local.servers import Redis
from tests.stack import Stack, wait_for
from tests.world import intake


@dataclass
class Service:
    """The processes. `variables` let the test's own process speak to the same database."""

    stack: Stack
    redis: Redis
    variables: dict[str, str]
    web: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.stack.url

    def stop_web(self) -> None:
        """Stop gunicorn and wait for its end."""
        self.web.terminate()
        self.web.wait(15)

    def start_web(self) -> None:
        """Start gunicorn again, on the same port."""
        self.web = self.stack.web()


@dataclass
class Somebody:
    """A person with a token, calling the API over HTTP."""

    url: str
    name: str
    token: str
    id: str
    account_id: UUID

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of a call below /api/v1; an error status raises HTTPError."""
        data = None if method == "GET" else json.dumps({} if body is None else body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def hand_off(self, external_id: str = "T-1", **more: Any) -> dict[str, Any]:
        """Hand a session off and return the handoff."""
        return dict(self.call("POST", "/handoffs", intake(external_id, **more)))

    def ready(self, external_id: str = "T-1", **more: Any) -> dict[str, Any]:
        """Hand a session off and wait until it is assessed."""
        new = self.hand_off(external_id, **more)
        return dict(wait_for(lambda: self._if_ready(new["id"]), "the assessment"))

    def _if_ready(self, handoff_id: str) -> dict[str, Any] | None:
        found = self.call("GET", f"/handoffs/{handoff_id}")
        return found if found["ready_at"] else None


@dataclass
class Team:
    """An account's people."""

    junior: Somebody
    senior: Somebody
    senior2: Somebody
    admin: Somebody
    viewer: Somebody
