"""Questions to a person: whom they may be put to, and which of them wait for an answer.

A question is open until a step answers it, it is retracted, or its session has no open handoff.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from models import account
from models.database import sql_file
from models.database.executor import Executor, Session
from models.database.prepared import Prepared
from models.feed.card import rfc3339
from models.session import SentStep

MOST = 200  # that one person is shown

# Of a row of `handoffs`, for the person `by`.
IS_ASKED: Any = sql_file(__file__, "is_asked")

_WAITING = Prepared(sql_file(__file__, "waiting_questions"))


def refuse_unfit_addressees(session: Session, steps: Iterable[SentStep]) -> None:
    """Raise Invalid if a step asks somebody who cannot work in this account: unknown, deleted, or a viewer."""
    for user_id in {step.to_user_id for step in steps if step.to_user_id is not None}:
        account.refuse_who_cannot_work(session, user_id)


def waiting_for(executor: Executor, account_id: UUID, user_id: UUID) -> list[dict[str, Any]]:
    """Return the open questions to this person, those that have waited longest first."""
    rows = _WAITING(executor, {"account": account_id, "user": user_id, "most": MOST})
    return [
        {
            "handoff_id": str(row.handoff_id),
            "session": {"external_id": row.external_id, "title": row.title},
            "step": row.seq,
            "text": row.text,
            "asked_by": {"id": str(row.added_by_id), "name": row.name},
            "at": rfc3339(row.added_at),
        }
        for row in rows
    ]
