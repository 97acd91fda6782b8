"""Lists of handoffs: their filters, and a page of one in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from models.database.executor import Session
from models.handoff import Actor, Handoff, Priority, Status, visible_to
from models.handoff.reading import IS_UNREAD
from models.handoff.search import matches, ticket_of
from models.handoff.views import Sort, Stretch, View, stretches, within
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
    view: View | None = None


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


@dataclass(frozen=True)
class Row:
    """A row of a list, with the columns that were asked for beside it."""

    id: UUID
    is_unread: bool
    stretch: int
    keys: Sequence[Any]
    also: Sequence[Any] = ()

    @property
    def place(self) -> list[Any]:
        """Its place in the list: the number of its stretch and its keys in it."""
        return [self.stretch, *map(_text, self.keys)]


class PlaceError(ValueError):
    """Raised for a place that is none in this list."""


def page(
    session: Session,
    account_id: UUID,
    wanted: Filter,
    *,
    seen_by: Actor,
    sort: Sort | None = None,
    after: Sequence[Any] | None = None,
    limit: int,
    also: Sequence[ColumnElement[Any] | InstrumentedAttribute[Any]] = (),
) -> list[Row]:
    """Return the next rows of a list after a place, at most limit + 1; the extra one only shows that there are more.

    `also` are further columns of each. PlaceError: `after` is of another list. A search for a ticket by its id alone
    begins with that ticket's handoffs.
    """
    who = literal(seen_by.user_id, Uuid)
    query = listed(session, account_id, wanted, seen_by=seen_by)
    if wanted.view:
        query = query.where(within(wanted.view, who))
    parts = _ticket_first(session, account_id, wanted, stretches(wanted.view, sort))
    first, keys = _place(after, parts)
    rows: list[Row] = []
    end = 2 + len(also)
    for number, part in enumerate(parts[first:], start=first):
        if part is None:
            continue
        here = query.where(part.rows)
        if keys and number == first:
            here = here.where(part.after(keys))
        found = session.execute(
            here.with_only_columns(Handoff.id, IS_UNREAD, *also, *part.keys)
            .order_by(*part.order)
            .limit(limit + 1 - len(rows)),
            {"by": seen_by.user_id},
        )
        rows += [Row(row[0], row[1], number, row[end:], row[2:end]) for row in found]
        if len(rows) > limit:
            break
    return rows


def _place(after: Sequence[Any] | None, parts: Sequence[Stretch | None]) -> tuple[int, list[str]]:
    """Return the number of a stretch and the keys in it."""
    if after is None:
        return 0, []
    try:
        number, *keys = after
        if (part := parts[number]) is not None:
            part.after(keys)
    except (TypeError, ValueError, IndexError) as error:
        raise PlaceError from error
    return number, keys


def _text(key: Any) -> str:
    return key.isoformat() if isinstance(key, datetime) else str(key)


def _ticket_first(
    session: Session, account_id: UUID, wanted: Filter, parts: Sequence[Stretch]
) -> Sequence[Stretch | None]:
    """Put a stretch with the ticket that a search names before the others. None: it names none."""
    if not wanted.q:
        return parts
    ids = ticket_of(session, account_id, wanted.q)
    if not ids:
        return [None, *parts]
    theirs = Handoff.session_id.in_(ids)
    others: list[Stretch] = [replace(part, rows=and_(part.rows, ~theirs)) for part in parts]
    return [Stretch(theirs, (Handoff.id,), is_descending=True), *others]
