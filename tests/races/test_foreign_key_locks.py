"""No write holds a lock that the foreign key of another one would wait for.

Whoever writes a row that points to another one takes FOR KEY SHARE on that one, when PostgreSQL chooses to and not in
our order of locks. Only FOR UPDATE, a deletion and a change of a key stand in its way, so nothing takes these, but
for two. The end of somebody's access waits for all they write, and every write locks its person before all else.
Reopening deletes a past case, and whoever writes its vector locks it before all else.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from deploy.production import database
from models.errors import Refused
from tests.conftest import environment
from tests.races import acts
from tests.races.acts import ACTS, Act, Scene
from tests.servers import Servers
from tests.stack import ROOT, wait_for
from tests.tasks.accepted import a_world

PAUSE = 4242  # the advisory lock for which every transaction waits at its commit

_PAUSED_AT_COMMIT = f"""
    CREATE FUNCTION pause_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared({PAUSE}); RETURN NULL; END $$;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('CREATE CONSTRAINT TRIGGER pause AFTER INSERT OR UPDATE OR DELETE ON %I
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pause_at_commit()', name);
        END LOOP;
    END $$
"""


@pytest.fixture(scope="module")
def scene(servers: Servers) -> Iterator[Scene]:
    name = servers.create_database()
    owner = servers.postgres.url(name)
    try:
        with environment(servers.environment(name)):
            made = acts.build(a_world(), owner, cases=2)
            with closing(database.connect(owner)) as connection:
                connection.cursor().execute(_PAUSED_AT_COMMIT)
            yield made
    finally:
        servers.drop_database(name)


@pytest.fixture
def cursor(scene: Scene) -> Iterator[Any]:
    with closing(database.connect(scene.owner_url)) as connection, connection.cursor() as made:
        yield made


def referenced(cursor: Any) -> list[str]:
    """Every table that a foreign key points to."""
    cursor.execute("SELECT DISTINCT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
    return [row[0] for row in cursor.fetchall()]


def paused(cursor: Any) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
    return bool(cursor.fetchone()[0])


def in_the_way(cursor: Any) -> list[str]:
    """The tables with a row that a foreign key could not point to now."""
    found = []
    for table in referenced(cursor):
        # A draft is deleted when it is escalated; writers of rows that point to it have locked it first.
        rows = "sessions WHERE draft_of IS NULL" if table == "sessions" else table
        try:
            cursor.execute(f"SELECT FROM {rows} FOR KEY SHARE NOWAIT")
        except psycopg2.errors.LockNotAvailable:
            found.append(table)
    return found


def at_commit(scene: Scene, act: Act, cursor: Any) -> list[list[str]]:
    """Run an act, and list for each of its transactions what would block a foreign key before the commit."""
    seen: list[list[str]] = []

    def run() -> None:
        with suppress(Refused):
            act.run(scene, scene.cases[0], 0)

    thread = threading.Thread(target=run)
    cursor.execute(f"SELECT pg_advisory_lock({PAUSE})")
    thread.start()
    while thread.is_alive():
        if wait_for(lambda: paused(cursor) or not thread.is_alive(), "the act to commit") and thread.is_alive():
            seen.append(in_the_way(cursor))
            cursor.execute(f"SELECT pg_advisory_unlock({PAUSE})")
            thread.join(0.2)  # its next transaction, if there is one, is not paused unless it comes later
            cursor.execute(f"SELECT pg_advisory_lock({PAUSE})")
    cursor.execute("SELECT pg_advisory_unlock_all()")
    return seen


OTHERS = [act for act in ACTS if act.run not in (acts.lose_access, acts.reopen)]


@pytest.mark.parametrize("act", OTHERS, ids=lambda act: act.name)
def test_no_write_stands_in_the_way_of_a_foreign_key(scene: Scene, act: Act, cursor: Any) -> None:
    acts.reset(scene, act, act)
    seen = at_commit(scene, act, cursor)
    assert seen, "it wrote nothing"
    assert [tables for tables in seen if tables] == []


def test_a_lock_that_stands_in_the_way_is_noticed(scene: Scene, cursor: Any) -> None:
    with closing(psycopg2.connect(scene.owner_url.replace("+psycopg2", ""))) as other:
        other.cursor().execute("SELECT FROM sessions FOR UPDATE")
        assert in_the_way(cursor) == ["sessions"]


def test_no_statement_asks_for_such_a_lock() -> None:
    asking = re.compile(r"(?<!NO KEY )\bFOR UPDATE\b|with_for_update\((?![^)]*\b(?:key_share|read)=True)")
    wrong = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for folder in ("api", "models", "tasks", "migrations")
        for path in sorted(Path(ROOT, folder).rglob("*.py"))
        if path != ROOT / "models/handoff/leaving.py"
        for match in asking.finditer(path.read_text())
    ]
    assert wrong == []
