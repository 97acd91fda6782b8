"""Prepared statements: PostgreSQL plans them once per connection instead of each time they are sent.

The driver sends text, which the server would parse and plan each time. A plan is generic (see plan_cache_mode in
models/database/connections.py), and is made again when its tables change or are analyzed, so that it follows their
growth. A pooler between the service and PostgreSQL has to keep a connection for the length of a session.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ClauseElement
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from models.database.executor import Executor


class _Compiler(PGCompiler):
    """Writes constants into the SQL, and leaves `bindparam("name")` to the caller.

    A generic plan uses a partial index only for constants that it can see, and a constant's generated name could
    meet one of the caller's.
    """

    def visit_bindparam(self, bindparam: BindParameter[Any], *how: Any, **more: Any) -> str:
        """Render a constant as a literal and anything else as `%(name)s`."""
        rendered: str = super().visit_bindparam(bindparam, *how, **more | {"literal_binds": bindparam.unique})
        return rendered


class _Dialect(PGDialect_psycopg2):
    statement_compiler = _Compiler
    supports_statement_cache = False  # each statement is compiled once, here


_DIALECT = _Dialect(paramstyle="pyformat")


class Prepared:
    """A statement of SQLAlchemy. Each execution supplies values for its `bindparam("name")`, or `:name` in a text."""

    def __init__(self, statement: ClauseElement) -> None:
        sql = str(statement.compile(dialect=_DIALECT))
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", sql)))
        body = sql % {name: f"${n}" for n, name in enumerate(names, start=1)}
        self.name = "run_" + hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()[:16]
        self.preparing = f"PREPARE {self.name} AS {body}"
        arguments = ", ".join(f"%({name})s" for name in names)
        self.executing = f"EXECUTE {self.name}({arguments})" if names else f"EXECUTE {self.name}"

    def __call__(self, executor: Executor, values: Mapping[str, Any]) -> list[Any]:
        """Execute and return the rows as named tuples.

        The driver converts the values: ids, times and lists as they are, JSON as text. Others than the statement
        names are ignored.
        """
        return together(executor, (self,), values)


def together(executor: Executor, statements: Sequence[Prepared], values: Mapping[str, Any]) -> list[Any]:
    """Execute several statements in one message, in order, and return the rows of the last."""
    known = executor.prepared
    for each in statements:
        if each.name not in known:
            # Sent on its own, so that it is prepared whatever becomes of the transaction.
            executor.send(each.preparing, {})
            known.add(each.name)
    return executor.send(";".join(each.executing for each in statements), values)
