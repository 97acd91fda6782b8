"""Attempts of a session and their outcomes, inferred from the words when nobody stated them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from models.assessment.case import Case, CaseStep
from tasks.assessors.reading.proposals import asks_to_look, is_proposal, may_be_advice
from tasks.assessors.reading.replies import is_output, only_denies, reports, says_done, says_result
from tasks.assessors.reading.similarity import repeats, stems
from tasks.assessors.reading.text import Sentence, clip, has_error, has_error_text, plain, technical, unaddressed
from tasks.assessors.reading.transcript import Transcript, transcribe
from tasks.assessors.reading.wording import (
    attempt_outcome,
    clauses,
    fails_when,
    is_attempt,
    only_looked,
    says_tried,
    verdict,
)

REPLY_WINDOW = 8  # steps within which a report is taken to be about the last attempt or proposal
NEAR_WINDOW = 3  # the same, where the words alone do not show what the report is about
LONGEST_REPLY = 160  # characters of a sentence that is taken to answer a proposal with an error
COMPARED = 200  # of the attempts; those before are not looked for again
RECENT = 80  # attempts and proposals that a report may be about; more than one text can contain
KNOWN_OUTCOMES = ("worked", "failed", "partial")


@dataclass(frozen=True)
class Attempt:
    """Something done or proposed: its place in the session, and its outcome (None: not known)."""

    text: str
    outcome: str | None  # worked | failed | partial | unknown
    evidence: tuple[str, ...]
    author: str | None = None
    at: int = 0  # index of the step; -1 for the problem text
    is_given: bool = False  # by the author of the step, who knows the outcome better than any wording


@dataclass
class Reading:
    """Everything tried and proposed in a session, in order."""

    attempts: list[Attempt] = field(default_factory=list)
    proposals: list[Attempt] = field(default_factory=list)  # never taken up
    advice: Attempt | None = None  # the last statement that may have been meant as a proposal
    asked: tuple[int, str | None] = (-9, None)  # step index and author of the last plain question
    turns: list[int] = field(default_factory=list)  # of each step: how often the speaker had changed before it

    def apart(self, at: int, index: int) -> int:
        """Return the number of turns between two steps; the problem text (-1) precedes the first by one turn."""
        return self._turn(index) - self._turn(at)

    def _turn(self, at: int) -> int:
        return self.turns[at] if at >= 0 else -1


def outcomes(case: Case) -> list[Attempt]:
    """Return the attempts of the session in order, each with its outcome as far as the words show it."""
    return read(transcribe(case)).attempts


def read(transcript: Transcript) -> Reading:
    """Read the session once: what was tried, how it ended, and what is still open."""
    reading = Reading(turns=_turns(transcript.steps))
    for sentence in transcript.problem:
        _read_sentence(reading, sentence, None, -1)
    for index, (step, spoken) in enumerate(zip(transcript.steps, transcript.spoken, strict=True)):
        _read_step(reading, step, spoken, index)
    done = [attempt.text for attempt in reading.attempts[-COMPARED:]]
    open_ones = [p for p in reading.proposals[-40:] if not any(repeats(p.text, text) for text in done)]
    reading.proposals = open_ones
    return reading


def given(transcript: Transcript) -> Reading:
    """Return the attempts whose authors gave an outcome, for a session whose words are not read."""
    reading = Reading(turns=_turns(transcript.steps))
    for index, (step, spoken) in enumerate(zip(transcript.steps, transcript.spoken, strict=True)):
        if step.outcome in KNOWN_OUTCOMES:
            text = spoken[0].text if spoken else clip(step.text, 300) or "(no text)"
            reading.attempts.append(
                Attempt(text, step.outcome, (f"step:{step.seq}",), step.author, index, is_given=True)
            )
    return reading


def _turns(steps: Sequence[CaseStep]) -> list[int]:
    """Number the turns: consecutive steps of one person are one turn; a step without a name is its own."""
    turns: list[int] = []
    for index, step in enumerate(steps):
        same = index > 0 and step.author is not None and step.author == steps[index - 1].author
        turns.append((turns[-1] + (not same)) if turns else 0)
    return turns


def _read_step(reading: Reading, step: CaseStep, spoken: Sequence[Sentence], index: int) -> None:
    if step.outcome in KNOWN_OUTCOMES:
        reading.attempts.append(_stated(step, spoken, index))
        return
    for sentence in spoken:
        _read_sentence(reading, sentence, step, index)
    if len(spoken) <= 1:
        _read_reply(reading, step, index)


def _stated(step: CaseStep, spoken: Sequence[Sentence], index: int) -> Attempt:
    """Return the attempt of a step whose author gave its outcome, with the sentence that describes it."""
    texts = [sentence.text for sentence in spoken]
    told = next((text for text in texts if is_attempt(text) or is_proposal(text)), None)
    text = told or (texts[0] if texts else clip(step.text, 300) or "(no text)")
    return Attempt(text, step.outcome, (f"step:{step.seq}",), step.author, index, is_given=True)


def _read_sentence(reading: Reading, sentence: Sentence, step: CaseStep | None, index: int) -> None:
    author = step.author if step else None
    parts = clauses(sentence.text)
    if len(parts) > 1:
        for part in parts:
            _read_sentence(reading, replace(sentence, text=part), step, index)
        return
    told = Attempt(sentence.text, None, (sentence.source,), author, index)
    ended = verdict(sentence.text)
    if is_attempt(sentence.text) or _is_action(step, sentence):
        # "Since I installed it, it fails" is the problem, not a try: there only a plain report counts.
        ended = ended if step is None else attempt_outcome(sentence.text)
        reading.attempts.append(replace(told, outcome=ended))
    elif step is not None and fails_when(sentence.text):
        reading.attempts.append(replace(told, outcome="failed"))
    elif step is not None and is_output(sentence.text):
        _settle(reading, "failed", sentence, author, index)
    elif step is not None and step.kind != "observation" and is_proposal(sentence.text):
        reading.proposals.append(told)
    elif ended is not None:
        _settle(reading, ended, sentence, author, index)
    elif reports(sentence.text) and has_error(sentence.text):
        _settle_own(reading, sentence, author, index)
    else:
        _remember(reading, told)


def _is_action(step: CaseStep | None, sentence: Sentence) -> bool:
    """The opening of a step that its author filed as an action."""
    if step is None or step.kind != "action" or sentence.position:
        return False
    return sentence.text[-1] != "?" and not only_looked(sentence.text)


def _remember(reading: Reading, told: Attempt) -> None:
    """Keep what a later short report may be about."""
    if plain(told.text).rstrip().endswith("?"):
        reading.asked = (told.at, told.author)
    elif told.at >= 0 and may_be_advice(told.text):
        reading.advice = told


def _settle_own(reading: Reading, sentence: Sentence, author: str | None, index: int) -> None:
    """Take an error reported right after an own attempt, or in answer to a proposal, as its outcome."""
    own = _last(reading, reading.attempts, index, NEAR_WINDOW - 1, lambda a: a.outcome is None and a.author == author)
    if own is not None and (has_error_text(sentence.text) or own.at == index):
        _put(reading.attempts, own, _ended(own, "failed", sentence.source))
        return
    offered = _offer_for(reading, author, index)
    if offered is None or author is None or not _holds(reading.proposals, offered):
        return
    near = reading.apart(offered.at, index) <= NEAR_WINDOW and len(sentence.text) <= LONGEST_REPLY
    if near and says_result(sentence.text) and has_error_text(sentence.text) and not asks_to_look(offered.text):
        _take_up(reading, offered, "failed", sentence.source)


def _read_reply(reading: Reading, step: CaseStep, index: int) -> None:
    """A short answer such as "tried that" or "it is already installed" is about the last proposal."""
    short = unaddressed(step.text[:200]).strip()
    ended = says_done(short)
    offered = _offer_for(reading, step.author, index)
    if ended is None or offered is None or reading.apart(offered.at, index) > NEAR_WINDOW + 1:
        return
    last = reading.attempts[-1] if reading.attempts else None
    if last is not None and last.at == index:
        reading.attempts.pop()
    _take_up(reading, offered, ended, f"step:{step.seq}")


def _settle(reading: Reading, ended: str, sentence: Sentence, author: str | None, index: int) -> None:
    """Give the report `ended` to the last thing it can be about: an own attempt or another's proposal."""
    recent = reading.attempts[-RECENT:]
    latest = max((a.at for a in recent), default=-1)
    pending = (None, "unknown")
    own = _last(reading, reading.attempts, index, REPLY_WINDOW, lambda a: a.outcome in pending and a.at == latest)
    offered = _offer_for(reading, author, index, denied=only_denies(sentence.text))
    if offered is not None and (own is None or offered.at > own.at):
        _take_up(reading, offered, ended, sentence.source)
    elif own is not None:
        # "Neither helped" refers to every attempt in the same text.
        for attempt in [a for a in recent if a.at == own.at and a.outcome in pending]:
            _put(reading.attempts, attempt, _ended(attempt, ended, sentence.source))


def _offer_for(reading: Reading, author: str | None, index: int, *, denied: bool = False) -> Attempt | None:
    """What another person proposed last, unless the same person asked something since; `denied` by a bare no: anybody."""
    offered = _last(reading, reading.proposals, index, REPLY_WINDOW, lambda a: author is None or a.author != author)
    near = reading.advice
    if near is not None and near.author != author and reading.apart(near.at, index) <= NEAR_WINDOW:
        offered = near if offered is None or near.at > offered.at else offered
    asked_at, asker = reading.asked
    if offered is not None and asked_at > offered.at and (asker == offered.author or (denied and asker != author)):
        return None
    return offered


def _take_up(reading: Reading, offered: Attempt, ended: str, source: str) -> None:
    if _holds(reading.proposals, offered):
        _put(reading.proposals, offered)
    if offered is reading.advice:
        reading.advice = None
    reading.attempts.append(_ended(offered, ended, source))


def _last(
    reading: Reading, items: list[Attempt], index: int, within: int, fits: Callable[[Attempt], bool]
) -> Attempt | None:
    recent = (item for item in reversed(items[-20:]) if reading.apart(item.at, index) <= within)
    return next((item for item in recent if fits(item)), None)


def _holds(items: list[Attempt], item: Attempt) -> bool:
    return any(each is item for each in items[-RECENT:])


def _put(items: list[Attempt], item: Attempt, *instead: Attempt) -> None:
    """Replace one of the recent items, or take it away."""
    place = next(at for at in range(len(items) - 1, -1, -1) if items[at] is item)
    items[place : place + 1] = instead


def _ended(attempt: Attempt, ended: str, source: str) -> Attempt:
    evidence = tuple(dict.fromkeys((*attempt.evidence, source)))
    return replace(attempt, outcome=ended, evidence=evidence)


def unsolved(attempt: Attempt) -> bool:
    """Whether it is known, or called a try and so likely, that the attempt did not solve the problem.

    A given outcome counts. Otherwise a text that does not describe the action ("try it") is of no use.
    """
    if attempt.is_given:
        return attempt.outcome in ("failed", "partial")
    if len(stems(attempt.text)) < 2 and len(attempt.text.split()) < 4 and not technical(attempt.text):
        return False
    if attempt.outcome in ("failed", "partial"):
        return True
    return attempt.outcome != "worked" and says_tried(attempt.text)
