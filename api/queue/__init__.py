"""The queue as a page: its views, the first rows of one, and the cursor from which the script follows the feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import case

from api.feed import cursor as cursors
from api.feed.cursor import Cursor
from api.http import answers
from api.queue import rows
from api.queue.rows import Limits, Reader, Row
from models import feed
from models.account import Caller, Role
from models.database.executor import Session
from models.handoff import OPEN, WAITING, Actor, Handoff, Priority, Status
from models.handoff.listing import Filter, listed
from models.transaction import transaction

VIEWS = {
    "waiting": "Waiting",
    "for_me": "For me",
    "mine": "Mine",
    "handed_off": "I handed off",
    "resolved": "Resolved",
    "all": "All",
}
OF_EVERYBODY = ("waiting", "resolved", "all")  # a viewer takes nothing and is asked nothing
SORTS = {"urgency": "Most urgent", "oldest": "Oldest", "newest": "Newest"}
# What stands in the place of rows where there are none.
EMPTY = {
    "waiting": ("All clear", "Nobody is waiting. New handoffs appear here by themselves."),
    "for_me": ("Nothing is meant for you", "What is handed to you by name, or asked of you, appears here by itself."),
    "mine": ("You have nothing in hand", "What you take stays here until it is resolved or handed on."),
    "handed_off": ("You have handed nothing off", "What you hand off stays here, with what became of it."),
    "resolved": ("Nothing is resolved yet", "What is resolved appears here, the newest first."),
    "all": ("There is nothing yet", "New handoffs appear here by themselves."),
}
MOST = 500  # rows of the first paint; the script asks for those after it when somebody scrolls there


@dataclass(frozen=True)
class Asked:
    """What the address asks for. What it does not say, or says wrongly, is as ever."""

    view: str = "waiting"
    sort: str = ""
    q: str = ""
    priority: str = ""
    category: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        """Read the parameters of an address."""
        view = given.get("view", "")
        view = view if view in VIEWS else "waiting"
        return cls(
            view=view,
            sort=given["sort"] if given.get("sort") in SORTS else _usual_sort(view),
            q=given.get("q", "").replace("\0", "").strip()[:200],
            priority=given["priority"] if given.get("priority") in list(Priority) else "",
            category=given.get("category", "").replace("\0", "")[:100],
        )

    @property
    def usual_sort(self) -> str:
        return _usual_sort(self.view)

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.priority or self.category)


def _usual_sort(view: str) -> str:
    return "newest" if view in ("handed_off", "resolved") else "urgency"


@dataclass(frozen=True)
class Shown:
    """The first rows of a view."""

    rows: list[Row]
    facts: list[tuple[Any, ...]]
    cursor: str
    next: str | None  # the token of the page after these


def read(caller: Caller, asked: Asked) -> Shown:
    """Read the rows that were asked for, and before them where the feed stands."""
    reader = Reader(caller, rows.now(), Limits())
    with transaction(caller.account_id) as session:
        # Before the rows: the feed reports what happens in between.
        epoch, head = feed.tail(session, caller.account_id)
        cards = _cards(session, caller, asked)
    found = [rows.row(card, reader, unread=False) for card in cards[:MOST]]
    end = cursors.encode(Cursor(epoch, head), caller.account_id, answers.signing_keys())
    return Shown(found, [_facts(card) for card in cards[:MOST]], end, None)


def _cards(session: Session, caller: Caller, asked: Asked) -> list[dict[str, Any]]:
    wanted = Filter(
        priority=(Priority(asked.priority),) if asked.priority else (),
        category=asked.category or None,
        q=asked.q or None,
    )
    of_view: dict[str, dict[str, Any]] = {
        "waiting": {"status": WAITING},
        "for_me": {"status": WAITING},
        "mine": {"status": (Status.CLAIMED,), "claimed_by": caller.user_id},
        "handed_off": {"handed_off_by": caller.user_id, "status": (Status.PARKED, *OPEN, Status.RESOLVED)},
        "resolved": {"status": (Status.RESOLVED,)},
        "all": {},
    }
    query = listed(
        session,
        caller.account_id,
        wanted if asked.q else replace(wanted, **of_view[asked.view]),
        seen_by=Actor(caller.user_id, caller.is_admin),
    )
    if asked.view == "for_me" and not asked.q:
        query = query.where(Handoff.target_id == caller.user_id)
    order: tuple[Any, ...] = (Handoff.id,)
    if asked.sort == "newest":
        order = (Handoff.id.desc(),)
    elif asked.sort == "urgency":
        rank = case({each: at for at, each in enumerate(reversed(Priority))}, value=Handoff.priority)
        order = (rank, Handoff.id)
    found = session.scalars(query.with_only_columns(Handoff.card).order_by(*order).limit(MOST + 1))
    return [card for card in found if card]


def _facts(card: rows.Card) -> tuple[Any, ...]:
    """Return what the script cannot see in a row: its seq, its category, and who has to do with it."""
    people = (card[role] and card[role]["id"] for role in ("handed_off_by", "target", "claimed_by"))
    return (card["seq"], card["session"]["category"], *people)


def views(caller: Caller) -> dict[str, str]:
    """Return the views that mean something to this person."""
    return VIEWS if caller.role.covers(Role.ENGINEER) else {name: VIEWS[name] for name in OF_EVERYBODY}


def counts(caller: Caller) -> dict[str, Any]:
    """How much each view holds for this person."""
    return {}


def title_of(counts: Mapping[str, Any]) -> str:
    """What the titles of all pages begin with: what is urgent and what is meant for the reader."""
    if not counts:
        return ""
    found = ((counts["waiting"]["urgent"], "urgent"), (counts["for_me"]["total"], "for me"))
    return "".join(f"{number} {words} · " for number, words in found if number)
