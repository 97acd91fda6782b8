"""Batches: many handoffs re-assessed a few at a time, and how people control them.

A batch is frozen when it is made: its items name every handoff it covers. `cursor` is the position of the last item
that was handed to the workers or skipped. It moves in the transaction that queues the work, so a driver that is
killed leaves nothing half done and nothing to do twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Row,
    Select,
    String,
    Text,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Mapped, mapped_column

from models import audit
from models.account import User
from models.audit import Act
from models.batch.selection import Selection, selected
from models.database import Base, CreatedAt, MaybeTime, Time, new_id, read_timeout, sql_file, stored_enum
from models.database.executor import Session
from models.errors import Conflict, NotFound

KIND = "reassess"


class BatchState(StrEnum):
    """The state of a batch: queued → running ⇄ paused → completed | cancelled | failed."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"  # it went through, and not one assessment could be written


class ItemState(StrEnum):
    """The outcome of one handoff of a batch."""

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    SUCCEEDED = "succeeded"
    FALLBACK = "fallback"
    FAILED = "failed"
    SKIPPED = "skipped"  # withdrawn meanwhile, or a generation was queued or running anyway


MOVING = (BatchState.QUEUED, BatchState.RUNNING)
UNFINISHED = (*MOVING, BatchState.PAUSED)


class Batch(Base):
    """A batch and its progress. `done` counts every item that ended, whatever its outcome."""

    __tablename__ = "batches"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32), default=KIND)
    filter: Mapped[dict[str, Any]] = mapped_column(JSONB)
    identity: Mapped[str] = mapped_column(String(64))
    state: Mapped[BatchState] = mapped_column(stored_enum(BatchState, name="state"), default=BatchState.QUEUED)
    paused_reason: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(Text)
    started_by_id: Mapped[UUID | None]  # None: the command line
    created_at: Mapped[CreatedAt]
    started_at: Mapped[MaybeTime]
    finished_at: Mapped[MaybeTime]
    driven_at: Mapped[Time] = mapped_column(server_default=func.now())
    total: Mapped[int] = mapped_column(default=0)
    cursor: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    succeeded: Mapped[int] = mapped_column(default=0)
    fallback: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    tokens_in: Mapped[int] = mapped_column(BigInteger, default=0)
    tokens_out: Mapped[int] = mapped_column(BigInteger, default=0)
    cost: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0))
    cost_ceiling: Mapped[Decimal | None] = mapped_column(Numeric(14, 6))
    # Rows a second, measured from rate_from, when rate_done were done.
    rate: Mapped[float | None]
    rate_from: Mapped[MaybeTime]
    rate_done: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        ForeignKeyConstraint(["account_id", "started_by_id"], ["users.account_id", "users.id"]),
        CheckConstraint("0 <= done AND done <= cursor AND cursor <= total", name="progress"),
        CheckConstraint("succeeded + fallback + failed + skipped = done", name="sum"),
        # Two identical batches at once are refused, even if they are requested at the same moment.
        Index(
            "uq_batches_unfinished",
            "account_id",
            "identity",
            unique=True,
            postgresql_where=state.in_(UNFINISHED),
        ),
        # The driver: the few batches with something to hand out or to collect, across accounts.
        Index(
            "ix_batches_moving",
            "driven_at",
            postgresql_where=or_(state.in_(MOVING), done < cursor),
        ),
    )


class BatchItem(Base):
    """A handoff of a batch. Positions count from 1."""

    __tablename__ = "batch_items"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    handoff_id: Mapped[UUID]
    state: Mapped[ItemState] = mapped_column(stored_enum(ItemState, name="state"))
    assessment_id: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "batch_id"], ["batches.account_id", "batches.id"]),
        CheckConstraint("(state = 'dispatched') <= (assessment_id IS NOT NULL)", name="assessment"),
        # The driver: the few items whose assessments may have ended.
        Index(
            "ix_batch_items_dispatched",
            "account_id",
            "batch_id",
            postgresql_where=text("state = 'dispatched'"),
        ),
    )


def create(
    session: Session,
    account_id: UUID,
    wanted: Selection,
    *,
    by: UUID | None,
    note: str | None = None,
    cost_ceiling: Decimal | None = None,
) -> Batch:
    """Create a batch over the handoffs that match now. Conflict `already_running` names an identical one.

    A batch over nothing is completed at once.
    """
    # 100,000 items are written within two seconds; ten times as many still fit.
    read_timeout.allow(session, 60)
    values = {"kind": KIND, "filter": wanted.as_json(), "identity": wanted.identity(KIND), "state": BatchState.QUEUED}
    fresh = session.scalars(
        upsert(Batch)
        .values(account_id=account_id, id=new_id(), note=note, started_by_id=by, cost_ceiling=cost_ceiling, **values)
        .on_conflict_do_nothing(
            index_elements=["account_id", "identity"],
            index_where=Batch.state.in_(UNFINISHED),
        )
        .returning(Batch)
    ).one_or_none()
    if fresh is None:
        _refuse_identical(session, account_id, values["identity"])
    fresh.total = _freeze(session, fresh, wanted)
    if fresh.total == 0:
        fresh.state, fresh.started_at, fresh.finished_at = BatchState.COMPLETED, func.now(), func.now()
    session.flush()
    session.refresh(fresh)
    _record(session, fresh, Act.BATCH_STARTED, by=by, note=f"{fresh.total} handoffs")
    return fresh


def _record(session: Session, batch: Batch, act: Act, *, by: UUID | None, note: str | None = None) -> None:
    audit.record(session, batch.account_id, act, by=by, subject=f"batch:{batch.id}", note=note)


def _refuse_identical(session: Session, account_id: UUID, identity: Any) -> NoReturn:
    other = session.scalars(
        select(Batch).where(Batch.account_id == account_id, Batch.identity == identity, Batch.state.in_(UNFINISHED))
    ).first()
    raise Conflict(
        "already_running",
        "The same batch is already queued, running or paused.",
        batch_id=str(other.id) if other else None,
        state=other.state if other else None,
    )


def _freeze(session: Session, batch: Batch, wanted: Selection) -> int:
    chosen = selected(batch.account_id, wanted).subquery()
    rows = select(
        literal(batch.account_id),
        literal(batch.id),
        func.row_number().over(order_by=chosen.c.id.desc()),
        chosen.c.id,
        literal(ItemState.WAITING.value),
    )
    names = ["account_id", "batch_id", "position", "handoff_id", "state"]
    return session.execute(insert(BatchItem).from_select(names, rows)).rowcount  # type: ignore[attr-defined]


def find(session: Session, account_id: UUID, batch_id: UUID) -> Batch:
    """Return the batch, or raise NotFound."""
    return _found(session, select(Batch).where(Batch.account_id == account_id, Batch.id == batch_id))


def find_anywhere(session: Session, batch_id: UUID) -> Batch:
    """Return the batch of any account, or raise NotFound: for the command line, in a maintenance transaction."""
    return _found(session, select(Batch).where(Batch.id == batch_id))


def _found(session: Session, query: Select[Batch]) -> Batch:
    found = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise NotFound("There is no such batch in this account.")
    return found


def listed(account_id: UUID) -> Select[Batch]:
    """Select the account's batches, newest first."""
    return select(Batch).where(Batch.account_id == account_id).order_by(Batch.id.desc())


def items(
    session: Session,
    account_id: UUID,
    batch_id: UUID,
    *,
    after: int,
    most: int,
    state: ItemState | None = None,
    only_changed: bool = False,
) -> Sequence[Row[Any]]:
    """Return the items after this position, each with the assessments before and after it (see items.sql)."""
    values = {"account": account_id, "batch": batch_id, "after": after, "limit": most}
    return session.execute(_ITEMS, values | {"state": state, "changed": only_changed}).all()


_ITEMS = sql_file(__file__, "items")


def pause(session: Session, account_id: UUID, batch_id: UUID, *, by: UUID | None) -> Batch:
    """Queue nothing more until it is resumed; running items are finished. May be repeated.

    `by` is the admin, None: an operator at the command line.
    """
    return _move(
        session,
        account_id,
        batch_id,
        MOVING,
        already=(BatchState.PAUSED,),
        act=Act.BATCH_PAUSED,
        by=by,
        state=BatchState.PAUSED,
        paused_reason="asked",
        rate=None,
        rate_from=None,
    )


def resume(
    session: Session, account_id: UUID, batch_id: UUID, *, by: UUID | None, cost_ceiling: Decimal | None = None
) -> Batch:
    """Continue a paused batch; a running one is left alone. Conflict `wrong_state` when it has ended.

    One that spent its ceiling needs a higher one: Conflict `cost_ceiling`.
    """
    found = find(session, account_id, batch_id)
    ceiling = found.cost_ceiling if cost_ceiling is None else cost_ceiling
    if found.state is BatchState.PAUSED and ceiling is not None and found.cost >= ceiling:
        raise Conflict(
            "cost_ceiling", "The batch has spent its cost ceiling; give a higher one.", cost=float(found.cost)
        )
    return _move(
        session,
        account_id,
        batch_id,
        (BatchState.PAUSED,),
        already=MOVING,
        act=Act.BATCH_RESUMED,
        by=by,
        state=BatchState.RUNNING,
        paused_reason=None,
        cost_ceiling=ceiling,
    )


def cancel(session: Session, account_id: UUID, batch_id: UUID, *, by: UUID | None) -> Batch:
    """End the batch for good; running items are still finished and counted. May be repeated."""
    return _move(
        session,
        account_id,
        batch_id,
        UNFINISHED,
        already=(BatchState.CANCELLED,),
        act=Act.BATCH_CANCELLED,
        by=by,
        state=BatchState.CANCELLED,
        paused_reason=None,
        finished_at=func.now(),
    )


def _move(
    session: Session,
    account_id: UUID,
    batch_id: UUID,
    allowed: tuple[BatchState, ...],
    *,
    already: tuple[BatchState, ...],
    act: Act,
    by: UUID | None,
    **values: Any,
) -> Batch:
    won = session.scalars(
        update(Batch)
        .where(Batch.account_id == account_id, Batch.id == batch_id, Batch.state.in_(allowed))
        .values(**values)
        .returning(Batch),
        execution_options={"populate_existing": True, "synchronize_session": False},
    ).one_or_none()
    if won is not None:
        _record(session, won, act, by=by)
        return won
    found = find(session, account_id, batch_id)
    if found.state not in already:
        raise Conflict("wrong_state", f"The batch is {found.state}; this cannot be done now.", state=found.state)
    return found


@dataclass(frozen=True)
class Progress:
    """Rate and expected end of a batch; None where they are unknown."""

    rate: float | None  # rows a second
    eta_seconds: float | None
    eta: datetime | None


def progress(batch: Batch, now: datetime) -> Progress:
    """Compute the progress at `now`."""
    rate = batch.rate
    if rate is None and batch.started_at and batch.done:
        seconds = ((batch.finished_at or now) - batch.started_at).total_seconds()
        rate = batch.done / seconds if seconds > 0 else None
    if batch.state not in MOVING or not rate:
        return Progress(rate, None, None)
    left = (batch.total - batch.done) / rate
    return Progress(rate, left, now + timedelta(seconds=left))


def starter(session: Session, batch: Batch) -> User | None:
    """Return who started it; None: the command line."""
    if batch.started_by_id is None:
        return None
    return session.get_one(User, (batch.account_id, batch.started_by_id))
