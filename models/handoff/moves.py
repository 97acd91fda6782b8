"""Every move of a handoff.

A move is one conditional update and one feed event, which travel as one message and are one transaction. A move that
was refused is tried once more with the row locked, so that the answer names the very state that refused it, and not
one that came a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from models import account, assessment
from models import session as sessions
from models.account import Account, Role, User
from models.assessment.leases import Lease, fence
from models.assessment.result import Result
from models.database import dump_json, sql_file
from models.database.executor import Session
from models.database.prepared import Prepared
from models.errors import Conflict, Forbidden, VersionMismatch
from models.feed import EventType, card
from models.feed.append import with_event
from models.feed.card import Representation
from models.feed.unit_of_work import EVERYBODY, UnitOfWork
from models.handoff import (
    OPEN,
    WAITING,
    Actor,
    Handoff,
    Intent,
    Status,
    find,
    lock,
    of_session,
    refuse_second_open,
    search,
)
from models.session import SentStep
from models.settings import settings
from models.transaction import append_and_represent, change, transaction

FENCED = Counter("escalation_fenced_finishes", "Results that came after somebody else's attempt had begun")


_by, _to = bindparam("by", type_=Uuid), bindparam("to", type_=Uuid)
_is_admin = bindparam("admin", type_=Boolean)
_version = bindparam("version", type_=Integer)


def _move(
    event: EventType, allowed: ColumnElement[bool], changes: dict[str, Any], *, and_then: Update | None = None
) -> Prepared:
    """Prepare a conditional update with its event. The caller may require the version that it has seen."""
    changed = (
        update(Handoff)
        .where(Handoff.account_id == bindparam("account"), Handoff.id == bindparam("handoff"), allowed)
        .where(or_(cast(_version, Integer).is_(None), Handoff.version == _version))
        .values(version=Handoff.version + 1, **changes)
        .returning(literal(event.value).label("event"))
        .cte("changed")
    )
    statement = with_event(changed)
    if and_then is not None:
        statement = statement.add_cte(and_then.where(exists().select_from(changed)).cte("then"))
    return Prepared(statement)


_UNCLAIMED = {
    "status": Status.READY,
    "claimed_by_id": None,
    "claimed_at": None,
    "first_action_at": None,
    "overdue": False,
}
_CLAIMED_NOW = {"claimed_at": func.now(), "first_action_at": None, "overdue": False}

# A target who can no longer take work counts as none.
_TARGET_CAN_WORK = exists().where(
    User.account_id == Handoff.account_id,
    User.id == Handoff.target_id,
    User.deleted_at.is_(None),
    User.role != Role.VIEWER,
)
_IS_FOR_ME = or_(_is_admin, Handoff.target_id.is_(None), Handoff.target_id == _by, ~_TARGET_CAN_WORK)
_IS_MINE = and_(Handoff.status == Status.CLAIMED, or_(_is_admin, Handoff.claimed_by_id == _by))

_CLAIM = _move(
    EventType.CLAIMED,
    and_(Handoff.status.in_(WAITING), Handoff.handed_off_by_id != _by, _IS_FOR_ME),
    {"status": Status.CLAIMED, "claimed_by_id": _by, **_CLAIMED_NOW},
)
_RELEASE = _move(EventType.RELEASED, _IS_MINE, _UNCLAIMED)
_REASSIGN = _move(
    EventType.REASSIGNED,
    and_(_IS_MINE, func.may_work(cast(_to, Uuid))),
    {"claimed_by_id": _to, **_CLAIMED_NOW},
)
_RESOLVE = _move(
    EventType.RESOLVED,
    _IS_MINE,
    {
        "status": Status.RESOLVED,
        "resolution": bindparam("resolution"),
        "root_cause": bindparam("root_cause"),
        "resolved_at": func.now(),
        "overdue": False,
        **search.extended(),
    },
)
_WITHDRAW = _move(
    EventType.WITHDRAWN,
    and_(Handoff.status.in_(OPEN), or_(_is_admin, Handoff.handed_off_by_id == _by)),
    {"status": Status.WITHDRAWN, "overdue": False},
    and_then=assessment.end_open(),
)
_ESCALATE = _move(
    EventType.CREATED,
    Handoff.status == Status.PARKED,
    {
        "status": Status.PENDING,
        "intent": Intent.ESCALATE,
        "escalated_at": func.now(),
        "session_id": bindparam("session"),
        "returns": bindparam("returns"),
        "generation": Handoff.generation + 1,
        **search.extended(),
    },
)
_ADD_STEPS = Prepared(
    update(Handoff)
    .where(Handoff.account_id == bindparam("account"), Handoff.session_id == bindparam("session"))
    .where(Handoff.status.in_(OPEN))
    .values(
        version=Handoff.version + 1,
        first_action_at=case(
            (and_(Handoff.claimed_by_id == _by, Handoff.first_action_at.is_(None)), func.now()),
            else_=Handoff.first_action_at,
        ),
        **search.extended(),
    )
    .returning(Handoff.id)
)
_COMPLETE = Prepared(sql_file(__file__, "complete"))


def claim(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Take the handoff. Conflict names the winner; taking it twice is fine."""
    return _make(_CLAIM, account_id, handoff_id, _explain_lost_claim, by=by, version=version)


def _explain_lost_claim(session: Session, found: Handoff, by: Actor, version: int | None) -> bool:
    if found.status is Status.CLAIMED and found.claimed_by_id == by.user_id:
        return True
    _refuse_other_version(found, version)
    if found.status is Status.CLAIMED:
        winner = session.get_one(User, (found.account_id, found.claimed_by_id))
        raise Conflict(
            "already_claimed",
            f"{winner.name} has taken this handoff.",
            claimed_by={"id": str(winner.id), "name": winner.name},
            claimed_at=found.claimed_at,
        )
    if found.status not in WAITING:
        _wrong_state(found)
    if found.handed_off_by_id == by.user_id:
        raise Conflict("own_handoff", "You handed this off yourself; somebody else has to take it.")
    raise Conflict("targeted", "This handoff is meant for somebody else.")


def release(
    account_id: UUID, handoff_id: UUID, *, by: Actor, reason: str | None = None, version: int | None = None
) -> Representation:
    """Give a claimed handoff back to the queue."""
    return _make(_RELEASE, account_id, handoff_id, _refuse_unless_claimer, by=by, version=version, note=reason)


def reassign(
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    to: UUID,
    reason: str | None = None,
    version: int | None = None,
) -> Representation:
    """Give a claim to somebody else. Invalid: they cannot take work. Giving it to its holder changes nothing."""
    with transaction(account_id) as session:
        found = find(session, account_id, handoff_id, seen_by=by)
        _refuse_unless_claimer(session, found, by, version)
        account.refuse_who_cannot_work(session, to)
        if found.claimed_by_id == to:
            return card.representation(session, account_id, handoff_id)
    if found.handed_off_by_id == to:
        raise Conflict("own_handoff", "A handoff cannot go back to the one who handed it off; withdraw it.")

    def explain(session: Session, found: Handoff, by: Actor, version: int | None) -> None:
        _refuse_unless_claimer(session, found, by, version)
        account.refuse_who_cannot_work(session, to)

    how = {"note": reason, "to": to, "unread_for": str(to)}
    return _make(_REASSIGN, account_id, handoff_id, explain, by=by, version=version, **how)


def resolve(
    account_id: UUID,
    handoff_id: UUID,
    *,
    by: Actor,
    resolution: str,
    root_cause: str | None = None,
    version: int | None = None,
) -> Representation:
    """Close the handoff with what fixed it; it becomes a past case that assessments may cite."""
    fixed = {"resolution": resolution, "root_cause": root_cause}
    fixed |= search.extension_values([resolution, root_cause or ""])
    return _make(_RESOLVE, account_id, handoff_id, _refuse_unless_claimer, by=by, version=version, **fixed)


def withdraw(account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> Representation:
    """Take the handoff back. An unfinished assessment ends with it."""
    return _make(_WITHDRAW, account_id, handoff_id, _explain_no_withdrawal, by=by, version=version)


def _explain_no_withdrawal(_: Session, found: Handoff, __: Actor, version: int | None) -> NoReturn:
    _refuse_other_version(found, version)
    if found.status not in OPEN:
        _wrong_state(found)
    raise Forbidden("not_author", "Only the one who handed it off, or an admin, may withdraw it.")


def escalate(
    session: UnitOfWork, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> UUID:
    """Put a parked handoff into the queue and its draft into the ticket's session.

    Returns the id of its queued assessment. Conflict `already_open` names the ticket's open handoff.
    """
    find(session, account_id, handoff_id, seen_by=by)
    found = lock(session, account_id, handoff_id)
    if found.handed_off_by_id != by.user_id:
        raise Forbidden("not_author", "Only its author may escalate a parked handoff.")
    _refuse_other_version(found, version)
    if found.status is not Status.PARKED:
        _wrong_state(found)
    # Steps that were added to the draft meanwhile are searched from now on.
    steps = sessions.steps_of(session, account_id, found.session_id)
    found_by = search.extension_values([step.text for step in steps], [step.author for step in steps])
    ticket = sessions.publish(session, account_id, found.session_id)
    earlier = of_session(session, account_id, ticket.id)
    refuse_second_open(earlier)
    moved = {"session": ticket.id, "returns": len(earlier), **found_by}
    _ESCALATE(session, _values(account_id, handoff_id, by, version, **moved))
    sessions.discard(session, account_id, found.session_id)
    author, generation = by.user_id or found.handed_off_by_id, found.generation + 1
    asked = assessment.queue(session, account_id, handoff_id, generation, asked_by=author)
    session.collect(account_id, handoff_id, EventType.CREATED, by=author)
    return asked


def reassess(
    session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> tuple[Handoff, UUID | None]:
    """Ask for a new generation; returns the handoff with the new assessment's id.

    None: the newest generation is already queued or running. The feed reports its end.
    """
    find(session, account_id, handoff_id, seen_by=by)
    locked = lock(session, account_id, handoff_id)
    _refuse_other_version(locked, version)
    if locked.status in (Status.PARKED, Status.WITHDRAWN):
        _wrong_state(locked)
    if assessment.has_open(session, account_id, handoff_id, locked.generation):
        return locked, None
    locked.generation += 1
    session.flush()
    return locked, assessment.queue(session, account_id, handoff_id, locked.generation, asked_by=by.user_id)


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
    for row in _ADD_STEPS(session, values):
        session.collect(account_id, row.id, EventType.UPDATED, by=by)


def release_claims_of(session: UnitOfWork, account_id: UUID, user_id: UUID, *, note: str, most: int = 100) -> int:
    """Return a person's claims to the queue with a reason; returns how many, 0 when none is left."""
    theirs = (
        select(Handoff.id)
        .where(Handoff.account_id == account_id, Handoff.claimed_by_id == user_id, Handoff.status == Status.CLAIMED)
        .order_by(Handoff.id)
        .limit(most)
        .with_for_update(key_share=True)
    )
    ids = session.scalars(theirs).all()
    session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id.in_(ids))
        .values(version=Handoff.version + 1, **_UNCLAIMED)
        .execution_options(synchronize_session=False)
    )
    for each in ids:
        session.collect(account_id, each, EventType.RELEASED, by=None, note=note)
    return len(ids)


def _overdue() -> ColumnElement[bool]:
    lease = func.coalesce(Account.claim_lease_seconds, settings().claim_lease_seconds)
    return and_(
        Handoff.status == Status.CLAIMED,
        Handoff.first_action_at.is_(None),
        Handoff.claimed_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, lease),
    )


def overdue_claims(session: Session, *, most: int = 50) -> list[tuple[UUID, UUID]]:
    """Find claims without a first action whose lease has expired, oldest first: (account, handoff)."""
    rows = session.execute(
        select(Handoff.account_id, Handoff.id)
        .join(Account, Account.id == Handoff.account_id)
        .where(_overdue())
        .order_by(Handoff.claimed_at)
        .limit(most)
    )
    return [(account_id, handoff_id) for account_id, handoff_id in rows]


def return_overdue_claim(session: UnitOfWork, account_id: UUID, handoff_id: UUID) -> bool:
    """Return an overdue claim to the queue. False: it is not overdue (any more); nothing happened."""
    won = session.execute(
        update(Handoff)
        .where(Handoff.account_id == account_id, Handoff.id == handoff_id)
        .where(Account.id == Handoff.account_id, _overdue())
        .values(
            status=Status.READY,
            claimed_by_id=None,
            claimed_at=None,
            overdue=True,
            version=Handoff.version + 2,
        )
        .returning(Handoff.id)
        .execution_options(synchronize_session=False)
    ).first()
    if won is None:
        return False
    session.collect(account_id, handoff_id, EventType.OVERDUE, by=None, unread_for=EVERYBODY)
    session.collect(account_id, handoff_id, EventType.RELEASED, by=None, note="claim lease ran out")
    return True


def complete(lease: Lease, result: Result) -> bool:
    """Write the result of a leased generation and append its event (see complete.sql for when there is one).

    False: the lease was lost, nothing was written.
    """
    values = {
        **fence(lease),
        "state": result.state,
        "error": result.error,
        "content": None if result.content is None else dump_json(result.content),
        "source": result.source,
        "prompt_version": result.prompt_version,
        "dropped_evidence": result.dropped_evidence,
        "input_hash": result.input_hash,
        "steps_seen": result.steps_seen,
        **vars(result.spent),
    }
    if not change(lease.account_id, lease.handoff_id, _COMPLETE, values).happened:
        FENCED.inc()
        return False
    return True


def _make(
    move: Prepared,
    account_id: UUID,
    handoff_id: UUID,
    explain: Callable[[Session, Handoff, Actor, int | None], bool | None],
    *,
    by: Actor,
    version: int | None,
    **more: Any,
) -> Representation:
    """Make a move and return the handoff after it. `explain` raises the reason of a refusal; True: already done."""
    values = _values(account_id, handoff_id, by, version, **more)
    appended = change(account_id, handoff_id, move, values, show=True).appended
    if appended and appended.whole:
        return appended.whole
    with transaction(account_id) as session:
        lock(session, account_id, handoff_id)
        if event := move(session, values)[0].event:
            about = {"note": values["note"], "unread_for": values["unread_for"]}
            session.collect(account_id, handoff_id, EventType(event), by=by.user_id, **about)
        elif not explain(session, find(session, account_id, handoff_id, seen_by=by), by, version):
            raise AssertionError("a move was refused without a reason")
        return append_and_represent(session, account_id, handoff_id)


def _values(account_id: UUID, handoff_id: UUID, by: Actor, version: int | None, **more: Any) -> dict[str, Any]:
    who = {"by": by.user_id, "admin": by.is_admin}
    event = {"note": None, "unread_for": None}
    return {"account": account_id, "handoff": handoff_id, "version": version, **event, **who, **more}


def _refuse_unless_claimer(_: Session, found: Handoff, by: Actor, version: int | None) -> None:
    _refuse_other_version(found, version)
    if found.status is not Status.CLAIMED:
        _wrong_state(found)
    if not by.is_admin and found.claimed_by_id != by.user_id:
        raise Forbidden("not_claimer", "Only the one who took it, or an admin, may do this.")


def _refuse_other_version(found: Handoff, version: int | None) -> None:
    if version is not None and found.version != version:
        raise VersionMismatch(found.version)


def _wrong_state(found: Handoff) -> NoReturn:
    raise Conflict("wrong_state", f"The handoff is {found.status}; this cannot be done now.", state=found.status)
