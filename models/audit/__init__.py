"""The audit of each account: who did what to whom and when, in lines that are added and never changed.

Pruning moves the events of the feed here, and what admins and operators do is written here when they do it. A trigger
numbers the lines without gaps and chains their hashes (migrations/sql/chain_audit.sql, models/audit/chain.py). The
service's login can read and add lines; an edit or a gap that somebody else makes shows in the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, Index, Select, Text, func, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, Time
from models.database.executor import Session

OF_EVENTS = "handoff."  # what the kinds of moved events begin with, and those of acts do not


class Act(StrEnum):
    """What admins and operators do, as far as the audit has it. The other kinds are those of the feed's events."""

    ACCOUNT_CREATED = "account.created"
    PERSON_CREATED = "person.created"
    PERSON_CHANGED = "person.changed"
    PERSON_DELETED = "person.deleted"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - a name, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a name, not a secret
    SETTINGS_CHANGED = "settings.changed"
    BATCH_STARTED = "batch.started"
    BATCH_PAUSED = "batch.paused"
    BATCH_RESUMED = "batch.resumed"
    BATCH_CANCELLED = "batch.cancelled"
    HISTORY_IMPORTED = "history.imported"
    HISTORY_EXPORTED = "history.exported"
    AUDIT_EXPORTED = "audit.exported"


class Audit(Base):
    """One line. `subject` names what it is about, as `person:<id>`; that of a moved event is `event:<seq>`."""

    __tablename__ = "audit"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, FetchedValue(), primary_key=True)  # by the trigger
    at: Mapped[Time] = mapped_column(server_default=func.clock_timestamp())
    actor_id: Mapped[UUID | None]  # None: the command line, or the service itself
    kind: Mapped[str] = mapped_column(Text)
    handoff_id: Mapped[UUID | None]
    subject: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(Text, FetchedValue())  # by the trigger

    __table_args__ = (
        # A handoff's timeline.
        Index("ix_audit_handoff", "account_id", "handoff_id", "seq", postgresql_where=text("handoff_id IS NOT NULL")),
        Index("ix_audit_kind", "account_id", "kind", "seq"),  # the few acts among many events
    )


def record(
    session: Session,
    account_id: UUID,
    kind: Act,
    *,
    by: UUID | None,
    subject: str,
    note: str | None = None,
    handoff_id: UUID | None = None,
) -> None:
    """Add a line about an act of this transaction. `by`: the person who acts, None: an operator at the command line.

    Other writers of the account's audit wait until the transaction ends, so this comes last in it.
    """
    values = {"actor_id": by, "kind": kind.value, "subject": subject, "note": note, "handoff_id": handoff_id}
    session.execute(insert(Audit).inline().values(account_id=account_id, **values))


def lock(session: Session, account_id: UUID) -> None:
    """Let no other transaction write to the account's audit until this one ends."""
    session.execute(select(func.lock_audit(account_id)))


@dataclass(frozen=True)
class Filter:
    """Which lines; None: all."""

    since: datetime | None = None
    until: datetime | None = None
    kind: tuple[str, ...] = ()
    handoff: UUID | None = None


def listed(account_id: UUID, wanted: Filter) -> Select[Audit]:
    """Select the account's lines that match, the newest first."""
    lines = select(Audit).where(Audit.account_id == account_id)
    if wanted.since is not None:
        lines = lines.where(Audit.at >= wanted.since)
    if wanted.until is not None:
        lines = lines.where(Audit.at < wanted.until)
    if wanted.kind:
        lines = lines.where(Audit.kind.in_(wanted.kind))
    if wanted.handoff is not None:
        lines = lines.where(Audit.handoff_id == wanted.handoff)
    return lines.order_by(Audit.seq.desc())
