"""A case in four short lines, each with what it rests on; and what the assessment adds to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from api.case import words
from api.case.words import Clock
from api.labels import LABELS
from models.assessment.result import Standing
from models.handoff import Status
from models.session import Outcome

Row = Mapping[str, Any]
SENTENCE = re.compile(r"(?<=[.!?…])\s+")
STEP = re.compile(r"step:(\d{1,9})")


@dataclass(frozen=True)
class Line:
    """One line of the summary. `statements` are dictionaries of a text, its evidence and perhaps an outcome."""

    name: str
    label: str
    statements: list[Row]
    nothing: str = ""


@dataclass
class Shown:
    """What the page has shown so far, to say nothing twice."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str | None) -> None:
        """Note a text that is shown."""
        if text:
            self.texts.append(_plain(text))

    def is_new(self, text: str) -> bool:
        """Whether a text is shown nowhere yet."""
        plain = _plain(text)
        return bool(plain) and not any(plain in each for each in self.texts)

    def rest(self, text: str) -> str:
        """Return the sentences of a text that are new, and note them."""
        found = [sentence for sentence in SENTENCE.split(text) if self.is_new(sentence)]
        self.add(text)
        return " ".join(found)

    def fresh(self, statements: Iterable[Row]) -> list[Row]:
        """Return the statements that are new, and note them."""
        found = []
        for statement in statements:
            if self.is_new(statement["text"]):
                self.add(statement["text"])
                found.append(statement)
        return found


@dataclass(frozen=True)
class Summary:
    """The four lines, and the problem as it was reported if the first line has other words."""

    lines: list[Line]
    reported: str | None
    standing: str
    shown: Shown


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".!?…").casefold()


def cited_steps(handoff: Row) -> set[int]:
    """Return the numbers of all steps that the shown assessment rests on."""
    content = handoff["assessment"] or {}
    lists = [content.get(name) or [] for name in ("what_we_know", "do_not_repeat", "suggested_steps")]
    rest = [content.get("state"), content.get("likely_cause")]
    ids = (ref for each in [*chain(*lists), *filter(None, rest)] for ref in each["evidence"])
    return {int(found[1]) for ref in ids if (found := STEP.fullmatch(ref))}


def summary(handoff: Row, steps: Sequence[Row], clock: Clock) -> Summary:
    """Say what the problem is, what failed, where it stands and what is needed."""
    shown = Shown()
    session, content = handoff["session"], handoff["assessment"] or {}
    shown.add(session["title"])
    problem, reported = _problem(session, content)
    for text in (session["problem"], *(each["text"] for each in problem), handoff["ask"], handoff["reason"]):
        shown.add(text)
    lines = [
        Line("problem", "Problem", problem, "Nothing was written down."),
        Line("tried", "Tried and failed", _tried(content, steps, shown), "Nothing is known to have failed."),
        Line("state", "State now", [_state(handoff, steps, clock)]),
        _needed(handoff),
    ]
    return Summary(lines, reported, (content.get("state") or {}).get("value", ""), shown)


def _problem(session: Row, content: Row) -> tuple[list[Row], str | None]:
    """Return the first line, and the reported problem if a model has put it into other words."""
    written, reported = content.get("summary"), session["problem"]
    if not written or content.get("source") == "extractive":
        return ([{"text": reported, "evidence": []}] if reported.strip() else []), None
    return [{"text": words.below_title(written, session["title"]), "evidence": ["problem"]}], reported


def _tried(content: Row, steps: Sequence[Row], shown: Shown) -> list[Row]:
    tried = content.get("do_not_repeat") or []
    if tried:
        found = shown.fresh(tried)
        repeated = [{"text": "What the report says", "evidence": ["problem"]}]
        return found if len(found) == len(tried) else [*found, *repeated]
    failed = [f"step:{step['seq']}" for step in steps if step["outcome"] == Outcome.FAILED and not retracted(step)]
    if not failed:
        return []
    return [{"text": words.plural(len(failed), "step failed", "steps failed"), "evidence": failed[-6:]}]


def retracted(step: Row) -> bool:
    """Whether a step was taken back."""
    return bool(step.get("retracted_at"))


def _state(handoff: Row, steps: Sequence[Row], clock: Clock) -> Row:
    """Say where the case stands: by the assessment, by its outcomes, and when something last happened."""
    state = (handoff["assessment"] or {}).get("state") or {}
    parts = []
    if handoff["status"] == Status.RESOLVED:
        parts.append("Resolved")
    elif state.get("value"):
        parts.append(LABELS[Standing][Standing(state["value"])])
    outcomes = [step["outcome"] for step in steps if not retracted(step)]
    counted = ((Outcome.WORKED, "worked"), (Outcome.FAILED, "failed"))
    counts = [f"{outcomes.count(value)} {word}" for value, word in counted if value in outcomes]
    if steps:
        parts.append(words.plural(len(steps), "step") + (f", {', '.join(counts)}" if counts else ""))
        parts.append(f"last one {clock.moment(steps[-1]['added_at'])}")
    evidence = state.get("evidence") or ([f"step:{steps[-1]['seq']}"] if steps else [])
    return {"text": " · ".join(parts) or "Nothing was tried yet", "evidence": evidence}


def _needed(handoff: Row) -> Line:
    """What is asked for; if nothing is, why it was handed off."""
    if handoff["ask"]:
        return Line("ask", "Needed", [{"text": handoff["ask"], "evidence": []}])
    reason = handoff["reason"]
    return Line("reason", "Needed", [{"text": reason, "evidence": []}], "Nobody has asked for anything.")
