"""The input of an assessor: a handed-off session and the past cases that it may cite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.database import Executor, quoted
from models.database.prepared import Prepared
from models.session import Outcome

SEARCHED_CHARS = 2000  # of title and problem, in the search for past cases
MOST_SIMILAR = 5

# Calibrated in docs/assessment.md: at most one in twenty questions of another topic finds a case this near.
LEAST_SCORE = 0.27

# Of a session with more steps so many are read: how it began, how it stands, and the latest known failures between.
FIRST_STEPS = 60
LAST_STEPS = 180
FAILED_STEPS = 60
MOST_STEPS = FIRST_STEPS + LAST_STEPS + FAILED_STEPS
FAILURES = (Outcome.FAILED, Outcome.PARTIAL)


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
    """Everything that an assessment may rest on, held without a connection.

    Of a very long session `steps` are those that are worth reading, and `steps_left_out` counts the others.
    """

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
    steps_left_out: int = 0

    @property
    def steps_count(self) -> int:
        """Number of steps of the session, read or not."""
        return len(self.steps) + self.steps_left_out

    @property
    def characters(self) -> int:
        """Total length of the problem and the steps."""
        return len(self.problem) + sum(len(step.text) for step in self.steps)

    def evidence_ids(self) -> frozenset[str]:
        """The ids that statements about this case may cite."""
        texts = {"title": self.title, "problem": self.problem, "reason": self.reason, "ask": self.ask}
        return frozenset(
            [name for name, text in texts.items() if text]
            + [f"step:{step.seq}" for step in self.steps]
            + [f"handoff:{past.handoff_id}" for past in self.past]
        )


def choose_steps(steps: Sequence[CaseStep], *, first: int, last: int, failed: int) -> tuple[CaseStep, ...]:
    """Choose the first and last steps and the latest failed ones in between, in order."""
    if len(steps) <= first + last + failed:
        return tuple(steps)
    between = [step for step in steps[first:-last] if step.outcome in FAILURES]
    return (*steps[:first], *between[-failed:], *steps[-last:])


def steps_to_read(steps: Sequence[CaseStep]) -> tuple[CaseStep, ...]:
    """Choose at most MOST_STEPS of a session's steps; the same ones that `load` reads."""
    return choose_steps(steps, first=FIRST_STEPS, last=LAST_STEPS, failed=FAILED_STEPS)


# The past cases that are most like `words`, the best first. The search itself is the database function, which reads
# the account from the transaction's scope; it is named here once more. Its few rows are looked up one by one: in a
# join the planner might read all of the account.
_SIMILAR = """(
    SELECT json_agg(json_build_array(near.id, past.title, past.problem, past.resolution, past.root_cause, near.score)
        ORDER BY near.score DESC, near.id DESC)
    FROM similar_handoffs({words}, {besides}, %(most)s, %(least)s::real) AS near CROSS JOIN LATERAL (
        SELECT s.title, s.problem, h.resolution, h.root_cause
        FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
        WHERE h.account_id = %(account)s AND h.id = near.id OFFSET 0
    ) AS past
)"""
_WORDS = f"left(subject.title || E'\\n' || subject.problem, {SEARCHED_CHARS})"

# steps_to_read(), before anything is read: a session's texts can be 16 MB. The numbers of steps have no gaps.
_STEP_IS_READ = f"""(
    s.steps_count <= {MOST_STEPS} OR t.seq <= {FIRST_STEPS} OR t.seq > s.steps_count - {LAST_STEPS}
    OR t.seq = ANY (ARRAY(
        SELECT other.seq FROM session_steps AS other
        WHERE other.account_id = s.account_id AND other.session_id = s.id AND other.outcome IN ({quoted(FAILURES)})
            AND other.seq > {FIRST_STEPS} AND other.seq <= s.steps_count - {LAST_STEPS}
        ORDER BY other.seq DESC LIMIT {FAILED_STEPS}
    ))
)"""
_CASE = Prepared(f"""
    WITH subject AS MATERIALIZED (
        SELECT s.title, s.problem, h.reason, h.ask, s.category, s.client, s.asset, s.steps_count, (
            SELECT json_agg(json_build_array(t.seq, t.kind, t.text, t.outcome, t.at, t.author) ORDER BY t.seq)
            FROM session_steps AS t
            WHERE t.account_id = s.account_id AND t.session_id = s.id AND {_STEP_IS_READ}
        ) AS steps
        FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
        WHERE h.account_id = %(account)s AND h.id = %(handoff)s
    )
    SELECT subject.*, {_SIMILAR.format(words=_WORDS, besides="%(handoff)s")} AS past FROM subject
""")
_PAST = Prepared(f"SELECT {_SIMILAR.format(words='%(words)s', besides='%(besides)s')}")


def load(runs: Executor, account_id: UUID, handoff_id: UUID, assessment_id: UUID) -> Case:
    """Load the case of a handoff, with similar past cases."""
    values = {"account": str(account_id), "handoff": str(handoff_id), "most": MOST_SIMILAR, "least": LEAST_SCORE}
    found: Any = _CASE(runs, values).one()
    steps = tuple(_step(*step) for step in found.steps or ())
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
        steps=steps,
        past=tuple(_past(found.past)),
        steps_left_out=max(0, found.steps_count - len(steps)),
    )


def _step(seq: int, kind: str, text: str, outcome: str | None, at: str | None, author: str | None) -> CaseStep:
    return CaseStep(seq, kind, text, outcome, None if at is None else datetime.fromisoformat(at), author)


def _past(found: list[list[Any]] | None) -> list[PastCase]:
    return [
        PastCase(UUID(handoff_id), title, problem, resolution or "", root_cause, float(score))
        for handoff_id, title, problem, resolution, root_cause, score in found or ()
    ]


def similar(
    runs: Executor,
    account_id: UUID,
    words: str,
    *,
    besides: UUID,
    most: int = MOST_SIMILAR,
    least: float = LEAST_SCORE,
) -> list[PastCase]:
    """Find the account's resolved handoffs most similar to these words, best first; none scored below `least`."""
    asked = {"words": words[:SEARCHED_CHARS], "besides": str(besides), "most": most, "least": least}
    return _past(_PAST(runs, {**asked, "account": str(account_id)}).scalar_one())
