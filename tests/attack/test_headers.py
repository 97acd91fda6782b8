"""Headers about caches and transport on every answer, and headers that a request may not repeat."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from apispec import APISpec
from flask import Flask
from flask.testing import FlaskClient

from api import create_app
from models.account import limits
from models.account.limits import WINDOW_SECONDS
from models.redis import client as redis_client
from models.redis import redis_key
from models.settings import settings
from tests.api.http.test_limits import set_to
from tests.world import World, intake


def private_paths(world: World) -> list[str]:
    made = world.junior.hand_off("T-1")["id"]
    return [
        "/me",
        "/people",
        "/people?all=true",
        f"/people/{world.senior.id}/tokens",
        "/settings",
        "/handoffs",
        f"/handoffs/{made}",
        f"/handoffs/{made}/timeline",
        f"/handoffs/{made}/assessments",
        "/sessions/T-1",
        "/queue",
        "/feed?cursor=now",
        "/batches",
        "/analytics/escalations?period=7d",
        "/nothing",
    ]


def test_nothing_of_an_account_is_for_a_cache(world: World) -> None:
    for path in private_paths(world):
        said = world.admin.get(path).headers["Cache-Control"]
        assert "no-store" in said, path
        assert "public" not in said
    made = world.junior.post("/handoffs", intake("T-2"))
    assert made.headers["Cache-Control"] == "private, no-store"


def test_who_has_the_answer_is_told_so_all_the_same(world: World) -> None:
    path = f"/handoffs/{world.junior.hand_off('T-1')['id']}"
    tag = world.admin.get(path).headers["ETag"]
    again = world.admin.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, "no-store" in again.headers["Cache-Control"]) == (304, True)


def test_pages_are_not_cached_either(world: World, client: FlaskClient) -> None:
    assert client.get("/sign-in").headers["Cache-Control"] == "no-store"


def test_transport_security_is_said_where_the_browser_speaks_https(client: FlaskClient) -> None:
    assert "Strict-Transport-Security" not in client.get("/healthz").headers
    said = client.get("/healthz", base_url="https://localhost").headers["Strict-Transport-Security"]
    assert said == "max-age=31536000"


def test_a_proxy_that_says_nothing_can_be_spoken_for(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_ONLY", "true")
    settings.cache_clear()
    try:
        assert "Strict-Transport-Security" in client.get("/healthz").headers
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_metrics_are_not_on_the_port_that_people_use(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/metrics").status_code == 404
    monkeypatch.setenv("METRICS_PORT", "9464")
    settings.cache_clear()
    try:
        assert client.get("/metrics").status_code == 404
        assert client.get("/metrics", base_url="http://localhost:9464").status_code == 200
        for path in ("/", "/sign-in", "/healthz", "/api/v1/me", "/api/v1/openapi.json"):
            assert client.get(path, base_url="http://localhost:9464").status_code == 404, path
            assert client.get(path).status_code != 404, path
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_the_openapi_document_is_made_once() -> None:
    client = create_app().test_client()
    with patch.object(APISpec, "to_dict", autospec=True, side_effect=APISpec.to_dict) as made:
        first, second = client.get("/api/v1/openapi.json"), client.get("/api/v1/openapi.json")
    assert first.json == second.json
    assert first.json["openapi"]
    assert made.call_count == 1


@pytest.mark.parametrize(
    "path", ["/api/v1//me", "/static//js/api.js", "//evil.example/queue", "/api/v1/queue/", "//"]
)
def test_no_redirect_goes_where_the_host_header_says(client: FlaskClient, path: str) -> None:
    answer = client.get(path, base_url="http://evil.example")
    assert "evil" not in answer.headers.get("Location", "")


REPEATED = [
    '{"intent": "park", "intent": "escalate"}',
    '{"session": {"title": "a", "title": "b"}}',
    '{"session": {"steps": [{"text": "a", "text": "a"}]}}',
    '{"a": 1, "\\u0061": 2}',
]


@pytest.mark.parametrize("body", REPEATED)
def test_a_key_that_stands_twice_is_refused(world: World, body: str) -> None:
    said = world.junior.client.post(
        "/api/v1/handoffs", data=body, headers={**world.junior.headers, "Content-Type": "application/json"}
    )
    assert (said.status_code, said.json["code"]) == (400, "bad_request")
    assert "twice" in said.json["detail"]


def guess(app: Flask, number: int, address: str) -> int:
    headers = {"Authorization": f"Bearer rf_wrong_{number}"}
    return app.test_client().get("/api/v1/me", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code


@pytest.fixture
def few_wrong_tokens() -> Iterator[None]:
    redis_client().flushdb()
    with set_to(WRONG_TOKENS_PER_MINUTE="5"):
        yield


@pytest.mark.usefixtures("few_wrong_tokens")
def test_wrong_tokens_are_limited_by_address(world: World, app: Flask) -> None:
    assert world.senior.get("/me").status_code == 200
    assert [guess(app, n, "192.0.2.1") for n in range(8)] == [401] * 5 + [429] * 3
    headers = {"Authorization": "Bearer rf_wrong"}
    said = app.test_client().get("/api/v1/me", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert 0 < int(said.headers["Retry-After"]) <= WINDOW_SECONDS
    form = app.test_client().post("/sign-in", data={"token": "rf_x"}, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert form.status_code == 429
    assert guess(app, 9, "192.0.2.2") == 401
    # Callers that were known before continue, even from that address.
    mine = app.test_client().get(
        "/api/v1/me", headers=world.senior.headers, environ_base={"REMOTE_ADDR": "192.0.2.1"}
    )
    assert mine.status_code == 200


@pytest.mark.usefixtures("few_wrong_tokens")
def test_an_ipv6_network_is_one_address(app: Flask) -> None:
    assert [guess(app, n, f"2001:db8:0:1::{n:x}") for n in range(7)] == [401] * 5 + [429] * 2
    assert guess(app, 9, "2001:db8:0:2::1") == 401


@pytest.mark.usefixtures("few_wrong_tokens")
def test_what_is_counted_of_addresses_does_not_stay(app: Flask) -> None:
    guess(app, 1, "192.0.2.77")
    assert 0 < redis_client().ttl(redis_key("wrong_tokens", "192.0.2.77")) <= WINDOW_SECONDS
    assert limits.limits().seconds_to_wait_with_tokens("192.0.2.77") == 0
