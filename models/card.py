"""How a handoff is shown: the card of feed, queue and lists, and the full form of one handoff.

Both have the same keys. A card carries less text: the start of the problem, and of the assessment only what
tells a reader whether to open it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Row, select
from sqlalchemy.orm import Session

from models.account import User
from models.assessment import Assessment
from models.prepared import Prepared
from models.session import SessionStep, TroubleshootingSession, steps_of

PROBLEM_CHARS = 500  # of the problem, on a card

# What is told of a generation: the names are the columns of Assessment.
_GENERATION = (
    "generation", "state", "content", "source", "prompt_version", "input_hash", "steps_seen", "queued_at",
    "started_at", "finished_at", "attempts", "provider_calls", "dropped_evidence", "tokens_in", "tokens_out",
    "cost", "error_kind",
)  # fmt: skip

# Names and state are subqueries, not joins: planning a join of seven tables took longer than running it.
_FACTS = f"""
    SELECT h.id, h.intent, h.status, h.version, h.priority, h.reason, h.ask, s.external_id, s.title, s.problem,
        s.category, s.client, s.asset, s.steps_count, h.handed_off_by_id, h.target_id, h.claimed_by_id,
        (SELECT name FROM users WHERE account_id = h.account_id AND id = h.handed_off_by_id) AS author,
        (SELECT name FROM users WHERE account_id = h.account_id AND id = h.target_id) AS target,
        (SELECT name FROM users WHERE account_id = h.account_id AND id = h.claimed_by_id) AS claimer,
        h.created_at, h.ready_at, h.claimed_at, h.first_action_at, h.resolved_at, h.resolution, h.seq, h.returns,
        h.overdue, (
            SELECT newest.state FROM assessments AS newest
            WHERE newest.account_id = h.account_id AND newest.handoff_id = h.id AND newest.generation = h.generation
        ) AS newest_state, {", ".join(f"shown.{column}" for column in _GENERATION)}
    FROM handoffs AS h
    JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    LEFT JOIN assessments AS shown ON shown.account_id = h.account_id AND shown.handoff_id = h.id
        AND shown.generation = h.shown_generation
    WHERE h.account_id = %(account)s AND h.id
"""
# The plan for one is kept; one for any number would not be: it would have to expect many.
_FACTS_OF_ONE = Prepared(f"{_FACTS} = %(id)s")
_FACTS_OF_MANY = f"{_FACTS} = ANY(%(ids)s::uuid[])"

Facts = Row[*tuple[Any, ...]]  # one of _FACTS: all that both forms are made of
Keys = Collection[tuple[UUID, UUID]]  # (account, handoff)


def facts(session: Session, keys: Keys) -> dict[tuple[UUID, UUID], Facts]:
    """What is known of these handoffs, as the transaction sees them."""
    session.flush()
    by_account: dict[UUID, list[str]] = defaultdict(list)
    for account_id, handoff_id in keys:
        by_account[account_id].append(str(handoff_id))
    connection = session.connection()
    return {
        (account_id, row.id): row
        for account_id, ids in by_account.items()
        for row in _facts(connection, {"account": str(account_id), "ids": ids, "id": ids[0]})
    }


def _facts(connection: Connection, named: dict[str, Any]) -> CursorResult[Any]:
    if len(named["ids"]) == 1:
        return _FACTS_OF_ONE(connection, named)
    return connection.exec_driver_sql(_FACTS_OF_MANY, named)


def cards(session: Session, keys: Keys) -> Mapping[tuple[UUID, UUID], dict[str, Any]]:
    """The cards of these (account, handoff) pairs, as the transaction sees them."""
    return {key: short(row) for key, row in facts(session, keys).items()}


def whole(session: Session, account_id: UUID, handoff_id: UUID) -> dict[str, Any]:
    """One handoff in full. The caller has checked that it exists and may be seen."""
    return full(facts(session, [(account_id, handoff_id)])[account_id, handoff_id])


def full(row: Facts) -> dict[str, Any]:
    """The full form."""
    told = None if row.generation is None else full_assessment(row, row.steps_count)
    return _shown(row) | {"assessment": told}


def short(row: Facts) -> dict[str, Any]:
    """The card."""
    card = _shown(row)
    card["session"]["problem"] = shortened(card["session"]["problem"])
    card["assessment"] = None if row.generation is None else _short_assessment(row)
    return card


def shortened(problem: str) -> str:
    """The start of a text, as a card carries it."""
    return problem if len(problem) <= PROBLEM_CHARS else problem[: PROBLEM_CHARS - 1] + "…"


def _shown(row: Facts) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "intent": row.intent,
        "status": row.status,
        "version": row.version,
        "priority": row.priority,
        "reason": row.reason,
        "ask": row.ask,
        "session": {
            "external_id": row.external_id,
            "title": row.title,
            "problem": row.problem,
            "category": row.category,
            "client": row.client,
            "asset": row.asset,
            "steps_count": row.steps_count,
        },
        "handed_off_by": _person(row.handed_off_by_id, row.author),
        "target": _person(row.target_id, row.target),
        "claimed_by": _person(row.claimed_by_id, row.claimer),
        "created_at": rfc3339(row.created_at),
        "ready_at": rfc3339(row.ready_at),
        "claimed_at": rfc3339(row.claimed_at),
        "first_action_at": rfc3339(row.first_action_at),
        "resolved_at": rfc3339(row.resolved_at),
        "resolution": row.resolution,
        "seq": row.seq,
        "returns": row.returns,
        "overdue": row.overdue,
        "assessment_state": row.newest_state,
        "assessment": None,
    }


def _person(user_id: UUID | None, name: str | None) -> dict[str, Any] | None:
    return None if user_id is None else {"id": str(user_id), "name": name}


def rfc3339(time: datetime | None) -> str | None:
    """A stored time as it is sent."""
    return None if time is None else time.isoformat()


def _short_assessment(shown: Facts) -> dict[str, Any]:
    content = shown.content or {}
    cause = content.get("likely_cause")
    return {
        "summary": content.get("summary"),
        "likely_cause": cause and {"text": cause["text"]},
        "confidence": content.get("confidence"),
        "source": shown.source,
    }


def full_assessment(row: Assessment | Facts, steps_count: int) -> dict[str, Any]:
    """One generation with its content, and how many steps came after it."""
    content = row.content or {}
    empty: dict[str, Any] = {
        "summary": None,
        "what_we_know": [],
        "do_not_repeat": [],
        "likely_cause": None,
        "suggested_steps": [],
        "confidence": None,
        "similar": [],
        "questions": [],
    }
    return {
        **empty,
        **content,
        "generation": row.generation,
        "state": row.state,
        "source": row.source,
        "prompt_version": row.prompt_version,
        "input_hash": row.input_hash,
        "steps_seen": row.steps_seen,
        "steps_newer": None if row.steps_seen is None else max(0, steps_count - row.steps_seen),
        "queued_at": rfc3339(row.queued_at),
        "started_at": rfc3339(row.started_at),
        "finished_at": rfc3339(row.finished_at),
        "attempts": row.attempts,
        "provider_calls": row.provider_calls,
        "dropped_evidence": row.dropped_evidence,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "cost": float(row.cost),
        "error_kind": row.error_kind,
    }


def step(row: SessionStep, names: Mapping[UUID, str]) -> dict[str, Any]:
    """A stored step. `author` is who is said to have done it, `added_by` who sent it."""
    return {
        "seq": row.seq,
        "kind": row.kind,
        "text": row.text,
        "outcome": row.outcome,
        "at": rfc3339(row.at or row.added_at),
        "author": row.author or names.get(row.added_by_id),
        "added_by": _person(row.added_by_id, names.get(row.added_by_id)),
        "added_at": rfc3339(row.added_at),
    }


def whole_session(session: Session, kept: TroubleshootingSession) -> dict[str, Any]:
    """A session with its steps, without its handoffs."""
    steps = steps_of(session, kept.account_id, kept.id)
    named = select(User.id, User.name).where(
        User.account_id == kept.account_id, User.id.in_({row.added_by_id for row in steps})
    )
    names: dict[UUID, str] = dict(session.execute(named).all())
    return {
        "external_id": kept.external_id,
        "title": kept.title,
        "problem": kept.problem,
        "category": kept.category,
        "client": kept.client,
        "asset": kept.asset,
        "opened_at": rfc3339(kept.opened_at),
        "steps_count": kept.steps_count,
        "steps": [step(row, names) for row in steps],
    }
