"""Representations of a handoff: the card of feed, queue and lists, and the full form.

Both have the same keys. A card carries less text: the start of the problem, and of the assessment only what tells a
reader whether to open it. PostgreSQL writes both, so that the statement that appends an event can write its card too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from models.database import as_rfc3339
from models.database.prepared import Prepared
from models.session import SessionStep, TroubleshootingSession

PROBLEM_CHARS = 500  # of the problem, on a card

# What a generation says, and what is shown where it says nothing; then what is told about it.
_SAID = {
    "summary": "NULL", "what_we_know": "'[]'", "do_not_repeat": "'[]'", "likely_cause": "NULL",
    "suggested_steps": "'[]'", "confidence": "NULL", "similar": "'[]'", "questions": "'[]'",
}  # fmt: skip
_TOLD = (
    "generation", "state", "content", "source", "prompt_version", "input_hash", "steps_seen", "queued_at",
    "started_at", "finished_at", "attempts", "provider_calls", "dropped_evidence", "tokens_in", "tokens_out",
    "cost", "error_kind",
)  # fmt: skip


def _person(column: str) -> str:
    return f"""(
        SELECT jsonb_build_object('id', id, 'name', name) FROM users
        WHERE account_id = h.account_id AND id = h.{column}
    )"""


# All that both forms are made of, as the rows `f` of what follows. People and state are subqueries, not joins:
# planning a join of seven tables took longer than running it.
FACTS = f"""
    SELECT h.id, h.intent, h.status, h.version, h.priority, h.reason, h.ask, s.external_id, s.title, s.problem,
        s.category, s.client, s.asset, s.steps_count, {_person("handed_off_by_id")} AS handed_off_by,
        {_person("target_id")} AS target, {_person("claimed_by_id")} AS claimed_by,
        h.created_at, h.ready_at, h.claimed_at, h.first_action_at, h.resolved_at, h.resolution, h.seq, h.returns,
        h.overdue, (
            SELECT newest.state FROM assessments AS newest
            WHERE newest.account_id = h.account_id AND newest.handoff_id = h.id AND newest.generation = h.generation
        ) AS newest_state, {", ".join(f"shown.{column}" for column in _TOLD)}
    FROM handoffs AS h
    JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    LEFT JOIN assessments AS shown ON shown.account_id = h.account_id AND shown.handoff_id = h.id
        AND shown.generation = h.shown_generation
    WHERE h.account_id = %(account)s AND h.id
"""


def _times(*columns: str) -> str:
    return ", ".join(f"'{column}', {as_rfc3339(f'f.{column}')}" for column in columns)


def _form(problem: str, assessment: str, seq: str = "f.seq") -> str:
    return f"""jsonb_build_object(
        'id', f.id, 'intent', f.intent, 'status', f.status, 'version', f.version, 'priority', f.priority,
        'reason', f.reason, 'ask', f.ask, 'session', jsonb_build_object(
            'external_id', f.external_id, 'title', f.title, 'problem', {problem}, 'category', f.category,
            'client', f.client, 'asset', f.asset, 'steps_count', f.steps_count),
        'handed_off_by', f.handed_off_by, 'target', f.target, 'claimed_by', f.claimed_by,
        {_times("created_at", "ready_at", "claimed_at", "first_action_at", "resolved_at")},
        'resolution', f.resolution, 'seq', {seq}, 'returns', f.returns, 'overdue', f.overdue,
        'assessment_state', f.newest_state,
        'assessment', CASE WHEN f.generation IS NOT NULL THEN {assessment} END)"""


# `steps_newer` says how many steps came after it.
_GENERATION = f"""jsonb_build_object(
    {", ".join(f"'{name}', coalesce(f.content -> '{name}', {empty})" for name, empty in _SAID.items())},
    'generation', f.generation, 'state', f.state, 'source', f.source, 'prompt_version', f.prompt_version,
    'input_hash', f.input_hash, 'steps_seen', f.steps_seen,
    'steps_newer', CASE WHEN f.steps_seen IS NOT NULL THEN greatest(0, f.steps_count - f.steps_seen) END,
    {_times("queued_at", "started_at", "finished_at")}, 'attempts', f.attempts,
    'provider_calls', f.provider_calls, 'dropped_evidence', f.dropped_evidence, 'tokens_in', f.tokens_in,
    'tokens_out', f.tokens_out, 'cost', f.cost::float8, 'error_kind', f.error_kind)"""

CARD = _form(
    f"""CASE WHEN length(f.problem) <= {PROBLEM_CHARS} THEN f.problem
        ELSE left(f.problem, {PROBLEM_CHARS - 1}) || '…' END""",
    """jsonb_build_object('summary', f.content -> 'summary', 'likely_cause', CASE
        WHEN jsonb_typeof(f.content -> 'likely_cause') = 'object'
        THEN jsonb_build_object('text', f.content #> '{likely_cause,text}') END,
        'confidence', f.content -> 'confidence', 'source', f.source)""",
)


def representation_as(seq: str) -> str:
    """The full form with the given event number."""
    return _form("f.problem", _GENERATION, seq)


_CARDS = f"SELECT f.id, {CARD} FROM ({FACTS} = ANY(%(ids)s::uuid[])) AS f"
_WHOLE = Prepared(f"SELECT {representation_as('f.seq')}::text, f.version, f.seq FROM ({FACTS} = %(id)s) AS f")
_GENERATIONS = f"""
    SELECT {_GENERATION} FROM (
        SELECT a.*, s.steps_count FROM assessments AS a
        JOIN handoffs AS h ON h.account_id = a.account_id AND h.id = a.handoff_id
        JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
        WHERE a.account_id = %(account)s AND a.handoff_id = %(id)s
    ) AS f ORDER BY f.generation
"""

Keys = Collection[tuple[UUID, UUID]]  # (account, handoff)


@dataclass(frozen=True)
class Representation:
    """A handoff in full, as JSON text that goes to the caller unchanged: nothing parses it again."""

    text: str
    version: int
    seq: int | None


def cards(session: Session, keys: Keys) -> Mapping[tuple[UUID, UUID], dict[str, Any]]:
    """Return the cards of these (account, handoff) pairs, as the transaction sees them."""
    session.flush()
    by_account: dict[UUID, list[str]] = defaultdict(list)
    for account_id, handoff_id in keys:
        by_account[account_id].append(str(handoff_id))
    connection = session.connection()
    return {
        (account_id, handoff_id): shown
        for account_id, ids in by_account.items()
        for handoff_id, shown in connection.exec_driver_sql(_CARDS, {"account": str(account_id), "ids": ids})
    }


def representation(session: Session, account_id: UUID, handoff_id: UUID) -> Representation:
    """Return a handoff in full. The caller has checked that it exists and may be seen."""
    session.flush()
    named = {"account": str(account_id), "id": str(handoff_id)}
    shown: Any = _WHOLE(session.connection(), named).one()
    return Representation(*shown)


def generations(session: Session, account_id: UUID, handoff_id: UUID) -> list[dict[str, Any]]:
    """Return every generation of a handoff with its content, oldest first."""
    named = {"account": str(account_id), "id": str(handoff_id)}
    return list(session.connection().exec_driver_sql(_GENERATIONS, named).scalars())


def rfc3339(time: datetime | None) -> str | None:
    """Format a stored time for an answer."""
    return None if time is None else time.isoformat()


def step(row: SessionStep, names: Mapping[UUID, str]) -> dict[str, Any]:
    """Represent a stored step. `author` is the person named as its author, `added_by` the one who sent it."""
    return {
        "seq": row.seq,
        "kind": row.kind,
        "text": row.text,
        "outcome": row.outcome,
        "at": rfc3339(row.at or row.added_at),
        "author": row.author or names.get(row.added_by_id),
        "added_by": {"id": str(row.added_by_id), "name": names.get(row.added_by_id)},
        "added_at": rfc3339(row.added_at),
    }


def session_head(kept: TroubleshootingSession) -> dict[str, Any]:
    """Represent a session without its steps and handoffs."""
    return {
        "external_id": kept.external_id,
        "title": kept.title,
        "problem": kept.problem,
        "category": kept.category,
        "client": kept.client,
        "asset": kept.asset,
        "opened_at": rfc3339(kept.opened_at),
        "steps_count": kept.steps_count,
    }
