"""The content of an assessment: its schema and its verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from marshmallow import Schema, ValidationError, fields, validate

from models.assessment.case import Case
from models.assessment.result import (
    CaseState,
    Content,
    Findings,
    SimilarCase,
    Standing,
    Statement,
    Suggestion,
    Tried,
)
from tasks.assessors.reading.outcomes import Attempt, outcomes
from tasks.assessors.reading.similarity import repeats
from tasks.assessors.reading.text import clean, clip, digest

SUMMARY_LENGTH = 600
TEXT_LENGTH = 500
TITLE_LENGTH = 200
QUOTE_LENGTH = 200
KNOWN_COUNT = 12
TRIED_COUNT = 12
SUGGESTED_COUNT = 8
SIMILAR_COUNT = 5
QUESTION_COUNT = 8
EVIDENCE_COUNT = 10
EVIDENCE_LENGTH = 80

OUTCOMES = ("failed", "partial", "unknown")
CONFIDENCES = ("low", "medium", "high")

S = TypeVar("S", Statement, Tried, Suggestion)

# One spelling for what models write in another one when they copy.
_PLAIN_MARKS = str.maketrans(dict.fromkeys("‘’‚‛`´′", "'") | dict.fromkeys("“”„‟«»″", '"') | {"…": "..."})


class Text(fields.String):
    """A non-blank string of at most `longest` characters that PostgreSQL and JSON can both hold."""

    def __init__(self, longest: int, *, required: bool = True, **kwargs: Any) -> None:
        bounds = validate.Length(min=1, max=longest)
        super().__init__(required=required, validate=bounds, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise ValidationError("NUL and lone surrogates are not text.")
        return text.strip()


def many(inner: fields.Field[Any] | type[Schema], most: int, what: str) -> fields.Field[Any]:
    """A required list of at most `most` items, described as `what`."""
    bounds = validate.Length(max=most)
    if isinstance(inner, fields.Field):
        return fields.List(inner, required=True, validate=bounds, metadata={"description": what})
    return fields.List(fields.Nested(inner), required=True, validate=bounds, metadata={"description": what})


def evidence() -> fields.Field[Any]:
    """The ids that a statement rests on."""
    what = "ids this rests on: step:N, handoff:ID, title, problem, reason or ask"
    return many(Text(EVIDENCE_LENGTH), EVIDENCE_COUNT, what)


class CaseStateSchema(Schema):
    """Where the case stands at its end."""

    value = fields.String(required=True, validate=validate.OneOf([standing.value for standing in Standing]))
    evidence = evidence()


class StatementSchema(Schema):
    """A fact with its evidence. Every statement of a model has a `quote`; the offline assessor only quotes."""

    text = Text(TEXT_LENGTH)
    quote = Text(
        QUOTE_LENGTH,
        required=False,
        metadata={"description": "words of the evidence, if a model wrote the statement"},
    )
    evidence = evidence()


class TriedSchema(StatementSchema):
    """Something that was tried and did not solve the problem."""

    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))


class SuggestionSchema(StatementSchema):
    """A step worth taking next."""

    why = Text(TEXT_LENGTH)


class SimilarSchema(Schema):
    """A resolved handoff of the same account with its fix."""

    handoff_id = Text(36)
    title = Text(TITLE_LENGTH)
    digest = Text(TEXT_LENGTH, metadata={"description": "what fixed it"})
    score = fields.Float(required=True, validate=validate.Range(min=0, max=1))


class DraftSchema(Schema):
    """The whole content of an assessment, as stored and as answered."""

    state = fields.Nested(
        CaseStateSchema, required=True, metadata={"description": "where the case stands at its end"}
    )
    summary = Text(SUMMARY_LENGTH, metadata={"description": "problem, state now, what is needed"})
    what_we_know = many(StatementSchema, KNOWN_COUNT, "facts of the session")
    do_not_repeat = many(TriedSchema, TRIED_COUNT, "what was tried without solving it")
    likely_cause = fields.Nested(
        StatementSchema, required=True, allow_none=True, metadata={"description": "null when not shown"}
    )
    suggested_steps = many(SuggestionSchema, SUGGESTED_COUNT, "next steps, none of them already tried")
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))
    questions = many(Text(TEXT_LENGTH), QUESTION_COUNT, "what is missing to know more")
    similar = many(SimilarSchema, SIMILAR_COUNT, "past cases like this one")


@dataclass(frozen=True)
class Verified:
    """Content that cites only existing ids, and the number of items dropped."""

    content: Content
    dropped_evidence: int = 0  # ids that named nothing in the case
    dropped_statements: int = 0  # facts, attempts and quoting suggestions left without any evidence
    moved_steps: int = 0  # suggestions that repeat what failed


@dataclass
class _Evidence:
    """The texts of a case by their ids; counts the citations of others."""

    case: Case
    dropped: int = 0

    def __post_init__(self) -> None:
        self._known = self.case.evidence_ids()

    def existing(self, cited: Sequence[str]) -> list[str]:
        """Return the ids that exist, each once."""
        each_once = list(dict.fromkeys(cited))
        real = [name for name in each_once if name in self._known]
        self.dropped += len(each_once) - len(real)
        return real

    def keep(self, item: S) -> S:
        """Return the item with existing ids only; with none if its quote stands in none of their texts."""
        kept = item.copy()
        kept["evidence"] = self.existing(item["evidence"])
        if "quote" in kept:
            if not self._holds(kept["evidence"], kept["quote"]):
                kept["evidence"] = []
            kept["quote"] = kept["quote"][:QUOTE_LENGTH].strip()  # longer only with what placeholders stood for
        return kept

    def _holds(self, names: Sequence[str], quote: str) -> bool:
        words = folded(quote).strip(" \"'.")
        return bool(words) and any(words in folded(text) for name in names for text in texts_of(self.case, name))


def folded(text: str) -> str:
    """Return `text` in one spelling of white space, case and quotation marks, to find a copy of a part of it."""
    return " ".join(clean(text, len(text)).translate(_PLAIN_MARKS).casefold().split())


def texts_of(case: Case, name: str) -> tuple[str, ...]:
    """Return the texts that an evidence id of this case names."""
    kind, _, number = name.partition(":")
    if kind == "step":
        return tuple(step.text for step in case.steps if str(step.seq) == number)
    if kind == "handoff":
        past = (each for each in case.past if str(each.handoff_id) == number)
        return tuple(text or "" for p in past for text in (p.title, p.problem, p.resolution, p.root_cause))
    return (getattr(case, name) or "",)


def verify(content: Findings, case: Case, *, attempts: Sequence[Attempt] | None = None) -> Verified:
    """Check `content` (a valid reply, or valid by DraftSchema) against its case.

    The result is valid by DraftSchema. A statement whose quote stands in none of the texts that it cites rests on
    nothing. Facts and attempts without surviving evidence are dropped, as are suggestions that quoted something; a
    likely cause without any becomes null and the confidence low, suggestions that repeat a failed step move to
    do_not_repeat, and `similar` is always the server's own list. A state that nothing shows is open. What shows that
    the case is probably solved is neither a failure nor an open suggestion. `attempts` are those of the case, for who
    has read it already.
    """
    cited = _Evidence(case)
    facts, tried, cause, steps = (
        [cited.keep(item) for item in content["what_we_know"]],
        [cited.keep(item) for item in content["do_not_repeat"]],
        cited.keep(content["likely_cause"]) if content["likely_cause"] else None,
        [cited.keep(item) for item in content["suggested_steps"]],
    )
    state = _state(content["state"]["value"], cited.existing(content["state"]["evidence"]))
    known, listed = _grounded(facts), _grounded(tried)
    useful = [step for step in steps if step["evidence"] or "quote" not in step]
    fresh, moved = _split_repeats(useful, listed, outcomes(case) if attempts is None else attempts)
    unfounded = cause is not None and not cause["evidence"]
    checked: Content = {
        "state": state,
        "summary": content["summary"],
        "what_we_know": known,
        "do_not_repeat": [item for item in listed + moved if not _is_success(item, state)][:TRIED_COUNT],
        "likely_cause": None if unfounded else cause,
        "suggested_steps": [step for step in fresh if not _is_success(step, state)],
        "confidence": "low" if unfounded else content["confidence"],
        "similar": similar_cases(case),
        "questions": list(content["questions"]),
    }
    lost = len(facts) + len(tried) + len(steps) - len(known) - len(listed) - len(useful)
    return Verified(checked, cited.dropped, lost, len(useful) - len(fresh))


def similar_cases(case: Case) -> list[SimilarCase]:
    """Return the past cases of `case` with their fixes, best first."""
    best = sorted(case.past, key=lambda past: -past.score)[:SIMILAR_COUNT]
    return [
        {
            "handoff_id": str(past.handoff_id),
            "title": clip(past.title, TITLE_LENGTH) or "(untitled)",
            "digest": digest(past.resolution) or "(no resolution recorded)",
            "score": round(min(1.0, max(0.0, past.score)), 4),
        }
        for past in best
    ]


def _state(value: str, evidence: list[str]) -> CaseState:
    """Return the state if anything shows it; a case is open otherwise."""
    return {"value": value if evidence else Standing.OPEN.value, "evidence": evidence}


def _is_success(item: Tried | Suggestion, state: CaseState) -> bool:
    """Whether a failed attempt or a suggestion rests on nothing but what shows that the case is probably solved."""
    if state["value"] != Standing.PROBABLY_SOLVED or item.get("outcome", "failed") != "failed":
        return False
    return bool(item["evidence"]) and set(item["evidence"]) <= set(state["evidence"])


def _grounded(items: list[S]) -> list[S]:
    return [item for item in items if item["evidence"]]


def _split_repeats(
    steps: list[Suggestion], tried: list[Tried], attempts: Sequence[Attempt]
) -> tuple[list[Suggestion], list[Tried]]:
    """Separate new suggestions from repeats of a failure, which become attempts with that failure's evidence."""
    failed = [(verdict.text, verdict.evidence) for verdict in attempts if verdict.outcome == "failed"]
    listed = [(item["text"], tuple(item["evidence"])) for item in tried]
    fresh: list[Suggestion] = []
    moved: list[Tried] = []
    for step in steps:
        if any(repeats(step["text"], text) for text, _ in listed):
            continue  # do_not_repeat has it already
        shown_by = next((each for each in failed if repeats(step["text"], each[0])), None)
        if shown_by is None:
            fresh.append(step)
        else:
            moved.append(_failed(step, *shown_by))
    return fresh, moved


def _failed(step: Suggestion, text: str, evidence: tuple[str, ...]) -> Tried:
    moved: Tried = {"text": step["text"], "outcome": "failed", "evidence": list(evidence)}
    if "quote" in step:
        moved["quote"] = text[:QUOTE_LENGTH].strip()
    return moved
