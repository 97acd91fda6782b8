"""What an assessor is given: one handed-off session and the past cases it may cite."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.db import Runs
from models.prepared import Prepared

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
    """Everything an assessment may rest on, held without a connection."""

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


_SUBJECT = Prepared("""
    SELECT s.title, s.problem, h.reason, h.ask, s.category, s.client, s.asset, (
        SELECT json_agg(json_build_array(t.seq, t.kind, t.text, t.outcome, t.at, t.author) ORDER BY t.seq)
        FROM session_steps AS t WHERE t.account_id = s.account_id AND t.session_id = s.id
    ) AS steps
    FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    WHERE h.account_id = %(account)s AND h.id = %(handoff)s
""")


def load(runs: Runs, account_id: UUID, handoff_id: UUID, assessment_id: UUID) -> Case:
    """The case of a handoff, with the past cases that are like it."""
    values = {"account": str(account_id), "handoff": str(handoff_id)}
    found: Any = _SUBJECT(runs, values).one()
    return Case(
        account_id=account_id,
        handoff_id=handoff_id,
        assessment_id=assessment_id,
        title=found.title,
        problem=found.problem,
        reason=found.reason,
        ask=found.ask,
        category=found.category,
        client=found.client,
        asset=found.asset,
        steps=tuple(_step(*step) for step in found.steps or ()),
        past=tuple(similar(runs, account_id, f"{found.title}\n{found.problem}", besides=handoff_id)),
    )


def _step(seq: int, kind: str, text: str, outcome: str | None, at: str | None, author: str | None) -> CaseStep:
    return CaseStep(seq, kind, text, outcome, None if at is None else datetime.fromisoformat(at), author)


# Few ids in a second statement: joined to the function, the planner might read all of the account.
_NEAR = "SELECT id, score FROM similar_handoffs(%(words)s, %(besides)s, %(most)s, %(least)s::real)"
_PAST = """
    SELECT h.id, s.title, s.problem, h.resolution, h.root_cause
    FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    WHERE h.account_id = %(account)s AND h.id = ANY(%(ids)s::uuid[])
"""


def similar(
    runs: Runs, account_id: UUID, words: str, *, besides: UUID, most: int = 5, least: float = LEAST_SCORE
) -> list[PastCase]:
    """The account's resolved handoffs that are most like these words, the best first; none scored below `least`.

    The search itself is the database function `similar_handoffs`, which reads the account from the
    transaction's scope; the account is named here once more.
    """
    asked = {"words": words[:SEARCHED_CHARS], "besides": str(besides), "most": most, "least": least}
    near: Iterable[Any] = runs.exec_driver_sql(_NEAR, asked)
    scores = {handoff_id: float(score) for handoff_id, score in near}
    if not scores:
        return []
    named = {"account": str(account_id), "ids": [str(handoff_id) for handoff_id in scores]}
    rows: Iterable[Any] = runs.exec_driver_sql(_PAST, named)
    past = {
        row.id: PastCase(row.id, row.title, row.problem, row.resolution or "", row.root_cause, scores[row.id])
        for row in rows
    }
    return [past[handoff_id] for handoff_id in scores if handoff_id in past]
