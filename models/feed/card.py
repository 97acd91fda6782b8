"""Representations of a handoff: the card of feed, queue and lists, and the full form.

PostgreSQL writes both (the view `handoff_cards`), so that the statement that appends an event can write its card too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.database import sql_file
from models.database.executor import Session
from models.database.prepared import Prepared
from models.session import SessionStep, TroubleshootingSession

_CARDS = Prepared(sql_file(__file__, "cards"))
_WHOLE = Prepared(sql_file(__file__, "whole"))
_GENERATIONS = sql_file(__file__, "generations")

Keys = Collection[tuple[UUID, UUID]]  # (account, handoff)


@dataclass(frozen=True)
class Representation:
    """A handoff in full, as JSON text that goes to the caller unchanged: nothing parses it again."""

    text: str
    version: int
    seq: int | None


def cards(session: Session, keys: Keys) -> Mapping[tuple[UUID, UUID], dict[str, Any]]:
    """Return the cards of these (account, handoff) pairs, as the transaction sees them."""
    session.flush()
    by_account: dict[UUID, list[UUID]] = defaultdict(list)
    for account_id, handoff_id in keys:
        by_account[account_id].append(handoff_id)
    return {
        (account_id, row.id): row.card
        for account_id, ids in by_account.items()
        for row in _CARDS(session, {"account": account_id, "handoffs": ids})
    }


def representation(session: Session, account_id: UUID, handoff_id: UUID) -> Representation:
    """Return a handoff in full. The caller has checked that it exists and may be seen."""
    session.flush()
    (shown,) = _WHOLE(session, {"account": account_id, "handoff": handoff_id})
    return Representation(shown.text, shown.version, shown.seq)


def generations(session: Session, account_id: UUID, handoff_id: UUID) -> list[dict[str, Any]]:
    """Return every generation of a handoff with its content, oldest first."""
    return list(session.scalars(_GENERATIONS, {"account": account_id, "handoff": handoff_id}))


def rfc3339(time: datetime | None) -> str | None:
    """Format a stored time for an answer."""
    return None if time is None else time.isoformat()


def step(row: SessionStep, names: Mapping[UUID, str]) -> dict[str, Any]:
    """Represent a stored step. `author` is the person named as its author, `added_by` the one who sent it.

    `names` has those of the people in people_of().
    """
    return {
        "seq": row.seq,
        "kind": row.kind,
        "text": row.text,
        "outcome": row.outcome,
        "at": rfc3339(row.at or row.added_at),
        "author": row.author or names.get(row.added_by_id),
        "added_by": _person(row.added_by_id, names),
        "added_at": rfc3339(row.added_at),
        "to": _person(row.to_user_id, names),
        "answers": row.answers,
        "retracted_at": rfc3339(row.retracted_at),
        "retracted_by": _person(row.retracted_by_id, names),
    }


def people_of(row: SessionStep) -> set[UUID]:
    """The people whose names step() shows."""
    return {each for each in (row.added_by_id, row.to_user_id, row.retracted_by_id) if each is not None}


def _person(user_id: UUID | None, names: Mapping[UUID, str]) -> dict[str, Any] | None:
    return None if user_id is None else {"id": str(user_id), "name": names.get(user_id)}


def session_head(stored: TroubleshootingSession) -> dict[str, Any]:
    """Represent a session without its steps and handoffs."""
    return {
        "external_id": stored.external_id,
        "title": stored.title,
        "problem": stored.problem,
        "category": stored.category,
        "client": stored.client,
        "asset": stored.asset,
        "opened_at": rfc3339(stored.opened_at),
        "steps_count": stored.steps_count,
    }
