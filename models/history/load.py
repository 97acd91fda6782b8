"""Import lines of history: a chunk is stored with a handful of statements in one transaction.

A line is identified by its key, so importing it again adds nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.account import Role, User
from models.database import dump_json, new_id, read_timeout, sql_file
from models.database.executor import Session
from models.errors import Invalid
from models.feed import EventType
from models.feed.append import MAX_EVENTS
from models.feed.unit_of_work import UnitOfWork
from models.handoff import OPEN, Handoff, Status, counts_as_return, edits, search
from models.history import ImportedHandoff, Line
from models.session import MAX_STEPS, KnownSteps, SentStep, SessionStep, StoredSession, not_known, rows

# Rows travel as one JSON parameter: ten times faster than as many values of one INSERT.
_STORE_SESSIONS = sql_file(__file__, "store_sessions")
_STORE_STEPS = sql_file(__file__, "store_steps")
_STORE_HANDOFFS = sql_file(__file__, "store_handoffs")


@dataclass
class Loaded:
    """The result of a chunk."""

    added: int = 0
    known: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)  # line number, reason
    left: list[Line] = field(default_factory=list)
    events: int = 0

    def add(self, part: Loaded) -> None:
        """Add the result of a part of the chunk."""
        self.added += part.added
        self.known += part.known
        self.refused += part.refused
        self.left = part.left

    def has_room(self, makes_event: bool) -> bool:
        """Whether one more line fits into the transaction; counts the event that it may append."""
        self.events += makes_event
        return not makes_event or self.events <= MAX_EVENTS


def author(session: Session, account_id: UUID) -> User:
    """Return the account's first admin, in whose name history is imported. Invalid when there is none."""
    found = session.scalars(
        select(User)
        .where(User.account_id == account_id, User.role == Role.ADMIN, User.deleted_at.is_(None))
        .order_by(User.created_at, User.id)
    ).first()
    if found is None:
        raise Invalid("no_admin", "The account has no admin; name somebody with --by USER.")
    return found


def engineer(found: User) -> User:
    """Return the person if they may hand work off; Invalid for a viewer."""
    if not found.role.covers(Role.ENGINEER):
        raise Invalid("user_unknown", f"{found.name} is a viewer and cannot hand work off.")
    return found


def load(session: UnitOfWork, account_id: UUID, lines: Sequence[Line], *, by: UUID) -> Loaded:
    """Store these lines; existing ones are left as they are.

    A line whose session has an open handoff, or whose target cannot take work, is refused with its reason.
    An open one makes an event, a resolved one makes none: it is past. A session that is there keeps its title and
    problem, and gets the steps it does not have, which is an event of its open handoff. What a parked one says is
    its draft. A question to somebody whom the account does not know is one to nobody. Lines whose events do not fit
    in this transaction are `left`.
    """
    result = Loaded()
    now = session.scalar(select(func.now())) or datetime.now(UTC)
    fresh = _unknown(session, account_id, lines, now, result)
    fresh = _with_good_targets(session, account_id, fresh, result)
    for turn in _turns(fresh):
        _load_turn(session, account_id, turn, now, by, result)
    return result


def _unknown(session: Session, account_id: UUID, lines: Sequence[Line], now: datetime, result: Loaded) -> list[Line]:
    ids, keys = [line.handoff_id(now) for line in lines], [line.key for line in lines]
    there = set(session.scalars(select(Handoff.id).where(Handoff.account_id == account_id, Handoff.id.in_(ids))))
    loaded = set(
        session.scalars(
            select(ImportedHandoff.key).where(ImportedHandoff.account_id == account_id, ImportedHandoff.key.in_(keys))
        )
    )
    fresh = []
    for line, handoff_id, key in zip(lines, ids, keys, strict=True):
        if handoff_id in there or key in loaded:
            result.known += 1
        else:
            fresh.append(line)
            there.add(handoff_id)
            loaded.add(key)
    return fresh


def _with_good_targets(session: Session, account_id: UUID, lines: list[Line], result: Loaded) -> list[Line]:
    wanted = {line.intake.target_user_id for line in lines} - {None}
    if not wanted:
        return lines
    people = session.scalars(
        select(User).where(User.account_id == account_id, User.id.in_(wanted), User.deleted_at.is_(None))
    )
    able = {person.id for person in people if person.role.covers(Role.ENGINEER)} | {None}
    for line in lines:
        if line.intake.target_user_id not in able:
            result.refused.append((line.number, "target_user_id: there is no such engineer in this account"))
    return [line for line in lines if line.intake.target_user_id in able]


def _turns(lines: list[Line]) -> Iterator[list[Line]]:
    """Group the lines so that each session occurs once per group: all first ones, then all second ones."""
    seen: Counter[str] = Counter()
    turns: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        name = line.intake.session.external_id
        turns[seen[name]].append(line)
        seen[name] += 1
    yield from turns.values()


def _load_turn(
    session: UnitOfWork, account_id: UUID, lines: list[Line], now: datetime, by: UUID, result: Loaded
) -> None:
    stored = _sessions(session, account_id, lines, now)
    before, open_ones = _handed_off_before(session, account_id, stored)
    good = []
    for line in lines:
        row = stored[line.intake.session.external_id]
        if row.id in open_ones and line.status in OPEN:
            result.refused.append((line.number, "the session has an open handoff already"))
        elif result.has_room(line.status is Status.READY or row.id in open_ones):
            good.append((line, row))
        else:
            result.left.append(line)
    fits = _steps(session, account_id, good, by, result, open_ones)
    if fits:
        _handoffs(session, account_id, fits, before, now, by)
    result.added += len(fits)


def _sessions(session: Session, account_id: UUID, lines: list[Line], now: datetime) -> dict[str, StoredSession]:
    """Return the sessions of these lines by name, created where missing; their rows are locked, as in intake."""
    new = {line.intake.session.external_id: new_id() for line in lines}
    rows = [_session_row(line, new, now) for line in lines]
    found = session.execute(_STORE_SESSIONS, {"account": account_id, "rows": dump_json(rows)})
    return {row.external_id: StoredSession(**row._mapping, is_new=row.id == new[row.external_id]) for row in found}


def _session_row(line: Line, new: dict[str, UUID], now: datetime) -> dict[str, Any]:
    sent = line.intake.session
    return {
        "id": str(new[sent.external_id]),
        "external_id": sent.external_id,
        "title": sent.title,
        "problem": sent.problem,
        "category": sent.category,
        "client": sent.client,
        "asset": sent.asset,
        "opened_at": _rendered(sent.opened_at),
        "draft_of": str(line.handoff_id(now)) if line.status is Status.PARKED else None,
    }


def _rendered(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _handed_off_before(
    session: Session, account_id: UUID, stored: dict[str, StoredSession]
) -> tuple[dict[UUID, int], set[UUID]]:
    """Count the handoffs of each session after which another is a return, and find sessions with an open one."""
    is_open = Handoff.status.in_(OPEN)
    rows = session.execute(
        select(Handoff.session_id, func.count().filter(counts_as_return()), func.count().filter(is_open))
        .where(Handoff.account_id == account_id, Handoff.session_id.in_([row.id for row in stored.values()]))
        .where(Handoff.status.not_in((Status.PARKED, Status.DISCARDED)))
        .group_by(Handoff.session_id)
    ).all()
    return {row[0]: row[1] for row in rows}, {row[0] for row in rows if row[2]}


def _steps(
    session: UnitOfWork,
    account_id: UUID,
    lines: list[tuple[Line, StoredSession]],
    by: UUID,
    result: Loaded,
    open_ones: set[UUID],
) -> list[tuple[Line, StoredSession]]:
    """Add new steps for all sessions at once; returns the lines whose steps fit.

    New steps are noted on the session's open handoff.
    """
    known = _known_steps(session, account_id, [row.id for _, row in lines if row.steps_count])
    people = _addressees(session, account_id, [line for line, _ in lines])
    fits: list[tuple[Line, StoredSession]] = []
    added: list[dict[str, Any]] = []
    for line, stored in lines:
        sent = [_to_somebody_known(step, people) for step in line.intake.session.steps]
        try:
            fresh = not_known(sent, KnownSteps(stored.steps_count, known[stored.id]))
        except Invalid:
            result.refused.append((line.number, "session.steps: one answers no earlier question"))
            continue
        if stored.steps_count + len(fresh) > MAX_STEPS:
            result.refused.append((line.number, f"session: more than {MAX_STEPS} steps"))
            continue
        fits.append((line, stored))
        added += [{"session_id": str(stored.id), **row} for row in rows(stored, fresh)]
        if fresh and stored.id in open_ones:
            new = [step for step, _ in fresh]
            edits.note_steps(session, account_id, stored.id, new, by=by, is_action=False)
    if added:
        session.execute(_STORE_STEPS, {"account": account_id, "by": by, "rows": dump_json(added)})
    return fits


def _known_steps(session: Session, account_id: UUID, session_ids: list[UUID]) -> dict[UUID, list[SessionStep]]:
    known: dict[UUID, list[SessionStep]] = defaultdict(list)
    if session_ids:
        found = session.scalars(
            select(SessionStep)
            .where(SessionStep.account_id == account_id, SessionStep.session_id.in_(session_ids))
            .order_by(SessionStep.session_id, SessionStep.seq)
        )
        for step in found:
            known[step.session_id].append(step)
    return known


def _addressees(session: Session, account_id: UUID, lines: list[Line]) -> set[UUID]:
    """Return those whom a step asks and the account knows, those who have left included: it is history."""
    wanted = {step.to_user_id for line in lines for step in line.intake.session.steps} - {None}
    if not wanted:
        return set()
    return set(session.scalars(select(User.id).where(User.account_id == account_id, User.id.in_(wanted))))


def _to_somebody_known(step: SentStep, people: set[UUID]) -> SentStep:
    return step if step.to_user_id is None or step.to_user_id in people else replace(step, to_user_id=None)


def _handoffs(
    session: UnitOfWork,
    account_id: UUID,
    lines: list[tuple[Line, StoredSession]],
    before: dict[UUID, int],
    now: datetime,
    by: UUID,
) -> None:
    rows = [_row(account_id, line, stored, before.get(stored.id, 0), now) for line, stored in lines]
    lexeme = search.account_lexeme(account_id)
    session.execute(_STORE_HANDOFFS, {"account": account_id, "by": by, "lexeme": lexeme, "rows": dump_json(rows)})
    for row in rows:
        if row["status"] is Status.READY:
            session.collect(account_id, UUID(row["id"]), EventType.CREATED, by=by)


def _row(account_id: UUID, line: Line, stored: StoredSession, returns: int, now: datetime) -> dict[str, Any]:
    intake, created = line.intake, line.created_at(now)
    resolution, root_cause = line.content.get("resolution"), line.content.get("root_cause")
    texts = [resolution, root_cause, intake.reason, intake.ask]
    found_by = search.document_values(account_id, stored, intake.session.steps, texts)
    return {
        "id": str(line.handoff_id(now)),
        "session_id": str(stored.id),
        "intent": intake.intent,
        "status": line.status,
        "priority": intake.priority,
        "reason": intake.reason,
        "ask": intake.ask,
        "target_id": intake.target_user_id and str(intake.target_user_id),
        "created_at": created.isoformat(),
        # It waits for no assessment. This time was not measured, which imported_handoffs records.
        "ready_at": None if line.status is Status.PARKED else created.isoformat(),
        "resolved_at": (line.content.get("resolved_at") or created).isoformat() if line.is_resolved else None,
        "resolution": resolution,
        "root_cause": root_cause,
        "returns": returns,
        "key": line.key,
        "title": found_by["title"],
        "stems": found_by["text"],
        "words": found_by["words"],
    }


def analyze(session: Session) -> None:
    """Refresh the planner's statistics after an import; in a maintenance transaction.

    Open connections then plan again, as do foreign key checks, which would otherwise read whole tables.
    """
    read_timeout.allow(session, 120)
    session.execute(select(func.analyze_history()))
