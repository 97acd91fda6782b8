"""Rows of the queue: which handoffs a view shows, in which order, and what a row says of one.

The script that keeps the page live (static/js/card.js) writes the same texts into the same markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.labels import LABELS
from models.account import Caller, Role
from models.handoff import WAITING, Priority, Status

Card = Mapping[str, Any]

NTH = ("", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NO_BREAK = "\u00a0"
PRIORITY = {str(priority): label for priority, label in LABELS[Priority].items()}
STATUS = {str(status): label for status, label in LABELS[Status].items()}
_WAITING = {str(status) for status in WAITING}
_BEING_WRITTEN = ("queued", "running")


@dataclass(frozen=True)
class Limits:
    """After how many minutes of waiting an age warns."""

    amber_minutes: int
    red_minutes: int
    urgent_amber_minutes: int
    urgent_red_minutes: int

    def heat(self, seconds: float, *, urgent: bool) -> str:
        """Return "red", "amber" or nothing for an age."""
        amber, red = (
            (self.urgent_amber_minutes, self.urgent_red_minutes) if urgent else (self.amber_minutes, self.red_minutes)
        )
        return "red" if seconds >= 60 * red else "amber" if seconds >= 60 * amber else ""


@dataclass(frozen=True)
class Reader:
    """Who reads the page, and when."""

    caller: Caller
    now: datetime
    limits: Limits

    def is_me(self, person: Card | None) -> bool:
        return person is not None and person["id"] == str(self.caller.user_id)

    def name(self, person: Card) -> str:
        return "you" if self.is_me(person) else str(person["name"])

    @property
    def may_work(self) -> bool:
        return self.caller.role.covers(Role.ENGINEER)


@dataclass(frozen=True)
class Row:
    """What a row shows. `standing` is why there is nothing to take; empty: it may be taken."""

    id: str
    title: str
    priority: str
    priority_label: str
    status: str
    state: str
    since: str
    age: str
    heat: str
    facts: str
    assessed: str
    need: str
    badges: tuple[tuple[str, str], ...]
    standing: str
    unread: bool
    found: tuple[str, str, str, str] | None = None  # by a search: the field, and what stands before, at and after


BLANK = Row("", "", "", "", "", "", "", "", "", "", "", "", (), "", unread=False)  # what the script clones


def row(card: Card, reader: Reader, *, unread: bool, places: Sequence[Card] = ()) -> Row:
    """Say what the row of a handoff shows to this reader."""
    since = card["resolved_at"] or card["created_at"]
    seconds = (reader.now - datetime.fromisoformat(since)).total_seconds()
    urgent = card["priority"] == Priority.URGENT
    return Row(
        id=card["id"],
        title=card["session"]["title"],
        priority=card["priority"],
        priority_label=PRIORITY[card["priority"]],
        status=card["status"],
        state=card["assessment_state"] or "",
        since=since,
        age=span(seconds),
        heat=reader.limits.heat(seconds, urgent=urgent) if card["status"] in _WAITING else "",
        facts=facts(card),
        assessed=assessed(card),
        need=f"Needs: {card['ask']}" if card["ask"] else card["reason"],
        badges=badges(card, reader),
        standing=standing(card, reader),
        unread=unread,
        found=_found(places),
    )


def _found(places: Sequence[Card]) -> tuple[str, str, str, str] | None:
    """Choose the place that says most; the title stands there anyway."""
    place = next((each for each in places if each["field"] != "title"), places[0] if places else None)
    if place is None:
        return None
    text, start, end = place["text"], place["start"], place["end"]
    return place["field"].replace(":", " ").replace("_", " ").capitalize(), text[:start], text[start:end], text[end:]


def facts(card: Card) -> str:
    """Client, ticket, category, steps and author on one line."""
    ticket = card["session"]
    steps = f"{ticket['steps_count']}{NO_BREAK}{'step' if ticket['steps_count'] == 1 else 'steps'}"
    parts = (
        ticket["client"],
        ticket["external_id"],
        ticket["category"],
        steps,
        f"from {card['handed_off_by']['name']}",
    )
    return " · ".join(part for part in parts if part)


def assessed(card: Card) -> str:
    """Say how far the assessment is."""
    written = card["assessment"]
    being_written = card["assessment_state"] in _BEING_WRITTEN
    if written is None:
        return "Assessing…" if being_written else "No assessment" if card["assessment_state"] == "failed" else ""
    source = "being rewritten" if being_written else "without AI" if written["source"] == "extractive" else None
    return " · ".join(part for part in (f"Confidence {written['confidence']}", source) if part)


def badges(card: Card, reader: Reader) -> tuple[tuple[str, str], ...]:
    """Return the (class, text) of each badge."""
    found = []
    if card["returns"]:
        found.append(("again", returns(card["returns"])))
    if card["overdue"]:
        found.append(("overdue", "Overdue"))
    if card.get("questions_open"):
        found.append(("asked", _plural(card["questions_open"], "open question")))
    if card.get("snoozed_until"):
        found.append(("", "Waiting for the client"))
    if card["status"] in _WAITING and reader.is_me(card["target"]):
        found.append(("for-me", "For you"))
    return tuple(found)


def standing(card: Card, reader: Reader) -> str:
    """Say why this reader cannot take the handoff; empty: they can."""
    if card["status"] not in _WAITING:
        return _ended(card, reader)
    if reader.is_me(card["handed_off_by"]):
        return "You handed it off"
    target = card["target"]
    if target and not reader.is_me(target) and not reader.caller.is_admin:
        return f"For {target['name']}"
    return "" if reader.may_work else "Waiting"


def _ended(card: Card, reader: Reader) -> str:
    taken_by = card["claimed_by"]
    if card["status"] == Status.CLAIMED:
        return "Yours" if reader.is_me(taken_by) else f"With {taken_by['name']}"
    if card["status"] == Status.RESOLVED and taken_by:
        return f"Resolved by {reader.name(taken_by)}"
    return {Status.RESOLVED: "Resolved", Status.PARKED: "Parked", Status.WITHDRAWN: "Withdrawn"}.get(
        card["status"], ""
    )


def returns(count: int) -> str:
    """Say for which time a session is here: "Third time here"."""
    word = NTH[count] if count < len(NTH) else f"{count + 1}th"
    return f"{word.capitalize()} time here"


def span(seconds: float) -> str:
    """Say a duration in one or two units: "3 h 20 min"."""
    value = max(0, int(seconds))
    if value < 60:
        return f"{value} s"
    minutes = value // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def _plural(count: int, one: str) -> str:
    return f"{count} {one}{'' if count == 1 else 's'}"


def now() -> datetime:
    """The time that ages are counted to."""
    return datetime.now(UTC)
