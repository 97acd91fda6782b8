"""`/docs`: the API for people, as Swagger UI. Everything is served from this server."""

from __future__ import annotations

from importlib.resources import files

from flask import Blueprint, Response, render_template

ASSETS = str(files("flask_swagger_ui") / "dist")

# A file of its own, so that the page needs no inline script.
START = """
SwaggerUIBundle({
  url: "/api/v1/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], docExpansion: "list", persistAuthorization: false
});
"""

# Swagger UI sets style attributes; a style cannot read or send anything here, since only this origin is reached.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

blueprint = Blueprint("reference", __name__, static_folder=ASSETS, static_url_path="/docs/assets")


@blueprint.get("/docs")
def page() -> Response:
    """The page."""
    response = Response(render_template("reference.html"), mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("/docs/start.js")
def start() -> Response:
    """What starts Swagger UI."""
    return Response(START, mimetype="text/javascript")
