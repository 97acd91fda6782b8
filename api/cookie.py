"""The browser's login: a signed cookie that names a token without holding it, and the check against forged writes.

Flask signs its session cookie but does not encrypt it. So it carries the token's digest, which is what the
database keeps too: it proves nothing without our signature, and nobody can make the token from it. Every
request asks for the token anew, so a revoked one ends the session as soon as it ends the token.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from api.errors import Problem
from models.settings import settings

NAME = "escalation"
LIFETIME = timedelta(hours=12)  # a working day; then the token is asked for again
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class CookieSessions(SecureCookieSessionInterface):
    """Flask's sessions, signed with our two keys, marked Secure exactly when the request came by https."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Signs with the present key and accepts the previous one. None: there is no key, so no sessions."""
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
        """As Flask's, without making a signer for a request that has nothing to verify."""
        if settings().secret_key and not request.cookies.get(NAME):
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether the browser must keep the cookie to https."""
        return request.is_secure


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


def begin(token_digest: str) -> None:
    """Sign this browser in."""
    session.clear()
    session.permanent = True
    session["token"] = token_digest
    session["csrf"] = secrets.token_urlsafe(24)


def end() -> None:
    """Sign this browser out."""
    session.clear()


def token_digest() -> str | None:
    """The digest of the token that this browser signed in with, or None."""
    found = session.get("token")
    return found if isinstance(found, str) else None


def token_digest_in(app: Flask, header: str) -> str | None:
    """The same by the Cookie header of a request that Flask has not begun."""
    found = app.session_interface.open_session(app, app.request_class({"HTTP_COOKIE": header}))
    digest = found.get("token") if found else None
    return digest if isinstance(digest, str) else None


def csrf_token() -> str:
    """What a page of this session must send with every write; empty without a session."""
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
    ours = site in ("none", "same-origin") if site else not origin or urlsplit(origin).netloc == request.host
    if not ours:
        raise Problem(403, "csrf", "This form was sent by another site.")
