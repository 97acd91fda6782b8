"""Models and migrations agree."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, event

from deploy.production import database
from models.database import migrations
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import ROOT, wait_for


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


def complaints(sql: str, folder: Path) -> list[str]:
    """The rules of squawk that these statements break."""
    file = folder / "migration.sql"
    file.write_text(sql)
    squawk = Path(sys.executable).with_name("squawk")
    lint = [squawk, "--config", ROOT / ".squawk.toml", "--reporter", "json", file]
    done = subprocess.run(lint, capture_output=True, text=True)
    return [each["rule_name"] for each in json.loads(done.stdout)]


def test_every_migration_after_the_first_does_nothing_dangerous(servers: Servers, tmp_path: Path) -> None:
    name = servers.create_database()
    sent: list[str] = []

    def note(_: object, __: object, statement: str, values: object, *___: object) -> None:
        if not values:  # what Alembic asks of the catalogue has some; a migration has none
            sent.append(statement)

    revisions = list(ScriptDirectory.from_config(migrations.config()).walk_revisions())[::-1]
    event.listen(Engine, "before_cursor_execute", note)
    try:
        with environment(servers.environment(name) | {"DATABASE_URL": servers.owner_url(name)}):
            command.downgrade(migrations.config(), revisions[0].revision)
            wrong = {}
            for revision in revisions[1:]:
                sent.clear()
                command.upgrade(migrations.config(), revision.revision)
                wrong[revision.revision] = complaints(";\n".join([*sent, ""]), tmp_path)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert {number: rules for number, rules in wrong.items() if rules} == {}
    servers.drop_database(name)


def test_a_dangerous_statement_is_noticed(tmp_path: Path) -> None:
    assert complaints("ALTER TABLE handoffs ADD COLUMN tag text;", tmp_path) == []
    assert complaints("ALTER TABLE handoffs ALTER COLUMN tag TYPE int; DROP TABLE handoffs;", tmp_path)
