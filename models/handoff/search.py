"""What of a handoff is searched, and how.

A search goes through the words (search_words.py) of the ticket, its id, client, asset and category, of its steps and
of how it ended, and through the people: the authors of the steps, and who handed it off, is meant to take it or has
taken it. Those three stand there by their ids, and a query is compared with their names as they are now.

The account stands there as a lexeme of its own, so that one GIN index narrows by account and words together.
Row-level security keeps the index from being used directly (`@@` is not leakproof), so the search runs in
`search_handoffs`, a function of the owner's that reads the account from the transaction's scope.

Beside it there is a document of English stems, which the search for similar past cases reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, bindparam, case, cast, exists, false, func, literal_column, select
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR

from models import text
from models.account import User
from models.database.executor import Session
from models.handoff import Handoff, search_words
from models.handoff.search_words import Term
from models.session import SentStep, StoredSession, TroubleshootingSession, authors

# A tsvector holds at most 1 MiB; these bounds keep every document below that.
MAX_CHARS = 100_000
MAX_ADDED_CHARS = 20_000
MAX_ADDED_WORDS = 2_000
MAX_BYTES = 500_000
MOST_TICKETS = 20  # that end with one number
_ENGLISH = literal_column("'english'", REGCONFIG)


def document_values(
    account_id: UUID, ticket: StoredSession, steps: Sequence[SentStep], texts: Sequence[str | None]
) -> dict[str, str]:
    """Return the values of the two documents of a handoff. `texts` are those beside the ticket's and its steps'.

    As stems the title counts more than the rest; client, asset, category and people are searched, but do not count
    as similarity of cases.
    """
    searched = [ticket.external_id, ticket.problem, *texts, *(step.text for step in steps)]
    details = [ticket.client, ticket.asset, ticket.category, *authors(steps)]
    return {
        "lexeme": account_lexeme(account_id),
        "title": ticket.title,
        "text": bounded(searched),
        "words": search_words.vector(bounded([ticket.title, *details, *searched])),
    }


def extended() -> dict[str, ColumnElement[Any]]:
    """Build both documents with the text of extension_values() at their end, or as they are if they are full."""
    stems = Handoff.search.op("||")(func.to_tsvector(_ENGLISH, bindparam("added")))
    words = Handoff.words.op("||")(cast(bindparam("added_words"), TSVECTOR))
    return {
        "search": case((func.octet_length(cast(Handoff.search, Text)) < MAX_BYTES, stems), else_=Handoff.search),
        "words": case((func.length(Handoff.words) < search_words.MOST_WORDS, words), else_=Handoff.words),
    }


def nothing() -> dict[str, ColumnElement[Any]]:
    """Build both documents without a word."""
    return {"search": cast("", TSVECTOR), "words": cast("", TSVECTOR)}


def extension_values(texts: Sequence[str], details: Sequence[str | None] = ()) -> dict[str, str]:
    """Return the values for extended()."""
    added = bounded([*details, *texts])[:MAX_ADDED_CHARS]
    return {
        "added": bounded(texts)[:MAX_ADDED_CHARS],
        "added_words": search_words.vector(added, most=MAX_ADDED_WORDS),
    }


def account_lexeme(account_id: UUID) -> str:
    """The lexeme that stands for the account among stems; no text contains it, as the parser splits at colons."""
    return f"account:{account_id.hex}"


def bounded(texts: Sequence[str | None]) -> str:
    """Join the texts, cut to the length that a document may have."""
    return "\n".join(text for text in texts if text)[:MAX_CHARS]


def matches(session: Session, account_id: UUID, id_column: Any, query: str) -> ColumnElement[bool]:
    """Condition for handoffs that contain these words: all of them, either of two around `or`, none after a minus.

    A query without a word in it finds nothing.
    """
    asked = search_words.terms(query)
    if not asked:
        return false()
    people = session.execute(select(User.id, User.name).where(User.account_id == account_id))
    names = {f"person:{row.id}": row.name for row in people}
    wanted = " | ".join("(" + " & ".join(_operand(term, names) for term in all_of) + ")" for all_of in asked)
    return id_column.in_(select(func.search_handoffs(wanted).column_valued("id")))


def ticket_of(session: Session, account_id: UUID, query: str) -> list[UUID]:
    """Return the sessions, drafts included, of the ticket that a query names and nothing else; usually none.

    It is named by its id in any case, or by the number at the end of its id.
    """
    ticket = text.ticket_id(query)
    ids = select(TroubleshootingSession.id).where(TroubleshootingSession.account_id == account_id).limit(MOST_TICKETS)
    spellings = {ticket, ticket.upper(), ticket.lower()}
    named = list(session.scalars(ids.where(TroubleshootingSession.external_id.in_(spellings))))
    if named or not (ticket.isascii() and ticket.isdigit()):
        return named
    theirs = and_(Handoff.account_id == account_id, Handoff.session_id == TroubleshootingSession.id)
    found = exists().where(theirs, matches(session, account_id, Handoff.id, ticket))
    return list(session.scalars(ids.where(TroubleshootingSession.external_id.regexp_match(rf"\D{ticket}$"), found)))


def _operand(term: Term, names: dict[str, str]) -> str:
    """The term, or people whose names match it. Common words count literally, and only if there are no others."""
    persons = [f"'{person}'" for person, name in names.items() if term.is_in(name)]
    either = " | ".join([f"({term.operand(literally=term.is_common)})", *persons])
    return f"{'!' if term.is_negated else ''}({either})"
