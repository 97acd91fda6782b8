"""`flask similar`: embedding what is missing, and a threshold that is set by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from models.assessment import vectors
from models.history import Line, load
from models.settings import settings
from models.transaction import maintenance, transaction
from tasks.embeddings import build
from tests.conftest import environment
from tests.servers import Servers
from tests.tasks.accepted import a_world
from tests.world import World, intake

Run = Callable[..., Result]

THINGS = ("printer", "mailbox", "laptop", "share", "monitor", "phone", "badge reader")
TROUBLES = ("is slow", "asks for a password", "shows an error", "is not found", "stopped after the update")
PLACES = ("in the warehouse", "at the front desk", "on the second floor", "at home", "in the lab")


@pytest.fixture
def world(committed: str, servers: Servers, model_folder: str) -> Iterator[World]:
    with environment({"EMBEDDINGS": f"onnx:{model_folder}"}):
        yield a_world()


@pytest.fixture
def run(app: Flask, world: World) -> Run:
    def invoke(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["similar", *arguments])

    return invoke


def resolved(world: World, count: int) -> None:
    lines = []
    for n in range(count):
        told = f"The {THINGS[n % 7]} {TROUBLES[n % 5]} {PLACES[n // 7 % 5]}, case number {n}."
        content = intake(f"OLD-{n}", title=THINGS[n % 7], problem=told, steps=[], resolution="Restarted it.")
        lines.append(Line(n, content))
    with transaction(world.account_id) as session:
        load.load(session, world.account_id, lines, by=world.admin.id)


def test_everything_without_a_vector_is_embedded_and_the_rate_is_told(run: Run, world: World) -> None:
    resolved(world, 70)
    told = run("embed")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("70 past cases embedded by onnx:")
    assert told.output.rstrip().endswith("/s")
    again = run("embed", "--account", str(world.account_id))
    assert again.output.startswith("0 past cases embedded by onnx:")


def test_only_the_account_that_is_named_is_embedded(run: Run, world: World) -> None:
    other = a_world("Umbra")
    resolved(world, 2)
    resolved(other, 3)
    assert run("embed", "--account", "Umbra").output.startswith("3 past cases")
    with maintenance() as session:
        accounts = set(session.scalars(text("SELECT DISTINCT account_id FROM past_case_vectors")))
    assert accounts == {other.account_id}


def test_calibrating_sets_a_threshold_and_gives_the_same_one_again(run: Run, world: World) -> None:
    resolved(world, 60)
    run("embed")
    told = run("calibrate", "--account", "Acme")
    assert told.exit_code == 0, told.output
    model = build(settings())
    assert model
    with maintenance() as session:
        least = vectors.threshold(session, world.account_id, model.name)
    assert least
    assert told.output == f"Acme: shown from {least:.2f} on (before: 0.36)\n"
    assert run("calibrate").output == f"Acme: shown from {least:.2f} on (before: {least:.2f})\n"


def test_an_account_that_cannot_be_calibrated_is_told_why_in_one_line(run: Run, world: World) -> None:
    resolved(world, 49)
    few = run("calibrate", "--account", "Acme")
    assert (few.exit_code, few.output) == (1, "Error: 49 past cases; it takes 50 to tell what is chance.\n")
    assert run("calibrate").output.startswith("Acme: left as it is: 49 past cases;")
    resolved(world, 50)
    bare = run("calibrate", "--account", "Acme")
    assert bare.exit_code == 1
    assert bare.output == "Error: 50 past cases have no vector yet; run: flask similar embed\n"


@pytest.mark.parametrize("command", ["embed", "calibrate"])
def test_without_a_model_both_commands_say_so(run: Run, command: str) -> None:
    with environment({"EMBEDDINGS": "off"}):
        told = run(command)
    assert (told.exit_code, told.output) == (1, "Error: EMBEDDINGS is off; words alone are compared\n")
    with environment({"EMBEDDINGS": "onnx:/nowhere"}):
        told = run(command)
    assert (told.exit_code, told.output) == (1, "settings: EMBEDDINGS=onnx:/nowhere has no model.onnx\n")


def test_an_unknown_account_is_one_line(run: Run) -> None:
    told = run("embed", "--account", "Nobody")
    assert told.exit_code == 1
    assert len(told.output.splitlines()) == 1
