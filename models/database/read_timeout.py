"""A read timeout for connected servers. Without it, a frozen PostgreSQL would block us forever.

The kernel of a stopped server goes on acknowledging what it receives, so neither keepalives nor TCP's own timeouts
notice, and the limits of statements are enforced by the very server that is stopped. libpq waits without end; with a
wait callback psycopg2 leaves the waiting to us. It costs two microseconds per statement.
"""

from __future__ import annotations

import select

from psycopg2 import OperationalError, extensions
from sqlalchemy import orm, text

CONNECT_SECONDS = 3.0
MARGIN_SECONDS = 2.0  # past the server's own limit, so that its error arrives if it can still send one

_AWAITED = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


class Connection(extensions.connection):
    """A connection that fails when nothing arrives for `limit` seconds; initially the limit of connecting.

    None: it may take as long as it takes.
    """

    limit: float | None = CONNECT_SECONDS


def allow(session: orm.Session, seconds: float) -> None:
    """Allow the statements of this transaction to take longer."""
    session.execute(text(f"SET LOCAL statement_timeout = '{seconds:.0f}s'"))
    statements_take(session.connection().connection.driver_connection, seconds)


def statements_take(connection: object, seconds: float) -> None:
    """From now on wait as long as the server allows a statement, and a little longer."""
    assert isinstance(connection, Connection)
    connection.limit = seconds + MARGIN_SECONDS


def watch() -> None:
    """Route every wait of this process's connections through here; foreign ones keep a limit for connecting only."""
    extensions.set_wait_callback(_wait)


def _limit(connection: extensions.connection) -> float | None:
    if isinstance(connection, Connection):
        return connection.limit
    # libpq keeps this one only where it does the waiting itself.
    given = extensions.parse_dsn(connection.dsn).get("connect_timeout")
    return float(given) if given and connection.status == extensions.STATUS_SETUP else None


def _wait(connection: extensions.connection) -> None:
    limit = _limit(connection)
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), _AWAITED[state])
        if not poller.poll(None if limit is None else limit * 1000):
            # The driver closes the connection for it, so the pool makes a new one.
            raise OperationalError("timeout expired: the server says nothing")
