"""Past cases get their vectors from a worker, and nothing that is missing is forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from models.assessment import vectors
from models.history import Line, load
from models.redis import client, redis_key
from models.settings import settings
from models.transaction import maintenance, transaction
from tasks import embed
from tasks.assess import run
from tasks.embeddings import EmbeddingError, Vector, build
from tests.conftest import environment
from tests.servers import Servers
from tests.tasks.accepted import a_world, accept, row
from tests.world import World, intake

PAST = "The copier on the second floor prints blank pages since the toner was replaced."
PARAPHRASE = "Empty sheets come out of the copier upstairs; it has a new toner cartridge."
GERMAN = (
    "Der Drucker im zweiten Stock druckt seit dem Tausch des Toners nur noch leere Seiten aus, was nicht sein soll."
)


@pytest.fixture
def world(committed: str, servers: Servers, model_folder: str) -> Iterator[World]:
    """An account of a service that has a model."""
    with environment({"EMBEDDINGS": f"onnx:{model_folder}"}):
        yield a_world()


def resolved(world: World, *problems: str) -> None:
    """Load resolved handoffs, as an import does."""
    lines = [
        Line(
            number,
            intake(f"OLD-{number}", title="Copier", problem=problem, steps=[], resolution="Reseated the drum."),
        )
        for number, problem in enumerate(problems)
    ]
    with transaction(world.account_id) as session:
        load.load(session, world.account_id, lines, by=world.admin.id)


def stored() -> list[Any]:
    with maintenance() as session:
        return list(session.execute(text("SELECT * FROM past_case_vectors ORDER BY handoff_id")).all())


def requested() -> int:
    """Return the number of requests in the bulk worker's list."""
    raw: Any = client().lrange(redis_key("bulk"), 0, -1)
    return sum(json.loads(each)["headers"]["task"] == embed.TASK for each in raw)


def test_past_cases_are_embedded_with_the_models_name_and_then_left_alone(world: World) -> None:
    resolved(world, PAST, "The VPN asks for a token that has expired.")
    embed.embed_cases()
    model = build(settings())
    assert model
    assert [(each.account_id, each.model, len(each.vector)) for each in stored()] == [
        (world.account_id, model.name, 384)
    ] * 2
    assert embed.embed_some(model) == 0
    assert requested() == 0


def test_a_resolved_handoff_gets_its_vector_and_helps_a_case_in_other_words(world: World) -> None:
    resolved(world, PAST)
    embed.embed_cases()
    _, asked = accept(world, "T-9", title="Copier", problem=PARAPHRASE, steps=[])
    assert run(world.account_id, asked)
    (similar,) = row("assessments", asked).content["similar"]
    assert similar["digest"] == "Reseated the drum."
    with environment({"EMBEDDINGS": "off"}):
        _, again = accept(world, "T-10", title="Copier", problem=PARAPHRASE, steps=[])
        assert run(world.account_id, again)
    by_words = row("assessments", again).content["similar"]
    assert not by_words or by_words[0]["score"] < similar["score"]


def test_a_model_that_cannot_be_loaded_changes_nothing_but_the_scores(world: World) -> None:
    resolved(world, PAST)
    with environment({"EMBEDDINGS": "onnx:/nowhere"}):
        embed.embed_cases()
        _, asked = accept(world, "T-9", title="Copier", problem=PAST, steps=[])
        assert run(world.account_id, asked)
    assert row("assessments", asked).state == "succeeded"
    assert row("assessments", asked).content["similar"][0]["score"] == 1
    assert stored() == []


def test_a_past_case_in_an_unknown_language_counts_as_done_without_a_vector(world: World) -> None:
    resolved(world, GERMAN)
    embed.embed_cases()
    assert [each.vector for each in stored()] == [b""]
    model = build(settings())
    assert model
    assert embed.embed_some(model) == 0


def test_another_models_vectors_are_made_again(world: World) -> None:
    resolved(world, PAST)
    with maintenance() as session:
        (past,) = vectors.missing(session, "another model", longest=10, most=10)
        vectors.store(session, "another model", [(past, b"\x01")])
    embed.embed_cases()
    model = build(settings())
    assert model
    assert [(each.model, len(each.vector)) for each in stored()] == [(model.name, 384)]


def test_a_run_that_leaves_work_requests_the_next_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(embed, "AT_ONCE", 1)
    resolved(world, PAST, PARAPHRASE)
    embed.embed_cases()
    assert (len(stored()), requested()) == (1, 1)
    embed.embed_cases()
    assert len(stored()) == 2


def test_beat_requests_a_run_where_there_is_a_model_and_never_floods_the_list(world: World) -> None:
    for _ in range(40):
        embed.request_embedding()
    assert requested() == embed.MOST_MESSAGES
    client().flushdb()
    with environment({"EMBEDDINGS": "off"}):
        embed.request_embedding()
    assert requested() == 0


class Picky:
    """A model that fails for one text, or always."""

    name = "picky"

    def __init__(self, refuses: str, error: Exception) -> None:
        self._refuses = refuses
        self._error = error

    def embed(self, texts: list[str]) -> list[Vector]:
        if any(self._refuses in each for each in texts):
            raise self._error
        return [[1.0, 2.0] for _ in texts]


def test_a_text_on_which_the_model_fails_does_not_hold_up_the_others(world: World) -> None:
    resolved(world, PAST, PARAPHRASE, "Nothing is printed at all, and the light is off.")
    assert embed.embed_some(Picky("sheets", ValueError("no"))) == 3
    assert sorted(len(each.vector) for each in stored()) == [0, 2, 2]


def test_when_the_model_is_away_nothing_is_written_and_everything_waits(world: World) -> None:
    resolved(world, PAST)
    with pytest.raises(EmbeddingError):
        embed.embed_some(Picky("", EmbeddingError("unavailable")))
    assert stored() == []
