"""Runs the migrations as the owner, each in a transaction of its own."""

import re
import time
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, event, pool
from sqlalchemy.exc import OperationalError

from models import account, assessment, audit, batch, feed, handoff, history, session
from models.assessment import feedback, vectors, vocabulary
from models.database import Base, connections, roles, sqlstate
from models.handoff import idempotency, reading
from models.settings import settings

# Importing the tables fills the metadata.
TABLES = (
    *(account, assessment, audit, batch, feed, feedback, handoff, history, idempotency, reading, session, vectors),
    vocabulary,
)

LOCK_SECONDS = 5
LOCK_NOT_AVAILABLE = "55P03"
ATTEMPTS = 12
PAUSE_SECONDS = 2.0


def run() -> None:
    """Migrate the database of DATABASE_URL to the target revision. Concurrent runs wait for each other."""
    engine = create_engine("postgresql+psycopg2://", creator=_connect, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            compare_type=True,
            compare_server_default=False,
        )
        connection.exec_driver_sql("SELECT pg_advisory_lock(727274)")
        # A session waiting for a table lock makes all others queue behind it, so a migration does not wait long.
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.commit()
        _refuse_unknown_revision(connection)
        _name_roles(connection)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with context.begin_transaction():
                    context.run_migrations()
                return
            except OperationalError as error:
                if sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise
                if attempt == ATTEMPTS:
                    raise CommandError("a table is in use by others; migrate again when it is not") from error
                time.sleep(PAUSE_SECONDS)


def _refuse_unknown_revision(connection: Connection) -> None:
    """Raise CommandError if another version migrated the database to a revision that has no path to this one."""
    found = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    known = {each.revision for each in context.script.walk_revisions()}
    if found is not None and found not in known:
        raise CommandError(
            f"this database is at revision {found} of another version, from which there is no way to {max(known)};"
            " begin with a new database (for `make run`: move the folder .local away)"
        )


def _connect() -> Any:
    return connections.connect(settings().database, check=connections.check_database)


def _name_roles(connection: Connection) -> None:
    """Create the database's roles if they are missing, and substitute their names wherever a migration writes them.

    Migrations write escalation_app and escalation_upkeep; models/database/roles.py defines this database's names.
    """
    raw: Any = connection.connection
    with raw.cursor() as cursor:
        named = roles.find(cursor) or roles.own(cursor)
        try:
            roles.ensure(cursor, named)
        except roles.MayNotError as error:
            raise CommandError(str(error)) from error
    raw.commit()
    quoted = {
        written: connection.dialect.identifier_preparer.quote(name)
        for written, name in zip(roles.WRITTEN, named, strict=True)
    }

    @event.listens_for(connection, "before_cursor_execute", retval=True)
    def own_names(_: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> tuple[str, Any]:
        return re.sub(r"\bescalation_(app|upkeep)\b", lambda found: quoted[found[0]], statement), values


run()
