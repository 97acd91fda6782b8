"""The engine, the declarative base, and the few column types that every table shares."""

from __future__ import annotations

import json
import os
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import psycopg2
import uuid_utils.compat
from sqlalchemy import (
    URL,
    DateTime,
    Engine,
    Enum,
    MetaData,
    TextClause,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.orm import DeclarativeBase, mapped_column

from models import logs
from models.database import connections, read_timeout
from models.errors import Busy
from models.settings import settings

log = logs.logger(__name__)

# Named constraints, so that a migration can drop what another created.
CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Time = Annotated[datetime, mapped_column(DateTime(timezone=True))]
MaybeTime = Annotated[datetime | None, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(naming_convention=CONVENTION)


def new_id() -> UUID:
    """Return a time-ordered id (UUIDv7, RFC 9562): keyset pages by it are in order of creation."""
    return uuid_utils.compat.uuid7()


def stored_enum(kind: type[StrEnum], *, name: str) -> Enum:
    """A text column with a check constraint: a value that does not fit fails in a test, not in production."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


def dump_json(value: Any) -> str:
    """Serialize as stored and sent: compact, unescaped UTF-8, no NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def sql_file(module: str, name: str) -> TextClause:
    """Load the statement in `<name>.sql` beside a module, which passes its `__file__`. Values are `:name` there."""
    return text((Path(module).parent / f"{name}.sql").read_text(encoding="utf-8"))


# Codes of a server that is stopping or starting, of a rolled-back conflict, and of a lock timeout.
UNAVAILABLE_CODES = ("08", "40", "53", "55P03", "57")


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error; empty: it did not come from the server."""
    return str(getattr(error.orig, "pgcode", "") or "") if isinstance(error, DBAPIError) else ""


def is_unavailable(error: BaseException) -> bool:
    """Whether the database is briefly unavailable or too busy, so that a later try can succeed."""
    if isinstance(error, Busy):
        return True
    if not isinstance(error, DBAPIError):
        return False
    is_broken = isinstance(error, OperationalError) or error.connection_invalidated
    return is_broken or sqlstate(error).startswith(UNAVAILABLE_CODES)


def is_conflict(error: BaseException) -> bool:
    """Whether PostgreSQL rolled a transaction back in favour of another one: a deadlock, a failed serialization."""
    return sqlstate(error).startswith("40")


def is_away(error: BaseException) -> bool:
    """Whether the connection broke or could not be opened: PostgreSQL is restarting or not up yet."""
    if not isinstance(error, DBAPIError):
        return False
    code = sqlstate(error)
    broken = error.connection_invalidated or (isinstance(error, OperationalError) and not code)
    return broken or code.startswith("57P")


@cache
def engine() -> Engine:
    """Return this process's engine, created at first use so that forked processes share no connection.

    A restarted PostgreSQL costs a reconnect and no error. Every wait has an end: connecting, a lock, a
    statement, an idle transaction, a dead peer, a frozen one.
    """
    read_timeout.watch()
    made = create_engine(
        URL.create("postgresql+psycopg2", database=settings().database.database),
        creator=_connect_service,
        # No overflow: such connections are closed after use, and a new one costs PostgreSQL a process.
        pool_size=int(os.environ.get("DATABASE_POOL", "20")),
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        json_serializer=dump_json,
        hide_parameters=True,  # they hold ticket text, and errors are logged
        use_native_hstore=False,  # it would be looked for with every connection
    )
    event.listen(made, "checkout", _prepare)
    return made


def _connect_service() -> psycopg2.extensions.connection:
    seconds = settings().statement_seconds
    try:
        return connections.connect(settings().database, connections.Limits(seconds), check=connections.check_service)
    except connections.UnfitError as error:
        log.error("database not usable", reason=str(error))
        raise


def _prepare(connection: Any, record: Any, *_: Any) -> None:
    read_timeout.statements_take(connection, settings().statement_seconds)
    _refuse_ended(connection, record)


def _refuse_ended(connection: Any, record: Any) -> None:
    """Make the pool reconnect where the server has closed an idle connection.

    Such a connection has something to be read: the farewell, or its end. Looking costs a microsecond where a
    ping would cost every transaction a round trip. A connection made just now is not looked at: refused twice
    in a row, the pool would raise what no caller takes for a database that is away.
    """
    if "given out" not in record.info:
        record.info["given out"] = True
        return
    if connections.has_ended(connection):
        raise DisconnectionError
