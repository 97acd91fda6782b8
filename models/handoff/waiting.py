"""Reminders of handoffs that nobody takes.

Each comes after twice as long a wait as the one before. The wait starts over whenever a handoff comes back.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, update

from models.account import Account
from models.database.executor import Session
from models.feed import EventType
from models.feed.unit_of_work import UnitOfWork
from models.handoff import MOST_REMINDERS, WAITING, Handoff, Priority
from models.handoff.conditional import due
from models.settings import settings


def _due() -> ColumnElement[bool]:
    urgent = func.coalesce(Account.urgent_reminder_seconds, settings().urgent_reminder_seconds)
    other = func.coalesce(Account.waiting_reminder_seconds, settings().waiting_reminder_seconds)
    first = case((Handoff.priority == Priority.URGENT, urgent), else_=other)
    wait = func.make_interval(0, 0, 0, 0, 0, 0, first * func.power(2, Handoff.reminders))
    return and_(
        Handoff.status.in_(WAITING),
        Handoff.reminders < MOST_REMINDERS,
        Handoff.waiting_since < func.now() - wait,
    )


def due_reminders(session: Session) -> list[tuple[UUID, UUID]]:
    """Find handoffs that have waited long enough for their next reminder, longest first: (account, handoff)."""
    return due(session, _due(), oldest_by=Handoff.waiting_since)


def remind(session: UnitOfWork, account_id: UUID, handoff_id: UUID) -> bool:
    """Remind of a handoff that waits. False: none is due (any more); nothing happened."""
    won = session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id == handoff_id)
        .where(Account.id == Handoff.account_id, _due())
        .values(reminders=Handoff.reminders + 1, version=Handoff.version + 1)
        .returning(Handoff.id)
        .execution_options(synchronize_session=False)
    ).first()
    if won is None:
        return False
    session.collect(account_id, handoff_id, EventType.WAITING, by=None)
    return True
