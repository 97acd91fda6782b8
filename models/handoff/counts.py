"""How many handoffs each view has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, func, literal_column, select

from models.database.executor import Executor
from models.database.prepared import Prepared
from models.feed import Feed
from models.handoff import OPEN, Handoff, Priority, Status
from models.handoff.reading import IS_UNREAD
from models.handoff.views import View, within

RESOLVED_DAYS = 30  # how far back resolved ones are counted; a view shows all of them

_account, _by = bindparam("account", type_=Uuid), bindparam("by", type_=Uuid)
_OPEN_VIEWS = (View.WAITING, View.FOR_ME, View.MINE, View.HANDED_OFF)


def _count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(*conditions)


def _statement() -> Prepared:
    """Three index scans that are as long as what is open, is a draft, or was resolved of late: not as the history."""
    ours, is_their_own = Handoff.account_id == _account, Handoff.handed_off_by_id == _by
    views = [
        count.label(f"{view}_{name}")
        for view in _OPEN_VIEWS
        for name, count in (
            ("total", _count(within(view, _by))),
            ("urgent", _count(within(view, _by), Handoff.priority == Priority.URGENT)),
            ("unread", _count(within(view, _by), IS_UNREAD)),
        )
    ]
    opened = select(*views).select_from(Handoff).where(ours, Handoff.status.in_(OPEN)).subquery()
    lately = func.now() - func.make_interval(0, 0, 0, literal_column(str(RESOLVED_DAYS)))
    resolved = (
        select(_count().label("resolved"), _count(is_their_own).label("own_resolved"))
        .where(ours, Handoff.status == Status.RESOLVED, Handoff.resolved_at >= lately)
        .subquery()
    )
    drafts = and_(ours, Handoff.status == Status.PARKED, is_their_own)
    parked = select(_count().label("own_parked")).where(drafts).subquery()
    head = select(Feed.head.label("seq")).where(Feed.account_id == _account).subquery()
    return Prepared(select(opened, resolved, parked, head))


_COUNTS = _statement()


def counts(executor: Executor, account_id: UUID, *, by: UUID) -> dict[str, Any]:
    """Return the counts of this person's views as of the event `seq`, in one statement and so of one moment.

    `urgent` and `unread` are those of the open ones. Of the resolved ones those of the last RESOLVED_DAYS days count.
    """
    (row,) = _COUNTS(executor, {"account": account_id, "by": by})
    views: dict[View, dict[str, int]] = {
        view: {name: getattr(row, f"{view}_{name}") for name in ("total", "urgent", "unread")} for view in _OPEN_VIEWS
    }
    views[View.HANDED_OFF]["total"] += row.own_resolved + row.own_parked
    views[View.RESOLVED] = {"total": row.resolved}
    return {"views": views, "seq": row.seq}
