"""Compare suggested steps with what people did next: the first half of a session against its second half.

Every method says as many statements as the assessor suggests steps for the session. One is as good as its best
match with a single later message, or with what the desk wrote when it was over: the cosine of their words, each
counted by how rare it is in the source. Only words are compared, so that a step that would have helped but that
nobody took counts for nothing, and one that was taken without helping counts as foreseen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from models.assessment.case import Case
from tasks.assessors.extractive import Extractive
from tasks.evaluation.measures import MET, Rarity, mean, words
from tests.benchmarks import rows
from tests.benchmarks.rows import Row

LEAST_STEPS = 8  # a session shorter than this has no halves to speak of
SEED = 20220102
WRITTEN_AFTER = ("internal_investigation", "resolution")


@dataclass
class Foreseen:
    """The best matches of one method's statements, session by session."""

    best: list[float] = field(default_factory=list)
    met: list[float] = field(default_factory=list)  # per session: does any statement reach MET?

    def add(self, matches: Sequence[float]) -> None:
        self.best.append(sum(matches) / len(matches))
        self.met.append(float(max(matches) >= MET))


def _messages(row: Row) -> list[str]:
    case = rows.to_case(row)
    return [case.problem, *(step.text for step in case.steps)]


def suggested(case: Case) -> list[str]:
    content = Extractive().assess(case, deadline=0).content
    return [step["text"].removeprefix("Get an answer to: ") for step in content["suggested_steps"]]


def _lines(case: Case) -> list[str]:
    told = [case.problem, *(step.text for step in case.steps)]
    lines = [line.strip() for text in told for line in text.replace(". ", ".\n").split("\n")]
    return [line for line in lines if len(words(line)) >= 3]


def _scattered(case: Case, count: int) -> list[str]:
    lines = _lines(case)
    return random.Random(f"{SEED}{case.handoff_id}").sample(lines, min(count, len(lines)))


BASELINES: dict[str, Callable[[Case, int], list[str]]] = {
    "first lines": lambda case, count: _lines(case)[:count],
    "last lines": lambda case, count: _lines(case)[-count:],
    "random lines": _scattered,
}


def run(data: Sequence[Row]) -> dict[str, Foreseen]:
    """Every method over every session in which the assessor suggests something at half-time."""
    rarity = Rarity(text for row in data for text in _messages(row))
    found = {name: Foreseen() for name in ("suggested steps", *BASELINES)}
    for row in data:
        case = rows.to_case(row)
        half = len(case.steps) // 2
        early = replace(case, steps=case.steps[:half])
        steps = suggested(early) if len(case.steps) >= LEAST_STEPS else []
        if not steps:
            continue
        after = [step.text for step in case.steps[half:]] + [row.get(name) or "" for name in WRITTEN_AFTER]
        said = {name: baseline(early, len(steps)) for name, baseline in BASELINES.items()}
        for name, statements in {"suggested steps": steps, **said}.items():
            matches = [rarity.best(text, after) for text in statements]
            found[name].add(matches or [0.0])
    return found


def table(found: dict[str, Foreseen]) -> str:
    lines = ["| method | mean likeness | sessions with one that comes true |", "| --- | --- | --- |"]
    for name, score in found.items():
        average, met = mean(score.best), mean(score.met)
        lines.append(f"| {name} | {average or 0:.3f} | {met or 0:.2f} |")
    return "\n".join(lines)
