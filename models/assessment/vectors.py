"""Vectors of past cases, by which they are compared by meaning, and the score from which an account shows them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import mul
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, Text, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Mapped, mapped_column

from models.assessment.vocabulary import PastCaseWords
from models.database import Base, Time, sql_file
from models.database.executor import Session

LARGEST = 127  # of a signed byte


class PastCaseVector(Base):
    """What a past case is about, as numbers of one model. Empty: the model does not know its language."""

    __tablename__ = "past_case_vectors"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    handoff_id: Mapped[UUID] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(Text)
    vector: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "handoff_id"], ["past_cases.account_id", "past_cases.handoff_id"]),
    )


class PastCaseThreshold(Base):
    """The least score of a past case that an account shows when scores are mixed with this model's."""

    __tablename__ = "past_case_thresholds"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(Text, primary_key=True)
    least: Mapped[float]
    calibrated_at: Mapped[Time] = mapped_column(server_default=func.now())

    __table_args__ = (ForeignKeyConstraint(["account_id"], ["accounts.id"]),)


@dataclass(frozen=True)
class Meaning:
    """The vector of a case that asks, and the model's name: vectors of two models have nothing in common."""

    model: str
    vector: bytes


@dataclass(frozen=True)
class PastText:
    """The text of a past case that is embedded."""

    account_id: UUID
    handoff_id: UUID
    title: str
    problem: str


def pack(numbers: Sequence[float]) -> bytes:
    """Return a vector as one signed byte per number, scaled by the largest: a cosine does not depend on lengths."""
    largest = max(map(abs, numbers), default=0.0)
    return array("b", [round(LARGEST * number / largest) for number in numbers]).tobytes() if largest else b""


def cosine(one: bytes, two: bytes) -> float:
    """Return the cosine of two packed vectors, 0 for an empty one and for two of different lengths."""
    first, second = memoryview(one).cast("b"), memoryview(two).cast("b")
    if len(first) != len(second) or not first:
        return 0.0
    return sum(map(mul, first, second)) / sqrt(sum(map(mul, first, first)) * sum(map(mul, second, second)))


_FIND_WITHOUT_VECTOR = sql_file(__file__, "find_without_vector")
_COUNT_WITHOUT_VECTOR = sql_file(__file__, "count_without_vector")
_SAMPLE_TEXTS = sql_file(__file__, "sample_texts")


def missing(
    session: Session, model: str, *, longest: int, most: int, account_id: UUID | None = None
) -> list[PastText]:
    """Find past cases without a vector of this model, of one account or of all, with as much text as is embedded."""
    values = {"model": model, "longest": longest, "most": most, "account": account_id}
    return [PastText(*row) for row in session.execute(_FIND_WITHOUT_VECTOR, values)]


def count_missing(session: Session, model: str, *, account_id: UUID | None = None) -> int:
    """Count the past cases without a vector of this model, of one account or of all."""
    return int(session.execute(_COUNT_WITHOUT_VECTOR, {"model": model, "account": account_id}).scalar_one())


def store(session: Session, model: str, made: Sequence[tuple[PastText, bytes]]) -> None:
    """Store the vectors of past cases in the place of another model's. May run twice, and in many places.

    A handoff that was reopened meanwhile is no past case any more, and gets none.
    """
    of = (PastCaseWords.account_id, PastCaseWords.handoff_id)
    known = select(*of).where(tuple_(*of).in_([(past.account_id, past.handoff_id) for past, _ in made]))
    past_cases = {tuple(row) for row in session.execute(known.with_for_update(read=True))}
    rows = [
        {"account_id": past.account_id, "handoff_id": past.handoff_id, "model": model, "vector": vector}
        for past, vector in sorted(made, key=lambda each: (each[0].account_id, each[0].handoff_id))
        if (past.account_id, past.handoff_id) in past_cases
    ]
    if rows:
        statement = upsert(PastCaseVector).values(rows)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "handoff_id"],
                set_={"model": statement.excluded.model, "vector": statement.excluded.vector},
            )
        )


def sample(session: Session, account_id: UUID, *, longest: int, most: int) -> list[PastText]:
    """Draw past cases of an account, the same ones each time."""
    rows = session.execute(_SAMPLE_TEXTS, {"account": account_id, "longest": longest, "most": most})
    return [PastText(*row) for row in rows]


def threshold(session: Session, account_id: UUID, model: str) -> float | None:
    """Return the least score that this account shows with this model, or None if it has not been set."""
    row = session.get(PastCaseThreshold, (account_id, model))
    return None if row is None else row.least


def set_threshold(session: Session, account_id: UUID, model: str, least: float) -> None:
    """Set the least score that this account shows with this model."""
    statement = upsert(PastCaseThreshold).values(account_id=account_id, model=model, least=least)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "model"],
            set_={"least": statement.excluded.least, "calibrated_at": func.now()},
        )
    )
