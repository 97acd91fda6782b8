"""Export handoffs as lines that can be imported again, page by page so that any number fits in memory."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select, true

from models.database.executor import Session
from models.feed.card import rfc3339
from models.handoff import COVERED, Handoff, Status
from models.session import SessionStep, TroubleshootingSession

PAGE = 500  # handoffs


def page(session: Session, account_id: UUID, *, since: datetime | None, after: UUID) -> list[dict[str, Any]]:
    """Return the next lines after the handoff `after`, in order of ids; fewer than PAGE: these were the last.

    Only handoffs created at or after `since`; parked and withdrawn ones are left out.
    """
    rows = session.execute(
        select(Handoff, TroubleshootingSession)
        .join(
            TroubleshootingSession,
            and_(
                TroubleshootingSession.account_id == Handoff.account_id,
                TroubleshootingSession.id == Handoff.session_id,
            ),
        )
        .where(Handoff.account_id == account_id, Handoff.id > after, Handoff.status.in_(COVERED))
        .where(true() if since is None else Handoff.created_at >= since)
        .order_by(Handoff.id)
        .limit(PAGE)
    ).all()
    steps: dict[UUID, list[SessionStep]] = defaultdict(list)
    for step in session.scalars(
        select(SessionStep)
        .where(SessionStep.account_id == account_id, SessionStep.session_id.in_({stored.id for _, stored in rows}))
        .order_by(SessionStep.session_id, SessionStep.seq)
    ):
        steps[step.session_id].append(step)
    return [_line(found, stored, steps[stored.id]) for found, stored in rows]


def _line(found: Handoff, stored: TroubleshootingSession, steps: list[SessionStep]) -> dict[str, Any]:
    line = {
        "id": str(found.id),
        "created_at": rfc3339(found.created_at),
        "intent": found.intent,
        "priority": found.priority,
        "reason": found.reason,
        "ask": found.ask,
        "session": {
            "external_id": stored.external_id,
            "title": stored.title,
            "problem": stored.problem,
            "category": stored.category,
            "client": stored.client,
            "asset": stored.asset,
            "opened_at": rfc3339(stored.opened_at),
            "steps": [_step(step) for step in steps],
        },
    }
    if found.status is Status.RESOLVED:
        line |= {
            "resolution": found.resolution,
            "root_cause": found.root_cause,
            "resolved_at": rfc3339(found.resolved_at),
        }
    return _without_nothing(line)


def _step(step: SessionStep) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "text": step.text,
        "outcome": step.outcome,
        "at": rfc3339(step.at),
        "author": step.author,
        "to_user_id": step.to_user_id and str(step.to_user_id),
        "answers": step.answers,
        "retracted_at": rfc3339(step.retracted_at),
    }


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value] if isinstance(value, list) else value
