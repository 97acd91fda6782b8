"""A case and settings for the tests of the model assessors."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from models.assessment.case import Case, CaseStep, PastCase
from models.settings import Settings, settings

PAST_ID = UUID("01920000-0000-7000-8000-00000000aaaa")


def a_case(**changes: Any) -> Case:
    """A short session with a failed step, a past case and one e-mail address."""
    case = Case(
        account_id=UUID("01920000-0000-7000-8000-000000000001"),
        handoff_id=UUID("01920000-0000-7000-8000-000000000002"),
        assessment_id=UUID("01920000-0000-7000-8000-000000000003"),
        title="Outlook asks for the password again and again",
        problem="Since the update nobody in accounting stays signed in. Reported by eva@example.org.",
        reason="I am out of ideas",
        ask="Please look at the sign-in logs",
        steps=(
            CaseStep(1, "question", "Does it happen in the browser too? No."),
            CaseStep(2, "action", "Removed the saved credentials", outcome="failed"),
            CaseStep(3, "observation", "Event 1098 with 0x80070005 in the log"),
        ),
        past=(PastCase(PAST_ID, "Sign-in loop", "Asks for ever", "Renewed the device token", None, 0.8),),
    )
    return replace(case, **changes)


def some_settings(provider_url: str = "http://127.0.0.1:9", **changes: Any) -> Settings:
    """The default settings with both vendors at `provider_url`, and the named changes."""
    required = {
        "DATABASE_URL": "postgresql://nowhere/none",
        "REDIS_URL": "redis://nowhere/0",
        "SECRET_KEY": "x" * 32,
        "OPENAI_BASE_URL": f"{provider_url}/v1",
        "OPENAI_API_KEY": "key-for-tests",
        "ANTHROPIC_BASE_URL": provider_url,
        "ANTHROPIC_API_KEY": "key-for-tests",
        "PRICE_IN_PER_MILLION": "2",
        "PRICE_OUT_PER_MILLION": "10",
    }
    with patch.dict(os.environ, required, clear=True):
        settings.cache_clear()
        read = settings()
    settings.cache_clear()
    return replace(read, **changes)
