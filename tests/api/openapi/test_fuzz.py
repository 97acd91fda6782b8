"""Hostile requests: each is answered with a problem document, none with a 5xx."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import Stack, running
from tests.world import World, intake

QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ID = "01900000-0000-7000-8000-000000000000"
STEPS = ("sessions/T-1/steps", "sessions/T-1/steps/1/retract")

NASTY_TEXT = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "\ufffe",
        "\U0010ffff",
        "x" * 30_000,
        "'; DROP TABLE users;--",
    ]
) | st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308, -1e-308]) | st.integers() | st.floats(allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | NASTY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def live(servers: Servers) -> Iterator[World]:
    """A service with real commits, shared by all examples."""
    name = servers.create_database()
    try:
        with environment(servers.environment(name)):
            from wsgi import app

            world = worlds.create(app.test_client())
            world.junior.hand_off("T-1")
            yield world
    finally:
        servers.drop_database(name)


def is_ours(answer: Any) -> bool:
    """A success, or an error in the one shape. A path that is none may be redirected by the router."""
    if answer.status_code < 400:
        return True
    body = json.loads(answer.get_data())
    shape = {"type", "title", "status", "code", "detail"} <= set(body)
    return shape and answer.mimetype == "application/problem+json" and answer.status_code < 500


def send(world: World, method: str, path: str, **more: Any) -> Any:
    headers = {**world.admin.headers, **more.pop("headers", {})}
    return world.admin.client.open(path, method=method, headers=headers, **more)


def put_into(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a body in which one place holds something else."""
    if not path:
        return value
    copied = list(body) if isinstance(body, list) else dict(body)
    copied[path[0]] = put_into(copied[path[0]] if path[0] in _keys(copied) else {}, path[1:], value)
    return copied


def _keys(body: Any) -> Any:
    return range(len(body)) if isinstance(body, list) else body


PLACES = st.sampled_from(
    [
        (),
        ("intent",),
        ("reason",),
        ("ask",),
        ("priority",),
        ("target_user_id",),
        ("unknown",),
        ("session",),
        *[("session", name) for name in ("external_id", "title", "problem", "category", "opened_at", "steps")],
        ("session", "steps", 0),
        *[("session", "steps", 0, name) for name in ("kind", "text", "outcome", "at", "author")],
        *[("session", "steps", 0, name) for name in ("to_user_id", "answers")],
    ]
)


@QUICK
@given(place=PLACES, value=JSON)
@example(place=("session", "opened_at"), value="9999-12-31T23:59:59-23:59")
@example(place=("session", "opened_at"), value="0001-01-01T00:00:00+23:59")
@example(place=("session", "opened_at"), value="2026-01-01T00:00:00-21:22")
@example(place=("session", "external_id"), value="a\x00b")
@example(place=("session", "title"), value="\ud800")
@example(place=("target_user_id",), value=10**400)
def test_no_value_anywhere_in_an_intake_is_a_5xx(live: World, place: tuple[Any, ...], value: Any) -> None:
    body = json.dumps(put_into(intake(), place, value)).encode()
    answer = send(live, "POST", "/api/v1/handoffs", data=body, content_type="application/json")
    assert is_ours(answer), (answer.status_code, answer.text)


@QUICK
@given(
    name=st.sampled_from(["name", "role", "kind", "expires_days", "claim_lease_minutes", "red_minutes", "language"]),
    value=JSON,
)
@example(name="expires_days", value=10**400)
@example(name="model_tokens_per_day", value=2**31)
@example(name="language", value="zh-Hant-\u0661")
def test_no_value_about_people_tokens_and_settings_is_a_5xx(live: World, name: str, value: Any) -> None:
    person = f"people/{live.viewer.id}"
    wholes = {
        ("POST", "people"): {"name": "Noa", "role": "viewer"},
        ("PATCH", person): {},
        ("POST", f"{person}/tokens"): {"name": "Laptop"},
        ("PATCH", "settings"): {},
    }
    for (method, path), whole in wholes.items():
        body = json.dumps(whole | {name: value}).encode()
        answer = send(live, method, f"/api/v1/{path}", data=body, content_type="application/json")
        assert is_ours(answer), (path, answer.status_code, answer.text)


@QUICK
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@example(body=b'{"reason": "\xff"}')
@example(body=b'{"reason": NaN}')
@example(body=b"1" * 5000)
@example(body=b"1e999999")
@example(body=b'{"\\ud800": 1}')
@example(body=b"[" * 100_000)
@example(body=b'{"a":' * 100_000)
@example(body=b"null")
@example(body=b'"text"')
def test_no_body_is_a_5xx(live: World, body: bytes) -> None:
    moves = ("claim", "resolve", "keep", "snooze", "unsnooze", "reopen", "restore", "discard")
    posts = ("handoffs", *(f"handoffs/{ID}/{move}" for move in moves), *STEPS, "people", f"people/{ID}/tokens")
    others = [("PUT", f"handoffs/{ID}/read")]
    others += [("PATCH", path) for path in ("sessions/T-1", f"people/{live.viewer.id}", "settings")]
    for method, path in (*(("POST", path) for path in posts), *others):
        answer = send(live, method, f"/api/v1/{path}", data=body, content_type="application/json")
        assert is_ours(answer), (path, answer.status_code, answer.text)


@QUICK
@given(name=st.sampled_from(["priority", "target_user_id", "reason", "ask", "unknown"]), value=JSON)
@example(name="reason", value="a\x00b")
@example(name="ask", value="\ud800")
@example(name="priority", value=None)
@example(name="target_user_id", value=10**400)
def test_no_value_of_an_edit_is_a_5xx(live: World, name: str, value: Any) -> None:
    made = live.viewer.get("/handoffs").json["items"][-1]["id"]
    body = json.dumps({name: value}).encode()
    answer = send(live, "PATCH", f"/api/v1/handoffs/{made}", data=body, content_type="application/json")
    assert is_ours(answer), (answer.status_code, answer.text)


@QUICK
@given(name=st.sampled_from(["title", "problem", "client", "asset", "category", "unknown"]), value=JSON)
@example(name="title", value="\ud800")
@example(name="problem", value="a\x00b")
@example(name="client", value="x" * 200)
def test_no_correction_of_a_session_is_a_5xx(live: World, name: str, value: Any) -> None:
    body = json.dumps({name: value}).encode()
    answer = send(live, "PATCH", "/api/v1/sessions/T-1", data=body, content_type="application/json")
    assert is_ours(answer), (answer.status_code, answer.text)


@QUICK
@given(name=st.sampled_from(["until", "reason", "unknown"]), value=JSON)
@example(name="until", value="9999-12-31T23:59:59-23:59")
@example(name="until", value="0001-01-01T00:00:00+23:59")
@example(name="until", value=10**400)
@example(name="reason", value="\ud800")
def test_no_value_of_a_snooze_is_a_5xx(live: World, name: str, value: Any) -> None:
    made = live.viewer.get("/handoffs").json["items"][-1]["id"]
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = json.dumps({"until": soon, "reason": "x", name: value}).encode()
    answer = send(live, "POST", f"/api/v1/handoffs/{made}/snooze", data=body, content_type="application/json")
    assert is_ours(answer), (answer.status_code, answer.text)


@QUICK
@given(name=st.sampled_from(["to_user_id", "answers", "kind", "retracted_at"]), value=JSON)
@example(name="answers", value=10**400)
@example(name="to_user_id", value=ID)
def test_no_value_in_a_step_is_a_5xx(live: World, name: str, value: Any) -> None:
    body = json.dumps({"kind": "question", "text": "Why?", name: value}).encode()
    answer = send(live, "POST", "/api/v1/sessions/T-1/steps", data=body, content_type="application/json")
    assert is_ours(answer), (answer.status_code, answer.text)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "",
        "\x7f/;;=",
        "x" * 900,
    ],
)
def test_a_wrong_content_type_is_415(live: World, content_type: str) -> None:
    body = json.dumps(intake("T-9")).encode()
    answer = send(live, "POST", "/api/v1/handoffs", data=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_refused_before_it_could_be_a_bomb(live: World, encoding: str) -> None:
    bomb = gzip.compress(b"0" * 50_000_000) if encoding == "gzip" else zlib.compress(b"0" * 50_000_000)
    answer = send(
        live,
        "POST",
        "/api/v1/handoffs",
        data=bomb,
        headers={"Content-Type": "application/json", "Content-Encoding": encoding},
    )
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@QUICK
@given(name=NASTY_TEXT)
@example(name="..%2f..%2fetc")
def test_no_path_is_a_5xx(live: World, name: str) -> None:
    raw = name.encode("utf-8", "surrogatepass")[:900]
    quoted = "".join(f"%{byte:02X}" for byte in raw) or "%00"
    for path in (f"sessions/{quoted}", f"handoffs/{quoted}", f"tokens/{quoted}", f"people/{quoted}/tokens", quoted):
        answer = send(live, "GET", f"/api/v1/{path}")
        assert is_ours(answer), (path, answer.status_code, answer.text)
    step = {"kind": "note", "text": "x"}
    assert is_ours(send(live, "POST", f"/api/v1/sessions/{quoted}/steps", json=step))
    assert is_ours(send(live, "POST", f"/api/v1/sessions/{quoted}/steps/1/retract"))
    assert is_ours(send(live, "POST", f"/api/v1/sessions/T-1/steps/{quoted}/retract"))
    assert is_ours(send(live, "PATCH", f"/api/v1/sessions/{quoted}", json={"title": "x"}))


@pytest.mark.parametrize("path", ["/api/v1/sessions/%FF%FE", "/api/v1/sessions/%00", "/api/v1/sessions/%ED%A0%80"])
def test_a_path_that_is_no_utf_8_or_holds_nul_is_404(live: World, path: str) -> None:
    assert send(live, "GET", path).status_code == 404
    assert send(live, "POST", f"{path}/steps", json={"kind": "note", "text": "x"}).status_code == 404
    assert send(live, "POST", f"{path}/steps/1/retract").status_code == 404
    assert send(live, "PATCH", path, json={"title": "x"}).status_code == 404


@pytest.mark.parametrize("generation", ["0", "2147483648", "9" * 30, "9" * 5000])
def test_a_generation_that_cannot_be_is_404(live: World, generation: str) -> None:
    made = live.viewer.get("/handoffs").json["items"][0]["id"]
    path = f"/handoffs/{made}/assessments/{generation}/feedback"
    assert live.admin.post(path, {"rating": "helpful"}).status_code == 404


QUERY_NAMES = [
    *["status", "priority", "category", "session", "claimed_by", "handed_off_by", "since", "until", "q"],
    *["limit", "page", "cursor", "collapse", "mine", "period", "view", "sort", "kind", "handoff", "all"],
]


@QUICK
@given(name=st.sampled_from(QUERY_NAMES), value=NASTY_TEXT | NUMBERS.map(str))
@example(name="q", value="' | & ! ( :* <->")
@example(name="q", value='"' * 201)
@example(name="limit", value="9" * 5000)
@example(name="since", value="0001-01-01T00:00:00+14:00")
@example(name="page", value="eyJ.x.y")
@example(name="cursor", value="²")
@example(name="limit", value="²")
def test_no_query_is_a_5xx(live: World, name: str, value: str) -> None:
    raw = value.encode("utf-8", "surrogatepass")[:3000]
    quoted = "".join(f"%{byte:02X}" for byte in raw)
    paths = ("handoffs", "queue", "queue/counts", "feed", "people", "me/questions", "analytics/escalations", "audit")
    for path in (*paths, f"people/{live.junior.id}/tokens", "openapi.json"):
        answer = send(live, "GET", f"/api/v1/{path}?{name}={quoted}&%FF=%FE")
        assert is_ours(answer), (path, answer.status_code, answer.text)
        answer = send(live, "GET", f"/api/v1/{path}?{name}={quoted}")
        assert is_ours(answer), (path, answer.status_code, answer.text)


HEADER_NAMES = [
    "Authorization",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "X-Request-Id",
    "Accept",
    "Accept-Language",
    "Cookie",
    "Origin",
    "Content-Length",
    "Range",
    "Transfer-Encoding",
    "X-Forwarded-For",
]


@QUICK
@given(name=st.sampled_from(HEADER_NAMES), value=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")))
@example(name="Idempotency-Key", value="\x00")
@example(name="Idempotency-Key", value="\xff" * 200)
@example(name="Authorization", value="Bearer \xff\x00")
@example(name="Authorization", value="Bearer " + "a." * 4000)
@example(name="Content-Length", value="-1")
@example(name="If-Match", value="W/W/W/")
def test_no_header_is_a_5xx(live: World, name: str, value: str) -> None:
    made = live.viewer.get("/handoffs").json["items"][0]["id"]
    body = json.dumps(intake("T-1")).encode()
    for method, path in (("POST", "handoffs"), ("POST", f"handoffs/{made}/claim"), ("GET", f"handoffs/{made}")):
        answer = send(
            live,
            method,
            f"/api/v1/{path}",
            headers={"Content-Type": "application/json", name: value},
            data=body if path == "handoffs" else None,
        )
        assert is_ours(answer), (path, answer.status_code, answer.text)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "NONSENSE"])
def test_other_methods_are_405_and_name_those_that_are_allowed(live: World, method: str) -> None:
    answer = send(live, method, "/api/v1/handoffs")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def raw(port: int, request: bytes) -> bytes:
    """The start of what the server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n" + b"X-Many: x\r\n" * 2000 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nNa\x00me: x\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/handoffs HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["huge header", "many headers", "long path", "NUL in a header", "two lengths", "no number", "TLS"],
)
def test_what_is_not_http_is_refused_by_the_real_server_without_a_5xx(port: int, request_bytes: bytes) -> None:
    answer = raw(port, request_bytes)
    assert answer == b"" or answer.split(b" ")[1].startswith(b"4"), answer[:200]
    assert raw(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.fixture(scope="module")
def port(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The address of a real gunicorn."""
    folder: Path = tmp_path_factory.mktemp("stack")
    name = servers.create_database()
    try:
        with running(Stack(servers, name, folder, WEB_CONCURRENCY="1")) as stack:
            stack.web()
            yield stack.port
    finally:
        servers.drop_database(name)
