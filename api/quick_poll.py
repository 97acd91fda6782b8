"""Polls that find nothing new, answered before Flask begins: nearly every request is one.

Such a poll needs a token that was verified a moment ago, a cursor and one call of Redis. What Flask and the
schema of the query do around that costs three times as much (docs/performance.md). Whatever is not plainly
such a poll goes on to Flask, whose answers are the same: both are made by api.feed_answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask

from api import answers, auth, cookie, cursor, feed_answers
from api.cursor import Cursor, CursorError
from api.feed_answers import Said
from models import account
from models.account import Caller
from models.head import Hint, Polled, heads
from models.settings import settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/api/v1/feed"
LIMIT = "limit=(?:[1-9][0-9]?|1[0-9][0-9]|200)"
PLAIN = re.compile(rf"(?:{LIMIT}&)?cursor=([A-Za-z0-9_-]{{8,}})(?:&{LIMIT})?(?:&collapse=(?:none|entity))?")
COUNTED = "escalation.polled"


def install(app: Flask, headers: dict[str, str]) -> None:
    """Stand before the application; `headers` go out with every answer."""
    app.wsgi_app = QuickPoll(app, headers)  # type: ignore[method-assign]


def counted(environ: WSGIEnvironment) -> Polled | None:
    """What Redis said to this poll already, so that it is counted once."""
    found: Polled | None = environ.get(COUNTED)
    return found


def caught_up(at: Cursor, polled: Polled) -> Hint | None:
    """Redis's word that nothing came after the cursor; None: the database must be asked."""
    hint = polled.hint
    return hint if hint and hint.head == at.seq and at.scope == cursor.SCOPE else None


class QuickPoll:
    """WSGI: answers what it can, hands on the rest."""

    def __init__(self, app: Flask, headers: dict[str, str]) -> None:
        self.app = app
        self.next: WSGIApplication = app.wsgi_app
        self.headers = list(headers.items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        said = self.answer(environ) if environ["PATH_INFO"] == PATH else None
        if said is None:
            return self.next(environ, start_response)
        body = said.body.encode()
        length = [("Content-Length", str(len(body)))] if said.status == HTTPStatus.OK else []
        status = HTTPStatus(said.status)
        start_response(f"{status.value} {status.phrase.upper()}", [*said.headers.items(), *length, *self.headers])
        return [body]

    def answer(self, environ: WSGIEnvironment) -> Said | None:
        """The answer to a caught-up poll; None: Flask shall answer."""
        asked = PLAIN.fullmatch(environ.get("QUERY_STRING", ""))
        if not asked or environ["REQUEST_METHOD"] != "GET" or settings().cors_origins:
            return None
        who = self.caller(environ)
        if who is None:
            return None
        try:
            at = cursor.decode(asked[1], who.account_id, answers.signing_keys())
        except CursorError:
            return None
        polled = environ[COUNTED] = heads().poll(who.account_id, who.token_id, at.epoch)
        hint = caught_up(at, polled)
        if hint is None or polled.wait_seconds > 0:
            return None
        tags = environ.get("HTTP_IF_NONE_MATCH")
        return feed_answers.nothing_new(who.account_id, at, hint.pace, hint.quiet_seconds, tags)

    def caller(self, environ: WSGIEnvironment) -> Caller | None:
        """Who asks, where that is known without the database."""
        if "HTTP_AUTHORIZATION" in environ:
            return auth.remembered(account.digest(auth.bearer(environ["HTTP_AUTHORIZATION"])))
        digest = cookie.token_digest_in(self.app, environ)
        return auth.remembered(digest) if digest else None
