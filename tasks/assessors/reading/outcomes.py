"""What a session tries, proposes and comes to. An outcome that its author gave counts more than any words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from models.assessment.case import Case, CaseStep
from tasks.assessors.reading.acts import Judged, judge
from tasks.assessors.reading.similarity import repeats, stems
from tasks.assessors.reading.text import SENTENCES_PER_TEXT, clip, technical
from tasks.assessors.reading.transcript import Transcript, transcribe

KNOWN_OUTCOMES = ("worked", "failed", "partial")
RESULTS_READ = 3  # sentences after an attempt that may tell its outcome
FILED_AS_ACTION = 1.0  # log-odds that the kind of a step speaks for its first sentence being an attempt
SURE_WITHOUT_OUTCOME = 0.5  # log-odds above the cut from which on a deed counts whose outcome nobody tells
LONGEST_ANSWER = 8  # words; what is longer tells of something else as often
LEAST_WORDS = 2  # that carry meaning; what has fewer ("try it") describes no action
COMPARED = 200  # of the attempts; those before are not looked for again


@dataclass(frozen=True)
class Attempt:
    """Something done or proposed, with its outcome and the texts that show both."""

    text: str
    outcome: str  # worked | failed | partial | unknown
    evidence: tuple[str, ...]
    is_given: bool = False  # by the author of the step


@dataclass
class Reading:
    """The sentences of a session as judged, everything tried, and what was proposed last and not answered."""

    judged: list[Judged] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    proposals: list[Judged] = field(default_factory=list)


def outcomes(case: Case) -> list[Attempt]:
    """Return the attempts of the session in order, each with its outcome as far as the words show it."""
    return read(transcribe(case)).attempts


def read(transcript: Transcript) -> Reading:
    """Read the session once: what was tried, how it ended, and what is still open."""
    judged = judge(transcript)
    turns = _turns(transcript.steps)
    stated = {index for index, step in enumerate(transcript.steps) if step.outcome in KNOWN_OUTCOMES}
    placed = [(index, _stated(transcript.steps[index], transcript.spoken[index])) for index in stated]
    for at, each in enumerate(judged):
        if each.step not in stated:
            attempt = _attempt(judged, at, transcript.steps, turns)
            placed += [(each.step, attempt)] if attempt else []
    attempts = [attempt for _, attempt in sorted(placed, key=lambda pair: pair[0])]
    return Reading(judged, attempts, _open_proposals(judged, attempts, transcript.steps, turns))


def given(transcript: Transcript) -> Reading:
    """Return the attempts whose authors gave an outcome, for a session whose words are not read."""
    steps = zip(transcript.steps, transcript.spoken, strict=True)
    return Reading(attempts=[_stated(step, spoken) for step, spoken in steps if step.outcome in KNOWN_OUTCOMES])


def unsolved(attempt: Attempt) -> bool:
    """Whether the attempt probably did not solve the problem, and its text describes what was done."""
    if attempt.is_given:
        return attempt.outcome in ("failed", "partial")
    described = len(stems(attempt.text)) >= LEAST_WORDS or len(attempt.text.split()) > 3 or technical(attempt.text)
    return attempt.outcome in ("failed", "partial", "unknown") and bool(described)


def _turns(steps: Sequence[CaseStep]) -> list[int]:
    """Number the turns: consecutive steps of one person are one turn; a step without a name is its own."""
    turns: list[int] = []
    for index, step in enumerate(steps):
        same = index > 0 and step.author is not None and step.author == steps[index - 1].author
        turns.append((turns[-1] + (not same)) if turns else 0)
    return turns


def _stated(step: CaseStep, spoken: Sequence[object]) -> Attempt:
    """The attempt of a step whose author gave its outcome: its first sentence describes it."""
    text = getattr(spoken[0], "text", "") if spoken else clip(step.text, 300)
    return Attempt(text or "(no text)", step.outcome or "unknown", (f"step:{step.seq}",), is_given=True)


def _attempt(judged: Sequence[Judged], at: int, steps: Sequence[CaseStep], turns: Sequence[int]) -> Attempt | None:
    """Return what a sentence reports, or proposes and somebody then says to have failed; None if it does neither."""
    each, scores = judged[at], judged[at].scores
    kind = steps[each.step].kind if each.step >= 0 else "note"
    least = -FILED_AS_ACTION if kind == "action" and _is_first(judged, at) else 0
    if scores.attempt >= least and scores.proposal < max(0, scores.attempt):
        return _told(judged, at, turns)
    if kind == "observation" or scores.proposal < 0 or not _is_alone(judged, at):
        return None
    answer = _answer(judged, at, turns)
    if answer is None:
        return None
    return Attempt(each.text, "failed", (each.sentence.source, answer.sentence.source))


def _told(judged: Sequence[Judged], at: int, turns: Sequence[int]) -> Attempt | None:
    """The attempt that a sentence tells of, with the outcome that it or one of the next sentences tells."""
    each = judged[at]
    result = next((one for one in (each, *_after(judged, at, turns)) if _tells_outcome(one)), None)
    if result is None:
        sure = each.scores.attempt >= SURE_WITHOUT_OUTCOME
        return Attempt(each.text, "unknown", (each.sentence.source,)) if sure else None
    ended = "failed" if result.scores.failed >= max(result.scores.worked, result.scores.solved) else "worked"
    return Attempt(each.text, ended, tuple(dict.fromkeys((each.sentence.source, result.sentence.source))))


def _tells_outcome(each: Judged) -> bool:
    return max(each.scores.failed, each.scores.worked, each.scores.solved) >= 0


def _is_first(judged: Sequence[Judged], at: int) -> bool:
    return at == 0 or judged[at - 1].step != judged[at].step


def _is_alone(judged: Sequence[Judged], at: int) -> bool:
    """Whether nothing else is proposed in the step, so that an answer can only be about this."""
    step = judged[at].step
    near = judged[max(0, at - SENTENCES_PER_TEXT) : at + SENTENCES_PER_TEXT]
    return not any(other.scores.proposal >= 0 for other in near if other.step == step and other is not judged[at])


def _after(judged: Sequence[Judged], at: int, turns: Sequence[int]) -> Iterator[Judged]:
    """The sentences that may tell how it came out: the next ones of the turn and of the following turn."""
    turn = _turn(turns, judged[at].step)
    for other in judged[at + 1 : at + 1 + RESULTS_READ]:
        if _turn(turns, other.step) > turn + 1 or max(other.scores.proposal, other.scores.question) >= 0:
            return
        if other.scores.attempt < 0:
            yield other
        elif _tells_outcome(other):
            return  # "Restarted it. Reinstalled it. Neither helped." is about both, and an outcome of its own is not


def _answer(judged: Sequence[Judged], at: int, turns: Sequence[int]) -> Judged | None:
    """Return the first sentence of another person's next turn, if it tells that it did not help."""
    each = judged[at]
    turn = _turn(turns, each.step) + 1
    for other in judged[at + 1 : at + 1 + SENTENCES_PER_TEXT]:
        if _turn(turns, other.step) == turn and (each.author is None or other.author != each.author):
            fails = other.scores.failed >= max(0, other.scores.worked) and other.is_asker is not False
            short = len(other.text.split()) <= LONGEST_ANSWER
            return other if fails and short and not _is_about_else(other) else None
    return None


def _is_about_else(each: Judged) -> bool:
    return max(each.scores.attempt, each.scores.proposal, each.scores.question) >= 0


def _turn(turns: Sequence[int], step: int) -> int:
    return turns[step] if step >= 0 else -1


def _open_proposals(
    judged: Sequence[Judged], attempts: Sequence[Attempt], steps: Sequence[CaseStep], turns: Sequence[int]
) -> list[Judged]:
    """Return what was proposed in the last turn, or to somebody who then said nothing, and was not tried."""
    last = _turn(turns, len(steps) - 1)
    answered = max((_turn(turns, each.step) for each in judged if each.is_asker and each.step >= 0), default=last)
    done = [attempt.text for attempt in attempts[-COMPARED:]]
    return [
        each
        for each in judged
        if each.scores.proposal >= max(0, each.scores.attempt)
        and each.scores.question < 0 <= each.step
        and (_turn(turns, each.step) > answered or _turn(turns, each.step) == last)
        and not any(repeats(each.text, text) for text in done)
    ]
