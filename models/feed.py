"""The event log of each account, numbered without gaps in the order of commits.

A sequence or a timestamp is taken before commit and seen at commit, so two writers can swap and a reader that
saw the later one never returns for the earlier. Here the account's one counter row is updated by the last
statement before commit and stays locked until the commit is visible: whoever sees n sees every number below
n, and a rollback takes its numbers back. (The same idea: the stream row of commanded/eventstore.)
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
    delete,
    func,
    insert,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.db import Base, Runs, Time, dump_json, stored_enum
from models.prepared import Prepared

MAX_SEQ = 2**63 - 1
MAX_EVENTS = 200  # in one transaction: what is numbered at once is locked at once


class EventType(StrEnum):
    """What happened to a handoff."""

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


class Feed(Base):
    """One row per account: the last number given out, and the last one that was pruned."""

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
    """One event. `card` is the handoff as a list row shows it, right after the event."""

    __tablename__ = "feed_events"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[EventType] = mapped_column(stored_enum(EventType, name="type"))
    handoff_id: Mapped[UUID]
    handoff_version: Mapped[int]
    actor_id: Mapped[UUID | None]  # None: the service itself
    note: Mapped[str | None] = mapped_column(Text)  # the reason somebody gave
    card: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[Time] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        Index("ix_feed_events_handoff", "account_id", "handoff_id", "seq"),  # a handoff's timeline
        Index("ix_feed_events_created_at", "account_id", "created_at"),  # where retention cuts
    )


class FeedControl(Base):
    """One row for the installation: the epoch of all numbers, and how fast clients may poll."""

    __tablename__ = "feed_control"

    one_row: Mapped[bool] = mapped_column(primary_key=True, default=True, server_default="true")
    epoch: Mapped[str] = mapped_column(String(16))
    # Which database the epoch was made in: a restore or a failover changes it.
    database_identity: Mapped[str | None] = mapped_column(String(64))
    pace: Mapped[float] = mapped_column(default=1.0, server_default="1")  # 0 tells clients to stop

    __table_args__ = (CheckConstraint("one_row", name="one_row"), CheckConstraint("pace >= 0", name="pace"))


@dataclass(frozen=True)
class Pending:
    """An event that waits in its transaction for its number."""

    account_id: UUID
    handoff_id: UUID
    type: EventType
    actor_id: UUID | None
    note: str | None


@dataclass(frozen=True)
class Numbered:
    """What one account's feed became in a transaction."""

    head: int
    epoch: str
    pace: float


Render = Callable[[Session, set[tuple[UUID, UUID]]], Mapping[tuple[UUID, UUID], dict[str, Any]]]


def open_feed(session: Session, account_id: UUID) -> None:
    """The empty feed of a new account."""
    session.execute(insert(Feed).values(account_id=account_id))


def collect(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    type: EventType,
    *,
    by: UUID | None,
    note: str | None = None,
) -> None:
    """Note an event; it gets its number when the transaction ends."""
    session.info.setdefault("feed", []).append(Pending(account_id, handoff_id, type, by, note))


def number(session: Session, render: Render) -> dict[UUID, Numbered]:
    """Number and write what was collected; the last statements before commit. Returns the new heads.

    Accounts go in sorted order, so that two transactions over the same accounts cannot deadlock.
    """
    pending: list[Pending] = session.info.pop("feed", [])
    if not pending:
        return {}
    if len(pending) > MAX_EVENTS:
        raise ValueError(f"{len(pending)} events in one transaction; at most {MAX_EVENTS}")
    session.flush()
    cards = render(session, {(event.account_id, event.handoff_id) for event in pending})
    by_account: dict[UUID, list[Pending]] = defaultdict(list)
    for event in pending:
        by_account[event.account_id].append(event)
    return {
        account_id: _write(session, account_id, by_account[account_id], cards) for account_id in sorted(by_account)
    }


# One statement, so that the counter is locked for one round trip and the commit.
_WRITE = Prepared("""
    WITH counter AS (
        UPDATE feeds SET head = head + %(k)s, changed_at = clock_timestamp()
        WHERE account_id = %(account)s RETURNING head
    ), item AS (
        SELECT counter.head - %(k)s + item.n AS seq, item.*
        FROM counter, jsonb_to_recordset(CAST(%(items)s AS jsonb))
            AS item(n int, last bool, type text, handoff_id uuid, version int, actor_id uuid, note text, card jsonb)
    ), event AS (
        INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, actor_id, note, card)
        SELECT %(account)s, seq, type, handoff_id, version, actor_id, note, card || jsonb_build_object('seq', seq)
        FROM item
    ), shown AS (
        UPDATE handoffs SET seq = item.seq, card = item.card || jsonb_build_object('seq', item.seq)
        FROM item WHERE item.last AND handoffs.account_id = %(account)s AND handoffs.id = item.handoff_id
    )
    SELECT counter.head, control.epoch, control.pace FROM counter, feed_control AS control
""")


def _write(
    session: Session,
    account_id: UUID,
    events: list[Pending],
    cards: Mapping[tuple[UUID, UUID], dict[str, Any]],
) -> Numbered:
    last = {event.handoff_id: n for n, event in enumerate(events, start=1)}
    items = [
        {
            "n": n,
            "last": last[event.handoff_id] == n,
            "type": event.type,
            "handoff_id": str(event.handoff_id),
            "version": cards[account_id, event.handoff_id]["version"],
            "actor_id": event.actor_id and str(event.actor_id),
            "note": event.note,
            "card": cards[account_id, event.handoff_id],
        }
        for n, event in enumerate(events, start=1)
    ]
    values = {"k": len(items), "account": account_id, "items": dump_json(items)}
    row = _WRITE(session.connection(), values).one()
    return Numbered(row.head, row.epoch, row.pace)


@dataclass(frozen=True)
class Page:
    """What one statement saw of a feed: its state and the events after a number, oldest first.

    `events` holds (seq, ready-made JSON text of the event); at most limit + 1 of them, the last one only
    tells that there are more.
    """

    epoch: str
    head: int
    floor: int
    pace: float
    quiet_seconds: float
    events: list[tuple[int, str]]


def tail(session: Session, account_id: UUID) -> tuple[str, int]:
    """The epoch and the head of the feed now."""
    epoch, head = session.execute(
        select(FeedControl.epoch, Feed.head).join(Feed, true()).where(Feed.account_id == account_id)
    ).one()
    return epoch, head


_EVENT_JSON = """
    '{"seq":' || e.seq || ',"type":"' || e.type || '","at":'
    || to_json(e.created_at)::text || ',"handoff":' || e.card::text || '}'
"""

_PAGE = """
    SELECT control.epoch, f.head, f.floor, control.pace,
        extract(epoch FROM clock_timestamp() - f.changed_at)::float8, page.seq, page.body
    FROM feeds AS f CROSS JOIN feed_control AS control LEFT JOIN LATERAL ({rows}) AS page ON true
    WHERE f.account_id = %(account)s ORDER BY page.seq
"""
_ROWS = {
    "none": f"""
        SELECT e.seq, {_EVENT_JSON} AS body FROM feed_events AS e
        WHERE e.account_id = f.account_id AND e.seq > %(after)s ORDER BY e.seq LIMIT %(limit)s""",
    # The latest event of each handoff after the cursor: an event is shown when no later one has its handoff.
    "entity": f"""
        SELECT e.seq, {_EVENT_JSON} AS body FROM feed_events AS e
        WHERE e.account_id = f.account_id AND e.seq > %(after)s AND NOT EXISTS (
            SELECT FROM feed_events AS later WHERE later.account_id = e.account_id
            AND later.handoff_id = e.handoff_id AND later.seq > e.seq)
        ORDER BY e.seq LIMIT %(limit)s""",
}
_PAGES = {collapse: Prepared(_PAGE.format(rows=rows)) for collapse, rows in _ROWS.items()}


def read_page(connection: Runs, account_id: UUID, *, after: int, limit: int, collapse: str) -> Page:
    """The feed after a number, in one statement and so in one snapshot. `collapse`: none | entity."""
    rows: Sequence[Any] = _PAGES[collapse](
        connection, {"account": str(account_id), "after": after, "limit": limit + 1}
    ).all()
    epoch, head, floor, pace, quiet = rows[0][:5]
    return Page(epoch, head, floor, pace, quiet, [(row[5], row[6]) for row in rows if row[5] is not None])


def prune(session: Session, account_id: UUID, *, keep: timedelta, most: int, chunk: int = 5000) -> int:
    """Forget old events and say so in `floor`, in one transaction; a reader never meets a hole.

    Takes at most `chunk` events; returns how many, 0 when nothing is left to do. May run any time, twice.
    """
    state = session.execute(
        select(Feed.head, Feed.floor).where(Feed.account_id == account_id).with_for_update()
    ).one()
    aged = session.scalar(
        select(func.coalesce(func.min(FeedEvent.seq) - 1, state.head)).where(
            FeedEvent.account_id == account_id, FeedEvent.created_at >= func.now() - keep
        )
    )
    floor = min(max(aged, state.head - most), state.floor + chunk)
    if floor <= state.floor:
        return 0
    session.execute(update(Feed).where(Feed.account_id == account_id).values(floor=floor))
    session.execute(delete(FeedEvent).where(FeedEvent.account_id == account_id, FeedEvent.seq <= floor))
    return floor - state.floor


def rotate_epoch(session: Session) -> str:
    """A new epoch: every cursor given out before gets 410 and its client loads the snapshot."""
    epoch = _new_epoch()
    session.execute(update(FeedControl).values(epoch=epoch))
    return epoch


def _new_epoch() -> str:
    return secrets.token_hex(4)


# A restore of files or a failover begins a new timeline, another cluster has another identifier, and a dump
# that was loaded beside the old database another oid. The timeline comes from the WAL, since the control file
# still shows the old one until the first checkpoint after a failover.
_IDENTITY = """
    SELECT system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
        || '.' || (SELECT oid FROM pg_database WHERE datname = current_database())
    FROM pg_control_system()
"""


def identity(session: Session) -> str:
    """Which database this is: the same one after a restart, another after a restore or a failover."""
    found: str = session.execute(text(_IDENTITY)).scalar_one()
    return found


def follow_identity(session: Session) -> str | None:
    """Rotate the epoch when this is not the database it was made in; numbers may then be given out again.

    Returns the new epoch, None when nothing changed. The first time it only notes the database. May run
    anywhere at any time: of several at once, one rotates.
    """
    here, epoch = identity(session), _new_epoch()
    kept = case((FeedControl.database_identity.is_(None), FeedControl.epoch), else_=epoch)
    now = session.scalar(
        update(FeedControl)
        .where(FeedControl.database_identity.is_distinct_from(here))
        .values(database_identity=here, epoch=kept)
        .returning(FeedControl.epoch)
    )
    return epoch if now == epoch else None


def set_pace(session: Session, pace: float) -> None:
    """Multiply every client's poll interval; 0 tells clients to stop. Known everywhere within 10 s."""
    session.execute(update(FeedControl).values(pace=pace))
