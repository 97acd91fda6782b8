"""Corrections: of what a session says of itself, and of a step that its author takes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from models import session as sessions
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Conflict, Forbidden, NotFound, VersionMismatch
from models.feed import EventType
from models.feed.unit_of_work import UnitOfWork
from models.handoff import OPEN, Actor, Handoff, Status, find_session, lock, search, visible_to
from models.session import SessionStep, TroubleshootingSession

EDITABLE = ("title", "problem", "client", "asset", "category")
NAMES = ("client", "asset", "category")  # short enough to be quoted in the history
QUOTED_CHARS = 60

_EDIT = Prepared(
    update(Handoff)
    .where(Handoff.account_id == bindparam("account"), Handoff.id == bindparam("handoff"))
    .values(version=Handoff.version + 1, **search.extended())
)
_RETRACT = Prepared(
    update(Handoff)
    .where(Handoff.account_id == bindparam("account"), Handoff.session_id == bindparam("session"))
    .where(Handoff.status.in_(OPEN))
    .values(version=Handoff.version + 1)
    .returning(Handoff.id)
)


def edit_session(
    session: UnitOfWork,
    account_id: UUID,
    external_id: str,
    changes: Mapping[str, Any],
    *,
    by: Actor,
    handoff_id: UUID | None = None,
    versions: Collection[int] | None = None,
) -> tuple[TroubleshootingSession, UUID]:
    """Change details of a session; returns it with the handoff that it is edited for.

    That is its open handoff, else the newest one that this person sees. Its author, its claimer and an admin may do
    it, while it is open or parked; `versions` are those of the handoff that are acceptable. What is as it was is no
    change and no event. A parked one has no events.
    """
    stored = _locked(session, account_id, external_id, handoff_id, by)
    found = _handoff_of(session, stored, by)
    if versions is not None and found.version not in versions:
        raise VersionMismatch(found.version)
    if found.status not in (*OPEN, Status.PARKED):
        raise Conflict("wrong_state", f"The handoff is {found.status}; this cannot be done now.", state=found.status)
    if not by.is_admin and by.user_id not in (found.handed_off_by_id, found.claimed_by_id):
        raise Forbidden("not_yours", "Only its author, the one who took it, or an admin may change this.")
    before = {name: getattr(stored, name) for name in changes}
    changed = {name: value for name, value in changes.items() if value != before[name]}
    if changed:
        for name, value in changed.items():
            setattr(stored, name, value)
        session.flush()
        texts = [changed[name] for name in ("title", "problem") if name in changed]
        words = search.extension_values(texts, [changed[name] for name in NAMES if name in changed])
        _EDIT(session, {"account": account_id, "handoff": found.id, **words})
        if found.status is not Status.PARKED:
            note = _in_words(before, changed)
            session.collect(account_id, found.id, EventType.UPDATED, by=by.user_id, note=note)
    return stored, found.id


def _locked(
    session: Session, account_id: UUID, external_id: str, handoff_id: UUID | None, by: Actor
) -> TroubleshootingSession:
    """Return the session with its row locked. A draft's handoff is locked before it, as escalating does."""
    stored = find_session(session, account_id, external_id, seen_by=by, handoff_id=handoff_id)
    if stored.draft_of is not None:
        lock(session, account_id, stored.draft_of)
    session.expire_all()
    return find_session(session, account_id, external_id, seen_by=by, handoff_id=handoff_id, locked=True)


def _handoff_of(session: Session, stored: TroubleshootingSession, by: Actor) -> Handoff:
    """Return the open handoff of a session, or else the newest that this person sees, with its row locked."""
    found = session.scalars(
        select(Handoff)
        .where(Handoff.account_id == stored.account_id, Handoff.session_id == stored.id, visible_to(by))
        .order_by(
            Handoff.status.in_(OPEN).desc(),
            func.coalesce(Handoff.escalated_at, Handoff.created_at).desc(),
            Handoff.id.desc(),
        )
        .limit(1)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound("There is no such session in this account.")
    return found


def _in_words(before: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
    """Say what was changed: names from what to what, texts by their names alone."""
    return ", ".join(
        f"{name}: {_quoted(before[name])} → {_quoted(changed[name])}" if name in NAMES else name
        for name in EDITABLE
        if name in changed
    )


def _quoted(name: str | None) -> str:
    if name is None:
        return "none"
    return name if len(name) <= QUOTED_CHARS else f"{name[: QUOTED_CHARS - 1]}…"


def retract(
    session: UnitOfWork, account_id: UUID, stored: TroubleshootingSession, seq: int, *, by: Actor
) -> SessionStep:
    """Take a step of a session back, whose row is locked. It stays stored; taking it back twice is fine.

    Who added it and an admin may do it. It is an event of the session's open handoff, if there is one.
    """
    step = sessions.step_of(session, stored, seq)
    if step is None:
        raise NotFound("There is no such step in this session.")
    if not by.is_admin and step.added_by_id != by.user_id:
        raise Forbidden("not_yours", "Only the one who added it, or an admin, may take a step back.")
    if step.retracted_at is not None:
        return step
    step.retracted_at, step.retracted_by_id = func.now(), by.user_id
    session.flush()
    for row in _RETRACT(session, {"account": account_id, "session": stored.id}):
        session.collect(account_id, row.id, EventType.UPDATED, by=by.user_id, note=f"step {seq} retracted")
    return step
