"""The ten-second summary: problem, state now, what is needed; whole sentences, at most 600 characters."""

from __future__ import annotations

from collections.abc import Sequence

from models.case import Case
from tasks.assessors.outcome import Reading
from tasks.assessors.wording import is_attempt, is_proposal, verdict
from tasks.assessors.questions import asks
from tasks.assessors.similarity import overlap, stems
from tasks.assessors.text import (
    Sentence,
    clip,
    excerpt,
    fill,
    has_error,
    has_error_text,
    sentences,
    technical,
)

LENGTH = 600
PROBLEM_SHARE = 330
STATE_SHARE = 150
NEED_SHARE = 130
NOTHING = "No problem description was given."


def write(case: Case, spoken: Sequence[Sentence], reading: Reading) -> str:
    """At most LENGTH characters, never empty."""
    need = _need(case)
    state = _state(spoken, reading)
    room = LENGTH - sum(len(part) + 1 for part in (state, need) if part)
    problem = _problem(case, spoken, max(PROBLEM_SHARE, room))
    text = " ".join(part for part in (problem, state, need) if part)
    return clip(text, LENGTH) or NOTHING


def _problem(case: Case, spoken: Sequence[Sentence], longest: int) -> str:
    """The title, then the sentences of the problem that tell most, in their order."""
    title = clip(case.title, 200)
    told = [s for s in spoken if s.source == "problem"]
    if not told:
        told = [s for s in spoken if s.source.startswith("step:")][:3]
    parts = [title] if title and not any(_covers(s.text, title) for s in told[:3]) else []
    used = sum(len(part) + 2 for part in parts)
    chosen: list[Sentence] = []
    for sentence in sorted(told, key=lambda s: (-_telling(s), s.position)):
        size = len(sentence.text) + 2
        if used + size <= longest or not (chosen or parts):
            chosen.append(sentence)
            used += size
    parts += [s.text for s in sorted(chosen, key=lambda s: (s.source, s.position))]
    return fill(parts, longest) or clip(case.problem, longest) or NOTHING


def _covers(text: str, title: str) -> bool:
    return (
        overlap(title.rstrip("….").rsplit(" ", 1)[0] if title.endswith(("…", "...")) else title, text) > 0.8
    )


def _telling(sentence: Sentence) -> float:
    text = sentence.text
    score = 3.0 * has_error_text(text) + 2.0 * has_error(text) + min(3, len(technical(text)))
    return score + 2.0 * (sentence.position == 0) + min(len(stems(text)), 10) / 5


def _state(spoken: Sequence[Sentence], reading: Reading) -> str:
    """How many attempts failed, and the last thing that was found out."""
    failed = sum(attempt.outcome == "failed" for attempt in reading.attempts)
    last = next((s for s in reversed(spoken) if s.source.startswith("step:") and _is_news(s.text)), None)
    counted = f"{failed} attempt{'s' if failed != 1 else ''} failed. " if failed else ""
    if last is None:
        return counted.strip()
    return counted + fill([f"Last: {excerpt(last.text, STATE_SHARE)}"], STATE_SHARE + 10)


def _is_news(text: str) -> bool:
    if len(stems(text)) < 2 or asks(text):
        return False
    return verdict(text) is not None or is_attempt(text) or has_error(text) or not is_proposal(text)


def _need(case: Case) -> str:
    """The ask in its own words, else why it was handed off."""
    for text, label in ((case.ask, "Needed"), (case.reason, "Handed off because")):
        told = [s.text for s in sentences(text or "", "")]
        if told:
            return f"{label}: {fill(told, NEED_SHARE)}"
        if text and text.strip():
            return f"{label}: {clip(text, NEED_SHARE)}"
    return ""
