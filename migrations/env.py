"""Runs the migrations as the owner, each in a transaction of its own."""

import re
from typing import Any

from alembic import context
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, event, pool

from models import account, assessment, batch, feed, handoff, history, session
from models.assessment import feedback, vocabulary
from models.database import Base, connections, roles
from models.handoff import idempotency
from models.settings import settings

# Importing the tables is what fills the metadata.
TABLES = (account, assessment, batch, feed, feedback, handoff, history, idempotency, session, vocabulary)


def run() -> None:
    """Bring the database of DATABASE_URL to the wanted revision. Two at once wait for each other."""
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
        connection.commit()
        _name_roles(connection)
        with context.begin_transaction():
            context.run_migrations()


def _connect() -> Any:
    return connections.connect(settings().database, check=connections.check_database)


def _name_roles(connection: Connection) -> None:
    """Make the database's roles where they are missing, and put their names wherever a migration writes them.

    Migrations write escalation_app and escalation_upkeep; how this database names them,
    models/database/roles.py says.
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
