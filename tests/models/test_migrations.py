"""Models and migrations agree."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg2
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from deploy.production import database
from models.database import migrations
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import wait_for


def test_models_and_migrations_agree(servers: Servers) -> None:
    name = servers.create_database()
    owner = database.owner_url(servers.postgres.url(name), servers.password)
    with environment(servers.environment(name) | {"DATABASE_URL": owner}):
        command.check(migrations.config())  # raises when they differ
        command.downgrade(migrations.config(), "base")
        database.owner_url(servers.postgres.url(name), servers.password)  # makes roles of its own, no longer those
        command.upgrade(migrations.config(), "head")
        command.check(migrations.config())
    servers.drop_database(name)


def test_migrations_are_numbered_without_gaps() -> None:
    script = ScriptDirectory.from_config(migrations.config())
    numbers = sorted(int(revision.revision) for revision in script.walk_revisions())
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_a_database_of_a_version_without_a_way_to_this_one_is_refused_in_one_line(servers: Servers) -> None:
    name = servers.create_database()
    with closing(psycopg2.connect(servers.postgres.url(name))) as link, link, link.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0007'")
    with environment(servers.environment(name) | {"DATABASE_URL": servers.owner_url(name)}):
        with pytest.raises(CommandError, match=r"revision 0007 .* \.local") as refused:
            command.upgrade(migrations.config(), "head")
        assert "\n" not in str(refused.value)
    servers.drop_database(name)


def test_a_migration_waits_for_a_table_in_use_a_little_at_a_time(servers: Servers) -> None:
    name = servers.create_database()
    owner = {"DATABASE_URL": servers.owner_url(name)}
    with (
        environment(servers.environment(name) | owner),
        closing(psycopg2.connect(servers.postgres.url(name))) as link,
    ):
        cursor = link.cursor()

        def is_waiting() -> bool:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            return bool(cursor.fetchone()[0])

        cursor.execute("LOCK TABLE accounts IN ACCESS SHARE MODE")
        migration = threading.Thread(target=command.downgrade, args=(migrations.config(), "base"))
        migration.start()
        wait_for(is_waiting, "the migration to wait for the table")
        wait_for(lambda: not is_waiting(), "the migration to let others pass")
        link.rollback()
        migration.join()
        cursor.execute("SELECT to_regclass('accounts') IS NULL")
        assert cursor.fetchone() == (True,)
    servers.drop_database(name)
