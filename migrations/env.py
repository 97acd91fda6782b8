"""Runs the migrations as the owner, each in a transaction of its own."""

from alembic import context
from sqlalchemy import create_engine, pool

from models import account, assessment, batch, db, feed, feedback, handoff, history, idempotency, session, vocabulary
from models.db import Base

# Importing the tables is what fills the metadata.
TABLES = (account, assessment, batch, feed, feedback, handoff, history, idempotency, session, vocabulary)


def run() -> None:
    """Bring the database of DATABASE_URL to the wanted revision. Two at once wait for each other."""
    engine = create_engine(db.url(), poolclass=pool.NullPool)
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
        with context.begin_transaction():
            context.run_migrations()


run()
