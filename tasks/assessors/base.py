"""The interface of assessors and the one error they raise."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from models.assessment.case import Case


@dataclass(frozen=True)
class Draft:
    """A verified assessment and its cost. `content` has the shape of tasks.assessors.content.DraftSchema."""

    content: dict[str, Any]
    source: str  # extractive | openai:<model> | anthropic:<model>
    prompt_version: str
    dropped_evidence: int = 0  # evidence ids that named nothing in the case
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)  # in the currency of the configured prices
    provider_calls: int = 0
    sent: str | None = None  # exactly what left the process, after redaction


class AssessorError(Exception):
    """Raised when there is no assessment this time.

    `kind` is for machines: timeout, rate_limited, unavailable, auth, refused, truncated, invalid_reply,
    budget, circuit_open. `retryable` says whether a later try can help; `retry_after` (seconds) is the
    least time to wait when the provider named one. What was spent and sent on the failed try is carried along.
    """

    def __init__(
        self,
        kind: str,
        detail: str = "",
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        provider_calls: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cost: Decimal = Decimal(0),
        sent: str | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after
        self.provider_calls = provider_calls
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.cost = cost
        self.sent = sent


class Assessor(Protocol):
    """Writes an assessment of one case. May be called from many threads at once."""

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """Return a verified draft, or raise AssessorError. `deadline` is a time.monotonic() instant."""
        ...
