"""Authentication and roles."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from itertools import islice
from math import ceil
from typing import Any, ParamSpec, TypeVar

from cachetools import TLRUCache
from flask import g, request

from api.auth import cookie, jwts
from api.http.errors import Problem
from models import account, logs
from models.account import Caller, CallerChangedError, Role
from models.account.limits import limits
from models.database.executor import Session
from models.handoff import Actor
from models.transaction import maintenance, maintenance_message, only_while

# A verified token is believed for so long, so that a poll asks no database. The longer bounds how late a revocation
# is noticed (30 s are promised); that they differ keeps tokens that came together from ending together.
BELIEVED_SECONDS = 20.0, 25.0
# A stored one that is used after so long is verified again before that, together with others.
AGEING_SECONDS = 10.0
MOST_TOGETHER = 2000

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class CachedCaller:
    """A verified caller (or None) of a token or login, with the time of verification (time.monotonic)."""

    caller: Caller
    expires_at: datetime | None
    asked_at: float
    is_stored: bool


def _believed_until(_: str, known: CachedCaller, __: float) -> float:
    return known.asked_at + random.uniform(*BELIEVED_SECONDS)


_verified: TLRUCache[str, CachedCaller] = TLRUCache(maxsize=20_000, ttu=_believed_until)
_ageing: set[str] = set()
_lock = threading.Lock()


def requires(role: Role | str, *, limited: bool = True) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a route run only for a caller with this role or more; 401 without a valid token, 403 below it.

    429 when the token or the account asks too often; `limited=False` is for a route that counts by itself.
    """
    needed = Role(role)

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            _admit(needed, limited=limited)
            if request.method in cookie.SAFE_METHODS:
                return view(*args, **kwargs)
            with suppress(CallerChangedError), only_while(g.caller):
                return view(*args, **kwargs)
            _forget_caller()  # their access differs from what this process remembers, and is looked up again
            _admit(needed, limited=False)
            with suppress(CallerChangedError), only_while(g.caller):
                return view(*args, **kwargs)
            raise _unauthorized("Your access has changed meanwhile.")

        guarded.required_role = needed  # type: ignore[attr-defined]
        return guarded

    return decorate


def _admit(needed: Role, *, limited: bool) -> None:
    """Authenticate the caller; 401, 429, or 403 for too low a role."""
    g.caller = identify()
    logs.bind(account=str(g.caller.account_id), user=str(g.caller.user_id))
    if limited:
        refuse_too_fast(g.caller)
    if not g.caller.role.covers(needed):
        raise Problem(403, "forbidden", f"This needs the role {needed}; yours is {g.caller.role}.")


def _forget_caller() -> None:
    """Drop the cached caller of this request's token, so that the database is asked again; logins always are."""
    _remember([account.digest(bearer(request.headers.get("Authorization", "")))], {})


def refuse_too_fast(who: Caller) -> None:
    """Raise 429 when the token or the account has used up its minute."""
    wait = limits().seconds_to_wait(who)
    if wait > 0:
        raise Problem(429, "too_fast", "Too many requests.", headers={"Retry-After": str(ceil(wait))})


def caller() -> Caller:
    """Return the caller of this request."""
    found: Caller = g.caller
    return found


def actor() -> Actor:
    """Return the caller as an Actor for moves."""
    return Actor(caller().user_id, caller().is_admin)


def identify() -> Caller:
    """Return the caller by bearer token or browser session, or raise 401; 403 for a session's forged write."""
    if "Authorization" not in request.headers and (key := cookie.login_key()) is not None:
        signed_in = verify_login(key)
        if signed_in is None:
            raise _unauthorized("Your session has ended; sign in again.")
        cookie.refuse_forged_write()
        return signed_in
    secret = bearer(request.headers.get("Authorization", ""))
    if not secret:
        raise _unauthorized("Send Authorization: Bearer <token>.")
    found = verify(secret, request.remote_addr or "")
    if found is None:
        raise _unauthorized("The token is unknown, expired or revoked.")
    return found


def bearer(header: str) -> str:
    """Return the token of an Authorization header; empty: there is none."""
    scheme, _, secret = header.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def verify(secret: str, address: str) -> Caller | None:
    """Return the caller of a token, cached or from the database. 429 after many wrong ones from this address."""
    proof = account.digest(secret)
    if found := remembered(proof):
        return found
    if wait := limits().seconds_to_wait_with_tokens(address):
        raise Problem(429, "too_fast", "Too many wrong tokens.", headers={"Retry-After": str(ceil(wait))})
    known = _authenticated(secret)
    if known is None:
        limits().count_wrong_token(address)
        return None
    _remember([proof], {proof: known})
    return remembered(proof)


def verify_login(key: str) -> Caller | None:
    """Return the person to whom a login belongs; None: it has ended.

    Asked of the database each time, because a login may have ended in another process. Only polls that find nothing
    new are answered from memory.
    """
    _remember([key], _stored([key]))
    return remembered(key)


def end_logins(end: Callable[[Session], list[str]]) -> None:
    """End logins in a transaction; `end` does it and returns their keys."""
    with maintenance() as session:
        keys = end(session)
    _remember(keys, {})


def remembered(proof: str) -> Caller | None:
    """Return the cached caller of a recently verified token or login; None: ask the database."""
    with _lock:
        known = _verified.get(proof)
        if known is None:
            return None
        if known.is_stored and time.monotonic() - known.asked_at > AGEING_SECONDS:
            _ageing.add(proof)
    return known.caller if known.expires_at is None or known.expires_at > datetime.now(UTC) else None


def are_ageing() -> bool:
    """Whether tokens in use should be verified again."""
    return bool(_ageing)


def verify_again() -> None:
    """Verify in one query the tokens in use that were last verified some time ago.

    Any error leaves them believed until their time is over, as without this.
    """
    with _lock:
        proofs = list(islice(_ageing, MOST_TOGETHER))
        _ageing.difference_update(proofs)
    _remember(proofs, _stored(proofs))


def _remember(proofs: list[str], found: Mapping[str, CachedCaller]) -> None:
    with _lock:
        for proof in proofs:
            if proof in found:
                _verified[proof] = found[proof]
            else:
                _verified.pop(proof, None)


def _authenticated(secret: str) -> CachedCaller | None:
    if not jwts.looks_like_one(secret):
        digest = account.digest(secret)
        return _stored([digest]).get(digest)
    asked_at = time.monotonic()
    found = jwts.authenticate(secret)
    return CachedCaller(*found, asked_at, is_stored=False) if found else None


def _stored(proofs: list[str]) -> dict[str, CachedCaller]:
    asked_at = time.monotonic()
    with maintenance_message() as message:
        found = account.authenticate(message, proofs)
    return {proof: CachedCaller(*known, asked_at, is_stored=True) for proof, known in found.items()}


def forget_verified() -> None:
    """Clear the cache of tokens and logins."""
    with _lock:
        _verified.clear()
        _ageing.clear()


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def required_role(view: Any) -> Role | None:
    """Return the role that a view requires; None: it is open."""
    return getattr(view, "required_role", None)
