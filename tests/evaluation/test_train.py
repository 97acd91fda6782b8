"""What the model learns from: answers taken from labels, made-up sessions, and where an answer turns to yes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.assessors.reading.acts import Scores
from tests.evaluation import notes
from tests.evaluation.labelled import ACTS, Attempt, Labelled, Session
from tests.evaluation.train import LEAST_ANSWERS, answers, cut_at, examples

MADE_UP = list(notes.sessions())


def session(*acts: str, **rest: Any) -> Session:
    """A session of sentences with these acts, all in one step."""
    sentences = [
        Labelled(1, at * 10, at * 10 + 10, act.rstrip("!"), act.endswith("!")) for at, act in enumerate(acts)
    ]
    return Session("one", sentences=sentences, **rest)


def yes(of: Session, number: int) -> set[str]:
    """The questions about a sentence whose right answer is yes."""
    return {name for name, right in zip(Scores._fields, answers(of, [number]), strict=True) if right}


def test_an_outcome_counts_in_the_sentence_that_tells_it() -> None:
    apart = session("R-!", "O-", attempts=[Attempt(1, 2, "failed")])
    assert yes(apart, 1) == {"worth", "attempt", "report"}
    assert yes(apart, 2) == {"failed"}
    together = session("R-", attempts=[Attempt(1, 1, "failed")])
    assert yes(together, 1) == {"attempt", "report", "failed"}


def test_a_proposal_that_was_followed_in_vain_is_an_attempt() -> None:
    assert yes(session("P", "O-", attempts=[Attempt(1, 2, "failed")]), 1) == {"attempt", "proposal"}
    assert yes(session("P", "O+", attempts=[Attempt(1, 2, "worked")]), 1) == {"proposal"}


def test_success_shows_the_end_only_from_the_sentence_on_that_shows_it() -> None:
    solved = session("O+", "S", "C", state="solved", shown_by=3)
    assert "solved" not in yes(solved, 1)
    assert yes(solved, 3) == {"worked", "solved"}
    assert "solved" not in yes(session("O+", "C"), 2)


def test_the_cut_is_the_lowest_score_with_the_wanted_share() -> None:
    scores = np.arange(100, 0, -1, dtype=np.float64)
    right = np.array([True] * 50 + [False] * 50)
    assert cut_at(scores, right, 1.0) == 51
    assert cut_at(scores, right, 0.8) == 39
    assert cut_at(scores, ~right, 1.0) == 100 - LEAST_ANSWERS + 1


@pytest.mark.parametrize("number", range(0, len(MADE_UP), 29))
def test_every_sentence_of_a_made_up_session_is_found_again(number: int) -> None:
    of, case = MADE_UP[number]
    assert of.sentences
    assert all(sentence.act in ACTS for sentence in of.sentences)
    texts = [case.problem, *(step.text for step in case.steps)]
    assert max(sentence.step for sentence in of.sentences) < len(texts)
    learnt = examples(of, case, None, named=False)
    assert learnt
    assert {example.session for example in learnt} == {of.id}


def test_made_up_sessions_are_labelled_by_their_own_sentences() -> None:
    assert len({of.id for of, _ in MADE_UP}) == len(MADE_UP) == 290
    for of, _ in MADE_UP:
        named = [*of.causes, *of.fixes, *(n for attempt in of.attempts for n in (attempt.action, attempt.result))]
        assert all(1 <= number <= len(of.sentences) for number in named), of.id
