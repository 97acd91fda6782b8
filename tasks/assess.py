"""Writes one assessment of one handoff and makes the handoff ready."""

from __future__ import annotations

import random
import time
from typing import Any
from uuid import UUID

from models import assessment, case, logs
from models.assessment import Lease, State
from models.case import Case
from models.completion import complete
from models.redis import client
from models.settings import settings
from models.transaction import transaction
from tasks import celery
from tasks.assessors import build
from tasks.assessors.base import AssessorError, Draft
from tasks.assessors.extractive import Extractive
from tasks.lease import held
from tasks.prompt import input_hash

log = logs.logger(__name__)

FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 30.0


@celery.task(name="assess", ignore_result=True)
def assess(account_id: str, assessment_id: str, **_: Any) -> None:
    """Write one assessment and mark its handoff ready. Safe to run twice, at once, anywhere."""
    logs.bind(account=account_id, assessment=assessment_id)
    run(UUID(account_id), UUID(assessment_id))


def run(account_id: UUID, assessment_id: UUID) -> bool:
    """One attempt. False: there was nothing to do here, or another attempt has it now."""
    with transaction(account_id) as session:
        lease = assessment.take_lease(session, account_id, assessment_id)
        if lease is None:
            return False
        subject = case.load(session, account_id, lease.handoff_id, assessment_id)
    with held(lease):  # and no database connection
        if lease.seconds_left <= 0:
            return fall_back(lease, subject, "deadline")
        if lease.attempt > settings().assess_attempts:
            return fall_back(lease, subject, "attempts")
        try:
            draft = build(settings(), client()).assess(subject, deadline=_deadline(lease))
        except AssessorError as error:
            return _after_error(lease, subject, error)
        except Exception as error:
            log.error("assessor crashed", error=type(error).__name__)
            return fall_back(lease, subject, "internal")
    return _write(lease, subject, State.SUCCEEDED, draft)


def _deadline(lease: Lease) -> float:
    return time.monotonic() + min(settings().model_call_seconds, lease.seconds_left)


def _after_error(lease: Lease, subject: Case, error: AssessorError) -> bool:
    delay = _delay(lease, error)
    log.warning("assessor failed", error=error.kind, attempt=lease.attempt, retry_in=delay)
    if error.retryable and lease.attempt < settings().assess_attempts and delay < lease.seconds_left:
        with transaction(lease.account_id) as session:
            return assessment.put_back(session, lease, delay_seconds=delay, error_kind=error.kind, **_spent(error))
    return fall_back(lease, subject, error.kind, spent=_spent(error))


def _delay(lease: Lease, error: AssessorError) -> float:
    """Full jitter between tries, and never sooner than the provider asked for."""
    ceiling = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** (lease.attempt - 1))
    return max(random.uniform(0, ceiling), error.retry_after or 0.0)


def fall_back(lease: Lease, subject: Case, why: str, *, spent: dict[str, Any] | None = None) -> bool:
    """Let the offline assessor write it, saying why. False: the lease was lost."""
    try:
        draft = Extractive().assess(subject, deadline=time.monotonic() + settings().lease_seconds)
    except Exception as error:
        # The message could quote the ticket, so only the kind of error is told.
        log.error("offline assessor failed", error=type(error).__name__)
        with transaction(lease.account_id) as session:
            return complete(session, lease, State.FAILED, error_kind="internal", **(spent or {}))
    return _write(lease, subject, State.FALLBACK, draft, error_kind=why, **(spent or {}))


def _spent(cost: AssessorError | Draft) -> dict[str, Any]:
    return {
        "provider_calls": cost.provider_calls,
        "tokens_in": cost.tokens_in,
        "tokens_out": cost.tokens_out,
        "cost": cost.cost,
    }


def _write(lease: Lease, subject: Case, state: State, draft: Draft, **more: Any) -> bool:
    values = {
        "content": draft.content,
        "source": draft.source,
        "prompt_version": draft.prompt_version,
        "input_hash": input_hash(subject),
        "steps_seen": len(subject.steps),
        "dropped_evidence": draft.dropped_evidence,
        "sent": draft.sent,
        **_spent(draft),
        **more,
    }
    with transaction(lease.account_id) as session:
        written = complete(session, lease, state, **values)
    log.info("assessed" if written else "lease lost", state=state, source=draft.source, attempt=lease.attempt)
    return written
