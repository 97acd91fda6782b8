"""Parse requests strictly: 400 for what cannot be parsed, 415 for what is not JSON, 422 for what is unknown."""

from __future__ import annotations

import json
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from flask import Request, g
from marshmallow import RAISE, Schema, fields
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict

from api.http.errors import Problem

MAX_DEPTH = 32


class StrictParser(FlaskParser):
    """webargs' parser, refusing unknown fields in the query as well as in the body."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {"json": RAISE, "query": RAISE, "headers": None}  # noqa: RUF012

    def use_args(self, argmap: Any, req: Request | None = None, **how: Any) -> Any:
        """Like webargs, with a schema created once: creating it per request builds every nested field again."""
        return super().use_args(argmap() if isinstance(argmap, type) else argmap, req, **how)

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Return the body as JSON; an empty one is an empty object, so that a move needs no body."""
        return without_empty(schema, read_json(req))

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Return the query without empty values; 422 if it is not UTF-8. Routes may check it by themselves."""
        if getattr(schema, "is_checked_by_route", False):
            return super().load_querystring(req, schema)
        try:
            unquote_to_bytes(req.query_string).decode()
        except UnicodeDecodeError as error:
            raise Problem(422, "invalid", "The query is not UTF-8.") from error
        optional = {field.data_key or name for name, field in schema.load_fields.items() if not field.required}
        given = [each for each in req.args.items(multi=True) if each[1].strip() or each[0] not in optional]
        return self._makeproxy(MultiDict(given), schema)


def read_json(req: Request) -> Any:
    """Return the request's body, parsed once. 400 when it is not JSON, 415 when it claims to be something else."""
    if "body" not in g:
        g.body = _parse(req)
    return g.body


def _parse(req: Request) -> Any:
    if req.content_encoding:
        raise Problem(415, "unsupported_media_type", "Content-Encoding is not supported; send the plain body.")
    data = req.get_data(cache=True)
    if not data:
        return {}
    if not req.is_json:
        raise Problem(415, "unsupported_media_type", "Send application/json.")
    try:
        parsed = loads(data.decode("utf-8-sig"))
    except RepeatedKeyError as error:
        raise Problem(400, "bad_request", f"The body {error}.") from error
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad_request", "The body is not JSON in UTF-8.") from error
    if depth(parsed) > MAX_DEPTH:
        raise Problem(400, "bad_request", f"The body is nested deeper than {MAX_DEPTH} levels.")
    return parsed


# What .NET and Go write for a time that was never set.
NEVER = ("0001-01-01T00:00:00", "0001-01-01 00:00:00")


def without_empty(schema: Schema, value: Any) -> Any:
    """Return a body without empty optional fields: many programs send "" for an absent value."""
    if not isinstance(value, dict):
        return value
    named = {field.data_key or name: field for name, field in schema.load_fields.items()}
    return {
        key: _inside(named[key], each) if key in named else each
        for key, each in value.items()
        if key not in named or named[key].required or not _is_empty(named[key], each)
    }


def _is_empty(field: fields.Field[Any], value: Any) -> bool:
    if not isinstance(value, str):
        return False
    return not value.strip() or (isinstance(field, fields.DateTime) and value.startswith(NEVER))


def _inside(field: fields.Field[Any], value: Any) -> Any:
    if isinstance(field, fields.Nested):
        return without_empty(field.schema, value)
    if isinstance(field, fields.List) and isinstance(value, list):
        return [_inside(field.inner, each) for each in value]
    return value


class RepeatedKeyError(ValueError):
    """Raised for an object with a repeated key: two readers would see different values."""


def loads(text: str) -> Any:
    """Parse strict JSON: no NaN, and no repeated key. Raises ValueError."""
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise RepeatedKeyError("has a key twice in one object")
    return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def depth(value: Any) -> int:
    """Return the nesting depth of a parsed body, computed without recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return deepest
