"""Display labels: how the values of the service's enums are shown to people, in templates and by the scripts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from models.account import Kind, Role
from models.assessment import State
from models.assessment.feedback import Rating
from models.assessment.result import Standing
from models.batch import BatchState, ItemState
from models.handoff import Priority, Status
from models.people import TokenState
from models.session import Outcome, StepKind

LABELS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Status: {
        Status.PARKED: "Parked",
        Status.PENDING: "Assessing",
        Status.READY: "Ready",
        Status.CLAIMED: "Taken",
        Status.RESOLVED: "Resolved",
        Status.WITHDRAWN: "Withdrawn",
        Status.DISCARDED: "Discarded",
    },
    Priority: {
        Priority.URGENT: "Urgent",
        Priority.HIGH: "High",
        Priority.NORMAL: "Normal",
        Priority.LOW: "Low",
    },
    StepKind: {
        StepKind.QUESTION: "Question",
        StepKind.ACTION: "Action",
        StepKind.OBSERVATION: "Observation",
        StepKind.NOTE: "Note",
    },
    Outcome: {
        Outcome.WORKED: "Worked",
        Outcome.FAILED: "Failed",
        Outcome.PARTIAL: "Partly",
        Outcome.UNKNOWN: "Unclear",
    },
    State: {
        State.SUCCEEDED: "Assessed",
        State.FALLBACK: "Without AI",
        State.FAILED: "Failed",
        State.QUEUED: "Waiting",
        State.RUNNING: "Being written",
    },
    Standing: {
        Standing.OPEN: "Not solved yet",
        Standing.WAITING: "Waiting",
        Standing.PROBABLY_SOLVED: "Probably solved",
    },
    BatchState: {
        BatchState.QUEUED: "Waiting",
        BatchState.RUNNING: "Running",
        BatchState.PAUSED: "Paused",
        BatchState.COMPLETED: "Completed",
        BatchState.CANCELLED: "Cancelled",
        BatchState.FAILED: "Failed",
    },
    ItemState: {
        ItemState.WAITING: "Waiting",
        ItemState.DISPATCHED: "Being written",
        ItemState.SUCCEEDED: "Assessed",
        ItemState.FALLBACK: "Without AI",
        ItemState.FAILED: "Failed",
        ItemState.SKIPPED: "Left alone",
    },
    Role: {
        Role.VIEWER: "Viewer",
        Role.ENGINEER: "Engineer",
        Role.ADMIN: "Admin",
    },
    Kind: {
        Kind.PERSON: "Person",
        Kind.SERVICE: "Service account",
    },
    TokenState: {
        TokenState.ACTIVE: "Works",
        TokenState.EXPIRED: "Expired",
        TokenState.REVOKED: "Revoked",
        TokenState.DEACTIVATED: "Without its person",
    },
    Rating: {
        Rating.HELPFUL: "Helpful",
        Rating.WRONG: "Wrong",
        Rating.INCOMPLETE: "Incomplete",
    },
}

# Why an assessment has no model's answer, by its error_kind, as the end of a sentence.
REASONS = {
    "timeout": "the AI service did not answer in time",
    "unavailable": "the AI service could not be reached",
    "rate_limited": "the AI service was too busy",
    "auth": "the AI service refused our key",
    "truncated": "the AI answer was cut off",
    "refused": "the AI declined to answer",
    "invalid_reply": "the AI answer was not usable",
    "budget": "the AI budget of this account is used up for now",
    "circuit_open": "the AI service has failed repeatedly and is being left alone for a moment",
    "deadline": "it took longer than it may",
    "attempts": "it was tried several times without success",
    "crashed": "the process that wrote it broke down",
    "internal": "something went wrong on our side",
    "withdrawn": "the handoff was withdrawn",
}


def why(kind: str | None) -> str:
    """Return why there is no answer of a model, as the end of a sentence."""
    if kind in REASONS:
        return REASONS[kind]
    return f"the reason is “{kind.replace('_', ' ')}”" if kind else "no reason was given"


def options(kind: type[StrEnum], *only: StrEnum) -> list[tuple[str, str]]:
    """Return the (value, label) pairs of an enum, or of these members, for the options of a select."""
    return [(member.value, LABELS[kind][member]) for member in only or LABELS[kind]]


def for_scripts() -> dict[str, dict[str, str]]:
    """Return every label by the name of its enum, for the JSON that each page carries, in the order of display."""
    by_enum = {
        kind.__name__: {str(member): label for member, label in labels.items()} for kind, labels in LABELS.items()
    }
    return {**by_enum, "Reason": REASONS}
