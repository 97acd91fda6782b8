"""The model that judges sentences: its table, who has the problem, and what it makes of plain sentences."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from models.assessment.case import CaseStep
from tasks.assessors.reading import acts
from tasks.assessors.reading.acts import Judged, Scores, judge
from tasks.assessors.reading.features import edges, features, opening, words_of
from tasks.assessors.reading.transcript import transcribe
from tests.tasks.assessors.cases import case, step


def judged(*steps: CaseStep | str) -> list[Judged]:
    """The sentences of the steps, as judged."""
    return [each for each in judge(transcribe(case(*steps))) if each.step >= 0]


def scores(text: str) -> Scores:
    (each,) = judged(text)
    return each.scores


def test_the_table_is_small_and_has_a_column_for_each_question() -> None:
    head = acts.WEIGHTS.read_text("utf-8").partition("\n")[0]
    assert head.split("\t")[2:] == list(Scores._fields)
    assert acts.WEIGHTS.stat().st_size < 1_000_000


def test_the_table_names_every_feature_once_and_holds_nobody_s_mask() -> None:
    lines = acts.WEIGHTS.read_text("utf-8").splitlines()[1:]
    named = [tuple(line.split("\t")[:2]) for line in lines]
    assert len(set(named)) == len(named)
    # Masks of the texts are cut at their underscore.
    assert not [feature for _, feature in named if "ph" in feature.replace("+", " ").replace("^", " ").split()]


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        ("attempt", "I reinstalled the driver but it still does not print.", "Please reinstall the driver."),
        ("failed", "It did not help.", "It helped, thanks."),
        ("proposal", "Please try to restart the service and check again.", "I restarted the service yesterday."),
        ("question", "Which version of the client do you use?", "I use version 5 of the client."),
        ("worked", "That fixed it, thank you!", "That did not fix it."),
        ("solved", "It is working now, thank you very much for your help!", "It is not working, please help."),
    ],
)
def test_plain_sentences_are_read_as_people_read_them(question: str, yes: str, no: str) -> None:
    assert getattr(scores(yes), question) >= 0 > getattr(scores(no), question)


def test_who_has_the_problem_is_found_by_what_people_say() -> None:
    told = judged(
        step(1, "Which browser do you use?", author="Ben"),
        step(2, "I use Firefox, and since the update it crashes when I print.", author="Ana"),
        step(3, "Please try safe mode and create a new profile.", author="Ben"),
        step(4, "I tried that and it still crashes.", author="Ana"),
    )
    assert {each.author for each in told if each.is_asker} == {"Ana"}
    assert [each.is_asker for each in judged("I tried that and it still crashes.")] == [None]


def test_the_neighbours_and_the_speaker_count() -> None:
    (alone,) = judged("Cleared the cache.")
    beside = judged("Cleared the cache. It did not help.")
    assert alone.scores != beside[0].scores
    assert judged("The printer is a HP. It did not help.")[1].scores != beside[1].scores
    advice = step(1, "Please try to reinstall the client.", author="Ben")
    by_both = [judged(advice, step(2, "Cleared the cache.", author=name))[-1] for name in ("Ana", "Ben")]
    assert [each.is_asker for each in by_both] == [True, None]
    assert by_both[0].scores != by_both[1].scores


def test_the_scores_are_the_same_in_every_process() -> None:
    code = (
        "from tests.tasks.assessors.cases import PRINTER\nfrom tasks.assessors.reading.acts import judge\n"
        "from tasks.assessors.reading.transcript import transcribe\n"
        "print([each.scores for each in judge(transcribe(PRINTER))])"
    )
    # Sets are walked through in another order with each seed.
    told = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] != b""


def test_an_empty_session_has_no_sentences() -> None:
    assert judge(transcribe(case(title="", problem="", reason=""))) == []


@pytest.mark.parametrize("text", ["", "!", "a" * 5000, "- " * 3000, "\u202e🙈", "0x1F C:\\a\\b =={}"])
def test_any_text_has_features_and_no_more_than_its_ends_give(text: str) -> None:
    words = words_of(text)
    assert len(words.tokens) <= 48
    assert len(features(words) | edges(words) | opening(words)) < 800
