"""Rows of the queue: what one says of a handoff, and its markup.

The script that keeps the page live (static/js/card.js) writes the same texts into the same markup, row.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from flask import get_template_attribute

from api.labels import LABELS
from models.handoff import WAITING, Priority, Status

Card = Mapping[str, Any]

NTH = ("", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NO_BREAK = "\u00a0"
GAP = "\0"  # what goes on changing with time is filled in later; PostgreSQL stores no text with this character
REMEMBERED = 4096  # rows: every page of an account shows the same ones, and few of them have changed since
PRIORITY = {str(priority): label for priority, label in LABELS[Priority].items()}
STATUS = {str(status): label for status, label in LABELS[Status].items()}
_WAITING = {str(status) for status in WAITING}
_BEING_WRITTEN = ("queued", "running")


class Limits(NamedTuple):
    """After how many minutes of waiting an age warns."""

    amber_minutes: int
    red_minutes: int
    urgent_amber_minutes: int
    urgent_red_minutes: int

    def heat(self, seconds: float, *, urgent: bool) -> str:
        """Return "red", "amber" or nothing for an age."""
        if urgent:
            amber, red = self.urgent_amber_minutes, self.urgent_red_minutes
        else:
            amber, red = self.amber_minutes, self.red_minutes
        return "red" if seconds >= 60 * red else "amber" if seconds >= 60 * amber else ""


class Relation(NamedTuple):
    """What a reader is to a handoff, as far as its row depends on it."""

    is_author: bool
    is_target: bool
    is_taker: bool
    is_admin: bool
    may_work: bool


class Row(NamedTuple):
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


class Drawn(NamedTuple):
    """The markup of a row, with gaps for heat and age, and what it takes to fill them."""

    pieces: tuple[str, ...]
    since: datetime
    is_waiting: bool
    is_urgent: bool
    facts: tuple[Any, ...]  # what the script cannot see in the row

    def at(self, now: datetime, limits: Limits) -> str:
        """Return the markup as of a moment."""
        seconds = (now - self.since).total_seconds()
        heat = limits.heat(seconds, urgent=self.is_urgent) if self.is_waiting else ""
        before, between, after = self.pieces
        return f"{before}{heat}{between}{span(seconds)}{after}"


@lru_cache(REMEMBERED)
def drawn(card: str, relation: Relation, *, unread: bool) -> Drawn:
    """Draw the row of a card that is given as JSON."""
    return draw(json.loads(card), relation, unread=unread)


def draw(card: Card, relation: Relation, *, unread: bool, places: Sequence[Card] = ()) -> Drawn:
    """Draw the row of a card; `places` is where a search found its words."""
    says = row(card, relation, unread=unread, places=places)
    markup = str(get_template_attribute("row.html", "rows")([says]))
    people = (card[role] and card[role]["id"] for role in ("handed_off_by", "target", "claimed_by"))
    return Drawn(
        tuple(markup.split(GAP)),
        datetime.fromisoformat(says.since),
        card["status"] in _WAITING,
        card["priority"] == Priority.URGENT,
        (card["seq"], card["session"]["category"], *people),
    )


def row(card: Card, relation: Relation, *, unread: bool, places: Sequence[Card] = ()) -> Row:
    """Return what the row of a handoff says to somebody."""
    return Row(
        id=card["id"],
        title=card["session"]["title"],
        priority=card["priority"],
        priority_label=PRIORITY[card["priority"]],
        status=card["status"],
        state=card["assessment_state"] or "",
        since=card["resolved_at"] or card["created_at"],
        age=GAP,
        heat=GAP,
        facts=facts(card),
        assessed=assessed(card),
        need=f"Needs: {card['ask']}" if card["ask"] else card["reason"],
        badges=badges(card, relation),
        standing=standing(card, relation),
        unread=unread,
        found=_found(places),
    )


def _found(places: Sequence[Card]) -> tuple[str, str, str, str] | None:
    """Choose the place that says most; the title stands there anyway."""
    place = next((each for each in places if each["field"] != "title"), places[0] if places else None)
    if place is None:
        return None
    text, start, end = place["text"], place["start"], place["end"]
    field = "needs" if place["field"] == "ask" else place["field"]
    return field.replace(":", " ").replace("_", " ").capitalize(), text[:start], text[start:end], text[end:]


def facts(card: Card) -> str:
    """Return client, ticket, category, steps and author on one line."""
    ticket = card["session"]
    steps = f"{ticket['steps_count']}{NO_BREAK}{'step' if ticket['steps_count'] == 1 else 'steps'}"
    author = f"from {card['handed_off_by']['name']}"
    parts = (ticket["client"], ticket["external_id"], ticket["category"], steps, author)
    return " · ".join(part for part in parts if part)


def assessed(card: Card) -> str:
    """Say how far the assessment is."""
    written = card["assessment"]
    being_written = card["assessment_state"] in _BEING_WRITTEN
    if written is None:
        return "Assessing…" if being_written else "No assessment" if card["assessment_state"] == "failed" else ""
    source = "being rewritten" if being_written else "without AI" if written["source"] == "extractive" else None
    return " · ".join(part for part in (f"Confidence {written['confidence']}", source) if part)


def badges(card: Card, relation: Relation) -> tuple[tuple[str, str], ...]:
    """Return the (class, text) of each badge."""
    found = []
    if card["returns"]:
        found.append(("again", returns(card["returns"])))
    if card["overdue"]:
        found.append(("overdue", "Overdue"))
    if card.get("questions_open"):
        found.append(("questions", _plural(card["questions_open"], "open question")))
    if card.get("snoozed_until"):
        found.append(("", "Waiting for the client"))
    if card["status"] in _WAITING and relation.is_target:
        found.append(("for-me", "For you"))
    return tuple(found)


def standing(card: Card, relation: Relation) -> str:
    """Say why this reader cannot take the handoff; empty: they can."""
    if card["status"] not in _WAITING:
        return _ended(card, relation)
    if relation.is_author:
        return "You handed it off"
    if card["target"] and not relation.is_target and not relation.is_admin:
        return f"For {card['target']['name']}"
    return "" if relation.may_work else "Not taken yet"


def _ended(card: Card, relation: Relation) -> str:
    if card["status"] == Status.CLAIMED:
        return "Yours" if relation.is_taker else f"With {card['claimed_by']['name']}"
    if card["status"] == Status.RESOLVED and card["claimed_by"]:
        return f"Resolved by {'you' if relation.is_taker else card['claimed_by']['name']}"
    return STATUS[card["status"]]


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
    """Return the time that ages are counted to."""
    return datetime.now(UTC)
