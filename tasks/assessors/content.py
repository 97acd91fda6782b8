"""The content of an assessment: its schema, the JSON Schema for models, and its verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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
from tasks.assessors.reading.text import clip, digest

SUMMARY_LENGTH = 600
TEXT_LENGTH = 500
TITLE_LENGTH = 200
KNOWN_COUNT = 12
TRIED_COUNT = 12
SUGGESTED_COUNT = 8
SIMILAR_COUNT = 5
QUESTION_COUNT = 8
EVIDENCE_COUNT = 10
EVIDENCE_LENGTH = 80

OUTCOMES = ("failed", "partial", "unknown")
CONFIDENCES = ("low", "medium", "high")

S = TypeVar("S", CaseState, Statement, Tried, Suggestion)


class Text(fields.String):
    """A non-blank string of at most `longest` characters that PostgreSQL and JSON can both hold."""

    def __init__(self, longest: int, **kwargs: Any) -> None:
        bounds = validate.Length(min=1, max=longest)
        super().__init__(required=True, validate=bounds, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise ValidationError("NUL and lone surrogates are not text.")
        return text.strip()


def many(inner: fields.Field[Any] | type[Schema], most: int, what: str) -> fields.Field[Any]:
    """A required list of at most `most` items, described to the model as `what`."""
    bounds = validate.Length(max=most)
    if isinstance(inner, fields.Field):
        return fields.List(inner, required=True, validate=bounds, metadata={"description": what})
    return fields.List(fields.Nested(inner), required=True, validate=bounds, metadata={"description": what})


def evidence() -> fields.Field[Any]:
    """The ids that a statement rests on. Unknown ids pass here; `verify` drops and counts them."""
    what = "ids this rests on: step:N, handoff:ID, title, problem, reason or ask"
    return many(Text(EVIDENCE_LENGTH), EVIDENCE_COUNT, what)


class CaseStateSchema(Schema):
    """Where the case stands at its end."""

    value = fields.String(required=True, validate=validate.OneOf([standing.value for standing in Standing]))
    evidence = evidence()


class StatementSchema(Schema):
    """A fact with its evidence."""

    text = Text(TEXT_LENGTH)
    evidence = evidence()


class TriedSchema(Schema):
    """Something that was tried and did not solve the problem."""

    text = Text(TEXT_LENGTH)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    evidence = evidence()


class SuggestionSchema(Schema):
    """A step worth taking next."""

    text = Text(TEXT_LENGTH)
    why = Text(TEXT_LENGTH)
    evidence = evidence()


class SimilarSchema(Schema):
    """A resolved handoff of the same account with its fix."""

    handoff_id = Text(36)
    title = Text(TITLE_LENGTH)
    digest = Text(TEXT_LENGTH, metadata={"description": "what fixed it"})
    score = fields.Float(required=True, validate=validate.Range(min=0, max=1))


class ReplySchema(Schema):
    """The reply of a model: everything but the similar cases, which the server knows better."""

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


class DraftSchema(ReplySchema):
    """The whole content of an assessment, as stored and as answered."""

    similar = many(SimilarSchema, SIMILAR_COUNT, "past cases like this one")


@cache
def json_schema(schema: type[Schema] = ReplySchema) -> dict[str, Any]:
    """The JSON Schema of `schema` in the subset that strict structured outputs accept.

    Every property is required, no other is allowed, and null is a variant of its own. Lengths and counts
    are given in words, because those providers refuse the keywords; marshmallow enforces them afterwards.
    """
    properties = {name: _field_schema(field) for name, field in schema().fields.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field_schema(field: fields.Field[Any]) -> dict[str, Any]:
    shape = _bare_schema(field)
    if field.allow_none:
        shape = {"anyOf": [shape, {"type": "null"}]}
    words = [field.metadata.get("description"), _bounds_in_words(field)]
    described = "; ".join(word for word in words if word)
    return {**shape, "description": described} if described else shape


def _bare_schema(field: fields.Field[Any]) -> dict[str, Any]:
    if isinstance(field, fields.List):
        return {"type": "array", "items": _field_schema(field.inner)}
    if isinstance(field, fields.Nested):
        return json_schema(type(field.schema))
    if isinstance(field, fields.Float):
        return {"type": "number"}
    if isinstance(field, fields.String):
        choices = [list(check.choices) for check in field.validators if isinstance(check, validate.OneOf)]
        return {"type": "string", "enum": choices[0]} if choices else {"type": "string"}
    raise TypeError(f"no JSON Schema for {type(field).__name__}")


def _bounds_in_words(field: fields.Field[Any]) -> str | None:
    unit = "items" if isinstance(field, fields.List) else "characters"
    most = [check.max for check in field.validators if isinstance(check, validate.Length) and check.max]
    return f"at most {most[0]} {unit}" if most else None


@dataclass(frozen=True)
class Verified:
    """Content that cites only existing ids, and the number of items dropped."""

    content: Content
    dropped_evidence: int = 0  # ids that named nothing in the case
    dropped_statements: int = 0  # facts and attempts left without any evidence
    moved_steps: int = 0  # suggestions that repeat what failed


@dataclass
class _Evidence:
    """The ids of a case; counts the citations of others."""

    known: frozenset[str]
    dropped: int = 0

    def keep(self, item: S) -> S:
        """Return the item with existing ids only, each once."""
        cited = list(dict.fromkeys(item["evidence"]))
        real = [name for name in cited if name in self.known]
        self.dropped += len(cited) - len(real)
        kept = item.copy()
        kept["evidence"] = real
        return kept


def verify(content: Findings, case: Case, *, attempts: Sequence[Attempt] | None = None) -> Verified:
    """Check `content` (valid by ReplySchema or DraftSchema) against its case.

    The result is valid by DraftSchema. Facts and attempts without surviving evidence are dropped, a likely
    cause without any becomes null and the confidence low, suggestions that repeat a failed step move to
    do_not_repeat, and `similar` is always the server's own list. A state that nothing shows is open. What shows
    that the case is probably solved is neither a failure nor an open suggestion. `attempts` are those of the
    case, for who has read it already.
    """
    ids = _Evidence(case.evidence_ids())
    facts, tried, cause, steps = (
        [ids.keep(item) for item in content["what_we_know"]],
        [ids.keep(item) for item in content["do_not_repeat"]],
        ids.keep(content["likely_cause"]) if content["likely_cause"] else None,
        [ids.keep(item) for item in content["suggested_steps"]],
    )
    state = _shown(ids.keep(content["state"]))
    known, listed = _grounded(facts), _grounded(tried)
    fresh, moved = _split_repeats(steps, listed, outcomes(case) if attempts is None else attempts)
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
    lost = len(facts) + len(tried) - len(known) - len(listed)
    return Verified(checked, ids.dropped, lost, len(steps) - len(fresh))


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


def _shown(state: CaseState) -> CaseState:
    """Return the state if anything shows it; a case is open otherwise."""
    return state if state["evidence"] else {"value": Standing.OPEN.value, "evidence": []}


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
        shown_by = next((ids for text, ids in failed if repeats(step["text"], text)), None)
        if shown_by is None:
            fresh.append(step)
        else:
            moved.append({"text": step["text"], "outcome": "failed", "evidence": list(shown_by)})
    return fresh, moved
