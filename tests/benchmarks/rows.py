"""Real tickets and chats as cases, without anything written after the end."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from models.assessment.case import Case, CaseStep, PastCase

Row = dict[str, Any]
DEFAULT_FILES = ("tickets.jsonl", "sessions_irc.jsonl")
# Written when the case was over; only ever used to score.
AFTERWARDS = (
    "internal_problem",
    "internal_investigation",
    "resolution",
    "symptoms_resolved",
    "root_cause_understood",
)


def load(paths: Iterable[str | Path]) -> list[Row]:
    """Every row of JSON-lines files, in order. An empty session is a case too."""
    return [json.loads(line) for path in paths for line in Path(path).read_text("utf-8").splitlines() if line]


def is_held_out(row: Row) -> bool:
    """Half of every source, by its ids: those by which nothing in the summary may be tuned."""
    return zlib.crc32(str(row["id"]).encode()) % 2 == 1


def is_ticket(row: Row) -> bool:
    return "body" in row


def to_case(row: Row, past: tuple[PastCase, ...] = ()) -> Case:
    """The session as its reader saw it. A chat's first message is its problem; ticket steps keep their seq.

    Nobody wrote a reason or an ask in these sources, so both are empty, as are kinds and outcomes.
    """
    before = {key: value for key, value in row.items() if key not in AFTERWARDS}
    steps = [step for step in before.get("steps", []) if not _is_afterword(step)]
    problem = before["body"] if is_ticket(row) else (steps[0]["text"] if steps else "")
    told = steps if is_ticket(row) else steps[1:]
    return Case(
        account_id=UUID(int=1),
        handoff_id=uuid5(NAMESPACE_URL, before["id"]),
        assessment_id=UUID(int=2),
        title=before.get("title") or "",
        problem=problem or "",
        reason="",
        steps=tuple(CaseStep(s["seq"], "note", s["text"] or "", author=s.get("author")) for s in told),
        past=past,
    )


def _is_afterword(step: Row) -> bool:
    """Return whether a step is the internal report, filed as a private first step: it reveals the solution."""
    return bool(step.get("private")) and (step.get("text") or "").lower().lstrip().startswith("problem:")


def to_past(row: Row, score: float) -> PastCase:
    """A resolved ticket, as a later case may cite it."""
    return PastCase(
        handoff_id=uuid5(NAMESPACE_URL, row["id"]),
        title=row.get("title") or "",
        problem=row.get("body") or row["steps"][0]["text"],
        resolution=row.get("resolution") or row["steps"][-1]["text"],
        root_cause=row.get("internal_investigation") or None,
        score=score,
    )


def split_by_time(tickets: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """(history, queries): the older half's resolved tickets, and every ticket of the newer half."""
    ordered = sorted(tickets, key=lambda row: row.get("opened_at") or "")
    middle = len(ordered) // 2
    return [row for row in ordered[:middle] if row.get("resolution")], ordered[middle:]
