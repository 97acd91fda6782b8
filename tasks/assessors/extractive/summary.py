"""The ten-second summary: problem, state, what is needed; whole sentences, at most 600 characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from models.assessment.case import FIRST_STEPS, LAST_STEPS, Case
from tasks.assessors.extractive import cause, facts
from tasks.assessors.extractive.questions import asks
from tasks.assessors.reading.outcomes import Attempt, Reading, unsolved
from tasks.assessors.reading.proposals import is_proposal
from tasks.assessors.reading.similarity import overlap, stems
from tasks.assessors.reading.text import Sentence, clip, excerpt, fill, has_error, is_noise, sentences, squeeze
from tasks.assessors.reading.transcript import Transcript
from tasks.assessors.reading.wording import is_attempt, verdict

LENGTH = 600
PROBLEM_LENGTH = 450
RECENT = 8  # last sentences, among which one about the state of things is preferred to the very last
LAST_LENGTH = 150
NEED_LENGTH = 130
TITLE_LENGTH = 200
NAME_LENGTH = 70
NAMES_LENGTH = 140
LEAST_ADDITION = 25  # less room than this holds no sentence worth adding
NOTHING = "No problem description was given."


def write(case: Case, transcript: Transcript, reading: Reading) -> str:
    """At most LENGTH characters, never empty."""
    read = _part_read(transcript)
    longest = LENGTH - len(read) - 1 if read else LENGTH
    return f"{_write(case, transcript.everything(), reading, longest)} {read}".rstrip()


def quote(case: Case, transcript: Transcript, language: str) -> str:
    """The title and the beginning of the problem, what is needed, and that the rest was not understood."""
    note = f"(The session is not in English but in “{language}”. Without a model only English is read, so it is quoted and not judged.)"
    need = _need(case)
    told = [s.text for s in transcript.problem] or [s.text for spoken in transcript.spoken[:1] for s in spoken]
    title = clip(case.title, TITLE_LENGTH)
    parts = [title, *told] if title and not _covers(case.problem[:3000], title) else told
    room = LENGTH - len(note) - len(need) - 2
    text = " ".join(part for part in (fill(parts, room), need, note) if part)
    return clip(text, LENGTH)


def _part_read(transcript: Transcript) -> str:
    """How much of the session the assessment rests on, where that is not nearly all of it."""
    steps = len(transcript.steps)
    if transcript.left_out:
        between = steps - FIRST_STEPS - LAST_STEPS
        middle = f" and {between} failed ones between" if between > 0 else ""
        count = steps + transcript.left_out
        return f"(Read: the first {FIRST_STEPS} and last {LAST_STEPS} of {count} steps{middle}.)"
    return "(Of long steps only the beginning and the end were read.)" if transcript.shortened else ""


def _write(case: Case, spoken: Sequence[Sentence], reading: Reading, longest: int) -> str:
    problem = _problem(case, spoken)
    tried = {attempt.text for attempt in reading.attempts if unsolved(attempt)}
    untold = [s for s in spoken if s.text not in tried]
    last = _last_news(untold, problem)
    state = _state(reading, last)
    need = _need(case)
    room = longest - sum(len(part) + 1 for part in (problem, state, need) if part)
    more = _more(untold, [problem, state], room)
    text = " ".join(part for part in (problem, more, state, need) if part)
    return clip(text, longest) or NOTHING


def _problem(case: Case, spoken: Sequence[Sentence]) -> str:
    """Return the title, unless the problem repeats it, and the most informative sentences of the problem."""
    told = [s for s in spoken if s.source == "problem"] or [s for s in spoken if s.source.startswith("step:")][:3]
    title = clip(case.title, TITLE_LENGTH)
    parts = [title] if title and not is_noise(title) and not _covers(case.problem[:3000], title) else []
    room = PROBLEM_LENGTH - sum(len(part) + 2 for part in parts)
    parts += [s.text for s in facts.choose(told, room=room, known=parts)]
    longest = told[0].text if told and not parts else ""
    return fill(parts or [longest], PROBLEM_LENGTH) or clip(case.problem, PROBLEM_LENGTH) or NOTHING


def _covers(text: str, title: str) -> bool:
    """Whether `text` begins with `title` (which desks cut short) or has nearly all its words."""
    bare = title.rstrip("…. ")
    return squeeze(text).lower().startswith(bare.lower()) or overlap(bare, text) > 0.8


def _more(spoken: Sequence[Sentence], said: Sequence[str], room: int) -> str:
    """Return what else is known, as far as there is room, then other sentences to fill the room."""
    if room < LEAST_ADDITION:
        return ""
    told = [s for s in spoken if s.source not in ("reason", "ask")]
    fresh = [s for s in told if not any(s.text.rstrip(".") in text for text in said)]
    stated = [s for s in fresh if facts.is_fact(s)]
    chosen = facts.choose(stated, room=room - 2, by_length=True, known=said)
    left = room - sum(len(s.text) + 2 for s in chosen) - 2
    if left >= LEAST_ADDITION:
        others = [s for s in fresh if s not in chosen]
        known = [*said, *(s.text for s in chosen)]
        more = facts.choose(others, room=left, by_length=True, known=known)
        chosen = [s for s in fresh if s in chosen or s in more]
    return fill([s.text for s in chosen], room - 1)


def _state(reading: Reading, last: str) -> str:
    """How many attempts failed and which, and the last thing that was found out."""
    failed = [attempt for attempt in reading.attempts if attempt.outcome == "failed"]
    if not failed:
        return last
    counted = f"{len(failed)} attempt{'s' if len(failed) != 1 else ''} failed{_named(failed)}."
    return f"{counted} {last}".strip()


def _named(failed: Sequence[Attempt]) -> str:
    """Return the attempts that can be described in a few words, in brackets."""
    named = ""
    for attempt in dict.fromkeys(a.text.rstrip(" .,;") for a in failed):
        if len(attempt) <= NAME_LENGTH and len(named) + len(attempt) + 2 <= NAMES_LENGTH:
            named += f"; {attempt}" if named else attempt
    return f" ({named})" if named else ""


def _last_news(spoken: Sequence[Sentence], problem: str) -> str:
    """Return the latest sentence about the state of things, or else the latest informative one."""
    backwards = (s.text for s in reversed(spoken) if s.source.startswith("step:") and _is_news(s.text))
    recent = list(islice(backwards, RECENT))
    last = next((text for text in recent if _tells_state(text)), recent[0] if recent else "")
    if not last or last.rstrip(".") in problem:
        return ""
    return fill([f"Last: {excerpt(last, LAST_LENGTH)}"], LAST_LENGTH + 10)


def _tells_state(text: str) -> bool:
    return verdict(text) is not None or is_attempt(text) or has_error(text) or cause.strength(text) > 0


def _is_news(text: str) -> bool:
    if len(stems(text)) < 2 or asks(text) or text.rstrip().endswith("?"):
        return False
    return verdict(text) is not None or is_attempt(text) or has_error(text) or not is_proposal(text)


def _need(case: Case) -> str:
    """The ask in its own words, else why it was handed off."""
    for text, label in ((case.ask, "Needed"), (case.reason, "Handed off because")):
        told = [s.text for s in sentences(text or "", "")]
        if told:
            return f"{label}: {fill(told, NEED_LENGTH)}"
        if text and text.strip():
            return f"{label}: {clip(text, NEED_LENGTH)}"
    return ""
