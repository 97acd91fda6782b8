"""The result of an attempt to write an assessment, and what the attempt cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NotRequired, TypedDict

from models.assessment import State


class Standing(StrEnum):
    """Where a case stands. Waiting: somebody outside has to answer, deliver or come first."""

    OPEN = "open"
    WAITING = "waiting"
    PROBABLY_SOLVED = "probably_solved"


class CaseState(TypedDict):
    """Where the case stands at its end, with the ids of what shows it. `value`: one of Standing."""

    value: str
    evidence: list[str]


class Statement(TypedDict):
    """A statement with the ids of what it rests on (`step:3`, `handoff:<id>`, `problem`).

    A model's has a `quote`, words that stand in one of these texts. The offline assessor's are such words themselves.
    """

    text: str
    evidence: list[str]
    quote: NotRequired[str]


class Tried(Statement):
    """Something that was tried and did not solve the problem. `outcome`: failed | partial | unknown."""

    outcome: str


class Suggestion(Statement):
    """A step worth taking next, with the reason."""

    why: str


class SimilarCase(TypedDict):
    """A resolved handoff of the same account with its fix."""

    handoff_id: str
    title: str
    digest: str
    score: float


class Findings(TypedDict):
    """The findings of an assessor about a case."""

    state: CaseState
    summary: str
    what_we_know: list[Statement]
    do_not_repeat: list[Tried]
    likely_cause: Statement | None
    suggested_steps: list[Suggestion]
    confidence: str  # low | medium | high
    questions: list[str]


class Content(Findings):
    """The content of an assessment, as stored and as answered."""

    similar: list[SimilarCase]


@dataclass(frozen=True)
class Spent:
    """The cost of an attempt at a model, and what was sent to it."""

    provider_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)  # in the currency of the configured prices
    sent: str | None = None  # exactly what left the process, after redaction


NOTHING_SPENT = Spent()


@dataclass(frozen=True)
class Result:
    """How a generation ended. None: not known; the row keeps what an earlier attempt wrote."""

    state: State
    error: str | None = None  # why it failed or fell back
    content: Content | None = None
    source: str | None = None
    prompt_version: str | None = None
    dropped_evidence: int | None = None
    input_hash: str | None = None
    steps_seen: int | None = None
    spent: Spent = NOTHING_SPENT
