"""Which labelled sentences the reading of texts loses or lets through: python -m tests.evaluation.sentences.

A labelled sentence is read if half of it stands in a sentence that the assessors get.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.assessment.case import Case
from tasks.assessors.mail import case_as_seen
from tasks.assessors.reading.transcript import transcribe
from tasks.evaluation.measures import Share, place
from tests.evaluation.labelled import SOURCES, Labelled, Session, sessions

OTHERS = frozenset("KXL")
ROWS = ("worth it, lost", "other than K, X and L, lost", "K let through", "X let through", "L let through")


def read(session: Session, case: Case) -> set[int]:
    """Return the numbers of the labelled sentences that are read."""
    transcript = transcribe(case_as_seen(case))
    texts = {"problem": (0, case.problem), **{f"step:{step.seq}": (step.seq, step.text) for step in case.steps}}
    begins_with_problem = session.sentences[0].step == 0
    found: set[int] = set()
    for sentence in [*transcript.problem, *(each for spoken in transcript.spoken for each in spoken)]:
        step, text = texts[sentence.source]
        where = place(sentence.text, text)
        if where:
            found.update(session.covered(step if (step or begins_with_problem) else 1, *where))
    return found


def rows_of(sentence: Labelled, *, is_read: bool) -> Iterator[tuple[str, bool]]:
    """Yield the rows that a sentence counts in, and whether it is of the kind that they count."""
    kind = sentence.act[0]
    if sentence.is_worth_it:
        yield ROWS[0], not is_read
    if kind in OTHERS:
        yield f"{kind} let through", is_read
    else:
        yield ROWS[1], not is_read


def lines() -> Iterator[str]:
    """The table: each source, those that were looked at / those that were held out."""
    yield f"| | {' | '.join(SOURCES)} |"
    yield f"| {' | '.join('---' for _ in range(1 + len(SOURCES)))} |"
    shares = {(row, source, held): Share() for row in ROWS for source in SOURCES for held in (False, True)}
    for source in SOURCES:
        for session, case in sessions(source):
            numbers = read(session, case)
            for number, sentence in enumerate(session.sentences, 1):
                for row, counts in rows_of(sentence, is_read=number in numbers):
                    shares[row, source, session.is_held_out].add(counts)
    for row in ROWS:
        cells = (f"{shares[row, source, False]} / {shares[row, source, True]}" for source in SOURCES)
        yield f"| {row} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for line in lines():
        print(line)
