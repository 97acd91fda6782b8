"""What every route says of its errors in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from marshmallow import Schema, fields

View = TypeVar("View", bound=Callable[..., Any])

DESCRIPTIONS = {
    400: "The request cannot be parsed",
    401: "No valid token",
    403: "Not with this role, or not your claim",
    404: "No such thing in this account",
    409: "The state does not allow it; `code` says why",
    410: "The feed cannot be continued from this cursor; load the queue",
    412: "If-Match names an older version",
    413: "The body is larger than 1 MiB",
    415: "The body is not plain JSON",
    422: "Well formed, but not valid; see `errors`",
    429: "Too many requests; wait for Retry-After seconds",
    503: "The database does not answer; wait for Retry-After seconds",
}

EVERYWHERE = (400, 401, 403, 413, 415, 422, 429, 503)


class ProblemSchema(Schema):
    """RFC 9457 problem details. `code` is for machines; further members depend on it."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String()
    detail = fields.String()
    errors = fields.Dict()


def problems(*statuses: int) -> Callable[[View], View]:
    """Document these errors on a route, beside those that every route may answer."""

    def decorate(view: View) -> View:
        # What alt_response() would note, without wrapping the view once for each status.
        documented = view.__dict__.setdefault("_apidoc", {}).setdefault("response", {}).setdefault("responses", {})
        for status in sorted({*EVERYWHERE, *statuses}):
            documented[status] = [
                {
                    "schema": ProblemSchema(),
                    "description": DESCRIPTIONS[status],
                    "content_type": "application/problem+json",
                }
            ]
        return view

    return decorate
