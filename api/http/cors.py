"""CORS: no other origin may call the API unless CORS_ORIGINS names it."""

from __future__ import annotations

from flask import Flask, Response, request

from models.settings import settings

METHODS = "GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
EXPOSED_HEADERS = "ETag, Feed-Seq, Idempotent-Replayed, Location, Poll-Interval, Retry-After"
PREFLIGHT_SECONDS = 600


def install(app: Flask) -> None:
    """Answer preflights and mark answers, for the API alone. Cookies are never allowed along."""
    app.after_request(_allow)


def _allow(response: Response) -> Response:
    if not settings().cors_origins or not request.path.startswith("/api/"):
        return response
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in settings().cors_origins:
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response
