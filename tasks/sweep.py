"""Finds what the broker lost or a worker dropped, ends what ran out of time, and prunes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from models import assessment, case, feed, idempotency, logs, upkeep
from models.assessment import State
from models.completion import complete
from models.settings import settings
from models.transaction import transaction
from models.transaction import upkeep as upkeep_transaction
from tasks import celery
from tasks.assess import fall_back
from tasks.lease import held
from tasks.wake import wake

log = logs.logger(__name__)

GRACE_SECONDS = 5.0  # past the deadline, for the worker that is just writing
LAST_ATTEMPTS = 2  # of the offline assessor here, beyond the workers' own


@celery.task(name="sweep", ignore_result=True)
def sweep() -> None:
    """Bring everything that is stuck forward. May run at the same time in many places."""
    with upkeep_transaction() as session:
        epoch = feed.follow_identity(session)
        due = upkeep.due_wakes(session)
    if epoch:
        log.warning("another database: every feed client loads its snapshot again", epoch=epoch)
    if due:
        log.info("woken again", count=len(due), sent=wake(due))
    finish_late()
    with upkeep_transaction() as session:
        returned = upkeep.return_overdue_claims(session)
    if returned:
        log.info("claims returned", count=returned)


def finish_late() -> None:
    """End what is past its deadline, here, since the workers had their time.

    The attempt is committed before the offline assessor runs, so that a handoff which kills the process ends
    as failed instead of killing it for ever.
    """
    with upkeep_transaction() as session:
        late = upkeep.past_deadline(session, grace_seconds=GRACE_SECONDS)
    for each in late:
        _finish_one(each.account_id, each.assessment_id)


def _finish_one(account_id: UUID, assessment_id: UUID) -> None:
    with transaction(account_id) as session:
        lease = assessment.take_lease(session, account_id, assessment_id, late=True)
        if lease is None:
            return
        subject = case.load(session, account_id, lease.handoff_id, assessment_id)
    if lease.attempt > settings().assess_attempts + LAST_ATTEMPTS:
        with transaction(account_id) as session:
            complete(session, lease, State.FAILED, error_kind="crashed")
        return
    with held(lease):
        fall_back(lease, subject, "deadline")


@celery.task(name="prune", ignore_result=True)
def prune() -> None:
    """Forget what has aged: feed events past their retention, idempotency keys."""
    with upkeep_transaction() as session:
        idempotency.prune(session)
        accounts = upkeep.accounts_with_feeds(session)
    for account_id in accounts:
        prune_feed(account_id)


def prune_feed(account_id: UUID) -> int:
    """Prune one feed chunk by chunk, each in a transaction of its own; returns how many events went."""
    gone = 0
    while True:
        with transaction(account_id) as session:
            count = feed.prune(
                session,
                account_id,
                keep=timedelta(days=settings().feed_retention_days),
                most=settings().feed_retention_events,
            )
        gone += count
        if count == 0:
            return gone
