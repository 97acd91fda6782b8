"""Full text: what of a handoff is searched, and how.

The account stands in the document as a lexeme of its own, so that one GIN index narrows by account and words
together. Row-level security keeps the index from being used directly (`@@` is not leakproof), so the search
runs in `search_handoffs`, a function of the owner's that reads the account from the transaction's scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

# A tsvector holds at most 1 MiB; these bounds keep every document below that.
MAX_CHARS = 100_000
MAX_ADDED_CHARS = 20_000
MAX_BYTES = 500_000
CONFIG = "english"


# The searchable form of a handoff, of document_values(): its title counts more than the rest.
DOCUMENT = f"""
    array_to_tsvector(ARRAY[%(lexeme)s]) || setweight(to_tsvector('{CONFIG}', %(title)s), 'A')
        || to_tsvector('{CONFIG}', %(words)s)
"""


def document_values(account_id: UUID, title: str, texts: Sequence[str]) -> dict[str, str]:
    """What DOCUMENT is made of."""
    return {"lexeme": account_lexeme(account_id), "title": title, "words": bounded(texts)}


# The document with the text of extension_values() at its end; as it was when it is as large as it may be.
EXTENDED = f"""
    CASE WHEN octet_length(search::text) < {MAX_BYTES} THEN search || to_tsvector('{CONFIG}', %(added)s)
        ELSE search END
"""


def extension_values(texts: Sequence[str]) -> dict[str, str]:
    """What EXTENDED adds."""
    return {"added": bounded(texts)[:MAX_ADDED_CHARS]}


def account_lexeme(account_id: UUID) -> str:
    """The word that stands for the account; no text can contain it, since the parser splits at the colon."""
    return f"account:{account_id.hex}"


def bounded(texts: Sequence[str]) -> str:
    """The texts as one, cut where a document would become too large."""
    return "\n".join(text for text in texts if text)[:MAX_CHARS]


def matches(id_column: Any, words: str) -> ColumnElement[bool]:
    """Whether a handoff holds these words, in the syntax of a web search (`printer -canon`)."""
    return id_column.in_(select(func.search_handoffs(words).column_valued("id")))
