"""Limits of requests, bodies and depth; headers of every answer; other origins."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from api.http.parsing import MAX_DEPTH
from models import redis
from models.account import limits
from models.feed.head import FAILURES_BEFORE_PAUSE
from models.redis import redis_key
from models.settings import SettingsError, settings
from tests.conftest import environment
from tests.servers import Servers
from tests.world import STEPS, World, intake


@contextmanager
def set_to(**values: str) -> Iterator[None]:
    """These settings for a while; the database and its transaction stay the test's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        forget()
        yield
    forget()


def forget() -> None:
    settings.cache_clear()
    limits.limits.cache_clear()


def test_a_token_that_asks_too_often_gets_429_and_when_to_come_back(world: World) -> None:
    with set_to(TOKEN_REQUESTS_PER_MINUTE="3"):
        answers = [world.senior.get("/me") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
        refused = answers[-1]
        assert refused.json["code"] == "too_fast"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert world.junior.get("/me").status_code == 200


def test_an_account_that_asks_too_often_gets_429_and_others_do_not(world: World, other_world: World) -> None:
    with set_to(ACCOUNT_REQUESTS_PER_MINUTE="4"):
        people = [world.senior, world.junior, world.admin] * 2
        assert [person.get("/me").status_code for person in people] == [200] * 4 + [429] * 2
        assert other_world.senior.get("/me").status_code == 200


def test_what_a_token_asks_in_vain_is_not_counted_for_the_account(world: World) -> None:
    with set_to(TOKEN_REQUESTS_PER_MINUTE="1", ACCOUNT_REQUESTS_PER_MINUTE="3"):
        assert [world.senior.get("/me").status_code for _ in range(5)] == [200] + [429] * 4
        people = (world.junior, world.admin, world.viewer)
        assert [person.get("/me").status_code for person in people] == [200, 200, 429]


def test_every_count_ends_within_a_minute(world: World) -> None:
    world.senior.get("/me")
    counted = redis.client().keys(redis_key("requests", "*"))
    assert len(counted) >= 2
    assert all(0 < redis.client().pttl(key) <= 60_000 for key in counted)


def test_writes_are_limited_too_and_a_refused_one_does_nothing(world: World) -> None:
    with set_to(TOKEN_REQUESTS_PER_MINUTE="1"):
        answers = [world.junior.post("/handoffs", intake(f"T-{n}")).status_code for n in range(3)]
        assert answers == [202, 429, 429]
    assert len(world.viewer.get("/handoffs").json["items"]) == 1


def test_the_feed_is_not_counted_here_since_it_counts_its_own_polls(world: World) -> None:
    with set_to(TOKEN_REQUESTS_PER_MINUTE="1"):
        assert [world.senior.get("/feed?cursor=now").status_code for _ in range(5)] == [200] * 5


def test_a_caught_up_poll_is_one_call_of_redis(world: World) -> None:
    cursor = world.senior.get("/queue").json["cursor"]
    world.senior.get(f"/feed?cursor={cursor}")
    client = redis.client()

    def calls() -> int:
        stats = client.info("commandstats")
        return sum(int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("evalsha", "eval"))

    others = set(client.info("commandstats"))
    before = calls()
    world.senior.get(f"/feed?cursor={cursor}")
    assert calls() == before + 1
    assert set(client.info("commandstats")) == others | {"cmdstat_info"}


def test_without_redis_nobody_is_limited(world: World) -> None:
    with set_to(TOKEN_REQUESTS_PER_MINUTE="1", REDIS_URL="redis://127.0.0.1:9"):
        redis.client.cache_clear()
        assert [world.senior.get("/me").status_code for _ in range(5)] == [200] * 5
    redis.client.cache_clear()


def test_a_frozen_redis_is_waited_for_shortly_and_then_left_alone(servers: Servers, world: World) -> None:
    with set_to(TOKEN_REQUESTS_PER_MINUTE="1"):
        world.senior.get("/me")
        os.kill(servers.redis.pid, signal.SIGSTOP)
        try:
            before = failures()
            answers = [world.senior.get("/me").status_code for _ in range(40)]
            waited = failures() - before
        finally:
            os.kill(servers.redis.pid, signal.SIGCONT)
    assert answers == [200] * 40
    # Two limits in forty requests would be eighty waits of 50 ms; two failures begin a pause of a second.
    assert FAILURES_BEFORE_PAUSE <= waited <= 3 * FAILURES_BEFORE_PAUSE


def failures() -> float:
    return REGISTRY.get_sample_value("escalation_head_redis_failures_total") or 0.0


def test_a_limit_of_nothing_stops_the_start(servers: Servers) -> None:
    with (
        environment(servers.environment("none") | {"TOKEN_REQUESTS_PER_MINUTE": "0"}),
        pytest.raises(SettingsError, match="TOKEN_REQUESTS_PER_MINUTE"),
    ):
        settings()


@pytest.mark.parametrize("name", ["AMBER_MINUTES", "URGENT_AMBER_MINUTES"])
def test_a_warning_age_above_the_alarm_age_stops_the_start(servers: Servers, name: str) -> None:
    with (
        environment(servers.environment("none") | {name: "61"}),
        pytest.raises(SettingsError, match=f"{name} must not be above"),
    ):
        settings()


def nested(levels: int) -> str:
    """JSON with this many levels, including the scalar at the bottom."""
    return '{"a":' * (levels - 1) + "1" + "}" * (levels - 1)


@pytest.mark.parametrize(("levels", "status"), [(MAX_DEPTH, 422), (MAX_DEPTH + 1, 400), (100_000, 400)])
def test_a_body_is_nested_so_deep_and_no_deeper(world: World, levels: int, status: int) -> None:
    answer = post_raw(world, nested(levels).encode())
    assert answer.status_code == status


@pytest.mark.parametrize(("steps", "status"), [(500, 202), (501, 422)])
def test_a_handoff_carries_so_many_steps_and_no_more(world: World, steps: int, status: int) -> None:
    assert world.junior.post("/handoffs", intake(steps=[STEPS[0]] * steps)).status_code == status


def test_a_session_holds_two_thousand_steps_and_no_more(world: World) -> None:
    for n in range(4):
        made = world.junior.hand_off("T-1", steps=[{"kind": "note", "text": f"{n}"}] * 500)["id"]
        world.junior.post(f"/handoffs/{made}/withdraw")
    answer = world.junior.post("/sessions/T-1/steps", STEPS[0])
    assert (answer.status_code, answer.json["code"]) == (409, "too_many_steps")


def test_a_body_of_one_mebibyte_is_read_and_one_byte_more_is_413(world: World) -> None:
    fits = json.dumps({"x": "y" * (1024 * 1024 - 9)}).encode()
    assert len(fits) == 1024 * 1024
    assert post_raw(world, fits).status_code == 422
    answer = post_raw(world, fits + b" ")
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def post_raw(world: World, body: bytes) -> Any:
    headers = {"Content-Type": "application/json", **world.junior.headers}
    return world.junior.client.post("/api/v1/handoffs", data=body, headers=headers)


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/nothing", "/healthz", "/docs", "/api/v1/openapi.json"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, world: World, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-eval" not in headers["Content-Security-Policy"]
    assert "Server" not in headers


ORIGIN = {"Origin": "https://desk.example.com"}


def test_no_other_origin_is_allowed_by_default(world: World) -> None:
    answer = world.senior.get("/me", headers=ORIGIN)
    assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]


def test_an_origin_that_is_named_may_call_and_read_our_headers(app: Flask, world: World) -> None:
    with set_to(CORS_ORIGINS="https://desk.example.com,https://other.example.com"):
        answer = world.senior.get("/queue", headers=ORIGIN)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://desk.example.com"
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert set(exposed.split(", ")) >= {"ETag", "Poll-Interval", "Retry-After", "Feed-Seq", "Location"}
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        refused = world.senior.get("/nothing", headers=ORIGIN)
        assert refused.headers["Access-Control-Allow-Origin"] == "https://desk.example.com"


def test_a_preflight_needs_no_token_and_names_what_may_be_sent(client: FlaskClient, world: World) -> None:
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    with set_to(CORS_ORIGINS="https://desk.example.com"):
        answer = client.options("/api/v1/handoffs", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, PATCH, DELETE"
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Idempotency-Key", "If-Match", "If-None-Match"} <= set(allowed)


def test_an_origin_that_is_not_named_gets_nothing(world: World) -> None:
    with set_to(CORS_ORIGINS="https://desk.example.com"):
        answer = world.senior.get("/me", headers={"Origin": "https://desk.example.com.evil.org"})
    assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]


@pytest.mark.parametrize("origins", ["*", "desk.example.com", "https://desk.example.com/path"])
def test_origins_that_are_none_stop_the_start(servers: Servers, origins: str) -> None:
    with (
        environment(servers.environment("none") | {"CORS_ORIGINS": origins}),
        pytest.raises(SettingsError, match="CORS_ORIGINS"),
    ):
        settings()
