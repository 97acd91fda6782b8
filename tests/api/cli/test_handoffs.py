"""Commands for single handoffs: their output and their errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from click.testing import Result
from flask import Flask

from tests.api.test_moves import events, in_state
from tests.world import World

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, world: World) -> Run:
    """Run a command of `flask handoffs` over the world's account."""

    def invoke(command: str, *arguments: str, **how: str) -> Result:
        within = ["handoffs", command, "--account", str(world.account_id), *arguments]
        return app.test_cli_runner().invoke(args=within, **how)

    return invoke


def test_a_handoff_is_shown_in_a_few_lines_or_as_json(run: Run, world: World) -> None:
    made = in_state(world, "claimed")
    shown = run("show", made)
    assert shown.exit_code == 0
    lines = {line[:15].strip(): line[15:] for line in shown.output.splitlines()}
    assert (lines["handoff"], lines["ticket"], lines["status"]) == (made, "T-1", "claimed")
    assert lines["taken"].endswith(f" by {world.senior.name}")
    assert "lease until" in lines
    assert "snoozed until" not in lines
    assert json.loads(run("show", "--json", made).stdout) == world.admin.get(f"/handoffs/{made}").json


def test_what_a_ticket_says_cannot_command_a_terminal(run: Run, world: World) -> None:
    made = world.junior.hand_off("T-1", intent="park", title="\x1b]0;owned\x07 two\nlines \u202e")["id"]
    (title,) = [line for line in run("show", made).output.splitlines() if line.startswith("title")]
    assert title.removeprefix("title").strip() == "]0;owned  two lines"


def test_an_operator_reopens_and_discards(run: Run, world: World) -> None:
    made = in_state(world, "resolved")
    assert "status         claimed" in run("reopen", made).output
    assert events(world)[-1] == "handoff.reopened"
    parked = world.junior.hand_off("T-2", intent="park")["id"]
    assert run("discard", parked, input="n\n").exit_code == 1
    assert world.junior.get(f"/handoffs/{parked}").status_code == 200
    assert "status         discarded" in run("discard", "--yes", parked).output
    assert world.junior.get(f"/handoffs/{parked}").status_code == 404


@pytest.mark.parametrize("command", ["show", "reopen", "discard"])
def test_what_cannot_be_done_is_said_in_one_line(run: Run, world: World, other_world: World, command: str) -> None:
    yes = ["--yes"] if command == "discard" else []
    theirs = in_state(other_world, "ready")
    for unknown in (str(UUID(int=1)), theirs):
        refused = run(command, *yes, unknown)
        assert (refused.exit_code, refused.output) == (1, "Error: No such thing in this account.\n")
    if command != "show":
        refused = run(command, *yes, in_state(world, "ready"))
        wrong = "Error: The handoff is ready; this cannot be done now.\n"
        assert (refused.exit_code, refused.output) == (1, wrong)
    assert run(command, *yes, "no-id").exit_code == 2
