"""Words of past cases and their frequencies in an account, for the search for similar past cases.

The search itself is the database function `similar_handoffs` (migrations/sql).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, ForeignKeyConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, Time, sql_file
from models.database.executor import Session

SAMPLE = 5000  # newest past cases that are counted
RAREST = 0.001  # the share of cases below which a word simply counts as rare


class PastCaseWords(Base):
    """The words of a resolved handoff, written by the database itself when it is resolved.

    `said` has all words, to be looked up; `opening` those of title and start of the problem, to be compared.
    """

    __tablename__ = "past_cases"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    handoff_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID]
    said: Mapped[str] = mapped_column(TSVECTOR)
    opening: Mapped[str] = mapped_column(TSVECTOR)

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "handoff_id"], ["handoffs.account_id", "handoffs.id"]),
        Index("ix_past_cases_said", "said", postgresql_using="gin"),  # carries the account
    )


class Vocabulary(Base):
    """An account's common words. `shares` is {lexeme: share of the past cases that contain it}."""

    __tablename__ = "vocabularies"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    cases: Mapped[int]  # past cases when it was counted
    shares: Mapped[dict[str, Any]] = mapped_column(JSONB)
    counted_at: Mapped[Time]

    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)


_FIND_OUTDATED = sql_file(__file__, "find_outdated")
_COUNT_WORDS = sql_file(__file__, "count_words")


def outdated(session: Session, *, most: int = 20) -> list[UUID]:
    """Find accounts whose number of past cases has changed by a tenth (and ten) since they were counted."""
    return list(session.scalars(_FIND_OUTDATED, {"most": most}))


def count(session: Session | Connection, account_id: UUID) -> None:
    """Count the words of this account's newest past cases. May run at any time, in many places."""
    session.execute(_COUNT_WORDS, {"account": account_id, "sample": SAMPLE, "rarest": RAREST})
