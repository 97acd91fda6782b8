"""Open questions: those that nobody answered, and basics that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from models.assessment.case import Case, CaseStep
from tasks.assessors.reading.outcomes import KNOWN_OUTCOMES, Reading
from tasks.assessors.reading.similarity import overlap
from tasks.assessors.reading.text import (
    CACHED,
    Sentence,
    excerpt,
    has_error,
    has_error_text,
    is_noise,
    plain,
    technical,
    unaddressed,
)
from tasks.assessors.reading.transcript import Transcript
from tasks.assessors.reading.wording import says_plainly_done

QUESTION_LENGTH = 300
MOST_OPEN = 5

_REQUEST = re.compile(
    r"\b(?:please|kindly|pls|could you|can you|would you|need you to|you need to|we need|provide us"
    r"|feed us)\b.{0,60}?\b(?:provide|share|send|confirm|advi[cs]e|attach|clarify|specify"
    r"|upload|paste|post|tell|what|which|let (?:us|me) know|elaborate|describe)\b"
)
_CLOSING = re.compile(
    r"\b(?:close|closing|closed|any (?:further|other|more)|further (?:support|assistance)|convenient"
    r"|suitable|available for|meeting|session|call|zoom|remind)\b"
)
_EMPTY = re.compile(
    r"^(?:what|why|how|huh|really|right|ok|eh|and|so|any(?:one|body)?|who|hello|help|yes|no|any (?:help"
    r"|ideas?|suggestions?|guess\w*|luck))?\W*$"
)
_REMINDER = re.compile(
    r"\b(?:remind\w*|any (?:new )?updates?|waiting (?:for )?your|follow(?:ing)? up|still waiting)\b"
)


@lru_cache(maxsize=CACHED)
def asks(text: str) -> bool:
    """Whether the sentence asks for information."""
    low = plain(text[:500]).strip()
    if _CLOSING.search(low) or _EMPTY.match(low) or len(low) < 9:
        return False
    if low.endswith("?"):
        return not low.startswith(("try ", "can anyone", "can someone", "does anyone", "anyone", "anybody"))
    return bool(_REQUEST.search(low)) and not is_noise(text)


def unanswered(transcript: Transcript) -> list[Sentence]:
    """Return questions in the steps without a substantial answer of another person, latest first."""
    waiting: list[tuple[Sentence, str | None]] = []
    for step, spoken in zip(transcript.steps, transcript.spoken, strict=True):
        if _is_answer(step):
            waiting = [pair for pair in waiting if not _answers(step, pair[1])]
        asked = [s for s in spoken if step.kind == "question" or asks(s.text)]
        waiting += [(sentence, step.author) for sentence in asked[:3]]
    return _distinct(sentence for sentence, _ in reversed(waiting))


def _is_answer(step: CaseStep) -> bool:
    text = unaddressed(step.text[:400]).strip()
    return bool(text) and not (_REMINDER.search(plain(text)) and len(text) < 250)


def _answers(step: CaseStep, asker: str | None) -> bool:
    """Somebody found something out, or another person (where names are known) did not just ask back."""
    if step.kind in ("observation", "action"):
        return True
    asked_back = plain(step.text[-300:]).rstrip().endswith("?")
    if asker is not None and step.author is not None:
        return step.author != asker and not asked_back
    return step.kind != "question" and not asked_back


def _distinct(items: Iterable[Sentence]) -> list[Sentence]:
    """The first MOST_OPEN that differ."""
    kept: list[Sentence] = []
    for item in items:
        if len(kept) == MOST_OPEN:
            break
        if not any(overlap(item.text, other.text) > 0.7 for other in kept):
            kept.append(item)
    return kept


def missing(case: Case, reading: Reading, spoken: Sequence[Sentence]) -> list[str]:
    """The basics that a senior would ask for first and that the session does not hold."""
    asked: list[str] = []
    faulty = any(has_error(sentence.text) for sentence in spoken) or has_error(case.title)
    if faulty and not any(has_error_text(sentence.text) for sentence in spoken):
        asked.append("What is the exact error message or code, if there is one?")
    if not case.asset and not any(technical(sentence.text) for sentence in spoken):
        asked.append("Which device, product and version is affected?")
    asked += _missing_outcomes(case, reading)
    return asked


def _missing_outcomes(case: Case, reading: Reading) -> list[str]:
    if not case.steps and not reading.attempts:
        return ["What was tried so far?"]
    unknown = [a for a in reading.attempts if a.outcome in (None, "unknown") and says_plainly_done(a.text)]
    if unknown and not any(attempt.outcome in KNOWN_OUTCOMES for attempt in reading.attempts):
        return [f"Did this change anything: {excerpt(unknown[-1].text, QUESTION_LENGTH - 30)}"]
    return []
