"""Lines of history for the tests of the evaluation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from models.history import Line
from models.session import StepKind
from tasks.evaluation.sessions import Session, of_line

HANDED_OFF = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIX = "Moved the mailbox to the new server and renewed its certificate."


def step(text: str, outcome: str | None = None, **more: Any) -> dict[str, Any]:
    return {"kind": more.pop("kind", StepKind.ACTION), "text": text, "outcome": outcome, **more}


def line(*steps: dict[str, Any] | str, **more: Any) -> Line:
    """A resolved line; a step may be its text."""
    session = {
        "external_id": "T-1",
        "title": more.pop("title", "Outlook asks for the password"),
        "problem": more.pop("problem", "Outlook asks for the password every minute."),
        "category": more.pop("category", None),
        "steps": [each if isinstance(each, dict) else step(each) for each in steps],
    }
    content = {"id": more.pop("id", "L1"), "intent": "escalate", "reason": "Stuck.", "session": session}
    return Line(1, content | {"resolution": FIX} | more)


def session(*steps: dict[str, Any] | str, **more: Any) -> Session:
    found = of_line(line(*steps, **more))
    assert found is not None
    return found
