"""How well the offline assessor reads sessions, beside the labels: python -m tests.evaluation.reading.

Everything is counted by text: a statement is looked for in the text that it cites and gets the labels of the
sentences that stand there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields

from models.assessment.case import Case
from models.assessment.result import Content, Standing, Statement
from tasks.assessors.extractive import Extractive
from tasks.evaluation.measures import Share, place
from tests.evaluation.labelled import SOURCES, Session, sessions

FILLER = frozenset("XKQ")
DONE = frozenset(("R-", "R~", "R?"))


@dataclass
class Score:
    """The columns of the table."""

    worth: Share = field(default_factory=Share)  # facts that are worth a senior's seconds
    filler: Share = field(default_factory=Share)  # facts that are courtesy, quotation or a question
    named: Share = field(default_factory=Share)  # attempts shown that tell of something done without success
    found: Share = field(default_factory=Share)  # attempts without success that are shown
    causes: Share = field(default_factory=Share)  # causes named that are the known one
    # Solved sessions in which what solved it is called failed or suggested.
    fixes: Share = field(default_factory=Share)
    solved: Share = field(default_factory=Share)  # solved sessions that are called so
    mistaken: Share = field(default_factory=Share)  # other sessions that are called solved

    def add(self, session: Session, case: Case, content: Content) -> None:
        """Count one assessment."""
        for fact in content["what_we_know"]:
            numbers = numbers_of(fact, session, case)
            acts = {session.sentences[n - 1].act for n in numbers}
            self.worth.add(any(session.sentences[n - 1].is_worth_it for n in numbers))
            self.filler.add(acts <= FILLER)
        tried = [(item, set(numbers_of(item, session, case))) for item in content["do_not_repeat"]]
        lost = [attempt for attempt in session.attempts if attempt.outcome != "worked"]
        for _, numbers in tried:
            acts = {session.sentences[n - 1].act for n in numbers}
            self.named.add(bool(acts & DONE or numbers & {attempt.action for attempt in lost}))
        for attempt in lost:
            self.found.add(any(attempt.action in numbers for _, numbers in tried))
        if content["likely_cause"]:
            known = {
                *session.causes,
                *(n for n, s in enumerate(session.sentences, 1) if s.act == "D" and s.is_worth_it),
            }
            self.causes.add(bool(known & set(numbers_of(content["likely_cause"], session, case))))
        seems_solved = content["state"]["value"] == Standing.PROBABLY_SOLVED
        (self.solved if session.state == "solved" else self.mistaken).add(seems_solved)
        if session.state == "solved" and session.fixes:
            offered = [*tried, *((item, set(numbers_of(item, session, case))) for item in content["suggested_steps"])]
            self.fixes.add(any(numbers & set(session.fixes) for _, numbers in offered))

    def cells(self) -> list[str]:
        """The figures in the order of HEAD."""
        return [str(getattr(self, column.name)) for column in fields(self)]


HEAD = (
    "sessions",
    "facts worth it",
    "facts filler",
    "attempts right",
    "attempts found",
    "causes right",
    "fix called failed or open",
    "solved ones recognised",
    "others called solved",
)


def numbers_of(item: Statement, session: Session, case: Case) -> list[int]:
    """Return the numbers of the labelled sentences that a statement quotes."""
    texts = {"problem": (0, case.problem), **{f"step:{step.seq}": (step.seq, step.text) for step in case.steps}}
    found: list[int] = []
    for name in item["evidence"]:
        step, text = texts.get(name, (-1, ""))
        where = place(item["text"].strip("… "), text)
        if where:
            found += session.covered(step if (step or session.sentences[0].step == 0) else 1, *where)
    return found


def scored(pairs: Iterable[tuple[Session, Case]]) -> Score:
    """Assess every case and count."""
    score = Score()
    for session, case in pairs:
        score.add(session, case, Extractive().assess(case, deadline=0).content)
    return score


def lines() -> Iterator[str]:
    """The table: each source, those that were looked at and those that were held out."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"| {' | '.join('---' for _ in HEAD)} |"
    pairs = {source: list(sessions(source)) for source in SOURCES}
    groups = {**pairs, "all": [pair for each in pairs.values() for pair in each]}
    for name, group in groups.items():
        for part, is_held in (("looked at", False), ("held out", True)):
            chosen = [pair for pair in group if pair[0].is_held_out is is_held]
            yield f"| {name}, {part} | {' | '.join(scored(chosen).cells())} |"


if __name__ == "__main__":
    for line in lines():
        print(line)
