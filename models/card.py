"""How a handoff is shown: the card of feed, queue and lists, and the full form of one handoff.

Both have the same keys. A card carries less text: the start of the problem, and of the assessment only what
tells a reader whether to open it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.orm import Session, aliased

from models.account import User
from models.assessment import Assessment
from models.handoff import Handoff
from models.session import SessionStep, TroubleshootingSession, steps_of

PROBLEM_CHARS = 500  # of the problem, on a card

Shown = aliased(Assessment, name="shown")


def _name_of(user_id: Any) -> Any:
    return select(User.name).where(User.account_id == Handoff.account_id, User.id == user_id).scalar_subquery()


_NEWEST_STATE = (
    select(Assessment.state)
    .where(
        Assessment.account_id == Handoff.account_id,
        Assessment.handoff_id == Handoff.id,
        Assessment.generation == Handoff.generation,
    )
    .scalar_subquery()
)

# Names and state are subqueries, not joins: planning a join of seven tables took longer than running it.
_FACTS: Select[*tuple[Any, ...]] = (
    select(
        Handoff.id,
        Handoff.intent,
        Handoff.status,
        Handoff.version,
        Handoff.priority,
        Handoff.reason,
        Handoff.ask,
        TroubleshootingSession.external_id,
        TroubleshootingSession.title,
        TroubleshootingSession.problem,
        TroubleshootingSession.category,
        TroubleshootingSession.client,
        TroubleshootingSession.asset,
        TroubleshootingSession.steps_count,
        Handoff.handed_off_by_id,
        _name_of(Handoff.handed_off_by_id).label("author"),
        Handoff.target_id,
        _name_of(Handoff.target_id).label("target"),
        Handoff.claimed_by_id,
        _name_of(Handoff.claimed_by_id).label("claimer"),
        Handoff.created_at,
        Handoff.ready_at,
        Handoff.claimed_at,
        Handoff.first_action_at,
        Handoff.resolved_at,
        Handoff.resolution,
        Handoff.seq,
        Handoff.returns,
        Handoff.overdue,
        _NEWEST_STATE.label("state"),
        Shown,
    )
    .join(
        TroubleshootingSession,
        and_(
            TroubleshootingSession.account_id == Handoff.account_id,
            TroubleshootingSession.id == Handoff.session_id,
        ),
    )
    .outerjoin(
        Shown,
        and_(
            Shown.account_id == Handoff.account_id,
            Shown.handoff_id == Handoff.id,
            Shown.generation == Handoff.shown_generation,
        ),
    )
    .execution_options(populate_existing=True)
)

Facts = Row[*tuple[Any, ...]]  # one of _FACTS: all that both forms are made of
Keys = Collection[tuple[UUID, UUID]]  # (account, handoff)


def facts(session: Session, keys: Keys) -> dict[tuple[UUID, UUID], Facts]:
    """What is known of these handoffs, as the transaction sees them."""
    by_account: dict[UUID, list[UUID]] = defaultdict(list)
    for account_id, handoff_id in keys:
        by_account[account_id].append(handoff_id)
    found: dict[tuple[UUID, UUID], Facts] = {}
    for account_id, ids in by_account.items():
        rows: Iterable[Facts] = session.execute(_FACTS.where(Handoff.account_id == account_id, Handoff.id.in_(ids)))
        found.update(((account_id, row.id), row) for row in rows)
    return found


def cards(session: Session, keys: Keys) -> Mapping[tuple[UUID, UUID], dict[str, Any]]:
    """The cards of these (account, handoff) pairs, as the transaction sees them."""
    return {key: short(row) for key, row in facts(session, keys).items()}


def whole(session: Session, account_id: UUID, handoff_id: UUID) -> dict[str, Any]:
    """One handoff in full. The caller has checked that it exists and may be seen."""
    return full(facts(session, [(account_id, handoff_id)])[account_id, handoff_id])


def full(row: Facts) -> dict[str, Any]:
    """The full form."""
    return _shown(row) | {"assessment": row.shown and full_assessment(row.shown, row.steps_count)}


def short(row: Facts) -> dict[str, Any]:
    """The card."""
    card = _shown(row)
    card["session"]["problem"] = shortened(card["session"]["problem"])
    card["assessment"] = row.shown and _short_assessment(row.shown)
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
        "assessment_state": row.state,
        "assessment": None,
    }


def _person(user_id: UUID | None, name: str | None) -> dict[str, Any] | None:
    return None if user_id is None else {"id": str(user_id), "name": name}


def rfc3339(time: datetime | None) -> str | None:
    """A stored time as it is sent."""
    return None if time is None else time.isoformat()


def _short_assessment(shown: Assessment) -> dict[str, Any]:
    content = shown.content or {}
    cause = content.get("likely_cause")
    return {
        "summary": content.get("summary"),
        "likely_cause": cause and {"text": cause["text"]},
        "confidence": content.get("confidence"),
        "source": shown.source,
    }


def full_assessment(row: Assessment, steps_count: int) -> dict[str, Any]:
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
