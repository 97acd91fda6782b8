"""The sweep: recover what the broker lost or a worker dropped, end what ran out of time, prune, count words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from models import feed, logs
from models.account import login
from models.assessment import Lane, unfinished, vocabulary
from models.handoff import claims, idempotency, leaving, waiting
from models.redis import client, redis_key
from models.settings import settings
from models.transaction import maintenance, transaction
from tasks import celery
from tasks.assess import run
from tasks.wake import MOST_WAITING, wake

log = logs.logger(__name__)

GRACE_SECONDS = 5.0  # past the deadline, for a worker that is just completing


class LastRun:
    """The last sweep of this process, by its monotonic clock."""

    at = -1e9
    lock = threading.Lock()


@celery.task(name="sweep", ignore_result=True)
def sweep() -> None:
    """Recover everything that is stuck. May run in many places at once.

    Does nothing if this process swept a moment ago, because messages pile up while workers are away. (Message
    expiry would serve as well, but with a wrong clock a worker would find every message expired.)
    """
    with LastRun.lock:
        if time.monotonic() - LastRun.at < settings().sweep_seconds / 2:
            return
        LastRun.at = time.monotonic()
    sweep_now()


def sweep_now() -> None:
    """Run every part of the sweep; one that fails does not keep the others from running."""
    for part in (requeue, finish_late, end_snoozes, return_claims, remind, follow_database):
        _try(part)


def _try(part: Callable[..., object], *arguments: Any) -> None:
    try:
        part(*arguments)
    except Exception as error:
        # Neither the message nor the arguments are logged: they could quote a ticket.
        log.error("sweep failed", part=getattr(part, "__name__", ""), error=type(error).__name__)


def requeue() -> None:
    """Queue dropped assessments again, and wake the lanes that have due work and no wake-up in their list."""
    with maintenance() as session:
        dropped = unfinished.requeue_expired(session)
        due = unfinished.due_by_lane(session, most=MOST_WAITING)
    idle = _idle_lanes()
    sent = {lane.value: wake(lane, count) for lane, count in due.items() if lane in idle}
    if sent or dropped:
        log.info("woken again", sent=sent, dropped=dropped)


def _idle_lanes() -> set[Lane]:
    """The lanes without a wake-up in their list; none when Redis does not answer."""
    try:
        return {lane for lane in Lane if client().llen(redis_key(lane.value)) == 0}
    except (RedisError, OSError):
        return set()


def follow_database() -> None:
    """Begin a new epoch if this is another database than the one in which the feed's numbers were given out."""
    with maintenance() as session:
        epoch = feed.follow_identity(session)
    if epoch:
        log.warning("another database: every feed client loads its snapshot again", epoch=epoch)


def finish_late() -> None:
    """End assessments past their deadline right here, since the workers had their time."""
    with maintenance() as session:
        late = unfinished.past_deadline(session, grace_seconds=GRACE_SECONDS)
    for each in late:
        _try(_finish, *each)


def _finish(account_id: UUID, assessment_id: UUID) -> None:
    run(account_id, assessment_id, late=True)


def end_snoozes() -> None:
    """Restart the leases of claims whose snooze is over, each in its own transaction."""
    with maintenance() as session:
        ended = claims.ended_snoozes(session)
    for each in ended:
        _try(_end_snooze, *each)


def _end_snooze(account_id: UUID, handoff_id: UUID) -> None:
    with maintenance() as session:
        claims.end_snooze(session, account_id, handoff_id)


def remind() -> None:
    """Remind of handoffs that nobody takes, each in its own transaction."""
    with maintenance() as session:
        due = waiting.due_reminders(session)
    for each in due:
        _try(_remind, *each)


def _remind(account_id: UUID, handoff_id: UUID) -> None:
    with maintenance() as session:
        waiting.remind(session, account_id, handoff_id)


def return_claims() -> None:
    """Return claims without a first action to the queue, each in its own transaction."""
    with maintenance() as session:
        overdue = claims.overdue_claims(session)
    for account_id, handoff_id in overdue:
        _try(_return, account_id, handoff_id)


def _return(account_id: UUID, handoff_id: UUID) -> None:
    with maintenance() as session:
        returned = claims.return_overdue_claim(session, account_id, handoff_id)
    if returned:
        log.info("claim returned", account=str(account_id), handoff=str(handoff_id))


@celery.task(name="prune", ignore_result=True)
def prune() -> None:
    """Delete what has expired: feed events, idempotency keys, logins, claims of people who left."""
    with maintenance() as session:
        idempotency.prune(session)
        login.prune(session)
        accounts = feed.accounts(session)
        gone = leaving.with_claims(session)
    for account_id, user_id in gone:
        _try(leaving.release_all, account_id, user_id)
    for account_id in accounts:
        _try(prune_feed, account_id)


def prune_feed(account_id: UUID) -> int:
    """Prune one feed in chunks, each in its own transaction; returns the number of events deleted."""
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


@celery.task(name="count_words", ignore_result=True)
def count_words() -> None:
    """Count words again where past cases have changed much; a transaction per account. May run in many places."""
    with maintenance() as session:
        accounts = vocabulary.outdated(session)
    for account_id in accounts:
        with maintenance() as session:
            vocabulary.count(session, account_id)
    if accounts:
        log.info("words counted", accounts=len(accounts))
