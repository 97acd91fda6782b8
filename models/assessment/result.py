"""The result of an attempt to write an assessment, and what the attempt cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from models.assessment import State


@dataclass(frozen=True)
class Spent:
    """The cost of an attempt at a model, and what was sent to it."""

    provider_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)  # in the currency of the configured prices
    sent: str | None = None  # exactly what left the process, after redaction


NOTHING_SPENT = Spent()


@dataclass(frozen=True)
class Result:
    """How a generation ended. None: not known; the row keeps what an earlier attempt wrote."""

    state: State
    error: str | None = None  # why it failed or fell back
    content: dict[str, Any] | None = None
    source: str | None = None
    prompt_version: str | None = None
    dropped_evidence: int | None = None
    input_hash: str | None = None
    steps_seen: int | None = None
    spent: Spent = NOTHING_SPENT
