"""The queue as a page: its views, the first rows of one, and the cursor from which the script follows the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, case, cast

from api.feed import cursor as cursors
from api.feed.cursor import Cursor
from api.http import answers
from api.queue import rows
from api.queue.rows import Drawn, Limits, Relation
from models import account, feed
from models.account import Caller, Role
from models.database.executor import Session
from models.feed import card
from models.handoff import OPEN, Actor, Handoff, Priority, listing
from models.handoff.counts import counts as count_views
from models.handoff.listing import Filter
from models.handoff.matched import matched
from models.handoff.views import Sort, View
from models.transaction import one_message, transaction

VIEWS = {
    View.WAITING: "Waiting",
    View.FOR_ME: "For me",
    View.MINE: "Mine",
    View.HANDED_OFF: "I handed off",
    View.RESOLVED: "Resolved",
    View.ALL: "All",
}
OF_EVERYBODY = (View.WAITING, View.RESOLVED, View.ALL)  # a viewer takes nothing and is asked nothing
SORTS = {Sort.URGENCY: "Most urgent", Sort.OLDEST: "Oldest", Sort.NEWEST: "Newest"}
# What stands in the place of rows where there are none.
EMPTY = {
    View.WAITING: ("All clear", "Nobody is waiting. New handoffs appear here by themselves."),
    View.FOR_ME: (
        "Nothing is meant for you",
        "What is given to you or asked of you appears here by itself.",
    ),
    View.MINE: ("You have nothing in hand", "What you take stays here until it is resolved or handed on."),
    View.HANDED_OFF: ("You have handed nothing off", "What you hand off stays here, with what became of it."),
    View.RESOLVED: ("Nothing is resolved yet", "What is resolved appears here, the newest first."),
    View.ALL: ("There is nothing yet", "New handoffs appear here by themselves."),
}
# Rows of the first paint; the script asks for those after them when somebody scrolls there.
MOST_OPEN, MOST = 500, 100
BOUNDED = (View.WAITING, View.FOR_ME, View.MINE)  # as long as what is open, whatever the history


@dataclass(frozen=True)
class Asked:
    """What the address asks for. What it does not say, or says wrongly, is as ever."""

    view: View = View.WAITING
    sort: Sort = Sort.URGENCY
    q: str = ""
    priority: str = ""
    category: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        """Read the parameters of an address."""
        view = View(given["view"]) if given.get("view") in list(View) else View.WAITING
        return cls(
            view=view,
            sort=Sort(given["sort"]) if given.get("sort") in list(Sort) else _usual_sort(view),
            q=_text(given.get("q", ""), most=200),
            priority=given["priority"] if given.get("priority") in list(Priority) else "",
            category=_text(given.get("category", ""), most=100),
        )

    @property
    def usual_sort(self) -> Sort:
        return _usual_sort(self.view)

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.priority or self.category)

    @property
    def listed(self) -> View:
        """The view that is listed: a search goes through open and closed ones."""
        return View.ALL if self.q else self.view

    @property
    def query(self) -> dict[str, Any]:
        """The same as parameters of GET /handoffs, to which the token of the next page belongs."""
        priority = [self.priority] if self.priority else []
        wanted = {"q": self.q, "priority": priority, "category": self.category}
        return {"view": self.listed.value, "sort": self.sort.value} | {
            name: value for name, value in wanted.items() if value
        }

    @property
    def filter(self) -> Filter:
        return Filter(
            view=self.listed,
            q=self.q or None,
            priority=(Priority(self.priority),) if self.priority else (),
            category=self.category or None,
        )


def _text(given: str, *, most: int) -> str:
    """What PostgreSQL takes as a text, without surrogates and zeros."""
    return given.encode("utf-8", "ignore").decode().replace("\0", "").strip()[:most]


def _usual_sort(view: View) -> Sort:
    return Sort.NEWEST if view in (View.HANDED_OFF, View.RESOLVED) else Sort.URGENCY


@dataclass(frozen=True)
class Shown:
    """The first rows of a view. `next` is the token of the page after them."""

    rows: str  # markup
    count: int
    facts: list[tuple[Any, ...]]
    cursor: str
    next: str | None
    limits: Limits


def read(caller: Caller, asked: Asked) -> Shown:
    """Read the rows that were asked for, and before them where the feed stands."""
    account_id, most = caller.account_id, MOST_OPEN if asked.listed in BOUNDED else MOST
    seen_by = Actor(caller.user_id, caller.is_admin)
    with transaction(account_id) as session:
        # Before the rows: the feed reports what happens in between.
        epoch, head = feed.tail(session, account_id)
        limits = Limits(**account.age_limits(session, account_id))
        listed = listing.page(
            session, account_id, asked.filter, seen_by=seen_by, sort=asked.sort, limit=most, also=_NEEDED
        )
        found = listed[:most]
        drawn = _draw(session, caller, found, asked.q)
    now = rows.now()
    return Shown(
        "".join(each.at(now, limits) for each in drawn),
        len(drawn),
        [each.facts for each in drawn],
        cursors.encode(Cursor(epoch, head), account_id, answers.signing_keys()),
        answers.page_token(account_id, "handoffs", asked.query, found[-1].place) if len(listed) > most else None,
        limits,
    )


_NEEDED = (
    # The card of the last event is as it is now while the handoff is open; later its session may have gone on.
    case((Handoff.status.in_(OPEN), cast(Handoff.card, Text))),
    Handoff.handed_off_by_id,
    Handoff.target_id,
    Handoff.claimed_by_id,
)


def _draw(session: Session, caller: Caller, found: Sequence[listing.Row], words: str) -> list[Drawn]:
    """Draw rows. Those of a search are drawn with where its words were found."""
    account_id, may_work = caller.account_id, caller.role.covers(Role.ENGINEER)
    others = {(account_id, each.id) for each in found if words or each.also[0] is None}
    cards = card.cards(session, others) if others else {}
    places = matched(session, account_id, [each.id for each in found], words) if words else {}
    drawn = []
    for each in found:
        text, author, target, taker = each.also
        me = caller.user_id
        relation = Relation(author == me, target == me, taker == me, caller.is_admin, may_work)
        if (shown := cards.get((account_id, each.id))) is None:
            drawn.append(rows.drawn(text, relation, unread=each.is_unread))
        else:
            drawn.append(rows.draw(shown, relation, unread=each.is_unread, places=places.get(each.id, ())))
    return drawn


def views(caller: Caller) -> dict[View, str]:
    """Return the views that mean something to this person."""
    return VIEWS if caller.role.covers(Role.ENGINEER) else {view: VIEWS[view] for view in OF_EVERYBODY}


def counts(caller: Caller) -> dict[str, Any]:
    """Return how much each view holds for this person, and how much of it is urgent and unread."""
    with one_message(caller.account_id) as message:
        found: dict[str, Any] = count_views(message, caller.account_id, by=caller.user_id)["views"]
    return found


def title_of(counts: Mapping[str, Any]) -> str:
    """Return what the titles of all pages begin with: what is urgent and what is meant for the reader."""
    found = ((counts["waiting"]["urgent"], "urgent"), (counts["for_me"]["total"], "for me"))
    return "".join(f"{number} {words} · " for number, words in found if number)
