"""psycopg2's connection, with transactions that begin in the message of their first statement.

The driver sends BEGIN by itself and waits for the answer, and setting a scope would take one more round trip. Here
both travel ahead of the first statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions, extras

from models.database import read_timeout
from models.database.roles import WRITTEN, Roles

extras.register_uuid()  # ids travel as they are

# Data exceptions, limits and syntax errors quote what they are about; other errors quote names.
_QUOTING_CODES = ("22", "54", "42601")


@contextmanager
def values_hidden() -> Iterator[None]:
    """Keep only the first line of the server's errors, without values: tracebacks are logged, rows hold ticket text.

    The rest (DETAIL: the row, the key; CONTEXT; the statement) stays in `diag`.
    """
    try:
        yield
    except psycopg2.Error as error:
        if error.pgcode:
            first = str(error).partition("\n")[0]
            if error.pgcode.startswith(_QUOTING_CODES):
                first = re.sub(r'"[^\n]*', '"…"', first)
            error.args = (first,)
        raise


class Connection(read_timeout.Connection):
    """A connection whose transactions can be started with begin_with(); all others start as the driver does it."""

    roles: Roles = WRITTEN  # of its database
    server_pid = 0  # of the process that serves it
    opening = ""  # what the next statement carries ahead of it
    _is_begun = False

    def begin_with(self, statement: str) -> None:
        """Begin a transaction with this statement, sent with the next one. commit() or rollback() ends it."""
        self.autocommit = True  # or the driver sends a BEGIN of its own
        self.opening = f"BEGIN;{statement};"
        self._is_begun = True

    def commit(self) -> None:
        """Commit, like the driver."""
        if self._is_begun:
            self._end("COMMIT")
        else:
            with values_hidden():
                super().commit()

    def rollback(self) -> None:
        """Roll back, like the driver."""
        if self._is_begun:
            self._end("ROLLBACK")
        else:
            super().rollback()

    def _end(self, how: str) -> None:
        was_sent, self.opening, self._is_begun = not self.opening, "", False
        try:
            if was_sent:
                with self.cursor() as cursor:
                    cursor.execute(how)
        finally:
            if not self.closed:
                self.autocommit = False


class Cursor(extensions.cursor):
    """A cursor of such a connection."""

    connection: Connection

    def execute(self, query: Any, vars: Any = None) -> None:
        """Execute, with the pending begin of the transaction in the same message."""
        with values_hidden():
            super().execute(self._opened(query), vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Execute many, after the pending begin of the transaction."""
        with values_hidden():
            if opening := self._opened(""):
                super().execute(opening)
            super().executemany(query, vars_list)

    def _opened(self, query: str) -> str:
        connection = self.connection
        if not connection.opening:
            return query
        opening, connection.opening = connection.opening, ""
        return opening + query


class RowCursor(extras.NamedTupleCursor, Cursor):
    """A cursor whose rows are named tuples."""
