"""What picks lines of a session by where they stand: an assessor has to do better than these."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from models.assessment.case import Case
from models.assessment.result import Content, Statement
from tasks.assessors.base import Draft
from tasks.assessors.content import SUMMARY_LENGTH
from tasks.evaluation.measures import Said, lines_of

FACTS = 5
ATTEMPTS = 3
SUGGESTIONS = 3

Order = Callable[[Case, list[Said]], list[Said]]


@dataclass(frozen=True)
class Lines:
    """An assessor that takes the first lines in some order, for everything."""

    name: str
    order: Order

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """A draft whose statements are lines; `deadline` is not needed."""
        chosen = self.order(case, lines_of(case))
        of_steps = [said for said in chosen if said.sources != ("problem",)]
        statements = [_statement(said) for said in chosen]
        tried = [_statement(said) for said in of_steps[:ATTEMPTS]]
        content = {
            "summary": "\n".join(said.text for said in chosen)[:SUMMARY_LENGTH],
            "what_we_know": statements[:FACTS],
            "do_not_repeat": [{**item, "outcome": "failed"} for item in tried],
            "likely_cause": statements[0] if statements else None,
            "suggested_steps": [{**item, "why": ""} for item in statements[:SUGGESTIONS]],
            "confidence": "low",
            "questions": [],
            "similar": [],
        }
        return Draft(cast(Content, content), self.name, "baseline")


def _statement(said: Said) -> Statement:
    return {"text": said.text, "evidence": list(said.sources)}


def _scattered(seed: int) -> Order:
    def order(case: Case, lines: list[Said]) -> list[Said]:
        return random.Random(f"{seed}{case.handoff_id}").sample(lines, len(lines))

    return order


def baselines(seed: int) -> list[Lines]:
    """The first, the last and random lines."""
    return [
        Lines("first lines", lambda _, lines: lines),
        Lines("last lines", lambda _, lines: lines[::-1]),
        Lines("random lines", _scattered(seed)),
    ]
