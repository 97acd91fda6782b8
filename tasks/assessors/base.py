"""The interface of assessors and the one error they raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from models.assessment.case import Case
from models.assessment.result import NOTHING_SPENT, Content, Spent


@dataclass(frozen=True)
class Draft:
    """A verified assessment and its cost. `content` has the shape of tasks.assessors.content.DraftSchema."""

    content: Content
    source: str  # extractive | openai:<model> | anthropic:<model>
    prompt_version: str
    dropped_evidence: int = 0  # evidence ids that named nothing in the case
    spent: Spent = NOTHING_SPENT


class AssessorError(Exception):
    """Raised when there is no assessment this time.

    `kind` is for machines: timeout, rate_limited, unavailable, auth, refused, truncated, invalid_reply,
    budget, circuit_open. `retryable` says whether a later try can help; `retry_after` (seconds) is the
    least time to wait when the provider named one. `spent` is the cost of the failed try.
    """

    def __init__(
        self,
        kind: str,
        detail: str = "",
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        spent: Spent = NOTHING_SPENT,
    ) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after
        self.spent = spent


class Assessor(Protocol):
    """Writes an assessment of one case. May be called from many threads at once."""

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """Return a verified draft, or raise AssessorError. `deadline` is a time.monotonic() instant."""
        ...
