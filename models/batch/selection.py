"""The handoffs that a batch covers, and an estimate of its cost."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from models.assessment import Assessment, State
from models.assessment.feedback import Feedback, Rating
from models.database import dump_json
from models.database.executor import Session
from models.handoff import COVERED, Handoff, Priority, Status
from models.history import ImportedHandoff
from models.session import TroubleshootingSession
from models.settings import settings

RECENT = 200  # assessments by a model, from which the next one's tokens are estimated
GUESSED_TOKENS_IN = 2500  # if no model has assessed anything yet
GUESSED_TOKENS_OUT = 700


@dataclass(frozen=True)
class Selection:
    """Selects handoffs to assess again. Every field narrows; None, False and empty do not.

    What is said of an assessment is said of the one that the handoff shows. Prompt versions and sources are
    names without an order, so "older than" is "not this one", or written before a time.
    """

    status: tuple[Status, ...] = ()
    priority: tuple[Priority, ...] = ()
    category: str | None = None
    since: datetime | None = None  # created at or after
    until: datetime | None = None  # created before
    source: str | None = None
    not_source: str | None = None
    prompt_version: str | None = None
    not_prompt_version: str | None = None
    assessed_before: datetime | None = None
    rated: Rating | None = None
    without_assessment: bool = False  # none, or only the offline fallback
    imported: bool = False
    limit: int | None = None  # only the newest

    def as_json(self) -> dict[str, Any]:
        """Render the fields that narrow; the same request always gives the same JSON."""
        return {name: _plain(value) for name, value in asdict(self).items() if value not in (None, False, ())}

    def identity(self, kind: str) -> str:
        """Name the request: two batches with the same name would do the same work."""
        return hashlib.sha256(dump_json([kind, sorted(self.as_json().items())]).encode()).hexdigest()


FIELDS = tuple(field.name for field in fields(Selection))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return sorted({item.value for item in value})
    return value.value if isinstance(value, StrEnum) else value


def selected(account_id: UUID, wanted: Selection) -> Select[UUID]:
    """Select the ids of the handoffs, newest first."""
    query = (
        select(Handoff.id)
        .outerjoin(
            Assessment,
            and_(
                Assessment.account_id == Handoff.account_id,
                Assessment.handoff_id == Handoff.id,
                Assessment.generation == Handoff.shown_generation,
            ),
        )
        .where(Handoff.account_id == account_id, Handoff.status.in_(wanted.status or COVERED))
        .where(Handoff.status.in_(COVERED), *_narrowing(account_id, wanted))
        .order_by(Handoff.id.desc())
    )
    return query if wanted.limit is None else query.limit(wanted.limit)


def _narrowing(account_id: UUID, wanted: Selection) -> list[ColumnElement[bool]]:
    conditions = (
        (wanted.priority, lambda: Handoff.priority.in_(wanted.priority)),
        (wanted.since, lambda: Handoff.created_at >= wanted.since),
        (wanted.until, lambda: Handoff.created_at < wanted.until),
        (wanted.category, lambda: _in_category(account_id, wanted.category)),
        (wanted.source, lambda: Assessment.source == wanted.source),
        (wanted.not_source, lambda: Assessment.source.is_distinct_from(wanted.not_source)),
        (wanted.prompt_version, lambda: Assessment.prompt_version == wanted.prompt_version),
        (
            wanted.not_prompt_version,
            lambda: Assessment.prompt_version.is_distinct_from(wanted.not_prompt_version),
        ),
        (wanted.assessed_before, lambda: Assessment.finished_at < wanted.assessed_before),
        (wanted.rated, lambda: _rated(account_id, wanted.rated)),
        (
            wanted.without_assessment,
            lambda: or_(Assessment.state.is_(None), Assessment.state != State.SUCCEEDED),
        ),
        (wanted.imported, lambda: _imported(account_id)),
    )
    return [condition() for given, condition in conditions if given]


def _in_category(account_id: UUID, category: str | None) -> ColumnElement[bool]:
    return Handoff.session_id.in_(
        select(TroubleshootingSession.id).where(
            TroubleshootingSession.account_id == account_id, TroubleshootingSession.category == category
        )
    )


def _rated(account_id: UUID, rating: Rating | None) -> ColumnElement[bool]:
    return exists().where(
        Feedback.account_id == account_id, Feedback.assessment_id == Assessment.id, Feedback.rating == rating
    )


def _imported(account_id: UUID) -> ColumnElement[bool]:
    return exists().where(ImportedHandoff.account_id == account_id, ImportedHandoff.handoff_id == Handoff.id)


@dataclass(frozen=True)
class Estimate:
    """Expected extent and cost of a batch, in the currency of the price settings."""

    count: int
    expected_tokens: int
    expected_cost: Decimal


def estimate(session: Session, account_id: UUID, wanted: Selection) -> Estimate:
    """Estimate handoffs, tokens and cost; the offline assessor costs nothing."""
    count = session.scalar(select(func.count()).select_from(selected(account_id, wanted).subquery())) or 0
    if settings().assessor == "extractive":
        return Estimate(count, 0, Decimal(0))
    tokens_in, tokens_out = _usual_tokens(session, account_id)
    price_in, price_out = (
        Decimal(str(price)) / 1_000_000
        for price in (settings().price_in_per_million, settings().price_out_per_million)
    )
    cost = count * (tokens_in * price_in + tokens_out * price_out)
    return Estimate(count, round(count * (tokens_in + tokens_out)), round(cost, 6))


def _usual_tokens(session: Session, account_id: UUID) -> tuple[Decimal, Decimal]:
    recent = (
        select(Assessment.tokens_in, Assessment.tokens_out)
        .where(Assessment.account_id == account_id, Assessment.tokens_out > 0)
        .order_by(Assessment.id.desc())
        .limit(RECENT)
        .subquery()
    )
    usual = session.execute(select(func.avg(recent.c.tokens_in), func.avg(recent.c.tokens_out))).one()
    return usual[0] or Decimal(GUESSED_TOKENS_IN), usual[1] or Decimal(GUESSED_TOKENS_OUT)
