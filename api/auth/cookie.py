"""The browser's side of a login: a signed cookie naming a row of the database, and the check against forged writes.

The cookie proves nothing without our signature and nothing without the row, so signing out ends every copy of it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from api.http.errors import Problem
from models.account.login import LIFETIME
from models.settings import settings

NAME = "escalation"
# Headers in which proxies report the browser's scheme. Of several values the first is nearest to the browser.
PROXY_HEADERS = ("X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "Front-End-Https", "Forwarded")
HTTPS = re.compile(r"(^|[ ,;])(proto=\"?)?(https|on)\b")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class CookieSessions(SecureCookieSessionInterface):
    """Flask's sessions, signed with our two keys, and marked Secure if the browser came by https."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Sign with the current key and accept the previous one. None: there is no key, so no sessions."""
        now, before = settings().secret_key, settings().previous_secret_key
        if now is None:
            return None
        return URLSafeTimedSerializer(
            [key for key in (before, now) if key],
            salt="sign-in",
            serializer=self.serializer,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )

    def open_session(self, app: Flask, request: Request) -> Any:
        """Like Flask's, but without creating a signer for a request that has nothing to verify."""
        if settings().secret_key and not request.cookies.get(NAME):
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether the browser must keep the cookie to https."""
        return came_by_https()


def came_by_https() -> bool:
    """Whether the browser speaks https with us or with a proxy before us.

    These headers are believed from anybody: a client that lies only makes its own cookie useless.
    """
    said = " ".join(request.headers.get(name, "") for name in PROXY_HEADERS).lower()
    return settings().https_only or request.is_secure or bool(HTTPS.search(said))


def install(app: Flask) -> None:
    """Give the application its cookie sessions."""
    app.session_interface = CookieSessions()
    app.config.update(
        SESSION_COOKIE_NAME=NAME,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )


def begin(login_key: str) -> None:
    """Set the cookie of a login in this browser."""
    session.clear()
    session.permanent = True
    session["login"] = login_key
    session["csrf"] = secrets.token_urlsafe(24)


def end() -> None:
    """Delete the cookie."""
    session.clear()


def login_key() -> str | None:
    """Return the login's key from this browser's cookie, or None."""
    found = session.get("login")
    return found if isinstance(found, str) else None


def login_key_in(app: Flask, header: str) -> str | None:
    """The same for a Cookie header outside of Flask's request handling."""
    found = app.session_interface.open_session(app, app.request_class({"HTTP_COOKIE": header}))
    key = found.get("login") if found else None
    return key if isinstance(key, str) else None


def csrf_token() -> str:
    """Return the token that a page of this session must send with every write; empty without a session."""
    return str(session.get("csrf", ""))


def refuse_forged_write(given: str | None = None) -> None:
    """403 unless a write carries this session's CSRF token: another site can neither read nor guess it.

    `given` is the token from a form; without it the header X-CSRF-Token counts.
    """
    if request.method in SAFE_METHODS:
        return
    given = request.headers.get("X-CSRF-Token", "") if given is None else given
    expected = csrf_token()
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem(403, "csrf", "The page is out of date; load it again.")


def refuse_foreign_form() -> None:
    """403 for a form that another site's page has sent: before sign-in there is no session to bind it to."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    # Browsers send the first only to https and localhost.
    ours = site in ("none", "same-origin") if site else not origin or _host_of(origin) == request.host
    if not ours:
        raise Problem(403, "csrf", "This form was sent by another site.")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
