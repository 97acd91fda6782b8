"""Prepared statements last across transactions and roles, and are planned again when their tables have grown."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.production import database
from models.database import sql_file
from models.database.prepared import Prepared
from models.transaction import maintenance, maintenance_message, one_message, transaction
from tasks import assess
from tests import world as worlds
from tests.servers import Servers
from tests.stack import ROOT
from tests.tasks import accepted
from tests.world import World

NAMES = Prepared(text("SELECT name FROM users WHERE name <> :but ORDER BY name, id"))


def plans() -> dict[str, tuple[int, int]]:
    """Count the executions of each statement of this connection by generic and by custom plans."""
    with maintenance() as session:
        rows = session.execute(
            text("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements WHERE name LIKE 'run_%'")
        )
        return {row.statement: (row.generic_plans, row.custom_plans) for row in rows}


def test_the_hot_paths_are_planned_once(world: World) -> None:
    begin = world.senior.get("/feed?cursor=now").json["cursor"]
    for n in range(12):
        made = world.junior.hand_off(f"T-{n}")
        _, assessment = accepted.accept(world, f"U-{n}")
        assert assess.run(world.account_id, assessment)
        assert world.senior.post(f"/handoffs/{made['id']}/claim").status_code == 200
        assert world.senior.get(f"/feed?cursor={begin}").status_code == 200
    ran = plans()
    assert len([statement for statement, (kept, _) in ran.items() if kept > 10]) >= 8
    assert not [statement for statement, (_, anew) in ran.items() if anew]


def test_it_outlives_a_transaction_that_was_rolled_back(committed: str) -> None:
    with suppress(KeyError), maintenance() as session:
        NAMES(session, {"but": "x"})
        raise KeyError
    with maintenance() as session:
        assert NAMES(session, {"but": "x"}) == []
    assert len(plans()) == 1


def test_one_that_could_not_be_prepared_is_tried_again(servers: Servers, committed: str) -> None:
    later = Prepared(text("SELECT n FROM later WHERE n = :n"))
    with pytest.raises(DBAPIError, match="does not exist"), maintenance() as session:
        later(session, {"n": 1})
    with closing(database.connect(servers.postgres.url(committed))) as owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE later AS SELECT 1 AS n")
        cursor.execute(f"GRANT SELECT ON later TO {servers.roles.upkeep}")
    with maintenance() as session:
        assert later(session, {"n": 1}) == [(1,)]


def test_a_connection_made_anew_learns_it_anew(servers: Servers, committed: str) -> None:
    with maintenance() as session:
        NAMES(session, {"but": "x"})
        ended: Any = session.connection().connection.driver_connection
    with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])
    with maintenance() as session:
        assert NAMES(session, {"but": "x"}) == []
        again: Any = session.connection().connection.driver_connection
    assert again.info.backend_pid != ended.info.backend_pid


@pytest.mark.parametrize("times", [1, 10])
def test_a_plan_that_saw_every_account_shows_one_account_its_own(
    committed: str, client: FlaskClient, times: int
) -> None:
    mine, theirs = worlds.create(client), worlds.create(client, "Umbra")
    for _ in range(times):
        with maintenance_message() as everything:
            assert len(NAMES(everything, {"but": "x"})) == 10
    for world in (mine, theirs):
        with one_message(world.account_id) as message:
            assert len(NAMES(message, {"but": "x"})) == 5
        with transaction(world.account_id) as session:
            assert len(NAMES(session, {"but": "x"})) == 5
    with maintenance_message() as everything:
        assert len(NAMES(everything, {"but": "x"})) == 10


def test_a_plan_follows_the_growth_of_its_table(servers: Servers, committed: str) -> None:
    one = Prepared(text("SELECT name FROM accounts WHERE id = :id"))
    nobody = {"id": "00000000-0000-0000-0000-000000000000"}

    def plan() -> str:
        with maintenance() as session:
            for _ in range(10):
                one(session, nobody)
            return "\n".join(row[0] for row in session.send(f"EXPLAIN {one.executing}", nobody))

    def grow(count: int) -> None:
        with closing(database.connect(servers.postgres.url(committed))) as owner, owner.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts (id, name) SELECT gen_random_uuid(), n::text FROM generate_series(1, %s) AS n",
                [count],
            )
            cursor.execute("ANALYZE accounts")

    grow(5)
    assert "Seq Scan" in plan()
    grow(5000)
    assert "Index Scan" in plan()


FILES = sorted((ROOT / "models").rglob("*.sql"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_statement_in_a_file_can_be_prepared_and_says_what_it_does(
    servers: Servers, shared_database: str, file: Path
) -> None:
    loaded = sql_file(str(file), file.stem)
    is_condition = file.stem.startswith("is_")  # of a row of handoffs
    statement = Prepared(text(f"SELECT\n{loaded.text}\nFROM handoffs") if is_condition else loaded)
    with closing(database.connect(servers.postgres.url(shared_database))) as own, own.cursor() as cursor:
        cursor.execute(statement.preparing)
    assert re.match(r"-- [A-Z].*\.", file.read_text(), re.DOTALL)


def test_every_statement_in_a_file_is_used() -> None:
    code = "".join(module.read_text() for module in (ROOT / "models").rglob("*.py"))
    named = set(re.findall(r'sql_file\(__file__, "(\w+)"\)', code))
    assert {file.stem for file in FILES} == named
