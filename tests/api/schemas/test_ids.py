"""One ticket has one id in every spelling, and every accepted id has a URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from models import text
from tests.api.cli.imports import Imports, past
from tests.world import World, intake

SAME = [
    "Café 1",
    "Cafe\u0301 1",
    " Café 1 ",
    "\u00a0Café\u00a01",
    "Café  1",
    "Caf\u200bé 1",
    "\ufeffCafé 1",
    "Café 1\u200e",
    "\u202aCafé 1\u202c",
    "Café\t1",
    "Caf\u00ade\u0301 1",
    "\x1bCafé 1",
]


@pytest.mark.parametrize("written", SAME)
def test_however_it_is_written_it_is_one_ticket(world: World, written: str) -> None:
    made = world.junior.hand_off("Café 1")["id"]
    again = world.junior.post("/handoffs", intake(written))
    assert (again.status_code, again.json["handoff_id"]) == (409, made)
    seen = world.viewer.get(f"/sessions/{quote(written, safe='')}")
    assert (seen.status_code, seen.json["external_id"]) == (200, "Café 1")
    assert [each["id"] for each in world.viewer.get(f"/handoffs?session={quote(written)}").json["items"]] == [made]
    step = world.senior.post(f"/sessions/{quote(written, safe='')}/steps", {"kind": "note", "text": "x"})
    assert step.status_code == 201


ODD = [
    "a/b",
    "a/steps",
    "steps",
    "a%2Fb",
    "a%b",
    "a?b#c",
    "a b",
    "ä/ö",
    "日本/語",
    "a\\b",
    "a;b",
    "a&b=c",
    "..a",
    "a..",
    "...",
    "+",
    "'",
    '"',
    "<b>",
    "a:b@c",
    "😀",
    "x" * 200,
    "ж" * 200,
]


@pytest.mark.parametrize("ticket", ODD)
def test_every_id_that_is_taken_has_a_url(world: World, ticket: str) -> None:
    world.junior.hand_off(ticket)
    path = f"/sessions/{quote(ticket, safe='')}"
    assert world.viewer.get(path).json["external_id"] == ticket
    assert world.senior.post(f"{path}/steps", {"kind": "note", "text": "mine"}).status_code == 201
    assert world.viewer.get(path).json["steps"][-1]["text"] == "mine"


UNREACHABLE = ["/OPS/1", "OPS/", "a//b", ".", "..", "a/../b", "a/./b", "/", "//", "../x", "x/.."]


@pytest.mark.parametrize("ticket", UNREACHABLE)
def test_an_id_that_no_url_can_name_is_refused_everywhere(
    world: World, app: Flask, tmp_path: Path, ticket: str
) -> None:
    refused = world.junior.post("/handoffs", intake(ticket))
    assert (refused.status_code, list(refused.json["errors"]["json"]["session"])) == (422, ["external_id"])
    line = past(1)
    line["session"]["external_id"] = ticket
    imports = Imports(app, world, tmp_path)
    result = imports.run(imports.file(line))
    assert (result.exit_code, "line 1: session.external_id" in result.output) == (1, True), result.output


def test_no_step_lands_in_another_ticket(world: World) -> None:
    world.junior.hand_off("OPS/1")
    for path in ("/sessions//OPS/1", "/sessions/%2FOPS/1", "/sessions/OPS//1", "/sessions/OPS%2F%2F1"):
        answer = world.senior.post(f"{path}/steps", {"kind": "note", "text": "lost"})
        assert answer.status_code == 404, path
    assert "lost" not in world.viewer.get("/sessions/OPS/1").text


@pytest.mark.parametrize("written", SAME)
def test_the_same_ticket_in_a_file_is_loaded_once(world: World, app: Flask, tmp_path: Path, written: str) -> None:
    imports = Imports(app, world, tmp_path)
    lines = [past(1, id="one"), past(1, id=" one\u200b ")]
    lines[1]["session"]["external_id"] = written
    assert "2 lines: 1 added, 1 there before" in imports.run(imports.file(*lines)).output


@pytest.mark.parametrize("blank", [" ", "\u200b", "\u00ad", "\u3164", "\u2800", "\u202e", "\u0301", "\n\t", "\ufeff"])
def test_what_nobody_can_see_is_blank_in_every_text(world: World, blank: str) -> None:
    for field in ("external_id", "title"):
        body = intake("T-1")
        body["session"][field] = blank
        assert world.junior.post("/handoffs", body).status_code == 422, field
    assert world.junior.post("/handoffs", intake("T-1", reason=blank)).status_code == 422
    assert text.name(blank) is None


NAMES = [
    "José Núñez",
    "Nguyễn Văn Ánh",
    "李小龍",
    "山田 太郎",
    "محمد بن علي",
    "علی‌رضا",
    "श्री राम",
    "Владимир",
    "Ñandú O’Brien-Smith",
    "สมชาย",
    "אברהם",
    "Þórður",
    "👩‍🔧 Ops",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_scripts_are_taken_as_they_are(app: Flask, world: World, name: str) -> None:
    run = app.test_cli_runner()
    arguments = ["users", "create", "--account", str(world.account_id), "--role", "engineer", name]
    assert run.invoke(args=arguments).exit_code == 0
    assert name in [each["name"] for each in world.viewer.get("/people").json["items"]]


def test_a_name_in_two_spellings_is_one(app: Flask, world: World) -> None:
    assert text.name("Jose\u0301 ") == text.name("\u202aJosé") == "José"
    assert text.name("a\x1b[31mb") is None
