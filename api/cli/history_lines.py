"""Parse JSON lines of history from files that may be damaged anywhere: each line is good, or bad with a reason."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from api.http.parsing import MAX_DEPTH, RepeatedKeyError, depth, loads, without_empty
from api.schemas import Filled, IntakeSchema, IntakeSessionSchema, StepSchema, Text, TicketId, Time
from models.handoff import Intent
from models.history import Line
from models.session import MAX_STEPS

# A session of 2,000 steps of 8,000 characters fits, so that everything exported can be read back.
MAX_LINE_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 1024 * 1024  # in which a longer line is skipped, so that it is never held in memory
BOM = b"\xef\xbb\xbf"


class HistoryStepSchema(StepSchema):
    """A step, and when it was retracted."""

    retracted_at = Time(allow_none=True)


class HistorySessionSchema(IntakeSessionSchema):
    """A session with as many steps as one may hold."""

    steps = fields.List(fields.Nested(HistoryStepSchema), validate=validate.Length(max=MAX_STEPS))


class HistorySchema(IntakeSchema):
    """A line: the body of POST /handoffs, and how it ended."""

    session = fields.Nested(HistorySessionSchema, required=True)
    id = TicketId(most=200, allow_none=True)
    created_at = Time(allow_none=True)
    resolution = Filled(most=20_000, allow_none=True)
    root_cause = Text(most=2000, allow_none=True)
    resolved_at = Time(allow_none=True)

    @validates_schema(skip_on_field_errors=True)
    def _makes_sense(self, data: dict[str, Any], **_: Any) -> None:
        resolved, created = data.get("resolved_at"), data.get("created_at")
        if data.get("resolution") is None and (resolved or data.get("root_cause")):
            raise ValidationError("Is missing.", "resolution")
        if data.get("resolution") is not None and data["intent"] == Intent.PARK:
            raise ValidationError("A parked one has none.", "resolution")
        if resolved and created and resolved < created:
            raise ValidationError("Is before created_at.", "resolved_at")


SCHEMA: Schema = HistorySchema()


@dataclass(frozen=True)
class Bad:
    """A line that cannot be loaded, with the reason, which quotes nothing of the line."""

    number: int
    reason: str


@dataclass(frozen=True)
class Raw:
    """A line as it stands in the file, without its end. None: it is longer than any line may be."""

    number: int
    content: bytes | None


def raw_lines(file: BinaryIO, *, longest: int = MAX_LINE_BYTES) -> Iterator[Raw | Bad]:
    """Yield every line with its number, one in memory at a time. A truncated file ends with a Bad."""
    number = 0
    while True:
        try:
            content = _read_line(file, longest)
        except (OSError, EOFError, zlib.error) as error:
            yield Bad(number + 1, f"the file cannot be read further ({_why(error)})")
            return
        if content == b"":
            return
        number += 1
        if number == 1 and content is not None:
            content = content.removeprefix(BOM)
        yield Raw(number, content)


def _why(error: BaseException) -> str:
    return "the compressed data ends early" if isinstance(error, EOFError) else type(error).__name__


def _read_line(file: BinaryIO, longest: int) -> bytes | None:
    """Read the next line with its end; b"" at the end of the file, None for one that is too long."""
    line = file.readline(longest + 1)
    if len(line) <= longest or line.endswith(b"\n"):
        return line
    while line and not line.endswith(b"\n"):
        line = file.readline(PIECE_BYTES)
    return None


def parse(raw: Raw) -> Line | Bad | None:
    """Parse a line; None: it is empty."""
    if raw.content is None:
        return Bad(raw.number, f"longer than {MAX_LINE_BYTES // 2**20} MiB")
    if not raw.content.strip():
        return None
    try:
        text = raw.content.decode("utf-8")
    except UnicodeDecodeError:
        return Bad(raw.number, "not UTF-8")
    try:
        content = without_empty(SCHEMA, loads(text))
    except RepeatedKeyError as error:
        return Bad(raw.number, str(error))
    except (ValueError, RecursionError):
        return Bad(raw.number, "not JSON")
    if not isinstance(content, dict):
        return Bad(raw.number, "not a JSON object")
    if depth(content) > MAX_DEPTH:
        return Bad(raw.number, f"nested deeper than {MAX_DEPTH} levels")
    try:
        return Line(raw.number, SCHEMA.load(content))
    except ValidationError as error:
        return Bad(raw.number, _reasons(error.normalized_messages()))


def _reasons(messages: dict[Any, Any], path: str = "") -> str:
    """`session.steps.3.kind: Must be one of …; reason: …`, at most a few of them."""
    found = []
    for name, inner in messages.items():
        # A name that is not a field was sent by somebody, so it is cut and shown without control characters.
        shown = "".join(character for character in str(name)[:60] if character.isprintable())
        where = f"{path}.{shown}" if path else shown
        if isinstance(inner, dict):
            found.append(_reasons(inner, where))
        else:
            found.append(f"{where}: {' '.join(map(str, inner))}")
    return "; ".join(found[:3])
