"""A worker that a handoff kills: Celery's own command with an assessor that ends the process at a mark."""

from __future__ import annotations

import os

from celery.bin.celery import main

import tasks.assess
from models.assessment.case import Case
from models.settings import Settings
from tasks.assessors.base import Assessor, Draft

MARK = "POISON-PILL"

_build = tasks.assess.build


class Poisoned:
    """Any assessor, except that one handoff kills it, as a segmentation fault or the OOM killer would."""

    def __init__(self, inner: Assessor) -> None:
        self.inner = inner

    def assess(self, case: Case, *, deadline: float) -> Draft:
        """Assess, or end the process without a word."""
        if MARK in case.title:
            os._exit(139)
        return self.inner.assess(case, deadline=deadline)


def build(settings: Settings, redis: object) -> Assessor:
    """Return the assessor that the service would use, poisoned."""
    return Poisoned(_build(settings, redis))  # type: ignore[arg-type]


if __name__ == "__main__":
    tasks.assess.build = build
    main()
