"""How a handoff is shown: the card of feed, queue and lists, and the full form of one handoff.

Both have the same keys. A card carries less text: the start of the problem, and of the assessment only what
tells a reader whether to open it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select, tuple_
from sqlalchemy.orm import Session, aliased

from models.account import User
from models.assessment import Assessment
from models.handoff import Handoff
from models.session import SessionStep, TroubleshootingSession, steps_of

PROBLEM_CHARS = 500  # of the problem, on a card

Author = aliased(User, name="author")
Claimer = aliased(User, name="claimer")
Target = aliased(User, name="target")
Newest = aliased(Assessment, name="newest")
Shown = aliased(Assessment, name="shown")

_FACTS = (
    select(Handoff, TroubleshootingSession, Author.name, Claimer.name, Target.name, Newest.state, Shown)
    .join(
        TroubleshootingSession,
        and_(
            TroubleshootingSession.account_id == Handoff.account_id,
            TroubleshootingSession.id == Handoff.session_id,
        ),
    )
    .join(Author, and_(Author.account_id == Handoff.account_id, Author.id == Handoff.handed_off_by_id))
    .outerjoin(Claimer, and_(Claimer.account_id == Handoff.account_id, Claimer.id == Handoff.claimed_by_id))
    .outerjoin(Target, and_(Target.account_id == Handoff.account_id, Target.id == Handoff.target_id))
    .outerjoin(
        Newest,
        and_(
            Newest.account_id == Handoff.account_id,
            Newest.handoff_id == Handoff.id,
            Newest.generation == Handoff.generation,
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

Facts = Row[Handoff, TroubleshootingSession, str, Any, Any, Any, Any]


def cards(session: Session, keys: Collection[tuple[UUID, UUID]]) -> Mapping[tuple[UUID, UUID], dict[str, Any]]:
    """The cards of these (account, handoff) pairs, as the transaction sees them."""
    # Naming the accounts on their own lets the planner use the key of each table.
    accounts = {account for account, _ in keys}
    rows = session.execute(
        _FACTS.where(Handoff.account_id.in_(accounts), tuple_(Handoff.account_id, Handoff.id).in_(list(keys)))
    )
    return {(row[0].account_id, row[0].id): _card(row) for row in rows}


def whole(session: Session, account_id: UUID, handoff_id: UUID) -> dict[str, Any]:
    """One handoff in full. The caller has checked that it exists and may be seen."""
    row = session.execute(_FACTS.where(Handoff.account_id == account_id, Handoff.id == handoff_id)).one()
    shown = row[6]
    return _shown(row) | {"assessment": shown and full_assessment(shown, row[1].steps_count)}


def _card(row: Facts) -> dict[str, Any]:
    card = _shown(row)
    card["session"]["problem"] = shortened(card["session"]["problem"])
    card["assessment"] = row[6] and _short_assessment(row[6])
    return card


def shortened(problem: str) -> str:
    """The start of a text, as a card carries it."""
    return problem if len(problem) <= PROBLEM_CHARS else problem[: PROBLEM_CHARS - 1] + "…"


def _shown(row: Facts) -> dict[str, Any]:
    handoff, session, author, claimer, target, state, _ = row
    return {
        "id": str(handoff.id),
        "intent": handoff.intent,
        "status": handoff.status,
        "version": handoff.version,
        "priority": handoff.priority,
        "reason": handoff.reason,
        "ask": handoff.ask,
        "session": {
            "external_id": session.external_id,
            "title": session.title,
            "problem": session.problem,
            "category": session.category,
            "client": session.client,
            "asset": session.asset,
            "steps_count": session.steps_count,
        },
        "handed_off_by": _person(handoff.handed_off_by_id, author),
        "target": _person(handoff.target_id, target),
        "claimed_by": _person(handoff.claimed_by_id, claimer),
        "created_at": rfc3339(handoff.created_at),
        "ready_at": rfc3339(handoff.ready_at),
        "claimed_at": rfc3339(handoff.claimed_at),
        "first_action_at": rfc3339(handoff.first_action_at),
        "resolved_at": rfc3339(handoff.resolved_at),
        "resolution": handoff.resolution,
        "seq": handoff.seq,
        "returns": handoff.returns,
        "overdue": handoff.overdue,
        "assessment_state": state,
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
