"""Answers of all routes: bodies as JSON text, lists with page tokens, versions as ETags."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Response, request
from itsdangerous import BadData, URLSafeSerializer

from api.http import etags
from api.http.errors import Problem
from models.database import dump_json
from models.feed.card import Representation
from models.settings import require_secret_key, settings

# Nothing of an account belongs in a cache; a client that sends If-None-Match has stored the answer itself.
PRIVATE = "private, no-store"
PRIVATE_VALIDATED = f"{PRIVATE}, no-cache"

VERSION = re.compile(r"([0-9]{1,9})(?:-|$)")  # what the tag of a handoff begins with


def signing_keys() -> tuple[str, ...]:
    """Return the current signing key, then the one that is still accepted."""
    return tuple(key for key in (require_secret_key(), settings().previous_secret_key) if key)


def answer(body: Any, status: int = 200, **headers: Any) -> Response:
    """Build a JSON response; text is taken as JSON. Header names have underscores; None leaves one out."""
    text = body if isinstance(body, str) else dump_json(body)
    response = Response(text, status=status, mimetype="application/json")
    for name, value in headers.items():
        if value is not None:
            response.headers[name.replace("_", "-")] = str(value)
    return response


def in_pieces(pages: Iterator[list[Any]], name: str, **others: Any) -> Response:
    """Stream a JSON object with one long list, whose pages are produced while the client reads.

    The first page is made at once, so that what is wrong is still an answer of its own.
    """
    first = next(pages, [])

    def text() -> Iterator[str]:
        yield f'{dump_json(others)[:-1]},"{name}":[' + ",".join(map(dump_json, first))
        between = "," if first else ""
        for page in pages:
            yield between + ",".join(map(dump_json, page))
        yield "]}"

    return Response(text(), mimetype="application/json")


def versioned(shown: Representation) -> Response:
    """Answer with a handoff and a weak ETag; 304 when the client has it."""
    response = answer(shown.text)
    digest = hashlib.sha256(response.get_data()).hexdigest()[:16]
    response.set_etag(tag := f"{shown.version}-{digest}", weak=True)
    response.headers["Cache-Control"] = PRIVATE_VALIDATED
    response.headers["Vary"] = "Authorization, Cookie"
    # If-Match is for writes; Werkzeug would answer a read with 412 and the body.
    if etags.named(request.headers.get("If-None-Match")) & {tag, etags.ANY}:
        response.status_code = 304
        response.set_data(b"")
    return response


def wanted_versions() -> set[int] | None:
    """Return the versions that If-Match accepts, or None for any. 412 when it names none."""
    given = request.headers.get("If-Match")
    if given is None:
        return None
    tags = etags.named(given)
    if etags.ANY in tags:
        return None
    numbers = {found[1] for tag in tags if (found := VERSION.match(tag))}
    if not numbers:
        raise Problem(412, "version_mismatch", "If-Match has no ETag of a handoff.")
    return {int(number) for number in numbers}


def page_token(account_id: UUID, kind: str, filters: dict[str, Any], position: list[Any]) -> str:
    """Return an opaque token for the next page, valid for the same list, filter and account only."""
    return _serializer(account_id, kind, filters).dumps(position)


def page_position(account_id: UUID, kind: str, filters: dict[str, Any], token: str) -> list[Any]:
    """Return the position in a page token, or raise 422."""
    try:
        return list(_serializer(account_id, kind, filters).loads(token))
    except (BadData, UnicodeError, TypeError) as error:
        raise Problem(422, "page_invalid", "This page token belongs to another list.") from error


def _serializer(account_id: UUID, kind: str, filters: dict[str, Any]) -> URLSafeSerializer:
    salt = dump_json([kind, str(account_id), {name: str(value) for name, value in sorted(filters.items())}])
    return URLSafeSerializer(signing_keys()[::-1], salt=salt)
