"""Empty means absent, wherever a value may be left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from models import settings as of_process
from models.settings import settings
from tests.api.cli.imports import Imports, past
from tests.world import World, intake

OPTIONAL = dict.fromkeys(("client", "category", "opened_at", "ask", "priority", "target_user_id"), "") | {
    "asset": " "
}
NEVER = ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00", "", None]
PARAMETERS = ["status", "priority", "category", "session", "claimed_by", "since", "until", "q", "limit", "page"]
VARIABLES = ["ASSESSOR", "STATEMENT_SECONDS", "CORS_ORIGINS", "JWT_SECRET", "REDACT", "METRICS_PORT", "LOG_FORMAT"]


def test_an_empty_optional_field_is_none(world: World) -> None:
    steps = [{"kind": "note", "text": "x", "outcome": "", "at": "0001-01-01T00:00:00Z", "author": ""}]
    made = world.junior.hand_off("T-1", **OPTIONAL, steps=steps)
    assert [made["session"][name] for name in ("client", "asset", "category")] == [None] * 3
    assert (made["ask"], made["priority"], made["target"]) == (None, "normal", None)
    [step] = world.viewer.get("/sessions/T-1").json["steps"]
    assert (step["outcome"], step["author"]) == (None, world.junior.name)
    assert step["at"] > "2026"


@pytest.mark.parametrize("never", NEVER)
def test_a_time_that_was_never_set_is_none(world: World, never: str | None) -> None:
    world.junior.hand_off("T-1", opened_at=never)
    assert world.viewer.get("/sessions/T-1").json["opened_at"] is None


def test_a_required_field_must_not_be_empty(world: World) -> None:
    for name in ("title", "external_id"):
        body = intake("T-1")
        body["session"][name] = ""
        assert world.junior.post("/handoffs", body).status_code == 422
    assert world.junior.post("/handoffs", intake("T-1", reason="")).status_code == 422
    assert world.junior.post("/handoffs", intake("T-1", intent="")).status_code == 422


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_empty_parameter_is_not_given(world: World, name: str) -> None:
    world.junior.hand_off("T-1")
    answer = world.viewer.get(f"/handoffs?{name}=")
    assert (answer.status_code, len(answer.json["items"])) == (200, 1)
    assert world.viewer.get("/handoffs?nonsense=").status_code == 422


def test_an_empty_field_of_a_line_is_not_given(world: World, app: Flask, tmp_path: Path) -> None:
    imports = Imports(app, world, tmp_path)
    line = past(1, **OPTIONAL) | {"resolved_at": "0001-01-01T00:00:00Z", "root_cause": "", "id": ""}
    result = imports.run(imports.file(line))
    assert "1 added, 0 there before, 0 bad" in result.output, result.output


def test_a_byte_order_mark_is_skipped(world: World) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(intake("T-1")).encode()
    headers = {**world.junior.headers, "Content-Type": "application/json"}
    assert world.junior.client.post("/api/v1/handoffs", data=body, headers=headers).status_code == 202


@pytest.mark.parametrize("query", ["q=%ff", "category=%C3%28", "session=%ed%a0%80", "%ff=1"])
def test_a_query_that_is_no_utf_8_is_refused(world: World, query: str) -> None:
    answer = world.viewer.get(f"/handoffs?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


@pytest.mark.parametrize("time", ["2026-01-31T09:30:00 01:00", "2026-01-31", "yesterday", "2026-01-31T09:30:00"])
def test_a_message_about_a_time_says_what_to_send(world: World, time: str) -> None:
    answer = world.viewer.get("/handoffs", query_string={"since": time})
    assert answer.status_code == 422
    assert "%2B" in answer.text
    assert "RFC 3339" in answer.text


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = settings()
    for name in VARIABLES:
        monkeypatch.setenv(name, " ")
    of_process.settings.cache_clear()
    try:
        assert settings() == usual
    finally:
        monkeypatch.undo()
        of_process.settings.cache_clear()
