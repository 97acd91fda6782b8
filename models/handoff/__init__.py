"""The handoff: its table, its states, and who may see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Text,
    and_,
    func,
    not_,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, CreatedAt, MaybeTime, Time, new_id, stored_enum
from models.database.executor import Session
from models.errors import Conflict, NotFound
from models.session import TroubleshootingSession


class Intent(StrEnum):
    """The reason for which a session leaves its author's hands."""

    ESCALATE = "escalate"
    PARK = "park"


class Status(StrEnum):
    """The state of a handoff."""

    PARKED = "parked"
    PENDING = "pending"
    READY = "ready"
    CLAIMED = "claimed"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"
    DISCARDED = "discarded"


class Priority(StrEnum):
    """Urgency, as its author sees it."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


WAITING = (Status.PENDING, Status.READY)
OPEN = (*WAITING, Status.CLAIMED)
# May be assessed again and exported: a parked one is private to its author, a withdrawn one is of no use.
COVERED = (*OPEN, Status.RESOLVED)
MOST_REMINDERS = 3  # of a handoff that waits

TIMES = ("escalated_at", "ready_at", "claimed_at", "first_action_at")  # measured by the metrics


class Handoff(Base):
    """A handoff of a session. `version` counts its events, `seq` is the feed number of the last."""

    __tablename__ = "handoffs"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID]
    intent: Mapped[Intent] = mapped_column(stored_enum(Intent, name="intent"))
    status: Mapped[Status] = mapped_column(stored_enum(Status, name="status"))
    version: Mapped[int] = mapped_column(default=1)
    priority: Mapped[Priority] = mapped_column(stored_enum(Priority, name="priority"), default=Priority.NORMAL)
    reason: Mapped[str] = mapped_column(Text)
    ask: Mapped[str | None] = mapped_column(Text)
    handed_off_by_id: Mapped[UUID]
    target_id: Mapped[UUID | None]
    claimed_by_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    escalated_at: Mapped[MaybeTime]  # when it was parked first
    ready_at: Mapped[MaybeTime]
    claimed_at: Mapped[MaybeTime]
    first_action_at: Mapped[MaybeTime]
    lease_until: Mapped[MaybeTime]  # when a claim without a first action goes back; see models/handoff/claims.py
    snoozed_until: Mapped[MaybeTime]
    snooze_reason: Mapped[str | None] = mapped_column(Text)
    waiting_since: Mapped[Time] = mapped_column(server_default=func.now())  # meaningful while it waits for a claim
    reminders: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # that were sent since then
    was_claimed: Mapped[bool] = mapped_column(default=False, server_default="false")  # by anybody, ever
    closed_by_id: Mapped[UUID | None]  # who resolved or withdrew it
    closed_at: Mapped[MaybeTime]
    resolved_at: Mapped[MaybeTime]
    resolution: Mapped[str | None] = mapped_column(Text)
    root_cause: Mapped[str | None] = mapped_column(Text)
    returns: Mapped[int] = mapped_column(default=0)
    overdue: Mapped[bool] = mapped_column(default=False)
    generation: Mapped[int] = mapped_column(default=0)  # the newest assessment, 0: none was asked for
    shown_generation: Mapped[int | None]  # the last good one
    seq: Mapped[int | None] = mapped_column(BigInteger)
    card: Mapped[dict[str, Any] | None] = mapped_column(JSONB, deferred=True)  # as of the last event
    unread_since: Mapped[dict[str, int] | None] = mapped_column(JSONB, deferred=True)  # see models/handoff/reading.py
    search: Mapped[Any] = mapped_column(TSVECTOR, deferred=True)  # stems, for later searches for similar cases
    words: Mapped[Any] = mapped_column(TSVECTOR, deferred=True, server_default="")

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "session_id"], ["sessions.account_id", "sessions.id"]),
        ForeignKeyConstraint(["account_id", "handed_off_by_id"], ["users.account_id", "users.id"]),
        ForeignKeyConstraint(["account_id", "target_id"], ["users.account_id", "users.id"]),
        ForeignKeyConstraint(["account_id", "claimed_by_id"], ["users.account_id", "users.id"]),
        ForeignKeyConstraint(["account_id", "closed_by_id"], ["users.account_id", "users.id"]),
        CheckConstraint("(status = 'claimed') <= (claimed_by_id IS NOT NULL)", name="claimed_by"),
        # The queue page: the few open rows of an account, in order of ids.
        Index("ix_handoffs_open", "account_id", "id", postgresql_where=status.in_(OPEN)),
        # One open handoff per session; a second intake gets its id.
        Index(
            "uq_handoffs_open_session",
            "account_id",
            "session_id",
            unique=True,
            postgresql_where=status.in_(OPEN),
        ),
        Index("ix_handoffs_session", "account_id", "session_id", "id"),  # a session's handoffs; returns
        # Lists and backfills by period; the metrics, which read nothing but this index and the next.
        Index(
            "ix_handoffs_created_at",
            "account_id",
            "created_at",
            postgresql_include=["id", "status", "generation", *TIMES],
        ),
        Index(
            "ix_handoffs_escalated_at",
            "account_id",
            "escalated_at",
            postgresql_where=text("escalated_at IS NOT NULL"),
        ),
        Index("ix_handoffs_handed_off_by", "account_id", "handed_off_by_id", "id"),  # "my handoffs"
        # The resolved ones from the newest on, and how many there are of a period, also by their author.
        Index(
            "ix_handoffs_resolved_at",
            "account_id",
            "resolved_at",
            "id",
            postgresql_where=status == Status.RESOLVED,
            postgresql_include=["handed_off_by_id"],
        ),
        # How many drafts somebody has.
        Index("ix_handoffs_parked", "account_id", "handed_off_by_id", postgresql_where=status == Status.PARKED),
        # The sweep: claims that may be overdue.
        Index(
            "ix_handoffs_claimed_at",
            "claimed_at",
            postgresql_where=text("status = 'claimed' AND first_action_at IS NULL"),
        ),
        # The sweep: snoozes that are over.
        Index("ix_handoffs_snoozed_until", "snoozed_until", postgresql_where=text("snoozed_until IS NOT NULL")),
        # The sweep: what waits and of which people are still reminded.
        Index(
            "ix_handoffs_waiting_since",
            "waiting_since",
            postgresql_where=text("status IN ('pending', 'ready') AND reminders < 3"),
        ),
        # The search (models/handoff/search.py): the words with the account and the people.
        Index(
            "ix_handoffs_words",
            text("searched_words(words, account_id, handed_off_by_id, target_id, claimed_by_id)"),
            postgresql_using="gin",
        ),
    )


@dataclass(frozen=True)
class Actor:
    """The one who makes a move: a person of the account, or the service itself."""

    user_id: UUID | None
    is_admin: bool = False


SERVICE = Actor(None, is_admin=True)


def lock(session: Session, account_id: UUID, handoff_id: UUID) -> Handoff:
    """Return the handoff with its row locked until commit, or raise NotFound."""
    found = session.scalars(
        select(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id == handoff_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def find(session: Session, account_id: UUID, handoff_id: UUID, *, seen_by: Actor) -> Handoff:
    """Return the handoff if this person may see it, else raise NotFound: parked ones are for author and admins."""
    found = session.scalars(
        select(Handoff).where(Handoff.account_id == account_id, Handoff.id == handoff_id, visible_to(seen_by)),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


class Sibling(NamedTuple):
    """A handoff of a session. `counts`: a later handoff of the session is a return after this one."""

    id: UUID
    status: Status
    counts: bool


def counts_as_return() -> ColumnElement[bool]:
    """Condition for handoffs after which the next one of their session is a return.

    Not what its author withdrew before anybody had claimed it: nobody has worked on it.
    """
    by_author = Handoff.closed_by_id.is_not_distinct_from(Handoff.handed_off_by_id)
    return not_(and_(Handoff.status == Status.WITHDRAWN, ~Handoff.was_claimed, by_author))


def of_session(session: Session, account_id: UUID, session_id: UUID) -> list[Sibling]:
    """Return every handoff of a session."""
    rows = session.execute(
        select(Handoff.id, Handoff.status, counts_as_return()).where(
            Handoff.account_id == account_id, Handoff.session_id == session_id
        )
    )
    return [Sibling(*row) for row in rows]


def returns_after(siblings: Sequence[Sibling]) -> int:
    """Count how often the session of these handoffs was handed off before its next one."""
    return sum(each.counts for each in siblings)


def find_session(
    session: Session,
    account_id: UUID,
    external_id: str,
    *,
    seen_by: Actor,
    handoff_id: UUID | None = None,
    locked: bool = False,
) -> TroubleshootingSession:
    """Return the ticket's session, or else its newest draft. With `handoff_id`: the session of that handoff.

    NotFound when this person may see no handoff of it. `locked` keeps its row until commit.
    """
    its_handoff = select(Handoff.id).where(
        Handoff.account_id == account_id,
        Handoff.session_id == TroubleshootingSession.id,
        visible_to(seen_by),
        true() if handoff_id is None else Handoff.id == handoff_id,
    )
    query = (
        select(TroubleshootingSession)
        .where(TroubleshootingSession.account_id == account_id, TroubleshootingSession.external_id == external_id)
        .where(its_handoff.exists())
        .order_by(TroubleshootingSession.draft_of.desc().nulls_first())
        .limit(1)
    )
    if locked:
        query = query.with_for_update(key_share=True)
    # A draft that is escalated while its row is waited for is gone; by then its handoff has the ticket's session.
    found = session.scalars(query).one_or_none() or session.scalars(query).one_or_none()
    if not found:
        raise NotFound("There is no such session in this account.")
    return found


def refuse_second_open(siblings: Sequence[Sibling]) -> None:
    """Raise Conflict `already_open`, naming the handoff, if one of a session's handoffs is open."""
    for each in siblings:
        if each.status in OPEN:
            raise Conflict("already_open", "This session is already handed off.", handoff_id=str(each.id))


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Condition for the rows that this person may see."""
    there = Handoff.status != Status.DISCARDED
    if actor.is_admin:
        return there
    return and_(there, or_(Handoff.status != Status.PARKED, Handoff.handed_off_by_id == actor.user_id))
