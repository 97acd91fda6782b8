"""What each person has read of a handoff, and when it is unread for them again.

Two numbers of the feed are compared whenever somebody asks, and neither is derived from the other:

- `handoff_reads.seq`: up to which event this person has seen the handoff. It only grows.
- `handoffs.unread_since`: for a person by id, and for `all`, the last event that made it unread again: it was
  reassigned to them, they are asked something, it came back from a lapsed claim, or somebody else took or resolved
  what they had handed off. The statement that appends an event writes the event's number
  there, into the row that it updates anyway (models/feed/append_one.sql).

A page that was loaded before a reassignment sends a number below the reassignment's, whichever of the two is stored
first. So marking as read never hides an event that its reader has not seen, moves take no statement more, and neither
write waits for the other: the foreign key of a new row of reads locks no more than the handoff's key.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, sql_file
from models.database.executor import Executor
from models.database.prepared import Prepared
from models.errors import Invalid, NotFound
from models.handoff import Actor

_MARK_READ = Prepared(sql_file(__file__, "mark_read"))
# Of a row of `handoffs`, for the person `by`. Texts, since each page of the queue would build them from parts again.
IS_UNREAD: Any = sql_file(__file__, "is_unread")
IS_UNOPENED: Any = sql_file(__file__, "is_unopened")


class HandoffRead(Base):
    """Up to which event of the feed a person has read a handoff."""

    __tablename__ = "handoff_reads"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    handoff_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "handoff_id"], ["handoffs.account_id", "handoffs.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
    )


def mark_read(executor: Executor, account_id: UUID, handoff_id: UUID, seq: int, *, by: Actor) -> int:
    """Note that this person has read the handoff up to this event; returns up to which they have now.

    Never backwards. NotFound if they may not see it; Invalid `seq_ahead`: the handoff has had no such event yet.
    """
    values = {"account": account_id, "handoff": handoff_id, "seq": seq, "by": by.user_id, "admin": by.is_admin}
    rows = _MARK_READ(executor, values)
    if not rows:
        raise NotFound
    if rows[0].seq is None:
        raise Invalid("seq_ahead", "The handoff has had no event with this number yet.", seq=rows[0].head)
    return int(rows[0].seq)
