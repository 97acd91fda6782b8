"""Models and migrations agree."""

from __future__ import annotations

from alembic import command
from alembic.script import ScriptDirectory

from models import migrations
from tests.conftest import environment
from tests.servers import Servers


def test_models_and_migrations_agree(servers: Servers) -> None:
    name = servers.create_database()
    with environment(servers.environment(name) | {"DATABASE_URL": servers.postgres.url(name)}):
        command.check(migrations.config())  # raises when they differ
        command.downgrade(migrations.config(), "base")
        command.upgrade(migrations.config(), "head")
        command.check(migrations.config())
    servers.drop_database(name)


def test_migrations_are_numbered_without_gaps() -> None:
    script = ScriptDirectory.from_config(migrations.config())
    numbers = sorted(int(revision.revision) for revision in script.walk_revisions())
    assert numbers == list(range(1, len(numbers) + 1))
