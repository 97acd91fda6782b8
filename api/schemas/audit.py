"""Requests and answers about the audit."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas import PersonSchema, Text, Time
from models.audit import Act
from models.feed import EventType

KINDS = [*(act.value for act in Act), *(type.value for type in EventType)]


class AuditQuery(Schema):
    """Which lines, and which page of them."""

    since = Time(metadata={"description": "happened at or after"})
    until = Time(metadata={"description": "happened before"})
    kind = fields.List(fields.String(validate=validate.OneOf(KINDS)))
    handoff = fields.UUID()
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    page = Text(most=1000)


class AuditLineSchema(Schema):
    """A line. `by` is null for an operator at the command line, and for the service itself."""

    seq = fields.Integer(metadata={"description": "counts the account's lines from 1, in the order of writing"})
    at = fields.String(metadata={"format": "date-time", "description": "when it happened"})
    kind = fields.String(validate=validate.OneOf(KINDS))
    by = fields.Nested(PersonSchema, allow_none=True)
    handoff_id = fields.UUID(allow_none=True)
    subject = fields.String(metadata={"description": "what it is about, as `person:<id>`; of an event `event:<seq>`"})
    note = fields.String(allow_none=True)
    hash = fields.String(metadata={"description": "SHA-256 over the line and the hash of the line before it"})


class AuditPageSchema(Schema):
    """A page of the audit."""

    items = fields.List(fields.Nested(AuditLineSchema))
    next_page = fields.String(allow_none=True)
