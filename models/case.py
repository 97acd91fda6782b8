"""What an assessor is given: one handed-off session and the past cases it may cite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class CaseStep:
    """One step of the session. `seq` counts from 1 and is what evidence ids name (`step:3`)."""

    seq: int
    kind: str  # question | action | observation | note
    text: str
    outcome: str | None = None  # worked | failed | partial | unknown
    at: datetime | None = None
    author: str | None = None


@dataclass(frozen=True)
class PastCase:
    """A resolved handoff of the same account, found similar. `score` is 0..1."""

    handoff_id: UUID
    title: str
    problem: str
    resolution: str
    root_cause: str | None
    score: float


@dataclass(frozen=True)
class Case:
    """Everything an assessment may rest on, read in one transaction and held without a connection."""

    account_id: UUID
    handoff_id: UUID
    assessment_id: UUID
    title: str
    problem: str
    reason: str
    ask: str | None = None
    category: str | None = None
    client: str | None = None
    asset: str | None = None
    steps: tuple[CaseStep, ...] = ()
    past: tuple[PastCase, ...] = ()

    def evidence_ids(self) -> frozenset[str]:
        """Every id that a statement about this case may cite."""
        texts = {"title": self.title, "problem": self.problem, "reason": self.reason, "ask": self.ask}
        return frozenset(
            [name for name, text in texts.items() if text]
            + [f"step:{step.seq}" for step in self.steps]
            + [f"handoff:{past.handoff_id}" for past in self.past]
        )
