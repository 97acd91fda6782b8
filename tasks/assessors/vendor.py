"""What the two vendors' SDKs share: they were generated alike, so their errors have the same names."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import httpx2
from redis import Redis

from models.settings import Settings
from tasks.assessors.model import Call, CallFailed, ModelAssessor, Reply, status_failure
from tasks.assessors.wire import DeadlinePassed, ReplyTooLarge, within
from tasks.breaker import Breaker
from tasks.budget import Budget


def assessor(vendor: str, model: str, call: Call | None, settings: Settings, redis: Redis) -> ModelAssessor:
    """The assessor around `call`, with the breaker and the budget that all processes share."""
    breaker = Breaker(redis, f"{vendor}:{model}", probe_seconds=settings.model_call_seconds + 15)
    return ModelAssessor(vendor, model, call, settings, breaker, Budget(redis, settings))


def guarded(sdk: ModuleType, seconds: float, ask: Callable[[httpx2.Client], Reply]) -> Reply:
    """`ask(client)` within `seconds`. Every failure is a CallFailed without a word of the provider's text."""
    try:
        return _plausible(within(seconds, ask))
    except (DeadlinePassed, sdk.APITimeoutError):
        raise CallFailed("timeout", retryable=True) from None
    except sdk.APIStatusError as error:
        raise status_failure(error.status_code, error.response.headers, _code(error)) from None
    except ReplyTooLarge as error:
        raise CallFailed("invalid_reply", str(error)) from None
    except (sdk.APIConnectionError, httpx2.HTTPError, OSError) as error:
        raise CallFailed("unavailable", type(error).__name__, retryable=True) from None
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        # The SDKs do not validate what they receive, so a body of another shape shows here.
        raise CallFailed("invalid_reply", type(error).__name__) from None


def _plausible(reply: Reply) -> Reply:
    """The same reply. TypeError or ValueError when a field is not what its type says."""
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
