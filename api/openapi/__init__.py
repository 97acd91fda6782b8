"""Additions to the generated OpenAPI document: errors with their codes, headers, examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from apispec import BasePlugin
from marshmallow import INCLUDE, Schema, fields, validate

from api.openapi.examples import ANSWERS, BODIES

View = TypeVar("View", bound=Callable[..., Any])

DESCRIPTIONS = {
    400: "The request cannot be parsed",
    401: "No valid token",
    403: "Not with this role, or not your claim",
    404: "No such thing in this account",
    405: "The path has no such method",
    409: "The state does not allow it",
    410: "The feed cannot be continued from this cursor; load the queue",
    412: "If-Match names an older version",
    413: "The body is larger than 1 MiB",
    415: "The body is not plain JSON",
    422: "Well formed, but not valid; see `errors`",
    429: "Too many requests; wait for Retry-After seconds",
    500: "An error of ours; it has been noted",
    503: "The database does not answer; wait for Retry-After seconds",
}

# Every code there is, by status. Codes never change.
CODES = {
    400: ["bad_request", "cursor_invalid", "cursor_required", "parameter_invalid"],
    401: ["unauthorized"],
    403: ["csrf", "forbidden", "not_author", "not_claimer", "not_yours"],
    404: ["not_found"],
    405: ["method_not_allowed"],
    406: ["not_acceptable"],
    408: ["request_timeout"],
    409: [
        "already_claimed",
        "already_open",
        "already_running",
        "cost_ceiling",
        "deactivated",
        "last_admin",
        "own_handoff",
        "targeted",
        "too_late",
        "too_many_steps",
        "wrong_state",
    ],
    410: ["feed_reset"],
    412: ["version_mismatch"],
    413: ["too_large"],
    414: ["uri_too_long"],
    415: ["unsupported_media_type"],
    422: [
        "invalid",
        "ambiguous",
        "idempotency_mismatch",
        "name_invalid",
        "language_unknown",
        "no_admin",
        "page_invalid",
        "ages_crossed",
        "question_unknown",
        "seq_ahead",
        "target_is_author",
        "user_unknown",
    ],
    429: ["too_fast"],
    431: ["headers_too_large"],
    500: ["internal", "error"],
    503: ["unavailable", "busy"],
}

EVERYWHERE = (400, 401, 403, 413, 415, 422, 429, 500, 503)
WAITING = (429, 503)
WRITES = ("post", "patch")


class ProblemSchema(Schema):
    """RFC 9457 problem details. `code` is for machines and never changes; further members depend on it."""

    class Meta:
        unknown = INCLUDE

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String(validate=validate.OneOf([code for codes in CODES.values() for code in codes]))
    detail = fields.String()
    errors = fields.Dict(metadata={"description": "By place and field, what is wrong with it."})


def problems(*statuses: int) -> Callable[[View], View]:
    """Document these errors on a route, beside those that every route may answer."""

    def decorate(view: View) -> View:
        # What alt_response() would note, without wrapping the view once for each status.
        documented = view.__dict__.setdefault("_apidoc", {}).setdefault("response", {}).setdefault("responses", {})
        for status in sorted({*EVERYWHERE, *statuses}):
            documented[status] = [
                {
                    "schema": ProblemSchema(),
                    "description": f"{DESCRIPTIONS[status]}. `code`: {', '.join(CODES[status])}",
                    "content_type": "application/problem+json",
                    "example": _example(status),
                }
            ]
        return view

    return decorate


def _example(status: int) -> dict[str, Any]:
    code = CODES[status][0]
    return {
        "type": f"urn:resolutionflow:problem:{code}",
        "title": DESCRIPTIONS[status],
        "status": status,
        "code": code,
        "detail": DESCRIPTIONS[status],
        **({"errors": {"json": {"reason": ["Missing data for required field."]}}} if status == 422 else {}),
    }


IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of the handoff as you read it; 412 when it has changed since.",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag that you have; 304 when it is still the one.",
}
HEADERS = {
    "ETag": "The version of what is answered, for If-None-Match and If-Match",
    "Feed-Seq": "The number up to which the feed has to be read to see this write",
    "Location": "Where the handoff is",
    "Poll-Interval": "Seconds until the next poll; -1 means stop",
    "Retry-After": "Seconds to wait",
}


OUT_OF_FEED = tuple(f"/api/v1/{part}" for part in ("batches", "people", "settings"))  # a write there is no event


class Completion(BasePlugin):
    """Adds headers and examples to each operation, as they follow from its kind."""

    def operation_helper(self, path: str | None = None, operations: dict[str, Any] | None = None, **_: Any) -> None:
        """Called for every path, with what is known of it so far."""
        for method, operation in (operations or {}).items():
            if isinstance(operation, dict) and "responses" in operation:
                _complete(path or "", method, operation)


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = {str(status): response for status, response in operation["responses"].items()}
    for status, response in responses.items():
        _add_headers(response, _headers(path, method, status))
        content = response.get("content", {}).get("application/json")
        if content is not None and (method, path) in ANSWERS:
            content["example"] = ANSWERS[method, path]
    if method in WRITES and "412" in responses:
        operation.setdefault("parameters", []).append(IF_MATCH)
    if "304" in responses:
        operation.setdefault("parameters", []).append(IF_NONE_MATCH)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and (method, path) in BODIES:
        body["example"] = BODIES[method, path]
        return
    if body is not None:
        operation["requestBody"]["required"] = False  # every body without an example may be left out


def _headers(path: str, method: str, status: str) -> list[str]:
    if status in map(str, WAITING):
        return ["Retry-After"]
    if status[0] not in "23":
        return []
    if path.endswith("/feed"):
        return ["ETag", "Poll-Interval"]
    names = ["Feed-Seq"] if method in WRITES and not path.startswith(OUT_OF_FEED) and status[0] == "2" else []
    names += ["ETag"] if method == "get" and path.endswith("/handoffs/{handoff_id}") else []
    names += ["Location"] if status == "202" and path.endswith(("/handoffs", "/escalate")) else []
    return names


def _add_headers(response: dict[str, Any], names: list[str]) -> None:
    for name in names:
        described = {"description": HEADERS[name], "schema": {"type": "string"}}
        response.setdefault("headers", {})[name] = described
