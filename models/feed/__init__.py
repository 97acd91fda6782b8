"""The event log of each account, numbered without gaps in the order of commits.

A sequence or a timestamp is taken before commit and seen at commit, so two writers can swap and a reader that
saw the later one never returns for the earlier. Here the account's one counter row is updated by the last
statement before commit and stays locked until the commit is visible: whoever sees n sees every number below
n, and a rollback takes its numbers back. (The same idea: the stream row of commanded/eventstore.)
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    case,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models import audit
from models.database import Base, Time, sql_file, stored_enum
from models.database.executor import Executor, Session
from models.database.prepared import Prepared

MAX_SEQ = 2**63 - 1


class EventType(StrEnum):
    """The kinds of events."""

    CREATED = "handoff.created"
    READY = "handoff.ready"
    CLAIMED = "handoff.claimed"
    RELEASED = "handoff.released"
    REASSIGNED = "handoff.reassigned"
    RESOLVED = "handoff.resolved"
    WITHDRAWN = "handoff.withdrawn"
    REASSESSED = "handoff.reassessed"
    UPDATED = "handoff.updated"
    OVERDUE = "handoff.overdue"
    REOPENED = "handoff.reopened"
    RESTORED = "handoff.restored"
    WAITING = "handoff.waiting"


class Feed(Base):
    """The feed of an account: the number of its last event, and of the last one that was pruned."""

    __tablename__ = "feeds"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    head: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    floor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    changed_at: Mapped[Time] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("0 <= floor AND floor <= head", name="floor_head"),
        # Half-empty pages keep every update of the counter on its page (HOT): no index is touched.
        {"postgresql_with": {"fillfactor": "50"}},
    )


class FeedEvent(Base):
    """One event. `card` is the handoff as lists show it, immediately after the event."""

    __tablename__ = "feed_events"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[EventType] = mapped_column(stored_enum(EventType, name="type"))
    handoff_id: Mapped[UUID]
    handoff_version: Mapped[int]
    actor_id: Mapped[UUID | None]  # None: the service itself
    note: Mapped[str | None] = mapped_column(Text)  # the reason that somebody gave
    card: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[Time] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        Index("ix_feed_events_handoff", "account_id", "handoff_id", "seq"),  # a handoff's timeline
        Index("ix_feed_events_created_at", "account_id", "created_at"),  # where retention cuts
    )


class FeedControl(Base):
    """One row for the installation: the epoch of all numbers, and the pace of polling."""

    __tablename__ = "feed_control"

    one_row: Mapped[bool] = mapped_column(primary_key=True, default=True, server_default="true")
    epoch: Mapped[str] = mapped_column(String(16))
    # The database in which the epoch began; a restore or a failover changes it.
    database_identity: Mapped[str | None] = mapped_column(String(64))
    pace: Mapped[float] = mapped_column(default=1.0, server_default="1")  # 0 asks clients to stop

    __table_args__ = (CheckConstraint("one_row", name="one_row"), CheckConstraint("pace >= 0", name="pace"))


def open_feed(session: Session, account_id: UUID) -> None:
    """Create the empty feed of a new account."""
    session.execute(insert(Feed).values(account_id=account_id))


@dataclass(frozen=True)
class Page:
    """A feed as one statement saw it: its state and the events after a number, oldest first.

    `events` has pairs of a number and the event's JSON text, at most limit + 1; the extra one only shows that
    there are more.
    """

    epoch: str
    head: int
    floor: int
    pace: float
    quiet_seconds: float
    events: list[tuple[int, str]]


def tail(session: Session, account_id: UUID) -> tuple[str, int]:
    """Return the current epoch and head of the feed."""
    epoch, head = session.execute(
        select(FeedControl.epoch, Feed.head).join(Feed, true()).where(Feed.account_id == account_id)
    ).one()
    return epoch, head


_PAGES = {
    "none": Prepared(sql_file(__file__, "page")),
    "entity": Prepared(sql_file(__file__, "page_of_latest")),
}


def read_page(executor: Executor, account_id: UUID, *, after: int, limit: int, collapse: str) -> Page:
    """Read the feed after a number, in one statement and so in one snapshot. `collapse`: none | entity."""
    rows = _PAGES[collapse](executor, {"account": account_id, "after": after, "limit": limit + 1})
    state = rows[0]
    events = [(row.seq, row.body) for row in rows if row.seq is not None]
    return Page(state.epoch, state.head, state.floor, state.pace, state.quiet_seconds, events)


_MOVE_TO_AUDIT = sql_file(__file__, "move_to_audit")


def prune(session: Session, account_id: UUID, *, keep: timedelta, most: int, chunk: int = 2000) -> int:
    """Move old events into the audit and record it in `floor`, in one transaction; a reader never meets a gap.

    Moves at most `chunk` events and returns how many; 0: nothing was left to do. May run at any time, concurrently:
    the lock of the audit holds others off, and the feed's counter is only locked at the end, so that nobody who
    appends waits for the move.
    """
    audit.lock(session, account_id)
    state = session.execute(select(Feed.head, Feed.floor).where(Feed.account_id == account_id)).one()
    aged = session.scalar(
        select(func.coalesce(func.min(FeedEvent.seq) - 1, state.head)).where(
            FeedEvent.account_id == account_id, FeedEvent.created_at >= func.now() - keep
        )
    )
    floor = min(max(aged, state.head - most), state.floor + chunk)
    if floor <= state.floor:
        return 0
    session.execute(_MOVE_TO_AUDIT, {"account": account_id, "floor": floor})
    session.execute(update(Feed).where(Feed.account_id == account_id).values(floor=floor))
    return floor - state.floor


def rotate_epoch(session: Session) -> str:
    """Begin a new epoch: every earlier cursor gets 410 and its client loads the snapshot."""
    epoch = _new_epoch()
    session.execute(update(FeedControl).values(epoch=epoch))
    return epoch


def _new_epoch() -> str:
    return secrets.token_hex(4)


_IDENTITY = sql_file(__file__, "database_identity")


def identity(session: Session) -> str:
    """Identify this database: the same value after a restart, another after a restore or a failover."""
    found: str = session.execute(_IDENTITY).scalar_one()
    return found


def follow_identity(session: Session) -> str | None:
    """Rotate the epoch if it began in another database, in which case numbers may be issued again.

    Returns the new epoch, or None if nothing changed. The first call only records the database. May run
    anywhere at any time: of several concurrent calls one rotates.
    """
    here, epoch = identity(session), _new_epoch()
    stored = case((FeedControl.database_identity.is_(None), FeedControl.epoch), else_=epoch)
    now = session.scalar(
        update(FeedControl)
        .where(FeedControl.database_identity.is_distinct_from(here))
        .values(database_identity=here, epoch=stored)
        .returning(FeedControl.epoch)
    )
    return epoch if now == epoch else None


def set_pace(session: Session, pace: float) -> None:
    """Multiply every client's poll interval; 0 asks clients to stop. Takes effect everywhere within 10 s."""
    session.execute(update(FeedControl).values(pace=pace))


def accounts(session: Session) -> list[UUID]:
    """Every account that has a feed, for maintenance that goes account by account."""
    return list(session.scalars(select(Feed.account_id).order_by(Feed.account_id)))
