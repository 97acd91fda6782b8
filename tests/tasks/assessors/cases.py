"""Hand-written cases for the assessor tests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from models.assessment.case import Case, CaseStep, PastCase

PAST_ID = UUID("01920000-0000-7000-8000-000000000001")


def step(seq: int, text: str, **rest: Any) -> CaseStep:
    """A step, by default a note."""
    return CaseStep(seq, rest.pop("kind", "note"), text, **rest)


def case(*steps: CaseStep | str, **rest: Any) -> Case:
    """A case whose steps may be plain texts."""
    numbered = tuple(item if isinstance(item, CaseStep) else step(n, item) for n, item in enumerate(steps, 1))
    words: dict[str, Any] = {
        "title": "Outlook cannot send mail",
        "problem": "Since this morning Outlook 2019 shows error 0x800CCC0E when sending. Receiving works.",
        "reason": "I am out of ideas.",
        "ask": "Please look at the mail gateway.",
    }
    return Case(UUID(int=1), UUID(int=2), UUID(int=3), steps=numbered, **{**words, **rest})


def past(resolution: str, *, score: float = 0.8, cause: str | None = None, **rest: Any) -> PastCase:
    """A resolved case about the same problem."""
    words = {"title": "Outlook error 0x800CCC0E", "problem": "Outlook 2019 cannot send, error 0x800CCC0E."}
    return PastCase(PAST_ID, resolution=resolution, root_cause=cause, score=score, **{**words, **rest})


PRINTER = case(
    step(1, "Restarted the print spooler on PRN-01. No change.", kind="action", author="Ana"),
    step(2, "Reinstalled the driver 6.3.1, still the same error 0x00000709.", kind="action", author="Ana"),
    step(3, "Can you check whether port 9100 is reachable from the client?", kind="question", author="Ben"),
    step(4, "Try to remove KB5034441 from one client.", kind="note", author="Ben"),
    title="Printer HP-4050 offline for all users in Accounting",
    problem="Hello team,\nall users in Accounting get error 0x00000709 when they print to"
    " \\\\PRN-01\\HP-4050.\n"
    "It started after the updates of Tuesday.\n\nBest regards,\nAna Example\nTel. 555 0100",
    reason="Two fixes failed and payroll prints tomorrow.",
    ask="Please tell me whether rolling back the update is safe.",
)
