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

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.orm import Session

from models.account import User
from models.handoff import search_words
from models.handoff.search_words import Term

# A tsvector holds at most 1 MiB; these bounds keep every document below that.
MAX_CHARS = 100_000
MAX_ADDED_CHARS = 20_000
MAX_ADDED_WORDS = 2_000
MAX_BYTES = 500_000
CONFIG = "english"

# What is indexed, and what search_handoffs() looks through: the words with the account and the people.
INDEXED = "searched_words(words, account_id, handed_off_by_id, target_id, claimed_by_id)"

# The searchable forms of a handoff, of document_values(): as stems its title counts more than the rest.
DOCUMENT = f"""
    array_to_tsvector(ARRAY[%(lexeme)s]) || setweight(to_tsvector('{CONFIG}', %(title)s), 'A')
        || to_tsvector('{CONFIG}', %(text)s)
"""
WORDS = "%(words)s::tsvector"


def document_values(
    account_id: UUID, title: str, texts: Sequence[str], details: Sequence[str | None]
) -> dict[str, str]:
    """Return the values for DOCUMENT and WORDS. `details` are searched, but do not count as similarity of cases."""
    return {
        "lexeme": account_lexeme(account_id),
        "title": title,
        "text": bounded(texts),
        "words": search_words.vector(bounded([title, *details, *texts])),
    }


# The documents with the text of extension_values() at their end; as they were when they are as large as they may be.
EXTENDED = f"""
    search = CASE WHEN octet_length(search::text) < {MAX_BYTES} THEN search || to_tsvector('{CONFIG}', %(added)s)
        ELSE search END,
    words = CASE WHEN length(words) < {search_words.MOST_WORDS} THEN words || %(added_words)s::tsvector
        ELSE words END
"""


def extension_values(texts: Sequence[str], details: Sequence[str | None] = ()) -> dict[str, str]:
    """Return the values for EXTENDED."""
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


def _operand(term: Term, names: dict[str, str]) -> str:
    """The term, or people whose names match it. Common words count literally, and only if there are no others."""
    persons = [f"'{person}'" for person, name in names.items() if term.is_in(name)]
    either = " | ".join([f"({term.operand(literally=term.is_common)})", *persons])
    return f"{'!' if term.is_negated else ''}({either})"
