"""Open questions: those that nobody answered, and basics that are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from models.assessment.case import Case, CaseStep
from tasks.assessors.reading.acts import Judged
from tasks.assessors.reading.outcomes import KNOWN_OUTCOMES, Reading
from tasks.assessors.reading.similarity import overlap, stems
from tasks.assessors.reading.text import excerpt, has_error, has_error_text, plain, technical

QUESTION_LENGTH = 300
MOST_OPEN = 5
MOST_OF_A_STEP = 3
LEAST_WORDS = 2  # that carry meaning, of a question that says what is asked
SAME = 0.5  # share of a question's words in another one from which on both ask the same
FEW = 6  # sentences; only a session with no more of them is asked for the basics


def unanswered(judged: Sequence[Judged], steps: Sequence[CaseStep]) -> list[Judged]:
    """Return questions in the steps without a substantial answer of another person, latest first.

    A step that says which question it answers answers that one.
    """
    waiting: list[Judged] = []
    by_step: defaultdict[int, list[Judged]] = defaultdict(list)
    for each in judged:
        by_step[each.step].append(each)
    for index, step in enumerate(steps):
        spoken = by_step[index]
        if step.answers is not None:
            waiting = [each for each in waiting if each.step < 0 or steps[each.step].seq != step.answers]
        if any(each.scores.courtesy < 0 for each in spoken):
            waiting = [each for each in waiting if not _answers(step, spoken, each.author)]
        waiting += [each for each in spoken if _asks(each, step)][:MOST_OF_A_STEP]
    return _distinct(list(reversed(waiting)))[:MOST_OPEN]


def _asks(each: Judged, step: CaseStep) -> bool:
    return says_what_it_asks(each) or (step.kind == "question" and each.text.rstrip().endswith("?"))


def says_what_it_asks(each: Judged) -> bool:
    """Whether the sentence asks for something that can be understood without the ones before it."""
    return each.scores.question >= 0 and len(stems(each.text)) >= LEAST_WORDS


def _answers(step: CaseStep, spoken: Sequence[Judged], asker: str | None) -> bool:
    """Somebody found something out, or another person (where names are known) did not just ask back."""
    if step.kind in ("observation", "action"):
        return True
    asked_back = plain(spoken[-1].text).rstrip().endswith("?")
    if asker is not None and step.author is not None:
        return step.author != asker and not asked_back
    return step.kind != "question" and not asked_back


def _distinct(items: Sequence[Judged]) -> list[Judged]:
    kept: list[Judged] = []
    for item in items:
        if not any(overlap(item.text, other.text) > SAME for other in kept):
            kept.append(item)
    return kept


def missing(case: Case, reading: Reading) -> list[str]:
    """The basics that a senior would ask for first and that a session with few sentences does not hold."""
    asked: list[str] = []
    spoken = [each.text for each in reading.judged]
    if len(spoken) > FEW:
        return _missing_outcomes(case, reading)
    faulty = any(map(has_error, spoken)) or has_error(case.title)
    if faulty and not any(map(has_error_text, spoken)):
        asked.append("What is the exact error message or code, if there is one?")
    if not case.asset and not any(map(technical, spoken)):
        asked.append("Which device, product and version is affected?")
    return asked + _missing_outcomes(case, reading)


def _missing_outcomes(case: Case, reading: Reading) -> list[str]:
    if not case.steps and not reading.attempts:
        return ["What was tried so far?"]
    unknown = [attempt for attempt in reading.attempts if attempt.outcome == "unknown"]
    if unknown and not any(attempt.outcome in KNOWN_OUTCOMES for attempt in reading.attempts):
        return [f"Did this change anything: {excerpt(unknown[-1].text, QUESTION_LENGTH - 30)}"]
    return []
