"""The unit of work: a session with the events that its transaction will append to feeds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from models.database.executor import Session
from models.feed import EventType
from models.feed.card import Representation
from models.feed.head import Writing

EVERYBODY: Literal["all"] = "all"
AUTHOR: Literal["author"] = "author"
Readers = UUID | Literal["all", "author"]  # one person, everybody who sees the handoff, or who handed it off


@dataclass(frozen=True)
class Event:
    """An event that has no number yet. `unread_for`: who has not read its handoff from this event on."""

    account_id: UUID
    handoff_id: UUID
    type: EventType
    actor_id: UUID | None
    note: str | None
    unread_for: Readers | None = None


@dataclass(frozen=True)
class Appended:
    """The state of an account's feed after an append. `whole`: the handoff of its only event, if requested."""

    head: int
    epoch: str
    pace: float
    whole: Representation | None = None


class UnitOfWork(Session):
    """A transaction in the making.

    Verbs collect events in it; models/transaction.py announces them in Redis and appends them just before commit.
    """

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.events: dict[UUID, list[Event]] = defaultdict(list)  # by account, without a number yet
        self.announced: dict[UUID, Writing] = {}
        self.appended: dict[UUID, Appended] = {}  # the last append to each feed

    def collect(
        self,
        account_id: UUID,
        handoff_id: UUID,
        type: EventType,
        *,
        by: UUID | None,
        note: str | None = None,
        unread_for: Readers | None = None,
    ) -> None:
        """Collect an event of a handoff. `by` is the person who acts, None: the service itself."""
        self.events[account_id].append(Event(account_id, handoff_id, type, by, note, unread_for))
