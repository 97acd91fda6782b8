"""Batches on the command line, without a web process."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask

from api.cli import batches
from models import batch
from models.assessment import State
from models.transaction import transaction
from tests.models.batch.test_work import drive, end_all
from tests.world import World


class Line:
    """The command line over one account."""

    def __init__(self, app: Flask, world: World) -> None:
        self.app, self.world = app, world

    def __call__(self, *arguments: str) -> Result:
        return self.app.test_cli_runner().invoke(args=list(arguments))

    def start(self, *options: str) -> dict[str, Any]:
        result = self("batches", "reassess", "--account", str(self.world.account_id), "--json", *options)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))


@pytest.fixture
def line(app: Flask, world: World) -> Line:
    for number in range(3):
        world.junior.hand_off(f"T-{number}", category="Printing" if number else "Files")
    end_all(world.account_id)
    return Line(app, world)


def test_a_backfill_covers_what_has_no_good_assessment(line: Line) -> None:
    account = str(line.world.account_id)
    assert "0 handoffs" in line("backfill", "assessments", "--account", account, "--dry-run").output
    line.world.junior.hand_off("T-9")
    dry = line("backfill", "assessments", "--account", account, "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"count": 1, "expected_tokens": 0, "expected_cost": 0.0}
    end_all(line.world.account_id, State.FALLBACK)
    result = line("backfill", "assessments", "--account", account, "--limit", "5", "--note", "after the outage")
    assert "over 1 handoffs queued" in result.output
    assert "watch it with: flask batches watch" in result.output
    [row] = line.world.viewer.get("/batches").json["items"]
    assert row["filter"] == {"without_assessment": True, "limit": 5}
    assert row["started_by"] is None


def test_the_same_batch_twice_is_told_and_fails(line: Line) -> None:
    line.start()
    again = line("batches", "reassess", "--account", str(line.world.account_id))
    assert again.exit_code == 1
    assert "already queued, running or paused" in again.output


def test_options_narrow_as_the_api_does(line: Line) -> None:
    made = line.start("--category", "Printing", "--since", "2020-01-01", "--status", "ready", "--priority", "normal")
    assert made["total"] == 2
    assert made["filter"]["since"] == "2020-01-01T00:00:00+00:00"


def test_a_bad_option_is_named(line: Line) -> None:
    result = line("batches", "reassess", "--account", str(line.world.account_id), "--since", "yesterday")
    assert result.exit_code == 2
    assert "--since" in result.output
    assert "There is no account" in line("batches", "list", "--account", "Nobody").output


def test_pause_resume_cancel_and_list(line: Line) -> None:
    made = line.start()
    for command, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        result = line("batches", command, made["id"])
        assert (result.exit_code, f"{made['id']} {state} 0/3" in result.output) == (0, True), result.output
    refused = line("batches", "resume", made["id"])
    assert (refused.exit_code, "is cancelled" in refused.output) == (1, True)
    assert line("batches", "pause", str(uuid4())).exit_code == 1
    listed = line("batches", "list", "--account", str(line.world.account_id), "--json")
    assert [json.loads(each)["state"] for each in listed.stdout.splitlines()] == ["cancelled"]


def work(line: Line, monkeypatch: pytest.MonkeyPatch, state: State = State.SUCCEEDED) -> None:
    """Let every look at a batch find it a step further."""
    read = batches._read

    def worked(batch_id: Any) -> dict[str, Any]:
        drive(line.world, batch_id)
        end_all(line.world.account_id, state)
        drive(line.world, batch_id)
        return read(batch_id)

    monkeypatch.setattr(batches, "_read", worked)
    monkeypatch.setattr(batches, "POLL_SECONDS", 0)


def test_watching_ends_with_the_batch_and_exit_status_0(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    made = line.start()
    work(line, monkeypatch)
    result = line("batches", "watch", made["id"])
    assert result.exit_code == 0, result.output
    assert "completed 3/3, succeeded 3" in result.output


def test_waiting_for_a_batch_in_which_something_failed_ends_with_1(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(line, monkeypatch, State.FAILED)
    result = line("batches", "reassess", "--account", str(line.world.account_id), "--wait", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])["failed"] == 3


def test_watching_a_paused_batch_says_how_to_go_on(line: Line) -> None:
    made = line.start()
    line("batches", "pause", made["id"])
    result = line("batches", "watch", made["id"])
    assert result.exit_code == 1
    assert f"go on with: flask batches resume {made['id']}" in result.stderr


def test_ctrl_c_stops_watching_and_not_the_batch(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    made = line.start()

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batches.time, "sleep", interrupted)
    result = line("batches", "watch", made["id"])
    assert result.exit_code == 130
    assert f"come back with: flask batches watch {made['id']}" in result.stderr
    with transaction(line.world.account_id) as session:
        [row] = session.scalars(batch.listed(line.world.account_id))
    assert row.state in batch.MOVING
