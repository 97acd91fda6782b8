"""Where a search found its words in each row of a list: the field, and an excerpt around the place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from models.account import User
from models.database.executor import Session
from models.handoff import Handoff
from models.handoff.search_words import Folded, Term, terms
from models.session import SessionStep, TroubleshootingSession

MOST = 3  # places of a row
BEFORE, AFTER = 40, 100  # characters of an excerpt around its place
# Of a session's steps the first ones are looked through, so that no page of long logs takes seconds.
MOST_STEPS = 500
MOST_STEP_BYTES = 100_000
MOST_PAGE_BYTES = 2_000_000  # of all sessions of a page, each an equal share

Match = dict[str, Any]
_BLANKS = re.compile(r"\s+")
_AUTHOR, _TARGET, _CLAIMER = (aliased(User) for _ in range(3))
_FIELDS = {
    "ticket": TroubleshootingSession.external_id,
    "title": TroubleshootingSession.title,
    "client": TroubleshootingSession.client,
    "asset": TroubleshootingSession.asset,
    "category": TroubleshootingSession.category,
    "handed_off_by": _AUTHOR.name,
    "target": _TARGET.name,
    "claimed_by": _CLAIMER.name,
    "ask": Handoff.ask,
    "reason": Handoff.reason,
    "problem": TroubleshootingSession.problem,
    "resolution": Handoff.resolution,
    "root_cause": Handoff.root_cause,
}
_PERSON = ("handed_off_by", "target", "claimed_by")


def matched(session: Session, account_id: UUID, ids: Sequence[UUID], query: str) -> dict[UUID, list[Match]]:
    """Return for each of these handoffs where the words of a query stand, at most MOST places.

    A place is `{"field", "text", "start", "end"}`: the hit is what stands from start to end in the text, counted in
    characters. A step is `step:N`, and a person `person`. What brings a word that no earlier place has comes first.
    """
    asked = [[term for term in all_of if not term.is_negated] for all_of in terms(query)]
    patterns = {term: term.pattern() for all_of in asked for term in all_of}
    found: dict[UUID, list[Match]] = {each: [] for each in ids}
    if not patterns:
        return found
    unfinished: dict[UUID, list[tuple[UUID, _Places]]] = {}
    for row in _rows(session, account_id, ids):
        places = _Places(patterns, asked)
        for name in _FIELDS:
            places.look("person" if name in _PERSON else name, getattr(row, name))
        found[row.id] = places.chosen
        if not places.is_complete:
            unfinished.setdefault(row.session_id, []).append((row.id, places))
    for session_id, field, text in _steps(session, account_id, list(unfinished)):
        for _, places in unfinished[session_id]:
            places.look(field, text)
    for handoffs in unfinished.values():
        found |= {handoff_id: places.chosen for handoff_id, places in handoffs}
    return found


class _Places:
    """The places of one row."""

    def __init__(self, patterns: dict[Term, re.Pattern[str]], asked: list[list[Term]]) -> None:
        self._missing = dict(patterns)
        self._patterns = patterns
        self._asked = asked
        self._telling: list[Match] = []  # each with a word that none before it has
        self._others: list[Match] = []

    @property
    def chosen(self) -> list[Match]:
        return [*self._telling, *self._others][:MOST]

    @property
    def is_complete(self) -> bool:
        """Whether every word of one of the alternatives is shown, or as many places as there may be."""
        shown = len(self._telling) >= MOST
        return shown or any(not any(term in self._missing for term in all_of) for all_of in self._asked)

    def look(self, field: str, text: str | None) -> None:
        """Look through a text."""
        if not text or len(self._telling) >= MOST or (self.is_complete and len(self.chosen) >= MOST):
            return
        folded = Folded(text)
        new = {term: place for term, pattern in self._missing.items() if (place := folded.find(pattern))}
        if new:
            self._telling.append(_excerpt(field, text, *min(new.values())))
            self._missing = {term: pattern for term, pattern in self._missing.items() if term not in new}
        elif place := next(filter(None, map(folded.find, self._patterns.values())), None):
            self._others.append(_excerpt(field, text, *place))


def _excerpt(field: str, text: str, start: int, end: int) -> Match:
    """Cut out a place with what is around it, on one line; where something is left out there is an ellipsis."""
    first, last = max(0, start - BEFORE), min(len(text), max(end, start + AFTER))
    before = ("…" if first else "") + _BLANKS.sub(" ", text[first:start]).lstrip()
    hit = _BLANKS.sub(" ", text[start : min(end, last)])
    after = _BLANKS.sub(" ", text[min(end, last) : last]).rstrip() + ("…" if last < len(text) else "")
    return {"field": field, "text": before + hit + after, "start": len(before), "end": len(before) + len(hit)}


def _rows(session: Session, account_id: UUID, ids: Sequence[UUID]) -> Sequence[Any]:
    ticket = TroubleshootingSession
    query = (
        select(Handoff.id, Handoff.session_id, *(column.label(name) for name, column in _FIELDS.items()))
        .join(ticket, and_(ticket.account_id == Handoff.account_id, ticket.id == Handoff.session_id))
        .where(Handoff.account_id == account_id, Handoff.id.in_(ids))
    )
    for person, key in ((_AUTHOR, "handed_off_by_id"), (_TARGET, "target_id"), (_CLAIMER, "claimed_by_id")):
        theirs = and_(person.account_id == Handoff.account_id, person.id == getattr(Handoff, key))
        query = query.outerjoin(person, theirs)
    return session.execute(query).all()


def _steps(session: Session, account_id: UUID, session_ids: Sequence[UUID]) -> Iterator[tuple[UUID, str, str | None]]:
    """Yield the texts of these sessions' first steps, and the names of their authors."""
    if not session_ids:
        return
    so_far = func.sum(func.octet_length(SessionStep.text)).over(
        partition_by=SessionStep.session_id, order_by=SessionStep.seq
    )
    first = (
        select(SessionStep.session_id, SessionStep.seq, SessionStep.author, so_far.label("so_far"))
        .where(SessionStep.account_id == account_id, SessionStep.session_id.in_(session_ids))
        .where(SessionStep.seq <= MOST_STEPS)
        .subquery()
    )
    its_text = (
        select(SessionStep.text)
        .where(SessionStep.account_id == account_id, SessionStep.session_id == first.c.session_id)
        .where(SessionStep.seq == first.c.seq)
        .scalar_subquery()
    )
    query = select(first.c.session_id, first.c.seq, first.c.author, its_text.label("text"))
    share = min(MOST_STEP_BYTES, MOST_PAGE_BYTES // len(session_ids))
    within = query.where(first.c.so_far <= share).order_by(first.c.session_id, first.c.seq)
    for row in session.execute(within):
        yield row.session_id, f"step:{row.seq}", row.text
        yield row.session_id, "person", row.author
