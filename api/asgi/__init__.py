"""Serve a web process: the event loop answers polls that find nothing new, threads run Flask for everything else.

Nearly every request is such a poll. It needs a recently verified token, a cursor and one value from Redis, and the
loop asks Redis once for all polls that arrived together. A thread, Flask and a schema around each would cost many
times as much (docs/decisions/0003). Anything that is not plainly such a poll goes to Flask, which gives the same
answers: both are built by api.feed.responses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from http import HTTPStatus

from flask import Flask
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from api import MAX_BODY_BYTES, MAX_FORM_BYTES, SECURITY_HEADERS, auth
from api.asgi.threads import Answer, InThreads, Receive, Scope, Send
from api.auth import cookie
from api.feed import cursor, responses
from api.feed.cursor import CursorError
from api.feed.responses import COUNTED, FeedResponse, caught_up
from api.http import answers, errors
from models import account, logs
from models.account import Caller
from models.feed.head import Polled
from models.feed.polls import Polls
from models.settings import settings

log = logs.logger(__name__)

FORMS = ("/sign-in", "/sign-out", "/sign-out/everywhere")
VERIFY_PAUSE_SECONDS = 1.0
PATH = "/api/v1/feed"
LIMIT = b"limit=(?:[1-9][0-9]?|1[0-9][0-9]|200)"
PLAIN = re.compile(rb"(?:%b&)?cursor=([A-Za-z0-9_-]{8,})(?:&%b)?(?:&collapse=(?:none|entity))?" % (LIMIT, LIMIT))


class Front:
    """An ASGI application, HTTP only. `pool` runs Flask."""

    def __init__(self, flask: Flask, pool: Executor) -> None:
        self._flask = flask
        self._rest = InThreads(flask, pool, too_long())
        self._pool = pool
        self._polls = Polls()
        self._is_verifying = False
        self._metrics_port = settings().metrics_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["path"] != PATH or scope["method"] != "GET" or self._is_for_metrics(scope):
            return await self._rest(scope, receive, send, most_body=await self._most_body(scope))
        said, polled = await self._poll(scope)
        if said is None:
            return await self._rest(scope, receive, send, most_body=0, **{COUNTED: polled})
        body = said.body.encode()
        length = {"Content-Length": str(len(body))} if said.status == HTTPStatus.OK else {}
        await Answer(said.status, (said.headers | length | SECURITY_HEADERS).items(), body).send(send)

    async def _most_body(self, scope: Scope) -> int:
        """How many bytes of a body to read: none if a token is needed and missing."""
        headers = dict(scope["headers"])
        if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            return 0
        if scope["path"] in FORMS:
            return MAX_FORM_BYTES
        if self._caller(headers):
            return MAX_BODY_BYTES
        address = (scope.get("client") or ("",))[0]
        is_known = await asyncio.get_running_loop().run_in_executor(self._pool, self._verify_now, headers, address)
        return MAX_BODY_BYTES if is_known else 0

    def _verify_now(self, headers: Mapping[bytes, bytes], address: str) -> bool:
        """Whether the token or login is valid; True if the database cannot be asked."""
        try:
            if b"authorization" in headers:
                return auth.verify(auth.bearer(headers[b"authorization"].decode("latin-1")), address) is not None
            key = cookie.login_key_in(self._flask, headers.get(b"cookie", b"").decode("latin-1"))
            return key is not None and auth.verify_login(key) is not None
        except DBAPIError:
            return True  # perhaps it can when Flask asks it
        except HTTPException:
            return False  # Flask gives the reason

    async def _poll(self, scope: Scope) -> tuple[FeedResponse | None, Polled | None]:
        """Return the answer to a caught-up poll, or None for Flask to answer, and Redis's reply if it was asked."""
        headers = dict(scope["headers"])
        asked = PLAIN.fullmatch(scope["query_string"])
        is_plain = len(headers) == len(scope["headers"]) and b"x-forwarded-prefix" not in headers
        if not asked or not is_plain or settings().cors_origins:
            return None, None
        who = self._caller(headers)
        if who is None:
            return None, None
        try:
            at = cursor.decode(asked[1].decode(), who.account_id, answers.signing_keys())
        except CursorError:
            return None, None
        self._keep_verified()
        polled = await self._polls.poll(who.account_id, who.token_id, at.epoch)
        hint = caught_up(at, polled)
        if hint is None:
            return None, polled
        tags = headers.get(b"if-none-match", b"").decode("latin-1")
        return responses.nothing_new(who.account_id, at, hint.pace, hint.quiet_seconds, tags), polled

    def _is_for_metrics(self, scope: Scope) -> bool:
        port = self._metrics_port
        return port is not None and scope["server"] is not None and scope["server"][1] == port

    def _keep_verified(self) -> None:
        """Re-verify cached tokens in one batch shortly before they expire."""
        if auth.are_ageing() and not self._is_verifying:
            self._is_verifying = True
            asyncio.get_running_loop().call_later(VERIFY_PAUSE_SECONDS, self._verify)

    def _verify(self) -> None:
        asyncio.get_running_loop().run_in_executor(self._pool, auth.verify_again).add_done_callback(self._verified)

    def _verified(self, done: asyncio.Future[None]) -> None:
        self._is_verifying = False
        if error := done.exception():
            log.warning("tokens not verified again", error=type(error).__name__)

    def _caller(self, headers: Mapping[bytes, bytes]) -> Caller | None:
        """Return the caller if they are known without the database."""
        if b"authorization" in headers:
            return auth.remembered(account.digest(auth.bearer(headers[b"authorization"].decode("latin-1"))))
        key = cookie.login_key_in(self._flask, headers.get(b"cookie", b"").decode("latin-1"))
        return auth.remembered(key) if key else None


def too_long() -> Answer:
    """The answer to a body that is too long."""
    said = errors.problem(413, errors.CODES[413], "The body of the request is too long.")
    return Answer(said.status_code, [*said.headers.items(), *SECURITY_HEADERS.items()], said.get_data())
