"""`flask audit`, and the lines that other commands leave."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from models import audit
from models.audit import Act, chain
from models.audit.chain import ORIGIN, Head
from models.transaction import transaction
from tests.world import World

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, world: World) -> Run:
    """Run a command of `flask` within the test's transaction."""

    def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return app.test_cli_runner().invoke(args=list(arguments), input=stdin)

    return invoke


def lines(world: World) -> list[dict[str, Any]]:
    with transaction(world.account_id) as session:
        return chain.page(session, world.account_id, Head(0, ORIGIN))


def told(world: World) -> list[tuple[str, str, str | None]]:
    assert {line["actor"] for line in lines(world)} <= {None}
    return [(line["kind"], line["subject"], line["note"]) for line in lines(world)]


def record(world: World, *subjects: str, note: str | None = None) -> None:
    for subject in subjects:
        with transaction(world.account_id) as session:
            audit.record(session, world.account_id, Act.PERSON_CREATED, by=None, subject=subject, note=note)


def test_commands_about_people_leave_lines(run: Run, world: World) -> None:
    noa = run("users", "create", "--account", "Acme", "--role", "engineer", "Noa").output.splitlines()[-1]
    run("users", "role", "--account", "Acme", "Noa", "admin")
    run("users", "role", "--account", "Acme", "Noa", "admin")
    run("users", "rename", "--account", "Acme", "Noa", "Ada")
    run("users", "delete", "--account", "Acme", "Ada")
    assert told(world) == [
        ("person.created", f"person:{noa}", "Noa: engineer"),
        ("person.changed", f"person:{noa}", "Noa: engineer → admin"),
        ("person.changed", f"person:{noa}", "Noa: now called Ada"),
        ("person.deleted", f"person:{noa}", "Ada"),
    ]


def test_commands_that_are_refused_leave_none(run: Run, world: World) -> None:
    assert run("users", "delete", "--account", "Acme", str(world.admin.id)).exit_code == 1
    assert run("users", "role", "--account", "Acme", str(world.admin.id), "viewer").exit_code == 1
    assert run("users", "create", "--account", "Acme", "--role", "viewer", "\t").exit_code == 1
    assert run("accounts", "set", "--language", "nonsense!", "Acme").exit_code == 1
    assert told(world) == []


def test_commands_about_tokens_leave_lines_without_the_secret(run: Run, world: World) -> None:
    issued = run("tokens", "issue", "--user", str(world.senior.id), "--never").output.splitlines()
    token_id, secret = issued[0].split()[1], issued[-1]
    run("tokens", "revoke", token_id)
    run("tokens", "revoke", token_id)
    assert told(world) == [
        ("token.issued", f"token:{token_id}", "senior of Acme: active until it is revoked"),
        ("token.revoked", f"token:{token_id}", None),
    ]
    assert secret[:11] not in json.dumps(lines(world))


def test_commands_about_accounts_leave_lines(run: Run, world: World) -> None:
    account_id = run("accounts", "create", "Night Owl").output.splitlines()[-1]
    run("accounts", "set", "--claim-lease-minutes", "20", "--language", "de", account_id)
    for language in ("fr", "fr", "case", "case"):
        run("accounts", "set", "--language", language, "Acme")
    other = run("audit", "export", "--account", account_id).stdout.splitlines()
    assert [(json.loads(line)["kind"], json.loads(line)["note"]) for line in other] == [
        ("account.created", "Night Owl"),
        ("settings.changed", "claim_lease_minutes: 20, language: de"),
        ("audit.exported", None),
    ]
    subject = f"account:{world.account_id}"
    assert told(world) == [
        ("settings.changed", subject, "language: fr"),
        ("settings.changed", subject, "language: default"),
    ]


def test_transfers_of_history_leave_lines_when_they_begin(run: Run, world: World, tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text("not JSON\n")
    run("handoffs", "import", str(file), "--account", "Acme", "--dry-run")
    assert told(world) == []
    assert run("handoffs", "import", str(file), "--account", "Acme").exit_code == 1
    run("handoffs", "export", "--account", "Acme", "--since", "2026-01-31")
    run("handoffs", "export", "--account", "Acme", "-o", os.fsdecode(bytes(tmp_path) + b"/\xff.jsonl"))
    assert told(world) == [
        ("history.imported", "file:cases.jsonl", None),
        ("history.exported", "file:-", "since 2026-01-31"),
        ("history.exported", "file:?.jsonl", None),
    ]


def test_batches_of_the_command_line_leave_lines(run: Run, world: World) -> None:
    world.junior.hand_off()
    made = json.loads(run("batches", "reassess", "--account", "Acme", "--json").stdout)["id"]
    run("batches", "pause", made)
    run("batches", "resume", made)
    run("batches", "cancel", made)
    run("backfill", "assessments", "--account", "Acme", "--dry-run")
    assert [kind for kind, _, _ in told(world)] == [
        "batch.started",
        "batch.paused",
        "batch.resumed",
        "batch.cancelled",
    ]


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.gz"])
def test_an_exported_audit_is_verified_without_the_database_and_by_hand(
    run: Run, world: World, tmp_path: Path, name: str
) -> None:
    record(world, "person:1", "person:2", note='"quoted" \\ and\nbroken €')
    file = tmp_path / name
    exported = run("audit", "export", "--account", "Acme", str(file))
    assert exported.exit_code == 0, exported.output
    content = gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes()
    rows = [json.loads(line) for line in content.decode().splitlines()]
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert f"3 lines exported; head 3:{rows[-1]['hash']}" in exported.output
    for row in rows:
        said = json.dumps([row[key] for key in chain.HASHED], ensure_ascii=False, separators=(",", ":"))
        assert hashlib.sha256(said.encode()).hexdigest() == row["hash"]
    verified = run("audit", "verify", "--file", str(file))
    assert (verified.exit_code, verified.output) == (0, f"{file}: 3 lines are well; head 3:{rows[-1]['hash']}\n")


def test_an_export_may_begin_later_and_goes_on_to_the_end(run: Run, world: World) -> None:
    record(world, "person:1", "person:2", "person:3")
    at = lines(world)[1]["at"]
    rows = [
        json.loads(line) for line in run("audit", "export", "--account", "Acme", "--since", at).stdout.splitlines()
    ]
    assert [row["seq"] for row in rows] == [2, 3, 4]
    assert rows[0]["former"] == lines(world)[0]["hash"]
    file = "\n".join(map(json.dumps, rows))
    assert run("audit", "verify", "--file", "-", stdin=file).exit_code == 0
    later = run("audit", "export", "--account", "Acme", "--since", "2999-01-01")
    assert later.stdout == ""


def test_a_verified_table_shows_its_head_which_can_be_noted(run: Run, world: World) -> None:
    assert run("audit", "verify", "--account", "Acme").output == "Acme: no lines yet\n"
    record(world, "person:1", "person:2")
    head = run("audit", "verify", "--account", "Acme").output.split()[-1]
    assert head == f"2:{lines(world)[1]['hash']}"
    record(world, "person:3")
    assert run("audit", "verify", "--account", "Acme", "--head", head).exit_code == 0


BAD_LINES = [
    (lambda rows: [rows[0], {**rows[1], "note": "another"}, rows[2]], "line 2 is not as it was written"),
    (lambda rows: [rows[0], rows[2]], "line 2 is missing: line 3 follows"),
    (lambda rows: [rows[1], rows[0]], "line 3 is missing: line 1 follows"),
    (lambda rows: [rows[0], rows[0]], "line 2 is missing: line 1 follows"),
    (lambda rows: [rows[0], {**rows[1], "former": "0" * 64}], "line 2 was not written after line 1 as that is now"),
    (lambda rows: [rows[0], {**rows[1], "account": "x"}], "line 2 is of another account"),
    (lambda rows: [rows[0], {}], "line 2 of the file is no line of an audit"),
    (lambda rows: [rows[0], {**rows[1], "seq": "2"}], "line 2 of the file is no line of an audit"),
    (lambda rows: [rows[0], {**rows[1], "seq": True}], "line 2 of the file is no line of an audit"),
    (lambda rows: [{**rows[0], "note": "\ud800"}], "line 1 of the file is no line of an audit"),
    (lambda rows: [{**rows[0], "hash": None}], "line 1 of the file is no line of an audit"),
    (lambda rows: [{**rows[0], "extra": 1}], "line 1 of the file is no line of an audit"),
]


@pytest.mark.parametrize(("change", "complaint"), BAD_LINES, ids=[complaint for _, complaint in BAD_LINES])
def test_the_first_bad_line_of_a_file_is_named(run: Run, world: World, change: Any, complaint: str) -> None:
    record(world, "person:1", "person:2", "person:3")
    file = "\n".join(map(json.dumps, change(lines(world))))
    result = run("audit", "verify", "--file", "-", stdin=file)
    assert (result.exit_code, result.output) == (1, f"Error: -: {complaint}\n")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{}", b"[" * 5000, b'{"a":1,"a":2}', b"\n", b"", b"x" * 2_000_000])
def test_any_file_is_refused_in_one_line(run: Run, world: World, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    result = run("audit", "verify", "--file", str(file))
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1), result.output
    assert isinstance(result.exception, SystemExit)


def test_a_head_or_a_file_that_the_table_no_longer_has_shows(run: Run, world: World, tmp_path: Path) -> None:
    record(world, "person:1", "person:2", "person:3")
    file = tmp_path / "audit.jsonl"
    run("audit", "export", "--account", "Acme", str(file))
    head = str(Head(4, lines(world)[-1]["hash"]))
    both = ("audit", "verify", "--account", "Acme", "--file", str(file))
    assert run(*both).exit_code == 0
    assert run("audit", "verify", "--account", "Acme", "--head", f"3:{'0' * 64}").output == (
        "Error: Acme: line 3 is not the one that was noted\n"
    )
    longer = run("audit", "verify", "--account", "Acme", "--head", head.replace("4:", "9:"))
    assert longer.output == "Error: Acme: line 9, which was noted, is missing\n"


@pytest.mark.parametrize("head", ["", "4", "4:xyz", f"0:{'0' * 64}", f"-1:{'0' * 64}", f"²:{'0' * 64}"])
def test_what_is_no_head_is_refused(run: Run, world: World, head: str) -> None:
    assert run("audit", "verify", "--account", "Acme", "--head", head).exit_code == 2


def test_something_to_verify_has_to_be_named(run: Run, world: World) -> None:
    assert run("audit", "verify").exit_code == 2
    assert "There is no account 'Nobody'" in run("audit", "verify", "--account", "Nobody").output
    assert run("audit", "export", "--account", "Acme", "--since", "soon").exit_code == 2
