"""One shape of errors: application/problem+json (RFC 9457) with a stable `code` for machines."""

from __future__ import annotations

import traceback
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from models import logs
from models.database import dump_json, is_unavailable
from models.errors import Busy, Conflict, Forbidden, Invalid, NotFound, Refused, VersionMismatch

log = logs.logger(__name__)

STATUS = {Busy: 503, NotFound: 404, Conflict: 409, Forbidden: 403, Invalid: 422, VersionMismatch: 412}

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    412: "version_mismatch",
    413: "too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_fast",
    431: "headers_too_large",
    500: "internal",
    503: "unavailable",
}

TITLES = {422: "The request is well formed but not valid", 429: "Too many requests", 503: "Not available right now"}


class Problem(HTTPException):
    """Raised by the HTTP layer itself: a status, a code, and facts for the client."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None, **facts: Any):
        super().__init__(description=detail)
        self.code = status
        self.problem_code = code
        self.facts = facts
        self.headers = headers or {}


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **facts: Any) -> Response:
    """Build the error response. `facts` stand beside the standard members."""
    body = {
        "type": f"urn:resolutionflow:problem:{code}",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **{name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in facts.items()},
    }
    # A field's name comes back as it was sent, and half a surrogate pair cannot be sent.
    text = dump_json(body).encode(errors="replace")
    response = Response(text, status=status, mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def install(app: Flask) -> None:
    """Turn every failure into a problem."""
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, http_problem)
    app.register_error_handler(OperationalError, _unavailable)
    app.register_error_handler(PoolTimeout, _unavailable)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(Exception, _unexpected)


def _refused(error: Refused) -> Response:
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    headers = {"Retry-After": "1"} if status == 503 else None
    return problem(status, error.code, error.detail, headers=headers, **error.facts)


def http_problem(error: HTTPException) -> Response:
    """Build a problem from an exception of Werkzeug's or flask-smorest's."""
    if isinstance(error, Problem):
        return problem(
            error.code or 500, error.problem_code, error.description or "", headers=error.headers, **error.facts
        )
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    status = error.code or 500
    messages = getattr(error, "data", {}).get("messages")
    if status == 422 and messages:
        return problem(422, "invalid", "Some fields are not valid; see errors.", errors=messages)
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return problem(status, CODES.get(status, "error"), error.description or "", headers=headers)


def _unavailable(error: Exception) -> Response:
    log.error("database unavailable", error=type(error).__name__, path=request.path)
    return problem(503, "unavailable", "The database does not answer; try again.", headers={"Retry-After": "2"})


def _database_error(error: DBAPIError) -> Response:
    return _unavailable(error) if is_unavailable(error) else _unexpected(error)


def _unexpected(error: Exception) -> Response:
    # Neither the message nor the traceback's values: they may quote a ticket.
    log.error("unexpected error", error=type(error).__name__, path=request.path, where=_where(error))
    if isinstance(error, HTTPException) and not isinstance(error, InternalServerError):
        return http_problem(error)
    return problem(500, "internal", "Something went wrong here; it has been noted.")


def _where(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
