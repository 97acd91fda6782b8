"""The assessor that needs no model: it picks sentences of the session and of past cases, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from models.assessment.case import Case, PastCase
from models.assessment.result import Findings, Statement, Suggestion, Tried
from tasks.assessors.base import Draft
from tasks.assessors.content import verify
from tasks.assessors.extractive import cause, facts, questions, summary
from tasks.assessors.mail import case_as_seen
from tasks.assessors.reading.language import foreign_language
from tasks.assessors.reading.outcomes import COMPARED, Attempt, Reading, given, read, unsolved
from tasks.assessors.reading.similarity import overlap, repeats, stems
from tasks.assessors.reading.text import Sentence, excerpt, has_error_text, sentences, technical
from tasks.assessors.reading.transcript import Transcript, transcribe
from tasks.concurrency import alone

PROMPT_VERSION = "extractive-4"
FACT_LENGTH = 300
FACT_COUNT = 10
TRIED_COUNT = 8
SUGGESTED_COUNT = 5
QUESTION_COUNT = 6
QUOTED_COUNT = 5
LEAST_QUOTATION = 20  # characters; what is shorter in another language is mostly a greeting
STRONG_PAST = 0.6
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
        told = summary.quote(case, transcript, language)
        return {
            "summary": told,
            "what_we_know": quotations(transcript, [told, *(attempt.text for attempt in reading.attempts)]),
            "do_not_repeat": attempts_not_to_repeat(reading),
            "likely_cause": {"text": likely.text, "evidence": list(likely.evidence)} if likely else None,
            "suggested_steps": self._suggestions(case, reading, ()),
            "confidence": "low",
            "questions": [],
        }

    def _content(self, case: Case, transcript: Transcript, reading: Reading) -> Findings:
        spoken = transcript.everything()
        likely = self._likely_cause(case, spoken)
        open_questions = questions.unanswered(transcript)
        tried = attempts_not_to_repeat(reading)
        told = summary.write(case, transcript, reading)
        return {
            "summary": told,
            "what_we_know": known_facts(spoken, reading, [told]),
            "do_not_repeat": tried,
            "likely_cause": {"text": likely.text, "evidence": list(likely.evidence)} if likely else None,
            "suggested_steps": self._suggestions(case, reading, open_questions),
            "confidence": self._confidence(case, spoken, reading, likely),
            "questions": _texts(open_questions, questions.missing(case, reading, spoken)),
        }

    def _likely_cause(self, case: Case, spoken: Sequence[Sentence]) -> cause.Cause | None:
        own = cause.stated(spoken)
        if own is not None and own.strong:
            return own
        return cause.from_past(case) or own

    def _suggestions(self, case: Case, reading: Reading, asked: Sequence[Sentence]) -> list[Suggestion]:
        """What fixed similar cases, what was proposed here and not done, what was never answered."""
        found = [
            *(step for past in self._relevant(case) for step in steps_of_past(past)),
            *(_open_proposal(p) for p in reversed(reading.proposals) if _is_concrete(p.text)),
            *(_open_question(sentence) for sentence in asked[:2]),
        ]
        tried = [attempt.text for attempt in reading.attempts[-COMPARED:]]
        return _new_ones(found, tried)[:SUGGESTED_COUNT]

    def _relevant(self, case: Case) -> list[PastCase]:
        near = [past for past in case.past if past.conclusive and cause.shares_topic(case, past)]
        return sorted(near, key=lambda past: -past.score)[:2]

    def _confidence(
        self, case: Case, spoken: Sequence[Sentence], reading: Reading, likely: cause.Cause | None
    ) -> str:
        """High only when a near past case or a stated cause meets error text and known outcomes."""
        near = self._relevant(case)
        ended = sum(attempt.outcome in ("worked", "failed", "partial") for attempt in reading.attempts)
        concrete = any(has_error_text(sentence.text) for sentence in spoken)
        close = bool(near) and near[0].score >= STRONG_PAST
        if likely and concrete and ended >= 2 and close:
            return "high"
        grounds = bool(near) + bool(likely and likely.strong) + (concrete and ended >= 2)
        return "medium" if grounds >= 2 or (close and concrete) else "low"


def known_facts(spoken: Sequence[Sentence], reading: Reading, said: Sequence[str]) -> list[Statement]:
    """Return the most informative statements in their order, without those of do_not_repeat.

    Of statements of the same weight, those that share no words with `said` come first.
    """
    tried = {attempt.text for attempt in reading.attempts if unsolved(attempt)}
    told = [s for s in spoken if s.source not in ("reason", "ask") and s.text not in tried and facts.is_fact(s)]
    return [
        {"text": excerpt(sentence.text, FACT_LENGTH), "evidence": [sentence.source]}
        for sentence in facts.choose(told, count=FACT_COUNT, known=said)
    ]


def quotations(transcript: Transcript, said: Sequence[str]) -> list[Statement]:
    """Return sentences of the session that differ most and that stand nowhere in `said`, whatever they say."""
    told = [*transcript.problem, *(sentence for spoken in transcript.spoken for sentence in spoken)]
    long = [sentence for sentence in told if len(sentence.text) >= LEAST_QUOTATION]
    fresh = [sentence for sentence in long if not any(sentence.text.rstrip(".") in text for text in said)]
    return [
        {"text": excerpt(sentence.text, FACT_LENGTH), "evidence": [sentence.source]}
        for sentence in facts.choose(fresh, count=QUOTED_COUNT, known=said)
    ]


def attempts_not_to_repeat(reading: Reading) -> list[Tried]:
    """What did not solve the problem; the latest when there is too much, in order."""
    kept: list[Attempt] = []
    for attempt in reversed([attempt for attempt in reading.attempts if unsolved(attempt)]):
        if len(kept) < TRIED_COUNT and not any(attempt.text == other.text for other in kept):
            kept.append(attempt)
    return [
        {
            "text": excerpt(a.text, FACT_LENGTH),
            "outcome": a.outcome or "unknown",
            "evidence": list(a.evidence),
        }
        for a in reversed(kept)
    ]


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


def _is_concrete(text: str) -> bool:
    """Whether a proposal can be followed by somebody who was not there ("try it" and "check these:" cannot)."""
    return not text.rstrip().endswith((":", ",")) and (len(stems(text)) >= 3 or bool(technical(text)))


def _open_proposal(proposal: Attempt) -> Suggestion:
    where = proposal.evidence[0].replace(":", " ")
    why = f"Proposed in {where}; no result is recorded."
    return {"text": excerpt(proposal.text, FACT_LENGTH), "why": why, "evidence": list(proposal.evidence)}


def _open_question(sentence: Sentence) -> Suggestion:
    where = sentence.source.replace(":", " ")
    text = f"Get an answer to: {excerpt(sentence.text, FACT_LENGTH)}"
    return {"text": text, "why": f"Asked in {where} and not answered.", "evidence": [sentence.source]}


def _new_ones(found: Iterable[Suggestion], tried: Sequence[str]) -> list[Suggestion]:
    kept: list[Suggestion] = []
    for step in found:
        known = any(repeats(step["text"], text) for text in tried)
        if not known and not any(overlap(step["text"], other["text"]) > 0.7 for other in kept):
            kept.append(step)
    return kept


def _texts(asked: Sequence[Sentence], basics: Sequence[str]) -> list[str]:
    return [*(excerpt(sentence.text, questions.QUESTION_LENGTH) for sentence in asked), *basics][:QUESTION_COUNT]
