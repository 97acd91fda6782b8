"""One conditional update of a handoff and one feed event, which travel as one message and are one transaction.

A move that was refused is tried once more with the row locked, so that the answer names the very state that refused
it, and not one that came a moment later. A move that needs more than one statement locks the row first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Update,
    Uuid,
    and_,
    bindparam,
    cast,
    exists,
    literal,
    or_,
    select,
    update,
)

from models.account import Account
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Conflict, Forbidden, VersionMismatch
from models.feed import EventType
from models.feed.append import with_event
from models.feed.card import Representation
from models.handoff import Actor, Handoff, Status, find, lock
from models.settings import settings
from models.transaction import append_and_represent, change, transaction

# The values of every move.
BY = bindparam("by", type_=Uuid)
IS_ADMIN = bindparam("admin", type_=Boolean)
_version = bindparam("version", type_=Integer)

IS_MINE = and_(Handoff.status == Status.CLAIMED, or_(IS_ADMIN, Handoff.claimed_by_id == BY))


def move(
    event: EventType, allowed: ColumnElement[bool], changes: dict[str, Any], *, and_then: Update | None = None
) -> Prepared:
    """Prepare a conditional update with its event. The caller may require the version that it has seen."""
    changed = (
        update(Handoff)
        .where(Handoff.account_id == bindparam("account"), Handoff.id == bindparam("handoff"), allowed)
        .where(or_(cast(_version, Integer).is_(None), Handoff.version == _version))
        .values(version=Handoff.version + 1, **changes)
        .returning(literal(event.value).label("event"))
        .cte("changed")
    )
    statement = with_event(changed)
    if and_then is not None:
        statement = statement.add_cte(and_then.where(exists().select_from(changed)).cte("then"))
    return Prepared(statement)


def make(
    what: Prepared,
    account_id: UUID,
    handoff_id: UUID,
    explain: Callable[[Session, Handoff, Actor, int | None], bool | None],
    *,
    by: Actor,
    version: int | None,
    **more: Any,
) -> Representation:
    """Make a move and return the handoff after it. `explain` raises the reason of a refusal; True: already done."""
    values = values_of(account_id, handoff_id, by, version, **more)
    appended = change(account_id, handoff_id, what, values, show=True).appended
    if appended and appended.whole:
        return appended.whole
    with transaction(account_id) as session:
        lock(session, account_id, handoff_id)
        if event := what(session, values)[0].event:
            about = {"note": values["note"], "unread_for": values["unread_for"]}
            session.collect(account_id, handoff_id, EventType(event), by=by.user_id, **about)
        elif not explain(session, find(session, account_id, handoff_id, seen_by=by), by, version):
            raise AssertionError("a move was refused without a reason")
        return append_and_represent(session, account_id, handoff_id)


def values_of(account_id: UUID, handoff_id: UUID, by: Actor, version: int | None, **more: Any) -> dict[str, Any]:
    """Return the values of a move's statement."""
    who = {"by": by.user_id, "admin": by.is_admin}
    own = {"note": None, "unread_for": None, "lease": settings().claim_lease_seconds}
    return {"account": account_id, "handoff": handoff_id, "version": version, **own, **who, **more}


def due(
    session: Session, condition: ColumnElement[bool], *, oldest_by: Any, most: int = 50
) -> list[tuple[UUID, UUID]]:
    """Find handoffs for the sweep, across accounts, the oldest first: (account, handoff).

    The condition may name the account's settings. The sweep changes each in a transaction of its own, under the same
    condition, since it may have changed by then.
    """
    rows = session.execute(
        select(Handoff.account_id, Handoff.id)
        .join(Account, Account.id == Handoff.account_id)
        .where(condition)
        .order_by(oldest_by)
        .limit(most)
    )
    return [(account_id, handoff_id) for account_id, handoff_id in rows]


def update_locked(session: Session, locked: Handoff, changes: Mapping[str, Any], **more: Any) -> None:
    """Change a handoff whose row is locked, and count its version on. `more` are values that the changes name."""
    values = {"account": locked.account_id, "lease": settings().claim_lease_seconds, **more}
    session.execute(
        update(Handoff)
        .where(Handoff.account_id == locked.account_id, Handoff.id == locked.id)
        .values(version=Handoff.version + 1, **changes)
        .execution_options(synchronize_session=False),
        values,
    )


def refuse_unless_claimer(_: Session, found: Handoff, by: Actor, version: int | None) -> None:
    """Raise the reason for which a claim may not be changed by this person."""
    refuse_other_version(found, version)
    if found.status is not Status.CLAIMED:
        wrong_state(found)
    if not by.is_admin and found.claimed_by_id != by.user_id:
        raise Forbidden("not_claimer", "Only the one who took it, or an admin, may do this.")


def refuse_other_version(found: Handoff, version: int | None) -> None:
    """Raise VersionMismatch if the caller has seen another version; None: any will do."""
    if version is not None and found.version != version:
        raise VersionMismatch(found.version)


def wrong_state(found: Handoff) -> NoReturn:
    """Raise Conflict, naming the state."""
    raise Conflict("wrong_state", f"The handoff is {found.status}; this cannot be done now.", state=found.status)
