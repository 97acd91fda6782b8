"""An account with its people, and the HTTP calls they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models import account, database
from models.account import ApiToken, Role, User
from models.transaction import maintenance

STEPS = [
    {"kind": "action", "text": "Restarted the spooler.", "outcome": "failed"},
    {"kind": "observation", "text": "Event 372 says the driver is missing."},
]


@dataclass
class Person:
    """Somebody of an account, with a token."""

    id: UUID
    name: str
    token: str
    client: FlaskClient

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **more: Any) -> TestResponse:
        """GET below /api/v1 as this person."""
        return self._call("get", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        """POST JSON below /api/v1 as this person."""
        return self._call("post", path, json={} if body is None else body, **more)

    def put(self, path: str, body: Any, **more: Any) -> TestResponse:
        """PUT JSON below /api/v1 as this person."""
        return self._call("put", path, json=body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        """PATCH JSON below /api/v1 as this person."""
        return self._call("patch", path, json={} if body is None else body, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        """DELETE below /api/v1 as this person."""
        return self._call("delete", path, **more)

    def _call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        call = getattr(self.client, method)
        answer: TestResponse = call(f"/api/v1{path}", headers={**self.headers, **(headers or {})}, **more)
        return answer

    def hand_off(self, external_id: str = "T-1", **more: Any) -> dict[str, Any]:
        """Hand a session off and return the handoff."""
        answer = self.post("/handoffs", intake(external_id, **more))
        assert answer.status_code == 202, answer.text
        return dict(answer.json or {})


@dataclass
class World:
    """An account with one person of each kind."""

    account_id: UUID
    junior: Person
    senior: Person
    senior2: Person
    admin: Person
    viewer: Person


ROLES = {
    "junior": Role.ENGINEER,
    "senior": Role.ENGINEER,
    "senior2": Role.ENGINEER,
    "admin": Role.ADMIN,
    "viewer": Role.VIEWER,
}


def create(client: FlaskClient, name: str = "Acme") -> World:
    """A new account with five people, in few statements."""
    secrets = {key: f"rf_test_{database.new_id().hex}" for key in ROLES}
    with maintenance() as session:
        made = account.create_account(session, name)
        users = {
            key: User(account_id=made.id, id=database.new_id(), name=f"{key} of {name}", role=ROLES[key])
            for key in ROLES
        }
        session.add_all(users.values())
        session.flush()
        session.add_all(
            ApiToken(account_id=made.id, user_id=users[key].id, prefix=secret[:11], digest=account.digest(secret))
            for key, secret in secrets.items()
        )
    people = {key: Person(users[key].id, users[key].name, secrets[key], client) for key in ROLES}
    return World(made.id, **people)


def intake(external_id: str = "T-1", **more: Any) -> dict[str, Any]:
    """The body of a handoff; fields named in `more` are replaced, those of the session inside it."""
    session = {
        "external_id": external_id,
        "title": "Printer offline after the update",
        "problem": "The printer HP-2 shows offline on every PC since the update of KB5044284.",
        "steps": STEPS,
    }
    session.update({key: more.pop(key) for key in list(more) if key in SESSION_FIELDS})
    return {"intent": "escalate", "reason": "No idea left.", "session": session, **more}


SESSION_FIELDS = {"title", "problem", "category", "client", "asset", "opened_at", "steps"}
