"""The reply that is asked of a model: its schema, that schema as JSON Schema, and its reading.

What a statement rests on comes before the statement, and the summary last: a model writes what it has just reasoned.
The longest valid reply fits into the default of MODEL_MAX_OUTPUT_TOKENS, which a test computes.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from models.assessment.result import Findings, Standing
from tasks.assessors.content import CONFIDENCES, OUTCOMES, QUOTE_LENGTH, Text, many

TEXT_BYTES = 300
WHY_BYTES = 200
SUMMARY_BYTES = 600
ID_BYTES = 44  # handoff:<id>
EVIDENCE_COUNT = 3
KNOWN_COUNT = 6
TRIED_COUNT = 8
SUGGESTED_COUNT = 4
QUESTION_COUNT = 4

TOLD = 0.75  # of a bound is what a model is told, because models count badly


class Brief(Text):
    """A text of at most `most` bytes: a bound on tokens in every script, which a number of characters is not."""

    def __init__(self, most: int, **kwargs: Any) -> None:
        super().__init__(most, **kwargs)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text.encode()) > self.most:
            raise ValidationError(f"Longer than {self.most} bytes.")
        return text


def evidence() -> fields.Field[Any]:
    """The ids that a statement rests on. Unknown ids pass here; `verify` drops and counts them."""
    what = "ids this rests on: step:N, handoff:ID, title, problem, reason or ask"
    return many(Brief(ID_BYTES), EVIDENCE_COUNT, what)


class StateReply(Schema):
    """Where the case stands at its end."""

    evidence = evidence()
    value = fields.String(required=True, validate=validate.OneOf([standing.value for standing in Standing]))


class StatementReply(Schema):
    """A fact with its evidence."""

    evidence = evidence()
    quote = Brief(QUOTE_LENGTH, metadata={"description": "copied from one of these, word for word"})
    text = Brief(TEXT_BYTES)


class TriedReply(StatementReply):
    """Something that was tried and did not solve the problem."""

    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))


class SuggestionReply(StatementReply):
    """A step worth taking next."""

    why = Brief(WHY_BYTES)


class ReplySchema(Schema):
    """The reply of a model: everything but the similar cases, which the server knows better."""

    what_we_know = many(StatementReply, KNOWN_COUNT, "facts that the next engineer needs")
    do_not_repeat = many(TriedReply, TRIED_COUNT, "what was tried without solving it")
    state = fields.Nested(StateReply, required=True, metadata={"description": "where the case stands at its end"})
    likely_cause = fields.Nested(
        StatementReply, required=True, allow_none=True, metadata={"description": "null when not shown"}
    )
    suggested_steps = many(SuggestionReply, SUGGESTED_COUNT, "next steps, none of them already tried")
    questions = many(Brief(WHY_BYTES), QUESTION_COUNT, "what is missing to know more")
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))
    summary = Brief(SUMMARY_BYTES, metadata={"description": "problem, state now, what is needed"})


_REPLY = ReplySchema()


def parse(text: str) -> tuple[Findings | None, str]:
    """Return the valid content of a reply, or None and an explanation for the model."""
    try:
        # Servers without strict structured output like to wrap the object in a code block.
        raw = json.loads(text[text.find("{") : text.rfind("}") + 1])
        return _REPLY.load(raw), ""
    except ValidationError as error:
        return None, json.dumps(error.normalized_messages(), ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return None, "it is not one JSON object"


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
    words = [field.metadata.get("description"), _bound_in_words(field)]
    described = "; ".join(word for word in words if word)
    return {**shape, "description": described} if described else shape


def _bare_schema(field: fields.Field[Any]) -> dict[str, Any]:
    if isinstance(field, fields.List):
        return {"type": "array", "items": _field_schema(field.inner)}
    if isinstance(field, fields.Nested):
        return json_schema(type(field.schema))
    if isinstance(field, fields.String):
        choices = [list(check.choices) for check in field.validators if isinstance(check, validate.OneOf)]
        return {"type": "string", "enum": choices[0]} if choices else {"type": "string"}
    raise TypeError(f"no JSON Schema for {type(field).__name__}")


def _bound_in_words(field: fields.Field[Any]) -> str | None:
    if isinstance(field, Brief):
        return f"at most {round(field.most * TOLD)} bytes" if field.most > ID_BYTES else None
    most = [check.max for check in field.validators if isinstance(check, validate.Length) and check.max]
    return f"at most {most[0]} items" if most else None
