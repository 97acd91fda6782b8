"""The page of one handoff: everything it shows, read in one transaction and put into words for the templates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, url_for

from api import labels
from api.case import prose, words
from api.case.history import history
from api.case.summary import Shown, Summary, cited_steps, retracted, summary
from api.case.words import Clock
from api.feed import cursor as cursors
from api.feed.cursor import Cursor
from api.http import answers
from models import account, feed, handoff
from models.account import Caller, Role
from models.assessment import feedback
from models.database.executor import Session
from models.feed import card
from models.handoff import Actor, Handoff, Status, listing, reading, reopening, timeline
from models.handoff.listing import Filter
from models.session import MAX_STEPS, StepKind
from models.transaction import transaction

EARLIER = 5  # handoffs of the same session whose moves are shown, too

Row = Mapping[str, Any]
Timelines = list[tuple[Row, Sequence[Row]]]  # handoffs with what happened to them


def add_filters(blueprint: Blueprint) -> None:
    """Give the templates what takes texts apart."""
    blueprint.add_app_template_filter(prose.blocks)
    blueprint.add_app_template_filter(prose.is_long)
    blueprint.add_app_template_filter(lambda ref, link: link(ref), "evidence_link")


def page(
    who: Caller, handoff_id: UUID, *, zone: str | None, tail: int | None = None, is_seen: bool = True
) -> dict[str, Any]:
    """Return what the templates show of a handoff to this person; NotFound if it is not theirs to see.

    `zone` is where the reader's clock is, `tail` the first step of the end that their page has open.
    Who sees it has read it.
    """
    actor = Actor(who.user_id, who.is_admin)
    with transaction(who.account_id) as session:
        epoch, head = feed.tail(session, who.account_id)  # before the rows: the feed reports what happens in between
        found = handoff.find(session, who.account_id, handoff_id, seen_by=actor)
        shown = json.loads(card.representation(session, who.account_id, handoff_id).text)
        rows, names = timeline.steps_after(session, who.account_id, found.session_id, 0, most=MAX_STEPS)
        steps = [card.step(row, names) for row in rows]
        timelines = _timelines(session, found, shown, actor)
        if is_seen and shown["seq"] is not None:
            reading.mark_read(session, who.account_id, handoff_id, shown["seq"], by=actor)
        newest = _newest(session, who.account_id, handoff_id, shown)
        rating = _rating(session, who, handoff_id, shown)
        people = account.people(session, who.account_id) if who.role.covers(Role.ENGINEER) else []
    clock = Clock(zone)
    lines = summary(shown, steps, clock)
    viewer = {"id": str(who.user_id), "is_admin": who.is_admin, "may_write": who.role.covers(Role.ENGINEER)}
    cited = cited_steps(shown)
    column = history(shown, steps, timelines, clock, cited=cited, viewer=viewer, tail=tail)
    return {
        "handoff": shown,
        "session": shown["session"],
        "clock": clock,
        "cursor": cursors.encode(Cursor(epoch, head), who.account_id, answers.signing_keys()),
        "summary": lines,
        "history": column,
        "newest": newest,
        "rating": rating,
        "bar": _bar(found, shown, viewer, clock),
        "given": _given(shown, viewer, timelines, steps),
        "receivers": _receivers(shown, people),
        "people": [{"id": str(each.id), "name": each.name} for each in people],
        "assessment": _assessment(shown, lines, steps),
        "evidence_of": partial(_link, similar=(shown["assessment"] or {}).get("similar") or []),
        "why": labels.why,
        "words": words,
        "viewer": viewer,
    }


def _timelines(session: Session, found: Handoff, shown: Row, actor: Actor) -> Timelines:
    """Read the timelines of the session's earlier handoffs and of this one."""
    wanted = Filter(session=shown["session"]["external_id"])
    ids = session.scalars(
        listing.listed(session, found.account_id, wanted, seen_by=actor)
        .where(Handoff.session_id == found.session_id, Handoff.id < found.id)
        .order_by(Handoff.id.desc())
        .limit(EARLIER)
    ).all()
    earlier = [handoff.find(session, found.account_id, each, seen_by=actor) for each in reversed(ids)]
    columns = [(_own(each), _events_of(session, each)) for each in earlier]
    return [*columns, (_own(found), timeline.timeline(session, found))]


def _own(found: Handoff) -> Row:
    return {"id": str(found.id), "ask": found.ask, "reason": found.reason}


def _events_of(session: Session, found: Handoff) -> list[Row]:
    return [row for row in timeline.timeline(session, found) if not row["kind"].startswith("assessment.")]


def _newest(session: Session, account_id: UUID, handoff_id: UUID, shown: Row) -> Row | None:
    """Return the newest generation; one that is being written or has failed is not the one that is shown."""
    state, content = shown["assessment_state"], shown["assessment"]
    if state is None or (content and content["assessment_state"] == state):
        return content
    generations = card.generations(session, account_id, handoff_id)
    return generations[-1] if generations else None


def _rating(session: Session, who: Caller, handoff_id: UUID, shown: Row) -> Row | None:
    if not shown["assessment"]:
        return None
    given = feedback.given(session, who.account_id, handoff_id, shown["assessment"]["generation"], by=who.user_id)
    return {"rating": given.rating.value, "comment": given.comment or ""} if given else None


def _bar(found: Handoff, shown: Row, viewer: Row, clock: Clock) -> dict[str, Any]:
    """Say what this reader can do: the state of the bar, and which of its moves are there."""
    status = Status(shown["status"])
    own = shown["handed_off_by"]["id"] == viewer["id"]
    claimer = shown["claimed_by"] and shown["claimed_by"]["id"] == viewer["id"]
    writes = viewer["may_write"]
    works = status is Status.CLAIMED and writes and (claimer or viewer["is_admin"])
    target = shown["target"]
    meant = not target or target["id"] == viewer["id"] or viewer["is_admin"]
    waits = status in handoff.WAITING
    is_open = status in handoff.OPEN
    involved = own or bool(claimer) or viewer["is_admin"]
    closer = writes and (viewer["is_admin"] or viewer["id"] == str(found.closed_by_id or found.claimed_by_id))
    restorable = found.closed_at is not None and clock.now < found.closed_at + reopening.RESTORED_WITHIN
    return {
        "status": status.value,
        "own": own,
        "claimer": bool(claimer),
        "works": works,
        "take": waits and writes and not own and meant,
        "not_for_me": waits and writes and not own and not meant,
        "withdraw": is_open and writes and own,
        "escalate": status is Status.PARKED and own and writes,
        "discard": status is Status.PARKED and writes,
        "ask": _asked_first(shown, viewer) if is_open and writes and involved else None,
        "edit": (is_open or status is Status.PARKED) and writes and involved,
        "reopen": status is Status.RESOLVED and closer,
        "restore": status is Status.WITHDRAWN and closer and restorable,
        "lease_until": works and shown["lease_until"],
        "snoozed_until": status is Status.CLAIMED and shown["snoozed_until"],
        "add": writes and (status is Status.PARKED or is_open) and (own or works),
        "mode": "session" if works else "context",
    }


def _asked_first(shown: Row, viewer: Row) -> Row | None:
    """Return whom this reader would ask: the author, or for the author the one who has it now."""
    author, claimer = shown["handed_off_by"], shown["claimed_by"]
    other = author if author["id"] != viewer["id"] else claimer
    return None if other is None or other["id"] == viewer["id"] else other


def _given(shown: Row, viewer: Row, timelines: Timelines, steps: Sequence[Row]) -> Row | None:
    """Return the reassignment by which the reader has it, until they have added a step; None: there is none."""
    if shown["status"] != Status.CLAIMED or shown["claimed_by"]["id"] != viewer["id"]:
        return None
    moves = [row for row in timelines[-1][1] if row["kind"] in ("handoff.claimed", "handoff.reassigned")]
    if not moves or moves[-1]["kind"] != "handoff.reassigned":
        return None
    at = words.moment(moves[-1]["at"])
    worked = any(words.moment(step["added_at"]) > at and step["added_by"]["id"] == viewer["id"] for step in steps)
    return None if worked else moves[-1]


def _receivers(shown: Row, people: Sequence[account.User]) -> list[Row]:
    """List those to whom a claim can be given."""
    out = {shown["handed_off_by"]["id"], (shown["claimed_by"] or {}).get("id")}
    return [{"id": str(each.id), "name": each.name} for each in people if str(each.id) not in out]


def _assessment(shown: Row, lines: Summary, steps: Sequence[Row]) -> dict[str, Any] | None:
    """Return what the assessment says beyond the four lines, without a sentence that the page has shown."""
    content = shown["assessment"]
    if not content:
        return None
    shown_texts: Shown = lines.shown
    cause = content.get("likely_cause")
    asked = {step["text"]: step["seq"] for step in steps if step["kind"] == StepKind.QUESTION and not retracted(step)}
    if cause:
        shown_texts.add(cause["text"])
    suggested = [
        _with_new(shown_texts, each, "why", "quote") for each in shown_texts.fresh(content["suggested_steps"])
    ]
    return {
        **content,
        "likely_cause": cause and _with_new(shown_texts, cause, "quote"),
        "suggested_steps": suggested,
        "what_we_know": [
            _with_new(shown_texts, each, "quote") for each in shown_texts.fresh(content["what_we_know"])
        ],
        "similar": [_with_new(shown_texts, each, "digest") for each in content["similar"]],
        "questions": [
            {"text": each, "asked_in": asked.get(each)} for each in content["questions"] if shown_texts.is_new(each)
        ],
    }


def _with_new(shown_texts: Shown, statement: Row, *names: str) -> Row:
    """Return a statement without those of its texts that the page has shown."""
    rest = {name: shown_texts.rest(statement.get(name) or "") for name in names}
    return {**{name: value for name, value in statement.items() if name not in names}, **rest}


PLACES = {
    "title": ("heading", "Title"),
    "problem": ("evidence-problem", "Report"),
    "reason": ("evidence-reason", "Reason"),
    "ask": ("evidence-ask", "Request"),
}


def _link(ref: str, similar: Sequence[Row]) -> dict[str, Any] | None:
    """Return where a piece of evidence is shown; None: it is of a kind that we do not know."""
    kind, _, value = ref.partition(":")
    if kind == "step" and value.isascii() and value.isdigit():
        return {"href": f"#step-{value}", "text": f"Step {value}"}
    if kind == "handoff" and value:
        return _past_case(value, similar)
    if ref in PLACES:
        place, text = PLACES[ref]
        return {"href": f"#{place}", "text": text}
    return None


def _past_case(handoff_id: str, similar: Sequence[Row]) -> dict[str, Any] | None:
    """Return a link to another handoff, numbered as in the list of similar cases."""
    ids = [each["handoff_id"] for each in similar]
    number = f" {ids.index(handoff_id) + 1}" if handoff_id in ids and len(ids) > 1 else ""
    title = next((each["title"] for each in similar if each["handoff_id"] == handoff_id), "")
    try:
        href = url_for("pages.handoff", handoff_id=UUID(handoff_id))
    except ValueError:
        return None
    return {"href": href, "text": f"Past case{number}", "title": title, "elsewhere": True}
