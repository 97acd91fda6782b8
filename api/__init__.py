"""HTTP and the command line: parse, call, answer. The only folder that knows Flask."""

from __future__ import annotations

import json
from functools import cached_property
from uuid import uuid4

from flask import Flask, Response, request
from flask_smorest import Api

from api import (
    analytics,
    assessments,
    assets,
    audit,
    batches,
    cli,
    feed,
    handoffs,
    health,
    openapi,
    pages,
    people,
    sessions,
    settings,
    tokens,
)
from api.auth import cookie
from api.http import answers, cors, errors
from api.http.retry import RetryingFlask
from api.openapi import page
from models import logs
from models.errors import NotFound
from models.settings import settings as of_installation

MAX_BODY_BYTES = 1024 * 1024
MAX_FORM_BYTES = 16 * 1024  # for people who have not signed in yet
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
HSTS = f"max-age={365 * 24 * 3600}"
BEARER = "A token of `flask tokens issue`; also a JWT of the main product, where that is switched on."


class OnceApi(Api):
    """flask-smorest's Api with a document that is built once instead of for each reader."""

    def _openapi_json(self) -> Response:
        return Response(self._document, mimetype="application/json")

    @cached_property
    def _document(self) -> str:
        return json.dumps(self.spec.to_dict(), indent=2)


def create_app() -> Flask:
    """Create the web application with its commands."""
    logs.set_up()
    app = RetryingFlask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        API_TITLE="ResolutionFlow Escalation Mode",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api/v1",
        OPENAPI_JSON_PATH="openapi.json",
    )
    # No redirects by the router: they would follow the Host header, and change an id with two slashes.
    app.url_map.merge_slashes = app.url_map.strict_slashes = False
    app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # labels come in the order of display
    api = OnceApi(app, spec_kwargs={"security": [{"bearer": []}], "extra_plugins": [openapi.Completion()]})
    api.DEFAULT_ERROR_RESPONSE_NAME = None
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "description": BEARER})
    parts = (handoffs, assessments, sessions, feed, people, tokens, settings, batches, analytics, audit)
    for blueprint in (part.blueprint for part in parts):
        api.register_blueprint(blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(page.blueprint)
    app.register_blueprint(assets.blueprint)
    app.register_blueprint(pages.blueprint)
    cookie.install(app)
    errors.install(app)
    cli.install(app)
    app.before_request(_begin)
    app.after_request(_secure)
    cors.install(app)
    return app


def _begin() -> None:
    logs.clear()
    logs.bind(request=request.headers.get("X-Request-Id", "")[:64] or uuid4().hex)
    if (request.environ["SERVER_PORT"] == str(of_installation().metrics_port)) != (request.path == "/metrics"):
        raise NotFound
    if request.headers.get("X-Forwarded-Prefix", "").strip("/ "):  # every link would lead past the proxy's prefix
        raise errors.Problem(
            400, "bad_request", "The service cannot be reached under a prefix; give it a host name of its own."
        )
    if "\x00" in request.path:  # PostgreSQL cannot even be asked for it
        raise NotFound


def _secure(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", answers.PRIVATE)
    if cookie.came_by_https():
        response.headers["Strict-Transport-Security"] = HSTS
    return response
