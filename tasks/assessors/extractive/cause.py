"""The likely cause, as stated in the session or taken from a similar past case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.assessment.case import Case, PastCase
from tasks.assessors.reading.acts import Judged
from tasks.assessors.reading.similarity import stems
from tasks.assessors.reading.text import excerpt

CAUSE_LENGTH = 400
SURE = 1.0  # log-odds above the cut from which on the words leave hardly another reading
LEAST_WORTH = -1.0  # log-odds; a cause that tells a senior less is too vague to be named


@dataclass(frozen=True)
class Cause:
    """A stated cause. `strong` means that the words leave hardly another reading."""

    text: str
    evidence: tuple[str, ...]
    strong: bool


def stated(judged: Sequence[Judged]) -> Cause | None:
    """The clearest cause that the steps state, the last of equals; None when they state none.

    The problem text does not count: a reporter's guess still has to be checked.
    """
    named = [
        each
        for each in judged
        if each.step >= 0
        and each.scores.cause >= 0
        and each.scores.worth >= LEAST_WORTH
        and max(each.scores.question, each.scores.proposal) < 0
    ]
    if not named:
        return None
    best = max(reversed(named), key=lambda each: each.scores.cause)
    return Cause(excerpt(best.text, CAUSE_LENGTH), (best.sentence.source,), best.scores.cause >= SURE)


def from_past(case: Case) -> Cause | None:
    """The root cause of the best conclusive past case that shares words with this one."""
    for past in sorted(case.past, key=lambda item: -item.score):
        named_cause = (past.root_cause or "").strip()
        if past.conclusive and named_cause and shares_topic(case, past):
            return Cause(excerpt(named_cause, CAUSE_LENGTH), (f"handoff:{past.handoff_id}",), False)
    return None


def shares_topic(case: Case, past: PastCase) -> bool:
    """Whether both problems have meaningful words in common, regardless of the search's score.

    At least two, and in long texts, which share some by chance, a tenth of the shorter one's.
    """
    mine = stems(f"{case.title}\n{case.problem[:1500]}\n{case.reason[:300]}")
    others = stems(f"{past.title}\n{past.problem[:1900]}")
    return len(mine & others) >= max(2, min(len(mine), len(others)) / 10)
