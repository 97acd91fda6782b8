"""The one way to connect to PostgreSQL: for the service, for migrations and for the set-up of a database.

Every setting that the code relies on is made on each connection, whatever the defaults of the server, the database or
the login. It is sent as a statement, because a pooler may refuse or drop the options of a start-up message.
"""

from __future__ import annotations

import select
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

import psycopg2

from models.addresses.postgres import Address
from models.database import driver, read_timeout
from models.database.roles import FIND, Roles

DEFAULTS = {
    "fallback_application_name": "escalation",
    "connect_timeout": "10",  # where libpq does the waiting; otherwise read_timeout.CONNECT_SECONDS
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}

RELIED_ON = {
    "default_transaction_isolation": "read committed",  # the moves and the feed are written for it
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "search_path": "public, pg_temp",  # and no table hides behind a temporary one
    "row_security": "on",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "gin_fuzzy_search_limit": "0",  # a search finds everything
    "plan_cache_mode": "force_generic_plan",  # see docs/decisions/0005
}


class UnfitError(psycopg2.OperationalError):
    """Raised for a database that the service cannot use. The text gives the reason in one line."""


@dataclass(frozen=True)
class Limits:
    """PostgreSQL's own timeouts. None: no limit, for work that may take as long as it takes."""

    statement_seconds: float | None = None
    lock_seconds: float = 2
    idle_seconds: float = 10

    def settings(self) -> dict[str, str]:
        """Render as PostgreSQL's settings, where 0 means no limit."""
        is_limited = self.statement_seconds is not None
        return {
            "statement_timeout": f"{self.statement_seconds or 0:.0f}s",
            "lock_timeout": f"{self.lock_seconds if is_limited else 0:.0f}s",
            "idle_in_transaction_session_timeout": f"{self.idle_seconds if is_limited else 0:.0f}s",
        }


def connect(
    address: Address, limits: Limits | None = None, *, check: Callable[[driver.Connection], None] | None = None
) -> driver.Connection:
    """Connect to the first available host of the address; raises the last error if there is none."""
    hosts = list(address.each_host())
    for parts in hosts[:-1]:
        with suppress(psycopg2.OperationalError):
            return _connect(parts, limits or Limits(), check)
    return _connect(hosts[-1], limits or Limits(), check)


def _connect(
    parts: dict[str, str], limits: Limits, check: Callable[[driver.Connection], None] | None
) -> driver.Connection:
    made: driver.Connection = psycopg2.connect(
        **{**DEFAULTS, **parts, "client_encoding": "UTF8"},
        connection_factory=driver.Connection,
        cursor_factory=driver.Cursor,
    )
    try:
        _set_up(made, limits)
        if check:
            check(made)
    except BaseException:
        made.close()
        raise
    made.limit = None if limits.statement_seconds is None else limits.statement_seconds + read_timeout.MARGIN_SECONDS
    return made


def _set_up(connection: driver.Connection, limits: Limits) -> None:
    """Apply the settings that the code relies on and read the facts it needs, in one message."""
    wanted = {**RELIED_ON, **limits.settings()}
    sets = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in wanted.items())
    with connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"SELECT {sets}; {FIND}")
        app, upkeep = cursor.fetchone() or (None, None)
        connection.autocommit = False
    if app and upkeep:
        connection.roles = Roles(app, upkeep)


_FACTS = """
    SELECT current_setting('server_encoding'), current_setting('client_encoding'), pg_is_in_recovery(),
           pg_backend_pid()
"""


def check_database(connection: driver.Connection) -> None:
    """Raise UnfitError if neither migrations nor the service can work with this database."""
    with connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(_FACTS)
        encoding, spoken, is_standby, connection.server_pid = cursor.fetchone() or ("", "", False, 0)
        connection.autocommit = False
    if encoding != "UTF8":
        raise UnfitError(
            f"the database's encoding is {encoding}; it has to be UTF8 (CREATE DATABASE … ENCODING 'UTF8')"
        )
    if spoken != "UTF8":
        raise UnfitError(f"the connection speaks {spoken} though UTF8 was asked for")
    if is_standby:
        raise UnfitError("the server is a standby and takes no writes; give the address of the primary")


_open: weakref.WeakSet[driver.Connection] = weakref.WeakSet()
_lock = Lock()


def check_service(connection: driver.Connection) -> None:
    """The same, and raise if a pooler switches connections between transactions, so that settings would not last."""
    check_database(connection)
    with _lock:
        others = [each for each in _open if each.server_pid == connection.server_pid and not has_ended(each)]
        # A pooler makes up the process id that it reports to the client.
        if others and connection.info.backend_pid != connection.server_pid:
            raise UnfitError("a pooler shares its connections by transaction; it has to do so by session (pool_mode)")
        _open.add(connection)


def has_ended(connection: driver.Connection) -> bool:
    """Whether an idle connection is closed on either side: the server's farewell or end of stream is readable.

    Looking costs a microsecond where a ping would cost a round trip.
    """
    if connection.closed:
        return True
    look = select.poll()
    look.register(connection, select.POLLIN)
    return bool(look.poll(0))
