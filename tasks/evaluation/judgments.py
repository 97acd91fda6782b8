"""Judgments of assessments, by a model or by people: what is judged, and how the answers are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.evaluation.agreement import kappa
from tasks.evaluation.measures import Share

YES, NO = "yes", "no"
GRADES = ("good", "fair", "poor")
CHOICES = {"fact": (YES, NO), "attempt": (YES, NO), "summary": GRADES}
QUESTIONS = {
    "fact": "is each fact worth a senior's seconds",
    "attempt": "is each attempt right",
    "summary": "is the summary good, fair or poor",
}


@dataclass(frozen=True)
class Item:
    """Something that is judged: a fact, an attempt or the summary of an assessment of a handoff."""

    handoff: str
    assessor: str
    kind: str  # a key of QUESTIONS
    text: str


Judgments = dict[Item, str]  # the answer, one of CHOICES


def items_of(handoff: str, assessor: str, content: Mapping[str, Any]) -> list[Item]:
    """What is judged of an assessment, in order."""
    texts = [
        *(("fact", item["text"]) for item in content["what_we_know"]),
        *(("attempt", f"{item['text']} ({item['outcome']})") for item in content["do_not_repeat"]),
        ("summary", content["summary"]),
    ]
    return [Item(handoff, assessor, kind, text) for kind, text in texts]


@dataclass
class Judged:
    """The judgments of one judge on one method."""

    facts: Share = field(default_factory=Share)
    attempts: Share = field(default_factory=Share)
    good: Share = field(default_factory=Share)
    passable: Share = field(default_factory=Share)  # good or fair

    def add(self, kind: str, answer: str) -> None:
        """Count one judgment."""
        if kind == "summary":
            self.good.add(answer == "good")
            self.passable.add(answer != "poor")
        else:
            (self.facts if kind == "fact" else self.attempts).add(answer == YES)


def counted(judgments: Judgments, assessor: str) -> Judged:
    """Count the judgments of one assessor's items."""
    judged = Judged()
    for item, answer in judgments.items():
        if item.assessor == assessor:
            judged.add(item.kind, answer)
    return judged


@dataclass(frozen=True)
class Agreement:
    """How often two judges gave the same answer to the same question, and that beyond chance."""

    same: Share
    kappa: float | None


def agreement(one: Judgments, two: Judgments, kind: str) -> Agreement:
    """Compare two judges on the items of a kind that both judged."""
    pairs: Sequence[tuple[str, str]] = [
        (answer, two[item]) for item, answer in one.items() if item.kind == kind and item in two
    ]
    return Agreement(Share(sum(a == b for a, b in pairs), len(pairs)), kappa(pairs))
