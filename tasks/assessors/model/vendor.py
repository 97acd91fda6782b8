"""The common part of both vendors' SDKs, which are generated alike and share the names of their errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import ModuleType

import httpx2
from redis import Redis

from models.settings import Settings
from tasks.assessors.model import Call, CallFailed, ModelAssessor, Reply, status_failure
from tasks.assessors.model.breaker import Breaker
from tasks.assessors.model.budget import Budget
from tasks.assessors.model.deadline import DeadlinePassed, ReplyTooLarge, within

# The SDKs do not validate what they receive, so a body of another shape shows as one of these.
MISSHAPEN = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


def assessor(vendor: str, model: str, call: Call | None, settings: Settings, redis: Redis) -> ModelAssessor:
    """Build the assessor around `call`, with the breaker and the budget that all processes share."""
    # Below this level the SDKs log whole requests, and so the text of tickets.
    logging.getLogger(vendor).setLevel(logging.WARNING)
    breaker = Breaker(
        redis, settings.redis_key("breaker", vendor, model), probe_seconds=settings.model_call_seconds + 15
    )
    return ModelAssessor(vendor, model, call, settings, breaker, Budget(redis, settings))


def guarded(sdk: ModuleType, seconds: float, ask: Callable[[httpx2.Client], Reply]) -> Reply:
    """Return `ask(client)` within `seconds`; every failure is a CallFailed without a word of the provider's text."""
    expected = (DeadlinePassed, ReplyTooLarge, sdk.APIError, httpx2.HTTPError, OSError, *MISSHAPEN)
    try:
        return _plausible(within(seconds, ask))
    except expected as error:
        # One of the SDKs wraps what its HTTP client raised, the other does not.
        wrapped = isinstance(error, sdk.APIConnectionError)
        raise _failure(sdk, error.__cause__ if wrapped and error.__cause__ else error) from None


def _failure(sdk: ModuleType, error: BaseException) -> CallFailed:
    if isinstance(error, (DeadlinePassed, httpx2.TimeoutException)):
        return CallFailed("timeout", retryable=True)
    if isinstance(error, sdk.APIStatusError):
        return status_failure(error.status_code, error.response.headers, _code(error))
    if isinstance(error, ReplyTooLarge):
        return CallFailed("invalid_reply", str(error))
    if isinstance(error, (httpx2.HTTPError, OSError)):
        return CallFailed("unavailable", type(error).__name__, retryable=True)
    return CallFailed("invalid_reply", type(error).__name__)


def _plausible(reply: Reply) -> Reply:
    """Return the reply; raises TypeError or ValueError if a field does not have its type."""
    if not isinstance(reply.text, str):
        raise TypeError("text")
    for count in (reply.tokens_in, reply.tokens_out):
        if not isinstance(count, int) or not 0 <= count < 10_000_000:
            raise ValueError("token count")
    return reply


def _code(error: Exception) -> str | None:
    """The provider's short machine-readable name of the error, or None."""
    code = getattr(error, "code", None) or getattr(error, "type", None)
    return code if isinstance(code, str) and len(code) <= 40 and code.replace("_", "").isalnum() else None
