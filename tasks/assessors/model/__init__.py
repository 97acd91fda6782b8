"""The common part of all models: retries, repair, limits, validation and billing around one small call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any

from models.assessment.case import Case
from models.assessment.result import Findings, Spent
from models.settings import Settings
from tasks.assessors.base import AssessorError, Draft
from tasks.assessors.content import TEXT_LENGTH, verify
from tasks.assessors.mail import case_as_seen
from tasks.assessors.model.breaker import Breaker
from tasks.assessors.model.budget import Budget, Lease
from tasks.assessors.model.prompt import PROMPT_VERSION, Prompt, render, repair
from tasks.assessors.model.redaction import Redaction
from tasks.assessors.model.reply import parse
from tasks.concurrency import yielding

RETRIES = 2
FIRST_BACKOFF_SECONDS = 0.5
SHORTEST_CALL_SECONDS = 0.2

# Failures that count against the provider. A refusal or a bad reply comes from a provider that works.
PROVIDER_FAILURES = frozenset(["timeout", "unavailable", "rate_limited", "auth"])


@dataclass(frozen=True)
class Reply:
    """A reply of a model. `stop` is end, truncated or refused."""

    text: str
    stop: str
    tokens_in: int
    tokens_out: int


class CallFailed(Exception):
    """Raised for a call without a reply. Kinds as in AssessorError; the detail holds no text of the provider's."""

    def __init__(self, kind: str, detail: str = "", *, retryable: bool = False, retry_after: float | None = None):
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after


class SchemaRefused(CallFailed):
    """Raised when a server does not take a schema beside the prompt, as it would inside one."""

    def __init__(self) -> None:
        super().__init__("refused", "json_schema", retryable=True)


# Sends a prompt and waits for at most the given seconds. Raises CallFailed.
Call = Callable[[Prompt, float], Reply]


def status_failure(status: int, headers: Any, code: str | None = None) -> CallFailed:
    """Interpret an HTTP error status. `headers` is a case-insensitive mapping."""
    detail = " ".join(part for part in (str(status), code) if part)
    if status == 429 and code in ("insufficient_quota", "billing_error"):
        return CallFailed("rate_limited", detail)
    if status == 429:
        return CallFailed("rate_limited", detail, retryable=True, retry_after=retry_after(headers))
    if status in (408, 409) or status >= 500:
        return CallFailed("unavailable", detail, retryable=True, retry_after=retry_after(headers))
    if status in (401, 402, 403, 404):
        return CallFailed("auth", detail)
    return CallFailed("refused", detail)


def retry_after(headers: Any) -> float | None:
    """Return the seconds to wait by the Retry-After header (seconds or an HTTP date), or None."""
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(0.0, seconds), 86_400.0) if seconds == seconds else None  # NaN equals nothing


@dataclass(frozen=True)
class ModelAssessor:
    """An assessor that asks a model. `vendor` is openai or anthropic. Safe to share between threads."""

    vendor: str
    model: str
    call: Call | None  # None: no API key is configured
    settings: Settings
    breaker: Breaker
    budget: Budget
    schema_refused: Event = field(default_factory=Event)  # by this server, as long as this process lives

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """One call when nothing fails. All tries together end before `deadline` and model_call_seconds."""
        if self.call is None:
            raise AssessorError("auth", f"{self.vendor.upper()}_API_KEY is not set")
        end = min(deadline, time.monotonic() + self.settings.model_call_seconds)
        redaction = Redaction(self.settings.redact)
        case = case_as_seen(case)
        prompt = render(case, redaction, self.settings.model_max_prompt_tokens)
        prompt = prompt.with_schema() if self.schema_refused.is_set() else prompt
        seconds = max(SHORTEST_CALL_SECONDS, end - time.monotonic())
        tokens, most = self._estimate(prompt), case.tokens_per_day
        with self.budget.lease(case.account_id, tokens=tokens, seconds=seconds, most=most) as lease:
            conversation = _Conversation(self, self.call, lease, prompt, end)
            try:
                content = conversation.content()
            finally:
                lease.spent = conversation.tokens_in + conversation.tokens_out
        return conversation.draft(redaction.restore(content, TEXT_LENGTH), case)

    def _estimate(self, prompt: Prompt) -> int:
        return prompt.tokens() + self.settings.model_max_output_tokens


@dataclass
class _Conversation:
    """An assessment in progress and its cost so far."""

    assessor: ModelAssessor
    call: Call
    lease: Lease
    prompt: Prompt
    end: float  # time.monotonic()
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def content(self) -> Findings:
        """Return a valid reply, after at most one repair turn; raises AssessorError otherwise."""
        text = self.ask()
        content, problems = parse(text)
        if content is None:
            self.prompt = repair(self.prompt, text, problems)
            content, problems = parse(self.ask())
        if content is None:
            raise self.error(CallFailed("invalid_reply", "twice not what the schema asks for"))
        return content

    def ask(self) -> str:
        """Return the text of a complete reply; raises AssessorError if there is none in time."""
        while True:
            try:
                return self.one_call()
            except CallFailed as failure:
                if isinstance(failure, SchemaRefused):
                    self.assessor.schema_refused.set()
                    self.prompt = self.prompt.with_schema()
                pause = self.pause_after(failure)
                if pause is None:
                    raise self.error(failure) from None
            with yielding():
                time.sleep(pause)

    def pause_after(self, failure: CallFailed) -> float | None:
        """Return the seconds until the next try, or None if there is none within this assessment."""
        if not failure.retryable or self.calls > RETRIES:
            return None
        backoff = random.uniform(0, FIRST_BACKOFF_SECONDS * 2 ** (self.calls - 1))
        pause = max(backoff, failure.retry_after or 0)
        return pause if time.monotonic() + pause + SHORTEST_CALL_SECONDS < self.end else None

    def one_call(self) -> str:
        """Make one call if time, budget and breaker allow it; raises CallFailed otherwise."""
        if self.end - time.monotonic() < SHORTEST_CALL_SECONDS:
            raise CallFailed("timeout", "no time left to ask", retryable=True)
        self.count_against_budget()
        breaker = self.assessor.breaker
        permit = breaker.admit()
        if permit is None:
            raise CallFailed("circuit_open", breaker.name)
        self.calls += 1
        failed = False
        try:
            with yielding():
                reply = self.call(self.prompt, max(0.01, self.end - time.monotonic()))
        except CallFailed as failure:
            failed = failure.kind in PROVIDER_FAILURES
            raise
        finally:
            breaker.report(permit, failed=failed)
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        if reply.stop != "end":
            raise CallFailed(reply.stop)
        return reply.text

    def count_against_budget(self) -> None:
        try:
            self.lease.count_call()
        except AssessorError as error:
            raise CallFailed(error.kind, "calls per minute") from None

    def spent(self) -> Spent:
        settings = self.assessor.settings
        paid_in = Decimal(str(settings.price_in_per_million)) * self.tokens_in
        paid_out = Decimal(str(settings.price_out_per_million)) * self.tokens_out
        return Spent(
            provider_calls=self.calls,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            cost=(paid_in + paid_out) / 1_000_000,
            sent=self.prompt.sent() if self.calls else None,
        )

    def error(self, failure: CallFailed) -> AssessorError:
        return AssessorError(
            failure.kind,
            failure.detail,
            retryable=failure.retryable,
            retry_after=failure.retry_after,
            spent=self.spent(),
        )

    def draft(self, content: Findings, case: Case) -> Draft:
        verified = verify(content, case)
        source = f"{self.assessor.vendor}:{self.assessor.model}"
        return Draft(verified.content, source, PROMPT_VERSION, verified.dropped_evidence, self.spent())
