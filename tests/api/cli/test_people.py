"""Commands for accounts, people and tokens: their output and their errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from uuid import UUID

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from api import auth
from models.account import ApiToken
from models.transaction import maintenance
from tests.servers import Servers
from tests.stack import ROOT
from tests.world import World

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, world: World) -> Run:
    """Run a command of `flask` within the test's transaction."""

    def invoke(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=list(arguments))

    return invoke


def test_an_account_a_person_and_a_token_are_made_and_let_in(run: Run, world: World) -> None:
    made = run("accounts", "create", "Night Owl")
    assert made.exit_code == 0
    UUID(made.output.splitlines()[-1])
    assert run("users", "create", "--account", "Night Owl", "--role", "engineer", "Noa").exit_code == 0
    issued = run("tokens", "issue", "--user", "Noa", "--expires-days", "3")
    assert issued.exit_code == 0
    secret = issued.output.splitlines()[-1]
    who = world.junior.client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).json
    assert (who["name"], who["role"], who["account"]["name"]) == ("Noa", "engineer", "Night Owl")


def test_a_token_is_shown_once_and_afterwards_only_listed_by_its_start(run: Run, world: World) -> None:
    secret = run("tokens", "issue", "--user", str(world.senior.id)).output.splitlines()[-1]
    listed = run("tokens", "list", "--account", str(world.account_id)).output
    assert secret not in listed
    assert secret[:11] in listed
    assert len(listed.splitlines()) == 6
    assert "senior of Acme (engineer)  active until " in listed


@pytest.mark.parametrize(("options", "days"), [((), 90), (("--expires-days", "7"), 7), (("--never",), None)])
def test_a_token_ends_after_ninety_days_unless_told_otherwise(
    run: Run, world: World, options: tuple[str, ...], days: int | None
) -> None:
    said = run("tokens", "issue", "--user", str(world.senior.id), *options)
    assert said.exit_code == 0
    with maintenance() as session:
        ends = session.scalars(select(ApiToken.expires_at).where(ApiToken.expires_at.is_not(None))).all()
        left = [(end - session.scalar(select(func.now()))).days for end in ends]
    assert left == ([] if days is None else [days])
    assert ("active until it is revoked" in said.output) is (days is None)


def test_a_token_has_one_end(run: Run, world: World) -> None:
    said = run("tokens", "issue", "--user", str(world.senior.id), "--never", "--expires-days", "7")
    assert said.exit_code == 2
    assert "not both" in said.output


def test_a_revoked_token_is_listed_as_such_and_refused(run: Run, world: World) -> None:
    issued = run("tokens", "issue", "--user", str(world.senior.id)).output.splitlines()
    token_id, secret = issued[0].split()[1], issued[-1]
    assert "revoked" in run("tokens", "revoke", token_id).output
    assert "was revoked before" in run("tokens", "revoke", token_id).output
    assert "revoked" in run("tokens", "list", "--account", "Acme").output
    auth.forget_verified()
    assert world.junior.client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_a_deleted_persons_claims_go_back_to_the_queue_and_no_others(run: Run, world: World) -> None:
    made, other = (world.junior.hand_off(name)["id"] for name in ("T-1", "T-2"))
    world.senior.post(f"/handoffs/{made}/claim")
    world.senior2.post(f"/handoffs/{other}/claim")
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "x"})
    deleted = run("users", "delete", "--account", "Acme", "senior of Acme")
    assert deleted.exit_code == 0
    assert "1 claims back" in deleted.output
    now = world.admin.get(f"/handoffs/{made}").json
    assert (now["status"], now["claimed_by"]) == ("ready", None)
    assert world.admin.get(f"/handoffs/{other}").json["claimed_by"]["id"] == str(world.senior2.id)
    told = world.admin.get(f"/handoffs/{made}/timeline").json["items"]
    assert [item["note"] for item in told if item["kind"] == "handoff.released"] == ["the claimer has left"]
    auth.forget_verified()
    assert world.senior.get("/me").status_code == 401


def test_a_viewer_has_claimed_nothing_any_more(run: Run, world: World) -> None:
    made = world.junior.hand_off()["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    assert "0 claims back" in run("users", "role", "--account", "Acme", "senior of Acme", "admin").output
    assert "1 claims back" in run("users", "role", "--account", "Acme", "senior of Acme", "viewer").output
    assert world.admin.get(f"/handoffs/{made}").json["claimed_by"] is None
    told = world.admin.get(f"/handoffs/{made}/timeline").json["items"]
    assert [item["note"] for item in told if item["kind"] == "handoff.released"] == [
        "the claimer may take no work any more"
    ]


@pytest.mark.parametrize("arguments", [("delete",), ("role", "viewer"), ("role", "engineer")])
def test_the_last_admin_leaves_by_force_alone(run: Run, world: World, arguments: tuple[str, ...]) -> None:
    command, *role = arguments
    given = ["users", command, "--account", "Acme", str(world.admin.id), *role]
    refused = run(*given)
    assert refused.exit_code == 1
    assert "last admin" in refused.output
    assert len(refused.output.splitlines()) == 1
    assert world.admin.get("/me").json["role"] == "admin"
    assert run("users", "role", "--account", "Acme", str(world.senior.id), "admin").exit_code == 0
    assert run(*given).exit_code == 0
    other = ["users", command, "--account", "Acme", str(world.senior.id), *role]
    assert run(*other).exit_code == 1
    assert "--force overrides" in run(*other).output
    assert run(*other, "--force").exit_code == 0


def test_everybody_is_listed_with_what_they_hold_and_when_they_were_seen(run: Run, world: World) -> None:
    made = world.junior.hand_off()["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    assert run("users", "create", "--account", "Acme", "--role", "engineer", "--service", "Monitor").exit_code == 0
    run("users", "delete", "--account", "Acme", "senior2 of Acme")
    listed = run("users", "list", "--account", "Acme").output.splitlines()
    assert [line.split("  ")[1] for line in listed] == [
        "admin of Acme",
        "junior of Acme",
        "Monitor",
        "senior of Acme",
        "viewer of Acme",
        "senior2 of Acme",
    ]
    assert listed[2].endswith("  Monitor  engineer service  0 claims  never seen")
    assert "engineer person  1 claims  seen 20" in listed[3]
    assert "  deactivated 20" in listed[5]


def test_a_renamed_person_keeps_their_id(run: Run, world: World) -> None:
    assert run("users", "rename", "--account", "Acme", "senior of Acme", "Sam").exit_code == 0
    auth.forget_verified()
    assert world.senior.get("/me").json["name"] == "Sam"


def test_a_token_is_listed_and_shown_with_its_name(run: Run, world: World) -> None:
    issued = run("tokens", "issue", "--user", "senior of Acme", "--name", "Night import").output.splitlines()
    shown = run("tokens", "show", issued[0].split()[1]).output
    assert shown.endswith("  never used  Night import\n")
    assert shown in run("tokens", "list", "--account", "Acme").output
    assert issued[-1] not in shown


def test_the_claim_lease_of_an_account_is_set_and_taken_back(run: Run, world: World) -> None:
    assert (
        run("accounts", "set", "--claim-lease-minutes", "5", "Acme").output == "claim lease of 'Acme' is 5 minutes\n"
    )
    assert "claim_lease_minutes: 5 minutes\n" in run("accounts", "show", "Acme").output
    for usual in ("default", "0"):
        taken_back = run("accounts", "set", "--claim-lease-minutes", usual, "Acme").output
        assert taken_back == "claim lease of 'Acme' is 30 minutes (the installation's)\n"


def test_the_language_of_an_account_is_set_and_taken_back(run: Run, world: World) -> None:
    assert (
        run("accounts", "set", "--language", "pt-br", "Acme").output == "language of assessments of 'Acme' is pt-BR\n"
    )
    both = run("accounts", "set", "--language", "case", "--claim-lease-minutes", "5", "Acme").output.splitlines()
    assert both == [
        "claim lease of 'Acme' is 5 minutes",
        "language of assessments of 'Acme' is that of each case",
    ]
    assert "pt-BR" not in run("accounts", "set", "--claim-lease-minutes", "5", "Acme").output


def test_age_limits_and_reminders_of_an_account_are_set_and_taken_back(run: Run, world: World) -> None:
    said = run("accounts", "set", "--urgent-red-minutes", "20", "--waiting-reminder-seconds", "60", "Acme").output
    assert said.splitlines() == [
        "urgent alarm age of 'Acme' is 20 minutes",
        "reminder of 'Acme' is 60 seconds",
    ]
    assert world.viewer.get("/me").json["limits"]["urgent_red_minutes"] == 20
    assert "waiting_reminder_seconds: 60 seconds\n" in run("accounts", "show", "Acme").output
    run("accounts", "set", "--urgent-red-minutes", "default", "Acme")
    assert "urgent_red_minutes: 15 minutes (the installation's)\n" in run("accounts", "show", "Acme").output


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["accounts", "set", "Acme"], 2),
        (["accounts", "set", "--red-minutes", "43201", "Acme"], 2),
        (["accounts", "set", "--language", "german", "Acme"], 1),
        (["accounts", "set", "--language", "", "Acme"], 1),
        (["accounts", "set", "--language", "d\x00e", "Acme"], 1),
        (["accounts", "set", "--language", "de", "Nobody"], 1),
        (["users", "create", "--account", "Nobody", "--role", "admin", "x"], 1),
        (["users", "create", "--account", "Acme", "--role", "king", "x"], 2),
        (["users", "delete", "--account", "Acme", "nobody"], 1),
        (["tokens", "issue", "--user", "nobody"], 1),
        (["tokens", "issue", "--user", "senior of Acme", "--expires-days", "0"], 2),
        (["tokens", "revoke", str(UUID(int=1))], 1),
        (["tokens", "revoke", "no-id"], 2),
        (["tokens", "list", "--account", "Nobody"], 1),
        (["accounts", "set", "--claim-lease-minutes", "-1", "Acme"], 2),
        (["accounts", "set", "--claim-lease-minutes", "5", "Nobody"], 1),
        (["accounts", "set", "--claim-lease-minutes", "five", "Acme"], 2),
        (["accounts", "set", "--model-tokens-per-day", "9" * 30, "Acme"], 2),
        (["accounts", "show", "Nobody"], 1),
        (["users", "list", "--account", "Nobody"], 1),
        (["users", "rename", "--account", "Acme", "nobody", "x"], 1),
        (["users", "rename", "--account", "Acme", "senior of Acme", "a\x00b"], 1),
        (["tokens", "issue", "--user", "senior of Acme", "--name", "a\x00b"], 1),
        (["tokens", "show", str(UUID(int=1))], 1),
        (["accounts", "create", "x" * 201], 1),
        (["accounts", "create", "a\x00b"], 1),
        (["users", "create", "--account", "Acme", "--role", "admin", ""], 1),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_no_traceback(run: Run, arguments: list[str], status: int) -> None:
    answer = run(*arguments)
    assert answer.exit_code == status, answer.output
    said = [line for line in answer.output.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1
    assert status == 2 or answer.output.splitlines() == said
    assert "Traceback" not in answer.output


def test_a_name_that_two_people_carry_needs_the_id(run: Run, world: World, other_world: World) -> None:
    for account_id in (world.account_id, other_world.account_id):
        run("users", "create", "--account", str(account_id), "--role", "viewer", "Kim")
    answer = run("tokens", "issue", "--user", "Kim")
    assert answer.exit_code == 1
    assert "2 users are named" in answer.output
    assert run("tokens", "issue", "--user", "Kim", "--account", str(world.account_id)).exit_code == 0


@pytest.mark.parametrize("command", [["accounts"], ["accounts", "set"], ["users", "create"], ["tokens", "list"]])
def test_every_command_explains_itself(run: Run, command: list[str]) -> None:
    answer = run(*command, "--help")
    assert answer.exit_code == 0
    assert "Usage: " in answer.output


def flask(servers: Servers, database: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **servers.environment(database), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "flask", *arguments], cwd=ROOT, env=given, capture_output=True, text=True, timeout=60
    )


def test_a_real_process_prints_the_token_alone_on_the_last_line(servers: Servers, committed: str) -> None:
    assert flask(servers, committed, "accounts", "create", "Night Owl").returncode == 0
    assert (
        flask(servers, committed, "users", "create", "--account", "Night Owl", "--role", "admin", "N").returncode == 0
    )
    issued = flask(servers, committed, "tokens", "issue", "--user", "N")
    assert issued.returncode == 0
    assert issued.stdout.splitlines()[-1].startswith("rf_")
    assert issued.stderr == ""


def test_a_real_process_without_a_database_fails_with_one_line(servers: Servers, committed: str) -> None:
    away = "postgresql://nobody:planted@127.0.0.1:9/none"
    answer = flask(servers, committed, "accounts", "create", "x", DATABASE_URL=away)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Error: ")
    assert len(answer.stderr.splitlines()) == 1
    assert "planted" not in answer.stderr
