"""Every move of a handoff.

A move is one conditional update and one feed event, which travel as one message and are one transaction. A move that
was refused is tried once more with the row locked, so that the answer names the very state that refused it, and not
one that came a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from models import account, assessment, feed
from models import session as sessions
from models.account import Account, User
from models.assessment import State, leases
from models.assessment.leases import Lease
from models.database import quoted
from models.database.prepared import Prepared
from models.errors import Conflict, Forbidden, VersionMismatch
from models.feed import EventType, card
from models.feed.append import NO_EVENT, with_event
from models.feed.card import Representation
from models.handoff import (
    OPEN,
    WAITING,
    Actor,
    Handoff,
    Status,
    find,
    lock,
    of_session,
    refuse_second_open,
    search,
)
from models.settings import settings
from models.transaction import append_and_represent, change, transaction

FENCED = Counter("escalation_fenced_finishes", "Results that came after somebody else's attempt had begun")


def _move(event: EventType, changes: str, allowed: str, *, and_then: str = "") -> Prepared:
    """Prepare a conditional update with its event. The caller may require the version that it has seen."""
    return with_event(f"""
        changed AS (
            UPDATE handoffs SET version = version + 1, {changes}
            WHERE account_id = %(account)s AND id = %(handoff)s AND {allowed}
                AND (%(version)s::int IS NULL OR version = %(version)s)
            RETURNING '{event}' AS event
        ){and_then}
    """)


# What a claim leaves behind when it is given up.
_UNCLAIMED = "status = 'ready', claimed_by_id = NULL, claimed_at = NULL, first_action_at = NULL, overdue = false"
_CLAIMED_ANEW = "claimed_at = now(), first_action_at = NULL, overdue = false"

# Not targeted at somebody else. A target who can take nothing any more counts as none.
_MEANT_FOR_ME = """
    (%(admin)s OR target_id IS NULL OR target_id = %(by)s OR NOT EXISTS (SELECT FROM users AS u
        WHERE u.account_id = handoffs.account_id AND u.id = target_id
            AND u.deleted_at IS NULL AND u.role <> 'viewer'))
"""
_CLAIM = _move(
    EventType.CLAIMED,
    f"status = 'claimed', claimed_by_id = %(by)s, {_CLAIMED_ANEW}",
    f"status IN ({quoted(WAITING)}) AND handed_off_by_id <> %(by)s AND {_MEANT_FOR_ME}",
)
_MINE = "status = 'claimed' AND (%(admin)s OR claimed_by_id = %(by)s)"
_RELEASE = _move(EventType.RELEASED, _UNCLAIMED, _MINE)
_REASSIGN = _move(
    EventType.REASSIGNED, f"claimed_by_id = %(to)s, {_CLAIMED_ANEW}", f"{_MINE} AND may_work(%(to)s::uuid)"
)
_RESOLVE = _move(
    EventType.RESOLVED,
    f"""status = 'resolved', resolution = %(resolution)s, root_cause = %(root_cause)s, resolved_at = now(),
        overdue = false, {search.EXTENDED}""",
    _MINE,
)
_WITHDRAW = _move(
    EventType.WITHDRAWN,
    "status = 'withdrawn', overdue = false",
    f"status IN ({quoted(OPEN)}) AND (%(admin)s OR handed_off_by_id = %(by)s)",
    and_then=f", ended AS ({assessment.END_OPEN} AND EXISTS (SELECT FROM changed))",
)
_ESCALATE = _move(
    EventType.CREATED,
    f"""status = 'pending', intent = 'escalate', escalated_at = now(), session_id = %(session)s,
        returns = %(returns)s, generation = generation + 1, {search.EXTENDED}""",
    "status = 'parked'",
)

_STEP_ADDED = f"""
    UPDATE handoffs SET version = version + 1, {search.EXTENDED}, first_action_at = CASE
        WHEN claimed_by_id = %(by)s AND first_action_at IS NULL THEN now() ELSE first_action_at END
    WHERE account_id = %(account)s AND session_id = %(session)s AND status IN ({quoted(OPEN)})
    RETURNING id
"""
_RELEASE_ALL = f"""
    WITH theirs AS (
        SELECT id AS its_id FROM handoffs
        WHERE account_id = %(account)s AND claimed_by_id = %(user)s AND status = 'claimed'
        ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE
    )
    UPDATE handoffs SET version = version + 1, {_UNCLAIMED} FROM theirs
    WHERE account_id = %(account)s AND id = its_id RETURNING id
"""


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

    how = {"note": reason, "to": str(to)}
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


def escalate(session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None) -> UUID:
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
    moved = {"session": str(ticket.id), "returns": len(earlier), **found_by}
    _ESCALATE(session.connection(), _values(account_id, handoff_id, by, version, **moved))
    sessions.discard(session, account_id, found.session_id)
    author, generation = by.user_id or found.handed_off_by_id, found.generation + 1
    asked = assessment.queue(session, account_id, handoff_id, generation, asked_by=author)
    feed.collect(session, account_id, handoff_id, EventType.CREATED, by=author)
    return asked


def reassess(
    session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> tuple[Handoff, UUID | None]:
    """Ask for a new generation; returns the handoff with the new assessment's id.

    None: one is queued or running already, and is the newest generation. The feed tells when it has ended.
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
    session: Session,
    account_id: UUID,
    session_id: UUID,
    steps: Sequence[Mapping[str, Any]],
    *,
    by: UUID,
    is_action: bool = True,
) -> None:
    """Note new steps on the session's open handoff, if there is one: its assessment is now outdated.

    The first step by the claimer after the claim is the first action, unless it is history (`is_action`).
    """
    values = {"account": str(account_id), "session": str(session_id), "by": str(by) if is_action else None}
    values |= search.extension_values([step["text"] for step in steps], sessions.authors(steps))
    touched = session.connection().exec_driver_sql(_STEP_ADDED, values).scalar_one_or_none()
    if touched is not None:
        feed.collect(session, account_id, touched, EventType.UPDATED, by=by)


def release_claims_of(session: Session, account_id: UUID, user_id: UUID, *, note: str, most: int = 100) -> int:
    """Return a person's claims to the queue with a reason; returns how many, 0 when none is left."""
    values = {"account": str(account_id), "user": str(user_id), "most": most}
    ids = sorted(session.connection().exec_driver_sql(_RELEASE_ALL, values).scalars())
    for each in ids:
        feed.collect(session, account_id, each, EventType.RELEASED, by=None, note=note)
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


def return_overdue_claim(session: Session, account_id: UUID, handoff_id: UUID) -> bool:
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
    feed.collect(session, account_id, handoff_id, EventType.OVERDUE, by=None)
    feed.collect(session, account_id, handoff_id, EventType.RELEASED, by=None, note="claim lease ran out")
    return True


# The handoff is locked before its assessment, as every move does it, so that none waits for the other: hence
# _LOCKED. The state of the generation decides whether it is shown, and whether there is an event.
_LOCKED = "EXISTS (SELECT FROM before)"
_END = f"""
    before AS (
        SELECT h.ready_at IS NULL AS unready, shown.state, shown.content, shown.source
        FROM handoffs AS h LEFT JOIN assessments AS shown ON shown.account_id = h.account_id
            AND shown.handoff_id = h.id AND shown.generation = h.shown_generation
        WHERE h.account_id = %(account)s AND h.id = %(handoff)s FOR NO KEY UPDATE OF h
    ), ended AS ({{finishing}}), became AS (
        SELECT before.unready, before.unready OR ended.lane = 'interactive'
                OR (before.state, before.content, before.source)
                    IS DISTINCT FROM (ended.state, ended.content, ended.source) AS event,
            CASE WHEN ended.state = 'succeeded' OR ended.state = 'fallback'
                AND before.state IS DISTINCT FROM 'succeeded' THEN ended.generation END AS shown
        FROM before, ended
    ), changed AS (
        UPDATE handoffs SET shown_generation = coalesce(became.shown, shown_generation),
            status = CASE WHEN ready_at IS NULL AND status = 'pending' THEN 'ready' ELSE status END,
            ready_at = coalesce(ready_at, now()), version = version + became.event::int
        FROM became WHERE account_id = %(account)s AND id = %(handoff)s
        RETURNING CASE WHEN became.unready THEN '{EventType.READY}' WHEN became.event THEN '{EventType.REASSESSED}'
            ELSE '{NO_EVENT}' END AS event
    )
"""


@cache  # one for each way to end
def _end(finishing: str) -> Prepared:
    return with_event(_END.format(finishing=finishing))


def complete(lease: Lease, state: State, **values: Any) -> bool:
    """Write the result of a leased generation and append its event.

    False: the lease was lost, nothing was written. The first generation makes the handoff ready, once; a
    later one is told when it changed something, or when a person asked for it. A generation without good
    content leaves the last good one shown.
    """
    sql, ending = leases.finishing(lease, state, values, when=_LOCKED)
    values_of_event = {"handoff": str(lease.handoff_id), "by": None, "note": None}
    if not change(lease.account_id, _end(sql), {**ending, **values_of_event}).happened:
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
    made = change(account_id, move, values, show=True).appended
    if made and made.whole:
        return made.whole
    with transaction(account_id) as session:
        lock(session, account_id, handoff_id)
        if event := move(session.connection(), values).scalar_one():
            feed.collect(session, account_id, handoff_id, EventType(event), by=by.user_id, note=values["note"])
        elif not explain(session, find(session, account_id, handoff_id, seen_by=by), by, version):
            raise AssertionError("a move was refused without a reason")
        return append_and_represent(session, account_id, handoff_id)


def _values(account_id: UUID, handoff_id: UUID, by: Actor, version: int | None, **more: Any) -> dict[str, Any]:
    who = {"by": by.user_id and str(by.user_id), "admin": by.is_admin}
    return {"account": str(account_id), "handoff": str(handoff_id), "version": version, "note": None, **who, **more}


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
