"""The assessor that needs no model: it picks sentences of the session and of past cases, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from models.assessment.case import Case, PastCase
from models.assessment.result import CaseState, Findings, Standing, Statement, Suggestion, Tried
from tasks.assessors.base import Draft
from tasks.assessors.content import verify
from tasks.assessors.extractive import cause, facts, questions, summary
from tasks.assessors.extractive.state import standing
from tasks.assessors.mail import case_as_seen
from tasks.assessors.reading.acts import Judged
from tasks.assessors.reading.language import foreign_language
from tasks.assessors.reading.outcomes import COMPARED, KNOWN_OUTCOMES, Attempt, Reading, given, read, unsolved
from tasks.assessors.reading.similarity import overlap, repeats, stems
from tasks.assessors.reading.text import excerpt, has_error_text, sentences, technical
from tasks.assessors.reading.transcript import Transcript, transcribe
from tasks.concurrency import alone

PROMPT_VERSION = "extractive-5"
FACT_LENGTH = 300
FACT_COUNT = 10
TRIED_COUNT = 8
SUGGESTED_COUNT = 5
QUESTION_COUNT = 6
QUOTED_COUNT = 5
LEAST_QUOTATION = 20  # characters; what is shorter in another language is mostly a greeting
STRONG_PAST = 0.6
WORTH = 0.25  # log-odds above the cut from which on a sentence is listed as a fact
PROPOSED = 0.5  # the same of an open proposal, which is suggested
LEAST_WORDS = 4  # that carry meaning, of a proposal that names nothing technical
UNKNOWN_STATE: CaseState = {"value": Standing.OPEN.value, "evidence": []}
LONG_CASE = 20_000  # characters; what is shorter takes a few milliseconds


@dataclass(frozen=True)
class Extractive:
    """Writes an assessment from the case's own words in milliseconds. Stateless; never raises on any text."""

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """A verified draft; the same case always gives the same one. `deadline` is not needed."""
        with alone() if case.characters > LONG_CASE else nullcontext():
            return self._assess(case)

    def _assess(self, case: Case) -> Draft:
        case = case_as_seen(case)
        transcript = transcribe(case)
        language = foreign_language(case)
        reading = given(transcript) if language else read(transcript)
        content = (
            self._quoted(case, transcript, reading, language)
            if language
            else self._content(case, transcript, reading)
        )
        checked = verify(content, case, attempts=reading.attempts)
        return Draft(checked.content, "extractive", PROMPT_VERSION, checked.dropped_evidence)

    def _quoted(self, case: Case, transcript: Transcript, reading: Reading, language: str) -> Findings:
        """What can be said of a session whose language is not read: quotations, given outcomes and past cases."""
        likely = cause.from_past(case)
        summarised = summary.quote(case, transcript, language)
        return {
            "state": UNKNOWN_STATE,
            "summary": summarised,
            "what_we_know": quotations(transcript, [summarised, *(attempt.text for attempt in reading.attempts)]),
            "do_not_repeat": attempts_not_to_repeat(reading, UNKNOWN_STATE),
            "likely_cause": {"text": likely.text, "evidence": list(likely.evidence)} if likely else None,
            "suggested_steps": self._suggestions(case, reading, ()),
            "confidence": "low",
            "questions": [],
        }

    def _content(self, case: Case, transcript: Transcript, reading: Reading) -> Findings:
        state = standing(reading.judged)
        solved = state["value"] == Standing.PROBABLY_SOLVED
        tried = attempts_not_to_repeat(reading, state)
        likely = self._likely_cause(case, reading.judged)
        open_questions = [] if solved else questions.unanswered(reading.judged, transcript.steps)
        return {
            "state": state,
            "summary": summary.write(case, transcript, reading.judged, state, tried),
            "what_we_know": known_facts(reading),
            "do_not_repeat": tried,
            "likely_cause": {"text": likely.text, "evidence": list(likely.evidence)} if likely else None,
            "suggested_steps": [] if solved else self._suggestions(case, reading, open_questions),
            "confidence": self._confidence(case, reading, likely),
            "questions": [] if solved else _texts(open_questions, questions.missing(case, reading)),
        }

    def _likely_cause(self, case: Case, judged: Sequence[Judged]) -> cause.Cause | None:
        own = cause.stated(judged)
        if own is not None and own.strong:
            return own
        return cause.from_past(case) or own

    def _suggestions(self, case: Case, reading: Reading, asked: Sequence[Judged]) -> list[Suggestion]:
        """What fixed similar cases, what was proposed last and not done, what was never answered."""
        found = [
            *(step for past in self._relevant(case) for step in steps_of_past(past)),
            *(_open_proposal(each) for each in reversed(surest(reading.proposals))),
            *(_open_question(each) for each in asked[:2]),
        ]
        tried = [attempt.text for attempt in reading.attempts[-COMPARED:]]
        return _new_ones(found, tried)[:SUGGESTED_COUNT]

    def _relevant(self, case: Case) -> list[PastCase]:
        near = [past for past in case.past if past.conclusive and cause.shares_topic(case, past)]
        return sorted(near, key=lambda past: -past.score)[:2]

    def _confidence(self, case: Case, reading: Reading, likely: cause.Cause | None) -> str:
        """High only when a near past case or a stated cause meets error text and known outcomes."""
        near = self._relevant(case)
        ended = sum(attempt.outcome in KNOWN_OUTCOMES for attempt in reading.attempts)
        concrete = any(has_error_text(each.text) for each in reading.judged)
        close = bool(near) and near[0].score >= STRONG_PAST
        if likely and concrete and ended >= 2 and close:
            return "high"
        grounds = bool(near) + bool(likely and likely.strong) + (concrete and ended >= 2)
        return "medium" if grounds >= 2 or (close and concrete) else "low"


def known_facts(reading: Reading) -> list[Statement]:
    """Return the statements that are worth a senior's seconds in their order, without those of do_not_repeat."""
    tried = {attempt.text for attempt in reading.attempts if unsolved(attempt)}
    worthy = [each for each in reading.judged if each.scores.worth >= WORTH and each.text not in tried]
    chosen = facts.choose(worthy, facts.value, count=FACT_COUNT)
    return [{"text": excerpt(each.text, FACT_LENGTH), "evidence": [each.sentence.source]} for each in chosen]


def quotations(transcript: Transcript, said: Sequence[str]) -> list[Statement]:
    """Return sentences of the session that differ most and that stand nowhere in `said`, whatever they say."""
    every = [*transcript.problem, *(sentence for spoken in transcript.spoken for sentence in spoken)]
    long = [sentence for sentence in every if len(sentence.text) >= LEAST_QUOTATION]
    fresh = [sentence for sentence in long if not any(sentence.text.rstrip(".") in text for text in said)]
    return [
        {"text": excerpt(sentence.text, FACT_LENGTH), "evidence": [sentence.source]}
        for sentence in facts.choose(fresh, facts.words, count=QUOTED_COUNT, known=said)
    ]


def attempts_not_to_repeat(reading: Reading, state: CaseState) -> list[Tried]:
    """What did not solve the problem; the latest when there is too much, in order."""
    spared = _last_before(reading, state)
    kept: list[Attempt] = []
    for attempt in reversed([attempt for attempt in reading.attempts if unsolved(attempt)]):
        is_new = not any(attempt.text == other.text for other in kept)
        if len(kept) < TRIED_COUNT and is_new and (attempt is not spared or attempt.is_given):
            kept.append(attempt)
    return [
        {"text": excerpt(a.text, FACT_LENGTH), "outcome": a.outcome, "evidence": list(a.evidence)}
        for a in reversed(kept)
    ]


def _last_before(reading: Reading, state: CaseState) -> Attempt | None:
    """Return the attempt reported right before somebody says that the problem is solved: it may have solved it."""
    if state["value"] != Standing.PROBABLY_SOLVED:
        return None
    steps = {each.sentence.source: each.step for each in reading.judged}
    end = steps[state["evidence"][0]]
    near = [attempt for attempt in reading.attempts if end - 1 <= steps.get(attempt.evidence[0], end + 1) <= end]
    return near[-1] if near else None


def steps_of_past(past: PastCase) -> list[Suggestion]:
    """The first sentences of a resolution, each as a step to take here."""
    title = excerpt(past.title, 150) or "(untitled)"
    return [
        {
            "text": excerpt(sentence.text, FACT_LENGTH),
            "why": f"Part of what resolved a similar case: {title}",
            "evidence": [f"handoff:{past.handoff_id}"],
        }
        for sentence in sentences(past.resolution, "", longest=2000)[:3]
    ]


def surest(proposals: Sequence[Judged]) -> list[Judged]:
    """Return of each step the surest proposal: one of ten clicks helps nobody without the others, and all are too much."""
    best: dict[int, Judged] = {}
    for each in filter(_is_concrete, proposals):
        if each.step not in best or each.scores.proposal > best[each.step].scores.proposal:
            best[each.step] = each
    return list(best.values())


def _is_concrete(each: Judged) -> bool:
    """Whether a proposal is surely one, and can be followed by somebody who was not there."""
    if each.scores.proposal < PROPOSED or each.text.rstrip().endswith((":", ",")):
        return False
    count = len(stems(each.text))
    return count >= LEAST_WORDS or (count >= 2 and bool(technical(each.text)))


def _open_proposal(each: Judged) -> Suggestion:
    where = each.sentence.source.replace(":", " ")
    why = f"Proposed in {where}; no result is recorded."
    return {"text": excerpt(each.text, FACT_LENGTH), "why": why, "evidence": [each.sentence.source]}


def _open_question(each: Judged) -> Suggestion:
    where = each.sentence.source.replace(":", " ")
    text = f"Get an answer to: {excerpt(each.text, FACT_LENGTH)}"
    return {"text": text, "why": f"Asked in {where} and not answered.", "evidence": [each.sentence.source]}


def _new_ones(found: Iterable[Suggestion], tried: Sequence[str]) -> list[Suggestion]:
    kept: list[Suggestion] = []
    for step in found:
        known = any(repeats(step["text"], text) for text in tried)
        if not known and not any(overlap(step["text"], other["text"]) > 0.7 for other in kept):
            kept.append(step)
    return kept


def _texts(asked: Sequence[Judged], basics: Sequence[str]) -> list[str]:
    return [*(excerpt(each.text, questions.QUESTION_LENGTH) for each in asked), *basics][:QUESTION_COUNT]
