"""Who is calling, and what they may do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from math import ceil
from typing import Any, ParamSpec, TypeVar

from cachetools import TTLCache
from flask import g, request

from api import jwts
from api.errors import Problem
from models import account, logs
from models.account import Caller, Role
from models.handoff import Actor
from models.limits import limits
from models.transaction import upkeep

# A verified token is believed for this long, so that a poll asks no database. It bounds how late a revocation
# is noticed; 30 s are promised.
BELIEVED_SECONDS = 20

P = ParamSpec("P")
T = TypeVar("T")

_verified: TTLCache[str, tuple[Caller, datetime | None]] = TTLCache(maxsize=20_000, ttl=BELIEVED_SECONDS)
_lock = threading.Lock()


def requires(role: Role | str, *, limited: bool = True) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a route run only for a caller with this role or more; 401 without a valid token, 403 below it.

    429 when the token or the account asks too often; `limited=False` is for a route that counts by itself.
    """
    needed = Role(role)

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            g.caller = identify()
            logs.bind(account=str(g.caller.account_id), user=str(g.caller.user_id))
            if limited:
                refuse_too_fast(g.caller)
            if not g.caller.role.covers(needed):
                raise Problem(403, "forbidden", f"This needs the role {needed}; yours is {g.caller.role}.")
            return view(*args, **kwargs)

        guarded.required_role = needed  # type: ignore[attr-defined]
        return guarded

    return decorate


def refuse_too_fast(who: Caller) -> None:
    """429 when the token or the account has used up its minute."""
    wait = limits().seconds_to_wait(who)
    if wait > 0:
        raise Problem(429, "too_fast", "Too many requests.", headers={"Retry-After": str(ceil(wait))})


def caller() -> Caller:
    """The caller of this request."""
    found: Caller = g.caller
    return found


def actor() -> Actor:
    """The caller, as the moves know them."""
    return Actor(caller().user_id, caller().is_admin)


def identify() -> Caller:
    """The caller by the bearer token, or 401."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _unauthorized("Send Authorization: Bearer <token>.")
    found = verify(secret.strip())
    if found is None:
        raise _unauthorized("The token is unknown, expired or revoked.")
    return found


def verify(secret: str) -> Caller | None:
    """The caller of a token, from memory or from the database."""
    digest = account.digest(secret)
    with _lock:
        known = _verified.get(digest)
    if known is None:
        known = _authenticated(secret, digest)
        if known is None:
            return None
        with _lock:
            _verified[digest] = known
    found, expires_at = known
    if expires_at is not None and expires_at <= datetime.now(UTC):
        return None
    return found


def _authenticated(secret: str, digest: str) -> tuple[Caller, datetime | None] | None:
    if jwts.looks_like_one(secret):
        return jwts.authenticate(secret)
    with upkeep() as session:
        return account.authenticate(session, digest)


def forget_verified() -> None:
    """Ask the database again for every token."""
    with _lock:
        _verified.clear()


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def required_role(view: Any) -> Role | None:
    """The role that a view asks for; None: it is open."""
    return getattr(view, "required_role", None)
