"""`flask db`: the schema of the database."""

from __future__ import annotations

import click
from alembic import command as alembic

from api.cli.errors import one_line_errors
from models.database import migrations


@click.group()
def db() -> None:
    """The database schema."""


@db.command("upgrade")
@click.argument("revision", default="head")
@one_line_errors
def upgrade(revision: str) -> None:
    """Bring the database to REVISION (default: the newest)."""
    alembic.upgrade(migrations.config(), revision)
    click.echo(f"database is at {migrations.expected_revision() if revision == 'head' else revision}")


@db.command("current")
@one_line_errors
def current() -> None:
    """Print the revision of the database."""
    alembic.current(migrations.config())


@db.command("check")
@one_line_errors
def check() -> None:
    """Exit with 1 if models and migrations differ."""
    alembic.check(migrations.config())


@db.command("revision")
@click.option("-m", "--message", required=True, help="Description of the migration.")
@one_line_errors
def revision(message: str) -> None:
    """Write a new migration from what differs."""
    newest = migrations.expected_revision() or "0000"
    alembic.revision(migrations.config(), message, autogenerate=True, rev_id=f"{int(newest) + 1:04d}")
