"""Static files under addresses that change with their content, so that browsers may keep them for a year."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, send_from_directory, url_for

FOLDER = Path(__file__).parent / "static"
YEAR_SECONDS = 365 * 24 * 3600

_IMPORT = re.compile(r'^(?:import|export)\b[^;]*?from "\./(\w+\.js)";', re.MULTILINE)

blueprint = Blueprint("assets", __name__)


@cache
def digest() -> str:
    """Return the digest of all static files. It stands in the path, so that modules import each other relatively."""
    content = hashlib.sha256()
    for file in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        content.update(f"{file.relative_to(FOLDER)}\0".encode() + file.read_bytes() + b"\0")
    return content.hexdigest()[:12]


def asset(name: str) -> str:
    """Return the address of a static file."""
    return url_for("assets.send", version=digest(), name=name)


@cache
def imported_by(script: str) -> tuple[str, ...]:
    """Return the modules that a script imports, directly or not, for a browser to fetch at once."""
    return tuple(dict.fromkeys(_imports(script, {script})))


def _imports(script: str, seen: set[str]) -> Iterator[str]:
    for name in _IMPORT.findall((FOLDER / "js" / script).read_text(encoding="utf-8")):
        if name not in seen:
            seen.add(name)
            yield name
            yield from _imports(name, seen)


@blueprint.get("/static/v-<version>/<path:name>")
def send(version: str, name: str) -> Response:
    """Send a static file, to be kept for a year if this process has the version that was asked for.

    A page loaded before an update asks for another version; browsers must not store the answer under that name.
    """
    response = send_from_directory(FOLDER, name)
    if version == digest():
        response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
    return response


@blueprint.app_context_processor
def _for_templates() -> dict[str, Any]:
    return {"asset": asset, "imported_by": imported_by}
