"""What an assessor is given: one handed-off session and the past cases it may cite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from models.handoff import Handoff
from models.session import TroubleshootingSession, steps_of

SEARCHED_CHARS = 2000  # of title and problem, in the search for past cases

# Calibrated in docs/assessment.md: at most one in twenty questions of another topic finds a case this near.
LEAST_SCORE = 0.27


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
    """A resolved handoff of the same account, found similar.

    `score` is 0..1: how much of what both titles and problems say is the same, rare words counting more.
    """

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


def load(session: Session, account_id: UUID, handoff_id: UUID, assessment_id: UUID) -> Case:
    """The case of a handoff, with the past cases that are like it."""
    found = session.get_one(Handoff, (account_id, handoff_id))
    kept = session.get_one(TroubleshootingSession, (account_id, found.session_id))
    steps = steps_of(session, account_id, kept.id)
    return Case(
        account_id=account_id,
        handoff_id=handoff_id,
        assessment_id=assessment_id,
        title=kept.title,
        problem=kept.problem,
        reason=found.reason,
        ask=found.ask,
        category=kept.category,
        client=kept.client,
        asset=kept.asset,
        steps=tuple(CaseStep(step.seq, step.kind, step.text, step.outcome, step.at, step.author) for step in steps),
        past=tuple(similar(session, account_id, f"{kept.title}\n{kept.problem}", besides=handoff_id)),
    )


def similar(
    session: Session, account_id: UUID, words: str, *, besides: UUID, most: int = 5, least: float = LEAST_SCORE
) -> list[PastCase]:
    """The account's resolved handoffs that are most like these words, the best first; none scored below `least`.

    The search itself is the database function `similar_handoffs`, which reads the account from the
    transaction's scope; the account is named here once more.
    """
    asked = func.similar_handoffs(words[:SEARCHED_CHARS], besides, most, least).table_valued("id", "score")
    scores = {handoff_id: float(score) for handoff_id, score in session.execute(select(asked.c.id, asked.c.score))}
    if not scores:
        return []
    # Few ids in a second statement: joined to the function, the planner might read all of the account.
    rows = session.execute(
        select(Handoff, TroubleshootingSession)
        .join(
            TroubleshootingSession,
            and_(
                TroubleshootingSession.account_id == Handoff.account_id,
                TroubleshootingSession.id == Handoff.session_id,
            ),
        )
        .where(Handoff.account_id == account_id, Handoff.id.in_(scores))
    )
    past = {
        found.id: PastCase(
            found.id, kept.title, kept.problem, found.resolution or "", found.root_cause, scores[found.id]
        )
        for found, kept in rows
    }
    return [past[handoff_id] for handoff_id in scores if handoff_id in past]
