"""The service's own Celery worker with an assessor that takes no time, and two tasks that do nothing.

BENCH_ASSESSOR=instant puts that assessor in the place of the configured one.
"""

from __future__ import annotations

import os
from typing import Any

from models.assessment.case import Case
from models.redis import client
from tasks import assess, celery
from tasks.assessors.base import Draft

DRAFT = Draft(
    content={
        "state": {"value": "open", "evidence": []},
        "summary": "The printer is offline since the update.",
        "what_we_know": [{"text": "It is offline on every PC.", "evidence": ["problem"]}],
        "do_not_repeat": [],
        "likely_cause": None,
        "suggested_steps": [],
        "confidence": "low",
        "similar": [],
        "questions": [],
    },
    source="instant",
    prompt_version="bench",
)


class Instant:
    """An assessor that has its answer ready."""

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """The same draft for every case."""
        return DRAFT


def instant(*_: Any) -> Instant:
    """Stands in for tasks.assessors.build."""
    return Instant()


if os.environ.get("BENCH_ASSESSOR") == "instant":
    assess.build = instant  # type: ignore[assignment]


@celery.task(name="empty", ignore_result=True)
def empty(*_: Any) -> None:
    """Nothing."""


@celery.task(name="mark", ignore_result=True)
def mark(key: str) -> None:
    """Say in Redis that the task has run."""
    client().set(f"mark:{key}", 1, ex=60)
