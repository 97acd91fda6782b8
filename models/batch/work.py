"""Drive a batch: collect finished items, queue the next ones, end when none is left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select, update

from models.assessment import UNFINISHED, Assessment, Lane, State
from models.batch import MOVING, Batch, BatchItem, BatchState, ItemState
from models.database import new_id, sql_file
from models.database.executor import Session
from models.handoff import COVERED, Handoff
from models.settings import settings

RATE_SECONDS = 5.0  # over which the rate is measured
MOST_SKIPPED = 2000  # items looked at in one transaction, when most of them are skipped

_COLLECT = sql_file(__file__, "collect")
_STORE_ITEMS = sql_file(__file__, "store_items")


@dataclass(frozen=True)
class Moving:
    """A batch with items to queue or to collect."""

    account_id: UUID
    id: UUID
    waiting: int  # not handed out; 0 when it is paused or cancelled
    in_flight: int


def moving(session: Session) -> list[Moving]:
    """Find every batch that the driver should look at, across accounts, longest waiting first."""
    rows = session.execute(
        select(Batch.account_id, Batch.id, Batch.state, Batch.total, Batch.cursor, Batch.done)
        .where(or_(Batch.state.in_(MOVING), Batch.done < Batch.cursor))
        .order_by(Batch.driven_at, Batch.id)
    )
    return [
        Moving(account, batch, total - cursor if state in MOVING else 0, cursor - done)
        for account, batch, state, total, cursor, done in rows
    ]


def shares(batches: Sequence[Moving], *, window: int, per_account: int) -> dict[UUID, int]:
    """Decide how many items each batch may have in flight, with `window` over all of them.

    One slot at a time goes to the account with the fewest, and there to the batch with the fewest; among
    equals to the one that comes first. No batch gets more than it can use.
    """
    given = {batch.id: 0 for batch in batches}
    of_account = {batch.account_id: 0 for batch in batches}
    for _ in range(window):
        wanting = [
            batch
            for batch in batches
            if given[batch.id] < batch.waiting + batch.in_flight and of_account[batch.account_id] < per_account
        ]
        if not wanting:
            break
        chosen = min(wanting, key=lambda batch: (of_account[batch.account_id], given[batch.id]))
        given[chosen.id] += 1
        of_account[chosen.account_id] += 1
    return given


def drive(session: Session, account_id: UUID, batch_id: UUID, *, share: int, paced: int | None) -> int:
    """Take one step of one batch; returns the number of assessments queued, for which workers are to be woken.

    At most `share` items are in flight afterwards; `paced` bounds how many are begun in a minute in the
    account (None: it does not matter). Another driver's batch is left alone.
    """
    batch = session.scalars(
        select(Batch)
        .where(Batch.account_id == account_id, Batch.id == batch_id)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if batch is None:
        return 0
    now = session.scalars(select(func.now())).one()
    budget_ran_out = _collect(session, batch)
    queued = 0
    if batch.state in MOVING:
        _begin(batch, now)
        if not _paused(batch, budget_ran_out):
            room = share - (batch.cursor - batch.done)
            if paced is not None:
                room = min(room, paced - _begun_lately(session, account_id, now))
            queued = _hand_out(session, batch, room)
            _end(batch, now)
    _measure(batch, now)
    batch.driven_at = now
    return queued


def _begin(batch: Batch, now: datetime) -> None:
    batch.state = BatchState.RUNNING
    if batch.started_at is None:
        batch.started_at = batch.rate_from = now


def _paused(batch: Batch, budget_ran_out: bool) -> bool:
    """Whether cost or the account's budget for models pauses it now. Items in flight are still finished."""
    if batch.cost_ceiling is not None and batch.cost >= batch.cost_ceiling:
        batch.paused_reason = "cost_ceiling"
    elif budget_ran_out and batch.cursor < batch.total:
        batch.paused_reason = "budget"
    else:
        return False
    if batch.cursor == batch.total:
        batch.paused_reason = None
        return False
    batch.state, batch.rate, batch.rate_from = BatchState.PAUSED, None, None
    return True


def _collect(session: Session, batch: Batch) -> bool:
    """Count the items whose assessments have ended. True: some fell back because the budget was exhausted."""
    if batch.cursor == batch.done:
        return False
    ended = session.execute(_COLLECT, {"account": batch.account_id, "batch": batch.id}).all()
    for row in ended:
        setattr(batch, row.state, getattr(batch, row.state) + 1)
    batch.done += len(ended)
    batch.tokens_in += sum(row.tokens_in for row in ended)
    batch.tokens_out += sum(row.tokens_out for row in ended)
    batch.cost += sum((row.cost for row in ended), Decimal(0))
    return any(row.state == ItemState.FALLBACK and row.reason == "budget" for row in ended)


def _begun_lately(session: Session, account_id: UUID, now: datetime) -> int:
    """Count the bulk assessments that the account began in the last minute. Ids are ordered by time."""
    minute_ago = UUID(int=int((now.timestamp() - 60) * 1000) << 80)
    return (
        session.scalar(
            select(func.count()).where(
                Assessment.account_id == account_id, Assessment.id > minute_ago, Assessment.lane == Lane.BULK
            )
        )
        or 0
    )


def _hand_out(session: Session, batch: Batch, room: int) -> int:
    queued = looked_at = 0
    while queued < room and batch.cursor < batch.total and looked_at < MOST_SKIPPED:
        before = batch.cursor
        queued += _hand_out_some(session, batch, room - queued)
        looked_at += batch.cursor - before
    return queued


def _hand_out_some(session: Session, batch: Batch, most: int) -> int:
    items = session.execute(
        select(BatchItem.position, BatchItem.handoff_id).where(
            BatchItem.account_id == batch.account_id,
            BatchItem.batch_id == batch.id,
            BatchItem.position > batch.cursor,
            BatchItem.position <= batch.cursor + most,
        )
    ).all()
    reasons, generations = _look_at(session, batch.account_id, [handoff_id for _, handoff_id in items])
    moved: list[dict[str, Any]] = [
        {
            "position": position,
            "handoff_id": handoff_id,
            "state": ItemState.SKIPPED if handoff_id in reasons else ItemState.DISPATCHED,
            "reason": reasons.get(handoff_id),
            "assessment_id": None if handoff_id in reasons else new_id(),
        }
        for position, handoff_id in items
    ]
    begun = [item for item in moved if item["assessment_id"]]
    _queue(session, batch, begun, generations)
    _store(session, batch, moved)
    batch.cursor += len(moved)
    batch.skipped += len(moved) - len(begun)
    batch.done += len(moved) - len(begun)
    return len(begun)


def _look_at(session: Session, account_id: UUID, handoff_ids: list[UUID]) -> tuple[dict[UUID, str], dict[UUID, int]]:
    """Find which are skipped and why, and each handoff's newest generation. Locks the handoffs in order of ids."""
    rows = session.execute(
        select(Handoff.id, Handoff.status, Handoff.generation)
        .where(Handoff.account_id == account_id, Handoff.id.in_(handoff_ids))
        .order_by(Handoff.id)
        .with_for_update(key_share=True)
    ).all()
    reasons = {handoff_id: status.value for handoff_id, status, _ in rows if status not in COVERED}
    # One that is being assessed anyway will be as new as the batch wants it.
    busy = session.scalars(
        select(Assessment.handoff_id).where(
            Assessment.account_id == account_id,
            Assessment.handoff_id.in_(handoff_ids),
            Assessment.state.in_(UNFINISHED),
        )
    )
    for handoff_id in busy:
        reasons.setdefault(handoff_id, "already_queued")
    return reasons, {handoff_id: generation for handoff_id, _, generation in rows}


def _queue(session: Session, batch: Batch, begun: list[dict[str, Any]], generations: dict[UUID, int]) -> None:
    """Do for many handoffs what moves.reassess does for one. The deadline starts now, as they are handed out."""
    if not begun:
        return
    deadline = func.now() + timedelta(seconds=settings().bulk_deadline_seconds)
    session.execute(
        insert(Assessment).values(lane=Lane.BULK, state=State.QUEUED, deadline_at=deadline),
        [
            {
                "account_id": batch.account_id,
                "id": item["assessment_id"],
                "handoff_id": item["handoff_id"],
                "generation": generations[item["handoff_id"]] + 1,
                "asked_by_id": batch.started_by_id,
            }
            for item in begun
        ],
    )
    session.execute(
        update(Handoff)
        .where(Handoff.account_id == batch.account_id, Handoff.id.in_([item["handoff_id"] for item in begun]))
        .values(generation=Handoff.generation + 1)
        .execution_options(synchronize_session=False)
    )


def _store(session: Session, batch: Batch, moved: list[dict[str, Any]]) -> None:
    if not moved:
        return
    items = json.dumps(moved, default=str)
    session.execute(_STORE_ITEMS, {"account": batch.account_id, "batch": batch.id, "items": items})


def _end(batch: Batch, now: datetime) -> None:
    if batch.done < batch.total:
        return
    hopeless = batch.failed > 0 and batch.succeeded + batch.fallback == 0
    batch.state = BatchState.FAILED if hopeless else BatchState.COMPLETED
    batch.finished_at = now
    batch.rate = None


def _measure(batch: Batch, now: datetime) -> None:
    """Update the smoothed rate of the last seconds."""
    if batch.state is not BatchState.RUNNING:
        return
    if batch.rate_from is None:
        batch.rate_from, batch.rate_done = now, batch.done
        return
    seconds = (now - batch.rate_from).total_seconds()
    if seconds >= RATE_SECONDS:
        measured = (batch.done - batch.rate_done) / seconds
        batch.rate = measured if batch.rate is None else (batch.rate + measured) / 2
        batch.rate_from, batch.rate_done = now, batch.done
