"""Requests and responses of the batch API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from api.schemas import AssessmentSchema, PersonSchema, Text, Time, one_of
from models.assessment.feedback import Rating
from models.batch import KIND, BatchState, ItemState
from models.batch.selection import Selection
from models.handoff import COVERED, Priority, Status


def _ceiling() -> fields.Decimal:
    """What a batch may cost. The bounds are named again as numbers: as decimals the document would quote them."""
    allowed = validate.Range(min=0, max=9_999_999, min_inclusive=False)
    return fields.Decimal(allow_none=True, validate=allowed, metadata={"minimum": 0, "maximum": 9_999_999})


class OneOrMany(fields.List[Any]):
    """A list, or one of its values alone."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> list[Any]:
        many = value if isinstance(value, list) else [value]
        return super()._deserialize(many, attr, data, **more)


class FilterSchema(Schema):
    """Which handoffs; `{}` means all. Conditions on an assessment apply to the one that a handoff shows."""

    status = OneOrMany(fields.String(validate=validate.OneOf([status.value for status in COVERED])))
    priority = OneOrMany(one_of(Priority))
    category = Text(most=100)
    since = Time(metadata={"description": "created at or after"})
    until = Time(metadata={"description": "created before"})
    source = Text(most=200, metadata={"description": "written by this assessor"})
    not_source = Text(most=200, metadata={"description": "not written by this assessor"})
    prompt_version = Text(most=100)
    not_prompt_version = Text(most=100, metadata={"description": "written with another, so an older, prompt"})
    assessed_before = Time()
    rated = one_of(Rating)
    without_assessment = fields.Boolean(metadata={"description": "none, or only the offline fallback"})
    imported = fields.Boolean(metadata={"description": "loaded from a file"})
    limit = fields.Integer(validate=validate.Range(1, 10_000_000), metadata={"description": "the newest so many"})


class NewBatchSchema(Schema):
    """The body of POST /batches."""

    kind = fields.String(required=True, validate=validate.OneOf([KIND]))
    filter = fields.Nested(FilterSchema, required=True)
    note = Text(most=2000, allow_none=True)
    dry_run = fields.Boolean(load_default=False)
    cost_ceiling = _ceiling()


class ResumeSchema(Schema):
    """Going on, perhaps with more money."""

    cost_ceiling = _ceiling()


class BatchListQuery(Schema):
    """Which page of the batches."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    page = Text(most=1000)


class BatchItemsQuery(Schema):
    """Which handoffs of a batch, and which page of them."""

    state = one_of(ItemState)
    changed = fields.Boolean(load_default=False, metadata={"description": "only those with another assessment now"})
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    page = Text(most=1000)


class ItemSessionSchema(Schema):
    """The ticket of a handoff."""

    external_id = fields.String()
    title = fields.String()


class BatchItemSchema(Schema):
    """A handoff of a batch. `before` is the last good assessment that it had when the batch wrote `after`."""

    position = fields.Integer()
    handoff_id = fields.UUID()
    session = fields.Nested(ItemSessionSchema)
    state = one_of(ItemState)
    reason = fields.String(allow_none=True)
    before = fields.Nested(AssessmentSchema, allow_none=True)
    after = fields.Nested(AssessmentSchema, allow_none=True)
    differs = fields.List(
        fields.String(),
        allow_none=True,
        metadata={"description": "fields that changed; null where there are not two assessments to compare"},
    )


class BatchItemPageSchema(Schema):
    """A page of the handoffs of a batch."""

    items = fields.List(fields.Nested(BatchItemSchema))
    next_page = fields.String(allow_none=True)


class BatchSchema(Schema):
    """A batch. `done` counts every handoff that ended, however; `rate` is handoffs a second."""

    id = fields.UUID()
    kind = fields.String()
    state = one_of(BatchState)
    paused_reason = fields.String(allow_none=True)
    filter = fields.Dict()
    note = fields.String(allow_none=True)
    started_by = fields.Nested(PersonSchema, allow_none=True)
    created_at = fields.String(metadata={"format": "date-time"})
    started_at = fields.String(metadata={"format": "date-time"}, allow_none=True)
    finished_at = fields.String(metadata={"format": "date-time"}, allow_none=True)
    total = fields.Integer()
    done = fields.Integer()
    in_flight = fields.Integer(metadata={"description": "handed to the workers and not ended yet"})
    succeeded = fields.Integer()
    fallback = fields.Integer()
    failed = fields.Integer()
    skipped = fields.Integer()
    rate = fields.Float(allow_none=True)
    eta = fields.String(metadata={"format": "date-time"}, allow_none=True)
    eta_seconds = fields.Float(allow_none=True)
    tokens_in = fields.Integer()
    tokens_out = fields.Integer()
    cost = fields.Float()
    cost_ceiling = fields.Float(allow_none=True)


class EstimateSchema(Schema):
    """What a batch would do."""

    count = fields.Integer()
    expected_tokens = fields.Integer()
    expected_cost = fields.Float()


class BatchPageSchema(Schema):
    """A page of batches."""

    items = fields.List(fields.Nested(BatchSchema))
    next_page = fields.String(allow_none=True)


def selection(filter: dict[str, Any]) -> Selection:
    """Return the loaded filter as a Selection."""
    given = {name: value for name, value in filter.items() if value is not None}
    if "status" in given:
        given["status"] = tuple(Status(value) for value in given["status"])
    if "priority" in given:
        given["priority"] = tuple(Priority(value) for value in given["priority"])
    if "rated" in given:
        given["rated"] = Rating(given["rated"])
    return Selection(**given)
