"""Views of the handoffs and their order: what a person looks through, and from where a page goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, or_, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from models.handoff import OPEN, WAITING, Handoff, Priority, Status
from models.handoff.questions import IS_ASKED
from models.handoff.reading import IS_UNOPENED


class View(StrEnum):
    """What somebody looks through."""

    WAITING = "waiting"
    FOR_ME = "for_me"
    MINE = "mine"
    HANDED_OFF = "handed_off"
    RESOLVED = "resolved"
    ALL = "all"


class Sort(StrEnum):
    """The order of a list."""

    URGENCY = "urgency"
    OLDEST = "oldest"
    NEWEST = "newest"


_IS_WAITING = Handoff.status.in_(WAITING)
_IS_OPEN = Handoff.status.in_(OPEN)


def within(view: View, by: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Condition for the rows of the view of this person, who is also the parameter `by`."""
    is_mine = and_(Handoff.status == Status.CLAIMED, Handoff.claimed_by_id == by)
    # Each of these alone puts a handoff into `for_me`.
    concerns_me = (and_(_IS_WAITING, Handoff.target_id == by), and_(is_mine, IS_UNOPENED), IS_ASKED)
    conditions: dict[View, ColumnElement[bool]] = {
        View.WAITING: _IS_WAITING,
        View.FOR_ME: and_(_IS_OPEN, or_(*concerns_me)),
        View.MINE: is_mine,
        View.HANDED_OFF: and_(Handoff.handed_off_by_id == by, Handoff.status != Status.WITHDRAWN),
        View.RESOLVED: Handoff.status == Status.RESOLVED,
        View.ALL: true(),
    }
    return conditions[view]


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of a list: which, and by which columns they are in order, all of them in one direction."""

    rows: ColumnElement[bool]
    keys: Sequence[ColumnElement[Any] | InstrumentedAttribute[Any]]
    is_descending: bool = False

    @property
    def order(self) -> list[ColumnElement[Any]]:
        """The order, as ORDER BY takes it."""
        return [key.desc() if self.is_descending else key.asc() for key in self.keys]

    def after(self, place: Sequence[str]) -> ColumnElement[bool]:
        """Condition for the rows after the one with these keys, which are as text. ValueError for other text."""
        values = [_typed(key, text) for key, text in zip(self.keys, place, strict=True)]
        here, there = tuple_(*self.keys), tuple_(*values)
        return here < there if self.is_descending else here > there


def _typed(key: ColumnElement[Any] | InstrumentedAttribute[Any], text: str) -> Any:
    kind = key.type.python_type
    return datetime.fromisoformat(text) if kind is datetime else kind(text)


# An urgent one comes before all others; among equals the one that has waited longest comes first.
_RANK = case({priority: n for n, priority in enumerate(reversed(Priority))}, value=Handoff.priority)
_BY_URGENCY = (_RANK, Handoff.created_at, Handoff.id)
_WITHOUT_CLOSED = (View.WAITING, View.FOR_ME, View.MINE)


def stretches(view: View | None, sort: Sort | None) -> list[Stretch]:
    """Return the stretches of a list in order. Without view and sort it goes by id, the newest first.

    Resolved handoffs are as new as their resolution where they are alone, otherwise as their handing over. A closed
    one is not urgent any more: by urgency it comes after the open ones, the newest first. So the open ones alone are
    sorted, and an index has the rest in order, however many are closed.
    """
    if view is None and sort is None:
        return [Stretch(true(), (Handoff.id,), is_descending=True)]
    by_time = (Handoff.resolved_at if view is View.RESOLVED else Handoff.created_at, Handoff.id)
    if sort is Sort.OLDEST:
        return [Stretch(true(), by_time)]
    if sort is Sort.NEWEST or view is View.RESOLVED:
        return [Stretch(true(), by_time, is_descending=True)]
    urgent = Stretch(_IS_OPEN, _BY_URGENCY)
    return [urgent] if view in _WITHOUT_CLOSED else [urgent, Stretch(~_IS_OPEN, by_time, is_descending=True)]
