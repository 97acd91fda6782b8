"""The two ways to send SQL: on the connection of a session, or as a message that is a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Protocol

import psycopg2
from sqlalchemy import PoolProxiedConnection, orm
from sqlalchemy.exc import DBAPIError

from models.database import driver


class Executor(Protocol):
    """Anything that sends SQL."""

    def send(self, sql: str, values: Mapping[str, Any], /) -> list[Any]:
        """Send SQL with values for its `%(name)s` and return the rows of the last statement as named tuples."""

    @property
    def prepared(self) -> set[str]:
        """Names of the statements that its connection has prepared."""


class Session(orm.Session):
    """SQLAlchemy's session, which can also send prepared statements within its transaction."""

    def send(self, sql: str, values: Mapping[str, Any], /) -> list[Any]:
        """Send SQL, bypassing SQLAlchemy's execution; pending objects are not flushed."""
        connection = self.connection()
        try:
            return send(connection.connection, sql, values)
        except DBAPIError as error:
            if error.connection_invalidated:
                connection.invalidate(error)
            raise

    @property
    def prepared(self) -> set[str]:
        """Names of the statements that its connection has prepared."""
        return prepared(self.connection().connection)


def send(connection: PoolProxiedConnection, sql: str, values: Mapping[str, Any]) -> list[Any]:
    """Send SQL on the driver's connection and return the rows of the last statement, if it has any."""
    with sqlalchemys_errors(connection), closing(connection.cursor(cursor_factory=driver.RowCursor)) as cursor:
        cursor.execute(sql, values or None)  # without values a per cent sign is one
        return list(cursor.fetchall()) if cursor.description else []


def prepared(connection: PoolProxiedConnection) -> set[str]:
    """Return the set of prepared statements' names, stored with the driver's connection for its lifetime."""
    names: set[str] = connection.info.setdefault("prepared", set())
    return names


@contextmanager
def sqlalchemys_errors(connection: PoolProxiedConnection | None = None) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does, for code that bypasses it."""
    try:
        yield
    except psycopg2.Error as error:
        raw: Any = connection.driver_connection if connection else None
        is_lost = raw is None or bool(raw.closed)
        raise DBAPIError.instance(None, None, error, psycopg2.Error, connection_invalidated=is_lost) from error
