"""Write an assessment and make its handoff ready."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from models import logs
from models.assessment import Lane, State, case, leases, next_due
from models.assessment.case import Case, PastCase
from models.assessment.leases import Lease
from models.assessment.result import NOTHING_SPENT, Result, Spent
from models.assessment.vectors import Meaning
from models.handoff.assessing import complete
from models.redis import client
from models.settings import SettingsError, settings
from models.transaction import maintenance_message, one_message
from tasks import celery, retry
from tasks.assessors import build
from tasks.assessors.base import AssessorError, Draft
from tasks.assessors.extractive import Extractive
from tasks.assessors.model.prompt import input_hash
from tasks.concurrency import rest, slot
from tasks.embeddings import meaning_of
from tasks.leases import held
from tasks.wake import wake

log = logs.logger(__name__)

LANES = frozenset(lane.value for lane in Lane)
SERVING_SECONDS = 0.2  # per message; an assessment that has begun is finished
FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 30.0
MOST_CRASHES = 3  # of the assessor; this many process deaths under one handoff are no accident
LAST_CRASHES = 2  # of the offline assessor after that; then the assessment fails without another run


@celery.task(name="assess", ignore_result=True)
def assess(lane: str, *_: str) -> None:
    """Write the next due assessment of this lane, then others that are due, for a short while.

    Safe to run twice, concurrently, anywhere. A message of an older version does not name a lane; it is ignored,
    and the sweep sends a new one.
    """
    if lane in LANES:
        serving = _DrainLoop(Lane(lane))
        while serving.go_on():
            pass


class _DrainLoop:
    """The work started by one message. A slot that leaves work due wakes another one before it starts its own, so
    not every row needs a wake-up (docs/decisions/0002).
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._end = time.monotonic() + SERVING_SECONDS
        self._passed_on = False

    def go_on(self) -> bool:
        """Attempt the next due assessment. False: nothing is left, or the time is over."""
        with slot() as work:
            with maintenance_message() as message:
                due = next_due.take(message, self._lane)
            if due is None:
                return False
            if due.more and not self._passed_on:
                self._passed_on = wake(self._lane) > 0
            logs.bind(account=str(due.lease.account_id), assessment=str(due.lease.assessment_id))
            _hold(due.lease)
        if due.lease.lane is Lane.BULK:
            rest(work, settings().bulk_rest)
        # While a suspect ran, others that asked for the next suspect got nothing, so this loop has to continue.
        return due.suspect or (due.more and not (self._passed_on and time.monotonic() > self._end))


def run(account_id: UUID, assessment_id: UUID, *, late: bool = False) -> bool:
    """Attempt this assessment once. False: there was nothing to do, or another attempt holds the lease.

    `late` takes an assessment past its deadline even if its retry is due later. The attempt is committed before
    anything of the handoff is read, so that an attempt which kills the process is counted.
    """
    with slot():
        with one_message(account_id) as message:
            lease = leases.take(message, account_id, assessment_id, late=late)
        return lease is not None and _hold(lease)


def write_offline(account_id: UUID, assessment_id: UUID) -> bool:
    """Write this assessment with the offline assessor, whichever is configured. False: as for run()."""
    with one_message(account_id) as message:
        lease = leases.take(message, account_id, assessment_id)
    if lease is None:
        return False
    subject = _load(lease)
    end = time.monotonic() + settings().lease_seconds
    return _write(lease, subject, State.SUCCEEDED, Extractive().assess(subject, deadline=end))


def _hold(lease: Lease) -> bool:
    with held(lease):  # and no database connection
        return _attempt(lease)


def _attempt(lease: Lease) -> bool:
    if lease.crashes >= MOST_CRASHES + LAST_CRASHES:
        return _fail(lease, "crashed")
    try:
        return _assess(lease, _case(lease))
    except Exception as error:
        if retry.is_transient(error):
            raise  # the database is unavailable: the lease expires and another attempt follows
        # The message could quote the ticket, so only the type of the error is logged.
        log.error("assessment crashed", error=type(error).__name__)
        return _fail(lease, "internal")


def _case(lease: Lease) -> Case:
    """Load the case. With a model of meaning its past cases are another message: no connection waits for a vector."""
    if settings().embeddings == "off":
        return _load(lease)
    subject = _load_alone(lease)
    return replace(subject, past=_past(lease, subject, meaning_of(subject)))


@retry.until_available
def _load(lease: Lease) -> Case:
    with one_message(lease.account_id) as message:
        return case.load(message, lease.account_id, lease.handoff_id, lease.assessment_id)


@retry.until_available
def _load_alone(lease: Lease) -> Case:
    with one_message(lease.account_id) as message:
        return case.load(message, lease.account_id, lease.handoff_id, lease.assessment_id, most=0)


@retry.until_available
def _past(lease: Lease, subject: Case, meaning: Meaning | None) -> tuple[PastCase, ...]:
    words = f"{subject.title}\n{subject.problem}"
    with one_message(lease.account_id) as message:
        return tuple(case.similar(message, lease.account_id, words, besides=lease.handoff_id, meaning=meaning))


def _assess(lease: Lease, subject: Case) -> bool:
    end = time.monotonic() + lease.seconds_left
    exhausted = _exhausted(lease)
    if exhausted:
        return fall_back(lease, subject, exhausted)
    try:
        draft = build(settings(), client()).assess(subject, deadline=_call_end(end))
    except AssessorError as error:
        return _after_error(lease, subject, error, seconds_left=end - time.monotonic())
    except (Exception, SettingsError) as error:
        log.error("assessor crashed", error=type(error).__name__)
        return fall_back(lease, subject, "internal")
    return _write(lease, subject, State.SUCCEEDED, draft)


def _exhausted(lease: Lease) -> str | None:
    """Return why the configured assessor may not be tried again, or None if it may."""
    if lease.seconds_left <= 0:
        return "deadline"
    if lease.crashes >= MOST_CRASHES:
        return "crashed"
    return "attempts" if lease.tries > settings().assess_attempts else None


def _call_end(end: float) -> float:
    return min(end, time.monotonic() + settings().model_call_seconds)


def _after_error(lease: Lease, subject: Case, error: AssessorError, *, seconds_left: float) -> bool:
    delay = _delay(lease, error)
    again = _may_retry(lease, error) and delay < seconds_left
    log.warning("assessor failed", error=error.kind, attempt=lease.attempt, retry_in=delay if again else None)
    if again:
        return _put_back(lease, delay, error)
    return fall_back(lease, subject, error.kind, error.spent)


def _may_retry(lease: Lease, error: AssessorError) -> bool:
    """Whether to retry. A timeout has used up a whole call; a waiting person should not wait for a second one."""
    waited = error.kind == "timeout" and lease.lane is Lane.INTERACTIVE
    return error.retryable and not waited and lease.tries < settings().assess_attempts


@retry.until_available
def _put_back(lease: Lease, delay: float, error: AssessorError) -> bool:
    with one_message(lease.account_id) as message:
        return leases.put_back(message, lease, delay_seconds=delay, error=error.kind, spent=error.spent)


def _delay(lease: Lease, error: AssessorError) -> float:
    """Return the seconds until the next try: backoff with full jitter, at least the provider's Retry-After."""
    ceiling = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** (lease.tries - 1))
    return max(random.uniform(0, ceiling), error.retry_after or 0.0)


def fall_back(lease: Lease, subject: Case, why: str, spent: Spent = NOTHING_SPENT) -> bool:
    """Write the assessment with the offline assessor, recording `why`. False: the lease was lost."""
    try:
        draft = Extractive().assess(subject, deadline=time.monotonic() + settings().lease_seconds)
    except Exception as error:
        log.error("offline assessor failed", error=type(error).__name__)
        return _complete(lease, Result(State.FAILED, "internal", **_seen(subject), spent=spent))
    return _write(lease, subject, State.FALLBACK, replace(draft, spent=spent), why=why)


def _fail(lease: Lease, why: str) -> bool:
    return _complete(lease, Result(State.FAILED, why))


def _write(lease: Lease, subject: Case, state: State, draft: Draft, *, why: str | None = None) -> bool:
    written = _complete(lease, Result(state, why, **vars(draft), **_seen(subject)))
    log.info("assessed" if written else "lease lost", state=state, source=draft.source, attempt=lease.attempt)
    return written


def _seen(subject: Case) -> dict[str, Any]:
    return {"input_hash": input_hash(subject), "steps_seen": subject.steps_count}


@retry.until_available
def _complete(lease: Lease, result: Result) -> bool:
    """Write the result, waiting while the database is unavailable, so that a paid reply is not thrown away."""
    return complete(lease, result)
