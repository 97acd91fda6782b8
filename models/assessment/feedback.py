"""Feedback of readers on an assessment."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Text, and_, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Mapped, mapped_column

from models.assessment import Assessment
from models.database import Base, Time, stored_enum
from models.database.executor import Session
from models.errors import NotFound


class Rating(StrEnum):
    """A reader's rating of an assessment."""

    HELPFUL = "helpful"
    WRONG = "wrong"
    INCOMPLETE = "incomplete"


class Feedback(Base):
    """One person's feedback on one generation."""

    __tablename__ = "assessment_feedback"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    assessment_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    rating: Mapped[Rating] = mapped_column(stored_enum(Rating, name="rating"))
    comment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Time] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "assessment_id"], ["assessments.account_id", "assessments.id"]),
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
    )


def give(
    session: Session,
    account_id: UUID,
    handoff_id: UUID,
    generation: int,
    *,
    by: UUID,
    rating: Rating,
    comment: str | None,
) -> Feedback:
    """Store this person's feedback on this generation, replacing earlier feedback."""
    assessment_id = session.scalars(
        select(Assessment.id).where(
            Assessment.account_id == account_id,
            Assessment.handoff_id == handoff_id,
            Assessment.generation == generation,
        )
    ).one_or_none()
    if assessment_id is None:
        raise NotFound("There is no such generation.")
    said = upsert(Feedback).values(
        account_id=account_id, assessment_id=assessment_id, user_id=by, rating=rating, comment=comment
    )
    return session.scalars(
        said.on_conflict_do_update(
            index_elements=["account_id", "assessment_id", "user_id"],
            set_={"rating": said.excluded.rating, "comment": said.excluded.comment, "created_at": func.now()},
        ).returning(Feedback),
        execution_options={"populate_existing": True},
    ).one()


def given(session: Session, account_id: UUID, handoff_id: UUID, generation: int, *, by: UUID) -> Feedback | None:
    """Return this person's feedback on this generation, if there is one."""
    return session.scalars(
        select(Feedback)
        .join(
            Assessment,
            and_(Assessment.account_id == Feedback.account_id, Assessment.id == Feedback.assessment_id),
        )
        .where(
            Feedback.account_id == account_id,
            Feedback.user_id == by,
            Assessment.handoff_id == handoff_id,
            Assessment.generation == generation,
        )
    ).one_or_none()
