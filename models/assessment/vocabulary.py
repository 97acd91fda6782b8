"""Words of past cases and their frequencies in an account, for the search for similar past cases.

The search itself is the database function `similar_handoffs` (migrations/sql).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base, Time

SAMPLE = 5000  # newest past cases that are counted
RAREST = 0.001  # the share of cases below which a word simply counts as rare


class PastCaseWords(Base):
    """The words of a resolved handoff, written by the database itself when it is resolved.

    `said` is everything, which is looked up; `opening` is the title and the start of the problem, which are compared.
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


_OUTDATED = text("""
    SELECT past.account_id FROM (
        SELECT account_id, count(*) AS cases FROM past_cases GROUP BY account_id
    ) AS past LEFT JOIN vocabularies USING (account_id)
    WHERE abs(past.cases - coalesce(vocabularies.cases, 0)) > 10 + coalesce(vocabularies.cases, 0) / 10
    ORDER BY past.account_id LIMIT :most
""")

# A word of a single case is as rare as one of none, so it is not kept.
_COUNT = text("""
    WITH past AS MATERIALIZED (
        SELECT said FROM past_cases WHERE account_id = :account_id ORDER BY handoff_id DESC LIMIT :sample
    ), size AS (SELECT count(*)::float8 AS cases FROM past),
    words AS (
        SELECT lexeme, count(*) AS cases FROM past, unnest(tsvector_to_array(past.said)) AS lexeme
        GROUP BY lexeme
    )
    INSERT INTO vocabularies (account_id, cases, shares)
    SELECT :account_id,
           (SELECT count(*) FROM past_cases WHERE account_id = :account_id),
           coalesce(jsonb_object_agg(lexeme, round((words.cases / size.cases)::numeric, 4)), '{}')
    FROM words, size WHERE words.cases >= greatest(2, size.cases * :rarest)
    ON CONFLICT (account_id) DO UPDATE
    SET cases = excluded.cases, shares = excluded.shares, counted_at = now()
""")


def outdated(session: Session, *, most: int = 20) -> list[UUID]:
    """Find accounts whose number of past cases has changed by a tenth (and ten) since they were counted."""
    return list(session.scalars(_OUTDATED, {"most": most}))


def count(session: Session | Connection, account_id: UUID) -> None:
    """Count the words of this account's newest past cases. May run at any time, in many places."""
    session.execute(_COUNT, {"account_id": account_id, "sample": SAMPLE, "rarest": RAREST})
