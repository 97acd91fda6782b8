"""The ten-second summary: problem, state, what is needed; whole sentences, at most 600 characters."""

from __future__ import annotations

from collections.abc import Sequence

from models.assessment.case import FIRST_STEPS, LAST_STEPS, Case
from models.assessment.result import CaseState, Standing
from tasks.assessors.extractive import facts
from tasks.assessors.reading.acts import Judged
from tasks.assessors.reading.outcomes import Attempt, Reading, unsolved
from tasks.assessors.reading.similarity import overlap
from tasks.assessors.reading.text import clip, excerpt, fill, sentences, squeeze
from tasks.assessors.reading.transcript import Transcript

LENGTH = 600
PROBLEM_LENGTH = 400
LAST_LENGTH = 150
NEED_LENGTH = 130
TITLE_LENGTH = 200
NAME_LENGTH = 70
NAMES_LENGTH = 140
HEAD_START = 0.5  # log-odds
LEAST_ADDITION = 25  # less room than this holds no sentence worth adding
LEADS = {Standing.PROBABLY_SOLVED: "Probably solved", Standing.WAITING: "Waiting for an answer"}
NOTHING = "No problem description was given."


def write(case: Case, transcript: Transcript, reading: Reading, state: CaseState) -> str:
    """At most LENGTH characters, never empty."""
    read = _part_read(transcript)
    longest = LENGTH - len(read) - 1 if read else LENGTH
    return f"{_write(case, reading, state, longest)} {read}".rstrip()


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


def _write(case: Case, reading: Reading, state: CaseState, longest: int) -> str:
    problem = _problem(case, reading.judged)
    stands = _state(reading, state)
    need = _need(case)
    room = longest - sum(len(part) + 1 for part in (problem, stands, need) if part)
    more = _more(reading, [problem, stands], room)
    text = " ".join(part for part in (problem, more, stands, need) if part)
    return clip(text, longest) or NOTHING


def _problem(case: Case, judged: Sequence[Judged]) -> str:
    """Return the title, unless the problem repeats it, and the sentences that say best what is wrong."""
    told = [each for each in judged if each.step < 0] or [each for each in judged if each.step == 0]
    title = clip(case.title, TITLE_LENGTH)
    parts = [title] if title and not _covers(case.problem[:3000], title) else []
    room = PROBLEM_LENGTH - sum(len(part) + 2 for part in parts)
    telling = [each for each in told if each.scores.courtesy < 0]
    parts += [each.text for each in facts.choose(telling, _tells_problem, room=room, known=parts)]
    longest = told[0].text if told and not parts else ""
    return fill(parts or [longest], PROBLEM_LENGTH) or clip(case.problem, PROBLEM_LENGTH) or NOTHING


def _tells_problem(each: Judged) -> float:
    """What is worth reading comes first, then what says what is wrong; the very first sentence has a head start."""
    return max(each.scores.worth, each.scores.symptom - 1) + HEAD_START * (each.sentence.position == 0)


def _covers(text: str, title: str) -> bool:
    """Whether `text` begins with `title` (which desks cut short) or has nearly all its words."""
    bare = title.rstrip("…. ")
    return squeeze(text).lower().startswith(bare.lower()) or overlap(bare, text) > 0.8


def _more(reading: Reading, said: Sequence[str], room: int) -> str:
    """Return what else is worth knowing, as far as there is room."""
    if room < LEAST_ADDITION:
        return ""
    told = [each for each in reading.judged if each.step >= 0 and each.scores.worth >= 0]
    fresh = [each for each in told if not any(each.text.rstrip(".") in text for text in said)]
    return fill([each.text for each in facts.choose(fresh, facts.value, room=room - 2, known=said)], room - 1)


def _state(reading: Reading, state: CaseState) -> str:
    """Whether the problem is over, how many attempts failed and which, and the last thing that was found out."""
    failed = [attempt for attempt in reading.attempts if attempt.outcome == "failed" and unsolved(attempt)]
    counted = f"{len(failed)} attempt{'s' if len(failed) != 1 else ''} failed{_named(failed)}." if failed else ""
    last = _last(reading.judged, state, [attempt.text for attempt in failed])
    return " ".join(part for part in (counted, last) if part)


def _named(failed: Sequence[Attempt]) -> str:
    """Return the attempts that can be described in a few words, in brackets."""
    named = ""
    for attempt in dict.fromkeys(a.text.rstrip(" .,;") for a in failed):
        if len(attempt) <= NAME_LENGTH and len(named) + len(attempt) + 2 <= NAMES_LENGTH:
            named += f"; {attempt}" if named else attempt
    return f" ({named})" if named else ""


def _last(judged: Sequence[Judged], state: CaseState, said: Sequence[str]) -> str:
    """Return the sentence that shows the state, or the latest that says how matters stand."""
    steps = [each for each in judged if each.step >= 0]
    if state["value"] != Standing.OPEN:
        shown = [each for each in steps if each.sentence.source in state["evidence"]]
        best = max(shown, key=lambda each: _shows(each, state), default=None)
        if best is not None:
            return fill([f"{LEADS[Standing(state['value'])]}: {excerpt(best.text, LAST_LENGTH)}"], LAST_LENGTH + 20)
    news = (each for each in reversed(steps) if max(each.scores.worth, each.scores.failed, each.scores.worked) >= 0)
    latest = next((each for each in news if each.text not in said), None)
    return fill([f"Last: {excerpt(latest.text, LAST_LENGTH)}"], LAST_LENGTH + 10) if latest else ""


def _shows(each: Judged, state: CaseState) -> float:
    return each.scores.solved if state["value"] == Standing.PROBABLY_SOLVED else each.scores.question


def _need(case: Case) -> str:
    """The ask in its own words, else why it was handed off."""
    for text, label in ((case.ask, "Needed"), (case.reason, "Handed off because")):
        told = [s.text for s in sentences(text or "", "")]
        if told:
            return f"{label}: {fill(told, NEED_LENGTH)}"
        if text and text.strip():
            return f"{label}: {clip(text, NEED_LENGTH)}"
    return ""
