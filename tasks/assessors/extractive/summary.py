"""The ten-second summary: problem, state, what is needed; whole sentences, at most 600 characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.assessment.case import FIRST_STEPS, LAST_STEPS, Case
from models.assessment.result import CaseState, Standing, Tried
from tasks.assessors.extractive import facts
from tasks.assessors.reading.acts import Judged
from tasks.assessors.reading.similarity import overlap
from tasks.assessors.reading.text import clip, excerpt, fill, has_error_text, sentences, squeeze
from tasks.assessors.reading.transcript import Transcript

LENGTH = 600
PROBLEM_LENGTH = 400
LAST_LENGTH = 150
NEED_LENGTH = 130
TITLE_LENGTH = 200
NAME_LENGTH = 70
NAMES_LENGTH = 140
HEAD_START = 0.5  # log-odds
FIRST_WORDS = 8  # steps among which somebody says what is wrong
LAST_SENTENCES = 4  # that may be quoted as the last news
NEWS = -0.5  # log-odds; what tells less of how matters stand is no news
QUOTED = 60  # characters of a sentence by which it is recognised where it is quoted in part
LEAST_ADDITION = 25  # less room than this holds no sentence worth adding
LEADS = {Standing.PROBABLY_SOLVED: "Probably solved", Standing.WAITING: "Waiting for an answer"}
LEAST_WORTH = -1.0  # log-odds; the summary has room for less sure statements than the list of facts
ERROR_TEXT = 1.0  # log-odds that an error message or a code adds
NEVER = -99.0
_LINK = re.compile(r"https?://\S+")
NOTHING = "No problem description was given."


def write(
    case: Case, transcript: Transcript, judged: Sequence[Judged], state: CaseState, tried: Sequence[Tried]
) -> str:
    """At most LENGTH characters, never empty."""
    read = _part_read(transcript)
    longest = LENGTH - len(read) - 1 if read else LENGTH
    return f"{_write(case, judged, state, tried, longest)} {read}".rstrip()


def quote(case: Case, transcript: Transcript, language: str) -> str:
    """The title and the beginning of the problem, what is needed, and that the rest was not understood."""
    note = f"(The session is not in English but in “{language}”. Without a model only English is read, so it is quoted and not judged.)"
    need = _need(case)
    candidates = [s.text for s in transcript.problem] or [s.text for spoken in transcript.spoken[:1] for s in spoken]
    title = clip(case.title, TITLE_LENGTH)
    parts = [title, *candidates] if title and not _covers(case.problem[:3000], title) else candidates
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


def _write(case: Case, judged: Sequence[Judged], state: CaseState, tried: Sequence[Tried], longest: int) -> str:
    problem = _problem(case, judged)
    stands = _state(judged, state, [item["text"] for item in tried if item["outcome"] == "failed"], problem)
    need = _need(case)
    room = longest - sum(len(part) + 1 for part in (problem, stands, need) if part)
    more = _more(judged, [problem, stands], room)
    text = " ".join(part for part in (problem, more, stands, need) if part)
    return clip(text, longest) or NOTHING


def _problem(case: Case, judged: Sequence[Judged]) -> str:
    """Return the title, unless the problem repeats it, and the sentences that say best what is wrong.

    Where the problem text says nothing of the kind, what who has the problem says at first is looked at too.
    """
    candidates = [each for each in judged if each.step < 0]
    if not any(_is_telling(each) for each in candidates):
        candidates += [each for each in judged if 0 <= each.step < FIRST_WORDS and each.is_asker is not False]
    title = clip(case.title, TITLE_LENGTH)
    parts = [title] if title and not _covers(case.problem[:3000], title) else []
    room = PROBLEM_LENGTH - sum(len(part) + 2 for part in parts)
    telling = [each for each in candidates if each.scores.courtesy < 0 and not _LINK.fullmatch(each.text.strip())]
    parts += [each.text for each in facts.choose(telling, _tells_problem, room=room, known=parts)]
    longest = candidates[0].text if candidates and not parts else ""
    return fill(parts or [longest], PROBLEM_LENGTH) or clip(case.problem, PROBLEM_LENGTH) or NOTHING


def _is_telling(each: Judged) -> bool:
    return max(each.scores.worth, each.scores.symptom) >= 0


def _tells_problem(each: Judged) -> float:
    """What is worth reading comes first, then what says what is wrong; the very first sentence has a head start."""
    return max(each.scores.worth, each.scores.symptom - 1) + HEAD_START * (each.sentence.position == 0)


def _covers(text: str, title: str) -> bool:
    """Whether `text` begins with `title` (which desks cut short) or has nearly all its words."""
    bare = title.rstrip("…. ")
    return squeeze(text).lower().startswith(bare.lower()) or overlap(bare, text) > 0.8


def _more(judged: Sequence[Judged], said: Sequence[str], room: int) -> str:
    """Return what else is known, as far as there is room: what is most worth knowing, and errors before the rest."""
    if room < LEAST_ADDITION:
        return ""
    candidates = [each for each in judged if _adds(each) >= LEAST_WORTH]
    fresh = [each for each in candidates if not any(each.text.rstrip(".")[:QUOTED] in text for text in said)]
    return fill([each.text for each in facts.choose(fresh, _adds, room=room - 2, known=said)], room - 1)


def _adds(each: Judged) -> float:
    """By how much a sentence is worth its room in the summary; questions, proposals and courtesy never are."""
    if max(each.scores.question, each.scores.proposal, each.scores.courtesy) >= 0:
        return NEVER
    return each.scores.worth + ERROR_TEXT * has_error_text(each.text)


def _state(judged: Sequence[Judged], state: CaseState, failed: Sequence[str], problem: str) -> str:
    """Count and name the failed attempts, and quote what shows the state or the latest news."""
    counted = f"{len(failed)} attempt{'s' if len(failed) != 1 else ''} failed{_named(failed)}." if failed else ""
    last = _last(judged, state, [*failed, problem])
    return " ".join(part for part in (counted, last) if part)


def _named(failed: Sequence[str]) -> str:
    """Return the attempts that can be described in a few words, in brackets."""
    named = ""
    for attempt in dict.fromkeys(text.rstrip(" .,;") for text in failed):
        if len(attempt) <= NAME_LENGTH and len(named) + len(attempt) + 2 <= NAMES_LENGTH:
            named += f"; {attempt}" if named else attempt
    return f" ({named})" if named else ""


def _last(judged: Sequence[Judged], state: CaseState, said: Sequence[str]) -> str:
    """Return the sentence that shows the state, or of the last ones the one that tells most of how matters stand."""
    steps = [each for each in judged if each.step >= 0]
    if state["value"] != Standing.OPEN:
        shown = [each for each in steps if each.sentence.source in state["evidence"]]
        best = max(shown, key=lambda each: _shows(each, state), default=None)
        if best is not None:
            return fill([f"{LEADS[Standing(state['value'])]}: {excerpt(best.text, LAST_LENGTH)}"], LAST_LENGTH + 20)
    final = [each for each in steps if each.scores.courtesy < 0][-LAST_SENTENCES:]
    news = [each for each in final if _news(each) >= NEWS and not any(each.text.rstrip(".") in text for text in said)]
    best = max(reversed(news), key=_news, default=None)
    return fill([f"Last: {excerpt(best.text, LAST_LENGTH)}"], LAST_LENGTH + 10) if best else ""


def _news(each: Judged) -> float:
    """How much a sentence tells of how matters stand."""
    scores = each.scores
    return max(scores.worth, scores.failed, scores.worked, scores.report, scores.symptom - 1)


def _shows(each: Judged, state: CaseState) -> float:
    return each.scores.solved if state["value"] == Standing.PROBABLY_SOLVED else each.scores.question


def _need(case: Case) -> str:
    """The ask in its own words, else why it was handed off."""
    for text, label in ((case.ask, "Needed"), (case.reason, "Handed off because")):
        candidates = [s.text for s in sentences(text or "", "")]
        if candidates:
            return f"{label}: {fill(candidates, NEED_LENGTH)}"
        if text and text.strip():
            return f"{label}: {clip(text, NEED_LENGTH)}"
    return ""
