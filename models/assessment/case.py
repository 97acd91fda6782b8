"""The input of an assessor: a handed-off session and the past cases that it may cite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.assessment.vectors import Meaning, cosine
from models.database import sql_file
from models.database.executor import Executor
from models.database.prepared import Prepared
from models.session import Outcome

SEARCHED_CHARS = 2000  # of title and problem, in the search for past cases
MOST_SIMILAR = 5

# Calibrated in docs/measurements/assessment.md. A past case is shown from the first score on, which at most one in
# twenty questions of another topic finds. From the second on something may be concluded from it: half of those below
# are about something else. Words and meaning together have a scale of their own.
LEAST_SCORE = 0.27
CONCLUSIVE_SCORE = 0.4
LEAST_MIXED = 0.36
CONCLUSIVE_MIXED = 0.55
SHARE_OF_MEANING = 0.5

COMPARED = 45  # past cases whose texts are compared by words
COMPARED_BY_MEANING = 200  # which words alone would rank too low

# Steps that are read of longer sessions: the beginning, the end, and the latest known failures in between.
FIRST_STEPS = 60
LAST_STEPS = 180
FAILED_STEPS = 60
MOST_STEPS = FIRST_STEPS + LAST_STEPS + FAILED_STEPS
FAILURES = (Outcome.FAILED, Outcome.PARTIAL)

_READ = {"first": FIRST_STEPS, "last": LAST_STEPS, "failed": FAILED_STEPS, "searched": SEARCHED_CHARS}


@dataclass(frozen=True)
class CaseStep:
    """One step of the session. `seq` counts from 1 and is what evidence ids name (`step:3`)."""

    seq: int
    kind: str  # question | action | observation | note
    text: str
    outcome: str | None = None  # worked | failed | partial | unknown
    at: datetime | None = None
    author: str | None = None
    answers: int | None = None  # the `seq` of a question


@dataclass(frozen=True)
class PastCase:
    """A resolved handoff of the same account, found similar.

    `score` is 0..1: the similarity of titles and problems, in which rare words count more, or its mean with the
    similarity of their meaning. `bar` is the score from which anything may be concluded from the case.
    """

    handoff_id: UUID
    title: str
    problem: str
    resolution: str
    root_cause: str | None
    score: float
    resolved_at: datetime | None = None
    bar: float = CONCLUSIVE_SCORE

    @property
    def conclusive(self) -> bool:
        """Whether anything may be concluded from it; it is shown in any case."""
        return self.score >= self.bar


@dataclass(frozen=True)
class Case:
    """Everything that an assessment may rest on, held without a connection.

    Of a very long session `steps` are those that are worth reading, and `steps_left_out` counts the others. Steps
    that were retracted are read by nobody.
    """

    account_id: UUID
    handoff_id: UUID
    assessment_id: UUID
    title: str
    problem: str
    reason: str
    ask: str | None = None
    category: str | None = None
    client: str | None = None
    asset: str | None = None
    steps: tuple[CaseStep, ...] = ()
    past: tuple[PastCase, ...] = ()
    steps_left_out: int = 0
    steps_retracted: int = 0
    author: str | None = None  # who handed it off
    language: str | None = None  # that the account's readers want (BCP 47); None: the language of the case
    tokens_per_day: int | None = None  # the most that models may use for the account; None: the installation's

    @property
    def steps_count(self) -> int:
        """Number of steps of the session, read or not."""
        return len(self.steps) + self.steps_left_out + self.steps_retracted

    @property
    def characters(self) -> int:
        """Total length of the problem and the steps."""
        return len(self.problem) + sum(len(step.text) for step in self.steps)

    def evidence_ids(self) -> frozenset[str]:
        """The ids that statements about this case may cite."""
        texts = {"title": self.title, "problem": self.problem, "reason": self.reason, "ask": self.ask}
        return frozenset(
            [name for name, text in texts.items() if text]
            + [f"step:{step.seq}" for step in self.steps]
            + [f"handoff:{past.handoff_id}" for past in self.past]
        )


def choose_steps(steps: Sequence[CaseStep], *, first: int, last: int, failed: int) -> tuple[CaseStep, ...]:
    """Choose the first and last steps and the latest failed ones in between, in order."""
    if len(steps) <= first + last + failed:
        return tuple(steps)
    between = [step for step in steps[first:-last] if step.outcome in FAILURES]
    return (*steps[:first], *between[-failed:], *steps[-last:])


def steps_to_read(steps: Sequence[CaseStep]) -> tuple[CaseStep, ...]:
    """Choose at most MOST_STEPS of a session's steps; the same ones that `load` reads."""
    return choose_steps(steps, first=FIRST_STEPS, last=LAST_STEPS, failed=FAILED_STEPS)


_CASE = Prepared(sql_file(__file__, "case"))
_SIMILAR = Prepared(sql_file(__file__, "similar"))
_PAST_TEXTS = Prepared(sql_file(__file__, "past_texts"))


def load(
    executor: Executor, account_id: UUID, handoff_id: UUID, assessment_id: UUID, *, most: int = MOST_SIMILAR
) -> Case:
    """Load the case of a handoff, with at most `most` past cases that have similar words."""
    values = {"account": account_id, "handoff": handoff_id, "most": most, "least": LEAST_SCORE, "compared": COMPARED}
    (found,) = _CASE(executor, values | _READ)
    steps = tuple(_step(*step) for step in found.steps or ())
    return Case(
        account_id=account_id,
        handoff_id=handoff_id,
        assessment_id=assessment_id,
        title=found.title,
        problem=found.problem,
        reason=found.reason,
        ask=found.ask,
        category=found.category,
        client=found.client,
        asset=found.asset,
        steps=steps,
        past=tuple(_past(*past) for past in found.past or ()),
        steps_left_out=max(0, found.steps_count - found.steps_retracted - len(steps)),
        steps_retracted=found.steps_retracted,
        author=found.author,
        language=found.language,
        tokens_per_day=found.tokens_per_day,
    )


def _step(seq: int, kind: str, text: str, outcome: str | None, at: str | None, *more: Any) -> CaseStep:
    return CaseStep(seq, kind, text, outcome, None if at is None else datetime.fromisoformat(at), *more)


def _past(
    handoff_id: str,
    title: str,
    problem: str,
    resolution: str | None,
    root_cause: str | None,
    score: float,
    at: str | None,
) -> PastCase:
    resolved_at = None if at is None else datetime.fromisoformat(at)
    return PastCase(
        UUID(handoff_id), title, problem, resolution or "", root_cause, float(score), resolved_at=resolved_at
    )


@dataclass(frozen=True)
class _Near:
    """A past case by its scores, before its texts are read."""

    handoff_id: UUID
    score: float
    least: float
    bar: float


def similar(
    executor: Executor,
    account_id: UUID,
    words: str,
    *,
    besides: UUID,
    meaning: Meaning | None = None,
    most: int = MOST_SIMILAR,
    least: float | None = None,
) -> list[PastCase]:
    """Find the account's resolved handoffs most similar to these words, best first.

    With a meaning, the score is half words and half meaning, of past cases that have a vector of the same model.
    `least` takes the place of the thresholds, that of words alone and that of the mixture.
    """
    values = {
        "account": account_id,
        "words": words[:SEARCHED_CHARS],
        "besides": besides,
        "model": meaning.model if meaning else None,
        "most": COMPARED_BY_MEANING if meaning else most,
        "compared": COMPARED_BY_MEANING if meaning else COMPARED,
        "least": 0.0 if meaning else LEAST_SCORE if least is None else least,
    }
    near = [_compared(row, meaning) for row in _SIMILAR(executor, values)]
    shown = [each for each in near if each.score >= (each.least if least is None else least)]
    # A stable sort: of equal scores the one with more words in common stays first.
    return _with_texts(executor, account_id, sorted(shown, key=lambda each: -each.score)[:most])


def _compared(row: Any, meaning: Meaning | None) -> _Near:
    """Mix the scores of a candidate; words alone count where either side has no vector."""
    if meaning is None or not row.vector:
        return _Near(row.id, row.score, LEAST_SCORE, CONCLUSIVE_SCORE)
    alike = max(0.0, cosine(meaning.vector, row.vector))
    score = (1 - SHARE_OF_MEANING) * row.score + SHARE_OF_MEANING * alike
    least = LEAST_MIXED if row.least is None else row.least
    return _Near(row.id, score, least, least + CONCLUSIVE_MIXED - LEAST_MIXED)


def _with_texts(executor: Executor, account_id: UUID, chosen: Sequence[_Near]) -> list[PastCase]:
    if not chosen:
        return []
    rows = _PAST_TEXTS(executor, {"account": account_id, "ids": [each.handoff_id for each in chosen]})
    texts = {row.id: row for row in rows}
    return [
        PastCase(
            row.id,
            row.title,
            row.problem,
            row.resolution or "",
            row.root_cause,
            near.score,
            resolved_at=row.resolved_at,
            bar=near.bar,
        )
        for near in chosen
        if (row := texts.get(near.handoff_id))
    ]
