"""Editing an open or parked handoff: its own fields, and the steps that its session gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, func, null, update

from models import session as sessions
from models.account import User
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Forbidden
from models.feed import EventType
from models.feed.card import Representation
from models.feed.unit_of_work import UnitOfWork
from models.handoff import OPEN, Actor, Handoff, Status, find, lock, search
from models.handoff.claims import ENDED
from models.handoff.conditional import BY, refuse_other_version, update_locked, wrong_state
from models.handoff.intake import refuse_as_target
from models.session import SentStep
from models.transaction import append_and_represent, transaction

TEXTS = ("reason", "ask")

_IS_CLAIMER = Handoff.claimed_by_id == BY
_ADD_STEPS = Prepared(
    update(Handoff)
    .where(Handoff.account_id == bindparam("account"), Handoff.session_id == bindparam("session"))
    .where(Handoff.status.in_(OPEN))
    .values(
        version=Handoff.version + 1,
        first_action_at=case(
            (and_(_IS_CLAIMER, Handoff.first_action_at.is_(None)), func.now()),
            else_=Handoff.first_action_at,
        ),
        **{name: case((_IS_CLAIMER, null()), else_=getattr(Handoff, name)) for name in ENDED},
        **search.extended(),
    )
    .returning(Handoff.id)
)


def edit(
    account_id: UUID, handoff_id: UUID, *, by: Actor, changes: Mapping[str, Any], version: int | None = None
) -> Representation:
    """Change `priority`, `target_id`, `reason` or `ask`. The event says what changed, without the texts.

    What is as it was changes nothing. Invalid: the new target cannot take it. A parked one makes no event.
    """
    with transaction(account_id) as session:
        found = find(session, account_id, handoff_id, seen_by=by)
        _refuse_unless_editor(found, by, version)
        target_id = changes.get("target_id")
        if target_id not in (None, found.target_id):
            refuse_as_target(session, target_id, found.handed_off_by_id)  # before the row is locked, as in intake
        locked = lock(session, account_id, handoff_id)
        _refuse_unless_editor(locked, by, version)
        new = {name: value for name, value in changes.items() if getattr(locked, name) != value}
        if new:
            note = _note(session, locked, new)
            texts = [new[name] for name in TEXTS if new.get(name)]
            found_by = (search.extended(), search.extension_values(texts)) if texts else ({}, {})
            update_locked(session, locked, new | found_by[0], **found_by[1])
            if locked.status is not Status.PARKED:
                session.collect(account_id, handoff_id, EventType.UPDATED, by=by.user_id, note=note)
        return append_and_represent(session, account_id, handoff_id)


def _refuse_unless_editor(found: Handoff, by: Actor, version: int | None) -> None:
    refuse_other_version(found, version)
    if found.status not in (*OPEN, Status.PARKED):
        wrong_state(found)
    if not by.is_admin and by.user_id not in (found.handed_off_by_id, found.claimed_by_id):
        raise Forbidden("not_yours", "Only its author, the one who took it, or an admin may edit it.")


def _note(session: Session, before: Handoff, new: Mapping[str, Any]) -> str:
    parts = []
    for name, value in new.items():
        if name == "priority":
            parts.append(f"priority: {before.priority} → {value}")
        elif name == "target_id":
            parts.append(f"target: {session.get_one(User, (before.account_id, value)).name if value else 'nobody'}")
        else:
            parts.append(name)
    return "; ".join(parts)


def note_steps(
    session: UnitOfWork,
    account_id: UUID,
    session_id: UUID,
    steps: Sequence[SentStep],
    *,
    by: UUID,
    is_action: bool = True,
) -> None:
    """Note new steps on the session's open handoff, if there is one: its assessment is now outdated.

    The first step by the claimer after the claim is the first action, unless it is history (`is_action`).
    """
    values = {
        "account": account_id,
        "session": session_id,
        "by": by if is_action else None,
        **search.extension_values([step.text for step in steps], sessions.authors(steps)),
    }
    # Of several questions the last one counts: people send one step at a time, and whole histories are read anyway.
    asked = next((step.to_user_id for step in reversed(steps) if step.to_user_id is not None), None)
    for row in _ADD_STEPS(session, values):
        session.collect(account_id, row.id, EventType.UPDATED, by=by, unread_for=asked)
