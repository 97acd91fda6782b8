"""JWTs of the main product as another way to authenticate.

`sub` is the person's id here, and the claim named by JWT_ACCOUNT_CLAIM is the account's. A token identifies somebody
and nothing more: the person must exist, and the role is the one stored here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import jwt

from api.auth.jwks import KeysAwayError, KeySet
from api.http.errors import Problem
from models import account, logs
from models.account import Caller
from models.settings import settings
from models.transaction import maintenance

LEEWAY_SECONDS = 10  # for clocks that differ

log = logs.logger(__name__)


def looks_like_one(token: str) -> bool:
    """Whether to try a token as a JWT: they are switched on, and it has a JWT's three parts."""
    return bool(settings().jwt_secret or settings().jwt_jwks_url) and token.count(".") == 2


def authenticate(token: str) -> tuple[Caller, datetime] | None:
    """Return the caller and the token's expiry, or None for any token that is wrong in some way."""
    try:
        claims = _claims(token)
        account_id, user_id = UUID(claims[settings().jwt_account_claim]), UUID(claims["sub"])
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    except KeysAwayError as error:
        wait = {"Retry-After": str(error.retry_seconds)}
        raise Problem(503, "unavailable", "The signing keys are not available; try again.", headers=wait) from error
    except (jwt.PyJWTError, KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError) as error:
        log.info("jwt refused", error=type(error).__name__)
        return None
    with maintenance() as session:
        found = account.caller_of(session, account_id, user_id)
    return None if found is None else (found, expires_at)


def _claims(token: str) -> dict[str, Any]:
    secret = settings().jwt_secret
    key: Any = secret or _keys().find(jwt.get_unverified_header(token).get("kid"))
    if key is None:
        raise jwt.InvalidKeyError("unknown key")
    # The algorithms are ours to choose, not the token's.
    return dict(
        jwt.decode(
            token,
            key,
            algorithms=["HS256"] if secret else ["RS256", "ES256"],
            audience=settings().jwt_audience,
            issuer=settings().jwt_issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "aud", "sub"]},
        )
    )


def start() -> None:
    """Start fetching the keys, so that they are there for the first request."""
    if settings().jwt_jwks_url:
        _keys().refresh_if_due()


@cache
def _keys() -> KeySet:
    return KeySet(settings().jwt_jwks_url or "")
