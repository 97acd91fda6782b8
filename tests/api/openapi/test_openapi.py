"""The OpenAPI document is complete, true of the running service, and readable without a network."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks

from api.http.errors import CODES as FALLBACK_CODES
from api.openapi import CODES
from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers
from tests.world import World

ROOT = Path(__file__).parents[3]
RAISES = {"Conflict", "Invalid", "Forbidden", "Problem", "problem"}


@pytest.fixture
def document(client: FlaskClient, shared_database: str) -> dict[str, Any]:
    return dict(client.get("/api/v1/openapi.json").json)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield method, path, item[method]


def test_the_document_needs_no_token(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")


def test_every_route_of_the_api_is_in_the_document(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.rule.endswith("openapi.json")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(method, path) for method, path, _ in operations(document)} == routes


def test_every_operation_says_what_it_does_and_which_errors_it_has(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert operation.get("summary"), path
        responses = operation["responses"]
        assert {"400", "401", "403", "413", "415", "422", "429", "500", "503"} <= set(responses), path
        assert ("404" in responses) or "{" not in path, path
        for status, response in responses.items():
            if status >= "400":
                assert set(response["content"]) == {"application/problem+json"}, (method, path, status)
                assert "`code`: " in response["description"]
                assert response["content"]["application/problem+json"]["example"]["status"] == int(status)
        assert "Retry-After" in responses["429"]["headers"]


def test_every_operation_needs_the_bearer_token(document: dict[str, Any]) -> None:
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert not [path for _, path, operation in operations(document) if "security" in operation]


def test_every_body_that_must_say_something_has_an_example(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        body = operation.get("requestBody")
        if body and body["required"]:
            assert "example" in body["content"]["application/json"], path


def test_every_code_in_the_source_is_documented_under_its_status() -> None:
    known = {code for codes in CODES.values() for code in codes}
    raised = {
        argument.value
        for folder in ("api", "models")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISES
        for argument in node.args[:2]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value.isidentifier()
    }
    assert raised - known == set()
    for status, code in FALLBACK_CODES.items():
        assert code in CODES[status]


def test_the_page_for_people_loads_nothing_from_elsewhere(client: FlaskClient, shared_database: str) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 4
    assert all(address.startswith("/") for address in loaded)
    for address in loaded:
        assert client.get(address).status_code == 200, address
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self'" in policy
    assert "http" not in policy
    assert "<script>" not in page.text


@pytest.fixture(scope="module")
def live(servers: Servers) -> Iterator[World]:
    """A service with real commits and some content, shared by all of schemathesis' requests."""
    name = servers.create_database()
    try:
        with environment(servers.environment(name)):
            from wsgi import app

            world = worlds.create(app.test_client())
            for n in range(3):
                made = world.junior.hand_off(f"T-{n}")["id"]
            world.senior.post(f"/handoffs/{made}/claim")
            yield world
    finally:
        servers.drop_database(name)


TRUE_OF_EVERY_ANSWER = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_the_service_answers_as_the_document_says(live: World, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", live.junior.client.application)
    statuses: Counter[int] = Counter()
    tried = 0
    for operation in (found.ok() for found in schema.get_all_operations()):
        tried += 1
        _try_out(operation, mode, live, statuses)
    assert tried == sum(1 for _ in operations(schema.raw_schema))
    assert statuses[200] if mode is GenerationMode.POSITIVE else statuses[422]


def _try_out(operation: Any, mode: GenerationMode, live: World, statuses: Counter[int]) -> None:
    @settings(
        max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def every_answer_is_documented(case: schemathesis.Case) -> None:
        answer = case.call(headers=live.admin.headers)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=TRUE_OF_EVERY_ANSWER)

    with suppress(Unsatisfiable):  # nothing about this operation can be wrong
        every_answer_is_documented()
