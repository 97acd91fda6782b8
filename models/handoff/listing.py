"""Filters of the lists of handoffs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, select

from models.database.executor import Session
from models.handoff import Actor, Handoff, Priority, Status, visible_to
from models.handoff.search import matches
from models.session import TroubleshootingSession


@dataclass(frozen=True)
class Filter:
    """Selects the handoffs of a list. Every field narrows; None and empty do not."""

    status: tuple[Status, ...] = ()
    priority: tuple[Priority, ...] = ()
    category: str | None = None
    session: str | None = None
    claimed_by: UUID | None = None
    handed_off_by: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


def listed(session: Session, account_id: UUID, wanted: Filter, *, seen_by: Actor) -> Select[UUID]:
    """Select the ids that match a filter, without order or limit."""
    query = select(Handoff.id).where(Handoff.account_id == account_id, visible_to(seen_by))
    narrowing = (
        (wanted.status, lambda: Handoff.status.in_(wanted.status)),
        (wanted.priority, lambda: Handoff.priority.in_(wanted.priority)),
        (wanted.claimed_by, lambda: Handoff.claimed_by_id == wanted.claimed_by),
        (wanted.handed_off_by, lambda: Handoff.handed_off_by_id == wanted.handed_off_by),
        (wanted.since, lambda: Handoff.created_at >= wanted.since),
        (wanted.until, lambda: Handoff.created_at < wanted.until),
        (wanted.q, lambda: matches(session, account_id, Handoff.id, wanted.q or "")),
    )
    query = query.where(*(condition() for given, condition in narrowing if given))
    if wanted.category or wanted.session:
        query = query.join(
            TroubleshootingSession,
            and_(
                TroubleshootingSession.account_id == Handoff.account_id,
                TroubleshootingSession.id == Handoff.session_id,
            ),
        )
    if wanted.category:
        query = query.where(TroubleshootingSession.category == wanted.category)
    if wanted.session:
        query = query.where(TroubleshootingSession.external_id == wanted.session)
    return query
