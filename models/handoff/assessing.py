"""The assessments of a handoff: asking for another one, and writing what became of it."""

from __future__ import annotations

from uuid import UUID

from prometheus_client import Counter

from models import assessment
from models.assessment.leases import Lease, fence
from models.assessment.result import Result
from models.database import dump_json, sql_file
from models.database.executor import Session
from models.database.prepared import Prepared
from models.handoff import COVERED, Actor, Handoff, find, lock
from models.handoff.conditional import refuse_other_version, wrong_state
from models.transaction import change

FENCED = Counter("escalation_fenced_finishes", "Results that came after somebody else's attempt had begun")

_COMPLETE = Prepared(sql_file(__file__, "complete"))


def reassess(
    session: Session, account_id: UUID, handoff_id: UUID, *, by: Actor, version: int | None = None
) -> tuple[Handoff, UUID | None]:
    """Ask for a new generation; returns the handoff with the new assessment's id.

    None: the newest generation is already queued or running. The feed reports its end.
    """
    find(session, account_id, handoff_id, seen_by=by)
    locked = lock(session, account_id, handoff_id)
    refuse_other_version(locked, version)
    if locked.status not in COVERED:
        wrong_state(locked)
    if assessment.has_open(session, account_id, handoff_id, locked.generation):
        return locked, None
    locked.generation += 1
    session.flush()
    return locked, assessment.queue(session, account_id, handoff_id, locked.generation, asked_by=by.user_id)


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
