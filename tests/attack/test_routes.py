"""Every route, called by everybody: missing rights are noticed before anything of the request is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.routing import Rule

from models.account import Role
from tests.world import Person, World

OPEN = {"/api/v1/openapi.json"}  # needs no token
IDS = {
    "handoff_id": UUID(int=1),
    "batch_id": UUID(int=1),
    "person_id": UUID(int=1),
    "token_id": UUID(int=1),
    "external_id": "T-1",
    "generation": 1,
    "seq": 1,
}
ORDER = (Role.VIEWER, Role.ENGINEER, Role.ADMIN)
HOSTILE_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff",
    b"{" * 50_000,
    b'{"a":1e999}',
    b'{"a":"\\ud800"}',
    b"[" * 50,
]


def routes(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Every route below /api with its method."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and rule.rule not in OPEN:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule


def needed(app: Flask, rule: Rule) -> Role:
    return Role(app.view_functions[rule.endpoint].required_role)  # type: ignore[attr-defined]


def ask(app: Flask, method: str, rule: Rule, headers: dict[str, str], body: bytes = b"{}") -> Any:
    adapter = app.url_map.bind("localhost")
    path = adapter.build(rule.endpoint, {name: IDS[name] for name in rule.arguments}, method)
    sent = {**headers, "Content-Type": "application/json"}
    return app.test_client().open(path, method=method, headers=sent, data=None if method == "GET" else body)


WRONG = [
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer rf_unknown"},
    {"Authorization": "Basic cmY6cmY="},
    {"Authorization": "Bearer null"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."},
    {"Cookie": "escalation=eyJsb2dpbiI6IngifQ.x.y"},
    {"X-Forwarded-User": "admin", "X-Remote-User": "admin"},
]


@pytest.mark.parametrize("headers", WRONG, ids=str)
def test_without_a_good_token_every_route_is_401(world: World, app: Flask, headers: dict[str, str]) -> None:
    for method, rule in routes(app):
        answer = ask(app, method, rule, headers, b"\xff not JSON")
        assert answer.status_code == 401, (method, rule.rule)
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_below_its_role_every_route_is_403_whatever_is_sent(world: World, app: Flask) -> None:
    people: dict[Role, Person] = {Role.VIEWER: world.viewer, Role.ENGINEER: world.senior, Role.ADMIN: world.admin}
    asked = 0
    for method, rule in routes(app):
        for role in ORDER[: ORDER.index(needed(app, rule))]:
            answer = ask(app, method, rule, people[role].headers, b"\xff not JSON")
            assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), (method, rule.rule, role)
            asked += 1
    assert asked > 15


def test_no_body_and_no_id_makes_an_error_of_ours(world: World, app: Flask) -> None:
    for method, rule in routes(app):
        for body in HOSTILE_BODIES:
            answer = ask(app, method, rule, world.admin.headers, body)
            assert answer.status_code < 500, (method, rule.rule, body[:20])


def test_a_method_that_a_route_does_not_have_is_refused(world: World, app: Flask) -> None:
    known = {(method, rule.rule) for method, rule in routes(app)}
    for _, rule in routes(app):
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
            if (method, rule.rule) not in known:
                answer = ask_any(app, method, rule, world.admin.headers)
                assert answer.status_code in (404, 405), (method, rule.rule)


def ask_any(app: Flask, method: str, rule: Rule, headers: dict[str, str]) -> Any:
    known = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})[0]
    path = app.url_map.bind("localhost").build(rule.endpoint, {name: IDS[name] for name in rule.arguments}, known)
    return app.test_client().open(path, method=method, headers=headers)


PATHS = [
    "/api/v1/sessions/..%2f..%2fetc%2fpasswd",
    "/static/..%2f..%2fmodels/settings.py",
    "/static/%2e%2e/%2e%2e/wsgi.py",
    "/static/js/%00api.js",
    "/api/v1/handoffs/%00",
    "/api/v1/handoffs/00000000-0000-0000-0000-000000000001%0d%0aX:%20y",
    "/api/v1/handoffs/../../metrics",
    "/.env",
    "/.git/config",
    "/metrics",
    "/console",
    "/api/v2/handoffs",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_what_is_served(world: World, app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers=world.admin.headers)
    assert answer.status_code == 404
    assert "X" not in answer.headers


def test_who_has_two_kinds_of_proof_is_the_bearer(world: World, app: Flask) -> None:
    """A browser that is signed in as an admin does not lend its rights to a viewer's token."""
    browser = app.test_client()
    browser.post("/sign-in", data={"token": world.admin.token})
    assert browser.get("/api/v1/me", headers=world.viewer.headers).json["role"] == "viewer"  # type: ignore[index]
    assert browser.get("/api/v1/me", headers={"Authorization": "Bearer rf_wrong"}).status_code == 401
