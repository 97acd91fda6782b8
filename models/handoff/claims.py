"""The lease of a claim: how long a claim stays without a first action, and what stops it.

It begins with the claim and ends with the claimer's first step. The claimer restarts it by keeping the claim, or
stops it until a time by snoozing, as when the client has to answer first; it then starts over by itself. The sweep
returns a claim to the queue whose lease is over.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, cast, func, select, update

from models.account import Account
from models.database.executor import Session
from models.errors import Forbidden
from models.feed import EventType
from models.feed.card import Representation
from models.feed.unit_of_work import EVERYBODY, UnitOfWork
from models.handoff import Actor, Handoff, Status
from models.handoff.conditional import BY, IS_MINE, due, make, move, refuse_unless_claimer
from models.settings import settings


def _seconds(count: Any) -> ColumnElement[Any]:
    return func.make_interval(0, 0, 0, 0, 0, 0, count)


def lease_end() -> ColumnElement[Any]:
    """Build the end of a lease that begins now. Its values are `account`, and `lease`, the installation's seconds."""
    own = select(Account.claim_lease_seconds).where(Account.id == bindparam("account")).scalar_subquery()
    return func.now() + _seconds(func.coalesce(own, cast(bindparam("lease"), Integer)))


_NOT_SNOOZED = {"snoozed_until": None, "snooze_reason": None}
ENDED = {"lease_until": None, **_NOT_SNOOZED}
CLAIMED_NOW: dict[str, Any] = {
    "claimed_at": func.now(),
    "first_action_at": None,
    "overdue": False,
    **_NOT_SNOOZED,
    "lease_until": lease_end(),
}
UNCLAIMED: dict[str, Any] = {
    "status": Status.READY,
    "claimed_by_id": None,
    "claimed_at": None,
    "first_action_at": None,
    "overdue": False,
    "waiting_since": func.now(),
    "reminders": 0,
    **ENDED,
}
RUNS_AGAIN: dict[str, Any] = {
    **_NOT_SNOOZED,
    "lease_until": case((Handoff.first_action_at.is_(None), lease_end()), else_=None),
}

_KEEP = move(
    EventType.UPDATED,
    and_(Handoff.status == Status.CLAIMED, Handoff.claimed_by_id == BY, Handoff.lease_until.is_not(None)),
    {"lease_until": lease_end()},
)
_SNOOZE = move(
    EventType.UPDATED,
    IS_MINE,
    {"lease_until": None, "snoozed_until": bindparam("until"), "snooze_reason": bindparam("why")},
)
_UNSNOOZE = move(EventType.UPDATED, and_(IS_MINE, Handoff.snoozed_until.is_not(None)), RUNS_AGAIN)


def keep(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Restart the lease of one's claim. Nothing changes where none runs."""
    return make(_KEEP, account_id, handoff_id, _explain_no_keeping, by=by, version=version, note="kept")


def _explain_no_keeping(session: Session, found: Handoff, by: Actor, version: int | None) -> bool:
    refuse_unless_claimer(session, found, by, version)
    if found.claimed_by_id != by.user_id:
        raise Forbidden("not_claimer", "Only the one who took it may keep it.")
    return True


def snooze(
    account_id: UUID, handoff_id: UUID, *, by: Actor, until: datetime, reason: str, version: int | None = None
) -> Representation:
    """Stop the lease of a claim until this time, and show why."""
    how = {"until": until, "why": reason, "note": f"snoozed until {until:%Y-%m-%d %H:%M} UTC: {reason}"}
    return make(_SNOOZE, account_id, handoff_id, refuse_unless_claimer, by=by, version=version, **how)


def unsnooze(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """End a snooze early. Nothing changes where there is none."""

    def explain(session: Session, found: Handoff, by: Actor, version: int | None) -> bool:
        refuse_unless_claimer(session, found, by, version)
        return True

    return make(_UNSNOOZE, account_id, handoff_id, explain, by=by, version=version, note="snooze ended")


def ended_snoozes(session: Session) -> list[tuple[UUID, UUID]]:
    """Find claims whose snooze is over, oldest first: (account, handoff)."""
    return due(session, Handoff.snoozed_until <= func.now(), oldest_by=Handoff.snoozed_until)


def end_snooze(session: UnitOfWork, account_id: UUID, handoff_id: UUID) -> bool:
    """Restart the lease of a claim whose snooze is over. False: it is not over (any more); nothing happened."""
    won = session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id == handoff_id, Handoff.snoozed_until <= func.now())
        .values(version=Handoff.version + 1, **RUNS_AGAIN)
        .returning(Handoff.id)
        .execution_options(synchronize_session=False),
        {"account": account_id, "lease": settings().claim_lease_seconds},
    ).first()
    if won is None:
        return False
    session.collect(account_id, handoff_id, EventType.UPDATED, by=None, note="snooze is over")
    return True


def _overdue() -> ColumnElement[bool]:
    # A process of a former version claims without storing the end of the lease.
    seconds = func.coalesce(Account.claim_lease_seconds, settings().claim_lease_seconds)
    return and_(
        Handoff.status == Status.CLAIMED,
        Handoff.first_action_at.is_(None),
        Handoff.snoozed_until.is_(None),
        func.coalesce(Handoff.lease_until, Handoff.claimed_at + _seconds(seconds)) < func.now(),
    )


def overdue_claims(session: Session) -> list[tuple[UUID, UUID]]:
    """Find claims without a first action whose lease has expired, oldest first: (account, handoff)."""
    return due(session, _overdue(), oldest_by=Handoff.claimed_at)


def return_overdue_claim(session: UnitOfWork, account_id: UUID, handoff_id: UUID) -> bool:
    """Return an overdue claim to the queue. False: it is not overdue (any more); nothing happened."""
    won = session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id == handoff_id)
        .where(Account.id == Handoff.account_id, _overdue())
        .values(
            **UNCLAIMED | {"overdue": True},
            version=Handoff.version + 2,
        )
        .returning(Handoff.id)
        .execution_options(synchronize_session=False)
    ).first()
    if won is None:
        return False
    session.collect(account_id, handoff_id, EventType.OVERDUE, by=None, unread_for=EVERYBODY)
    session.collect(account_id, handoff_id, EventType.RELEASED, by=None, note="claim lease ran out")
    return True
