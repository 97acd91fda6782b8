"""Frozen and missing servers: every wait ends, and every attempt to reach them is repeated."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from typing import Any

import pytest

from tasks import RECONNECT_SECONDS
from tests.faults.site import Load, Site
from tests.servers import Servers
from tests.stack import wait_for
from tests.world import intake

SMALL = {"STATEMENT_SECONDS": "1"}


@pytest.fixture
def postgres(doomed: Servers) -> Iterator[Any]:
    """The server, thawed at the end."""
    yield doomed.postgres
    doomed.postgres.thaw()


def call(site: Site, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Message, Any]:
    """One request as the junior: status, headers and JSON, of an error as well."""
    request = urllib.request.Request(
        f"{site.url}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **site.world.junior.headers, **headers},
    )
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, json.load(answer)


@pytest.mark.parametrize("settings", [SMALL])
def test_requests_get_their_503_while_postgres_is_frozen(site: Site, postgres: Any) -> None:
    requests: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "/handoffs", intake("T-1"), {}),
        ("POST", "/handoffs", intake("T-2"), {"Idempotency-Key": "k"}),
        ("GET", "/queue", None, {}),
    ]
    # One of them finds a connection in the pool, and the others have to connect.
    assert site.call("GET", "/queue")[0] == 200
    postgres.freeze()
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda each: call(site, *each[:3], **each[3]), requests))
    for status, headers, problem in answers:
        assert (status, problem["code"], headers["Retry-After"]) == (503, "unavailable", "2")
        assert headers["Content-Type"] == "application/problem+json"
    postgres.thaw()
    assert [call(site, *each[:3], **each[3])[0] for each in requests] == [202, 202, 200]
    assert site.ask("SELECT count(*) FROM handoffs") == [(2,)]


@pytest.mark.parametrize("settings", [SMALL])
def test_a_worker_keeps_its_result_until_a_frozen_postgres_is_back(site: Site, postgres: Any) -> None:
    worker = site.worker("interactive")
    site.behave("slow", seconds=2)
    Load(site).post(2)
    wait_for(lambda: site.calls == 2, "the calls of the model")
    postgres.freeze()
    wait_for(lambda: site.logs().count('"database unavailable"') >= 2, "both results to be held back")
    postgres.thaw()
    site.drained()
    assert worker.poll() is None
    assert site.ask("SELECT state, attempts FROM assessments") == [("succeeded", 1)] * 2
    assert site.calls == 2


def test_intake_answers_one_after_another_while_redis_is_frozen(site: Site, doomed: Servers) -> None:
    assert site.call("GET", "/queue")[0] == 200
    doomed.redis.freeze()
    # Twice what a flood needs on a slow machine, and less than a wait of half a second for each would take.
    gate = threading.Timer(15, doomed.redis.thaw)
    gate.start()
    try:
        for n in range(40):
            assert site.call("POST", "/handoffs", intake(f"T-{n}"))[0] == 202
        assert gate.is_alive()
    finally:
        gate.cancel()
        doomed.redis.thaw()


@pytest.mark.parametrize("process", ["beat", "start_worker"])
def test_redis_is_looked_for_at_an_even_pace_while_it_is_away(site: Site, doomed: Servers, process: str) -> None:
    doomed.redis.stop()
    try:
        getattr(site, process)()
        pauses = wait_for(lambda: third(re.findall(r"Trying again in ([\d.]+) seconds", site.logs())), "three tries")
    finally:
        doomed.redis.start()
    assert [float(pause) for pause in pauses] == [RECONNECT_SECONDS] * 3


def third(found: list[str]) -> list[str]:
    """The first three, when there are as many."""
    return found[:3] if len(found) >= 3 else []
