"""HTTP and the command line: parse, call, answer. The only folder that knows Flask."""

from __future__ import annotations

from uuid import uuid4

from flask import Flask, Response, request
from flask_smorest import Api

from api import (
    analytics,
    assessments,
    batches,
    cli,
    cli_batches,
    cli_history,
    cookie,
    cors,
    docs,
    errors,
    feed,
    handoffs,
    health,
    pages,
    people,
    reference,
    sessions,
)
from api.patience import PatientFlask
from models import logs
from models.errors import NotFound

MAX_BODY_BYTES = 1024 * 1024
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
BEARER = "A token of `flask tokens issue`; also a JWT of the main product, where that is switched on."


def create_app() -> Flask:
    """The web application and its commands."""
    logs.set_up()
    app = PatientFlask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        API_TITLE="ResolutionFlow Escalation Mode",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api/v1",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = Api(app, spec_kwargs={"security": [{"bearer": []}], "extra_plugins": [docs.Completion()]})
    api.DEFAULT_ERROR_RESPONSE_NAME = None
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "description": BEARER})
    parts = (handoffs, assessments, sessions, feed, people, batches, analytics)
    for blueprint in (part.blueprint for part in parts):
        api.register_blueprint(blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(reference.blueprint)
    app.register_blueprint(pages.blueprint)
    cookie.install(app)
    errors.install(app)
    cli.install(app, *cli_batches.COMMANDS, *cli_history.COMMANDS)
    app.before_request(_begin)
    app.after_request(_secure)
    cors.install(app)
    return app


def _begin() -> None:
    logs.clear()
    logs.bind(request=request.headers.get("X-Request-Id", "")[:64] or uuid4().hex)
    if "\x00" in request.path:  # PostgreSQL cannot even be asked for it
        raise NotFound


def _secure(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
