"""What is planned once: kept across transactions and roles, and made anew when its tables have grown."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.production import database
from models.database.prepared import Prepared
from models.transaction import maintenance, maintenance_message, one_message, transaction
from tasks import assess
from tests import world as worlds
from tests.servers import Servers
from tests.tasks import accepted
from tests.world import World

NAMES = Prepared("SELECT name FROM users WHERE name <> %(but)s ORDER BY name, id")


def plans() -> dict[str, tuple[int, int]]:
    """How often each statement of this connection ran by the plan that is kept, and by one of its own."""
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
    assert len([statement for statement, (kept, _) in ran.items() if kept > 10]) >= 9
    assert not [statement for statement, (_, anew) in ran.items() if anew]


def test_it_outlives_a_transaction_that_was_rolled_back(committed: str) -> None:
    with suppress(KeyError), maintenance() as session:
        NAMES(session.connection(), {"but": "x"})
        raise KeyError
    with maintenance() as session:
        assert NAMES(session.connection(), {"but": "x"}).all() == []
    assert len(plans()) == 1


def test_one_that_could_not_be_prepared_is_tried_again(servers: Servers, committed: str) -> None:
    later = Prepared("SELECT n FROM later WHERE n = %(n)s")
    with pytest.raises(DBAPIError, match="does not exist"), maintenance() as session:
        later(session.connection(), {"n": 1})
    with closing(database.connect(servers.postgres.url(committed))) as owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE later AS SELECT 1 AS n")
        cursor.execute(f"GRANT SELECT ON later TO {servers.roles.upkeep}")
    with maintenance() as session:
        assert later(session.connection(), {"n": 1}).scalars().all() == [1]


def test_a_connection_made_anew_learns_it_anew(servers: Servers, committed: str) -> None:
    with maintenance() as session:
        NAMES(session.connection(), {"but": "x"})
        ended: Any = session.connection().connection.driver_connection
    with closing(database.connect(servers.postgres.url(committed))) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])
    with maintenance() as session:
        assert NAMES(session.connection(), {"but": "x"}).all() == []
        again: Any = session.connection().connection.driver_connection
    assert again.info.backend_pid != ended.info.backend_pid


@pytest.mark.parametrize("times", [1, 10])
def test_a_plan_that_saw_every_account_shows_one_account_its_own(
    committed: str, client: FlaskClient, times: int
) -> None:
    mine, theirs = worlds.create(client), worlds.create(client, "Umbra")
    for _ in range(times):
        with maintenance_message() as everything:
            assert len(NAMES(everything, {"but": "x"}).all()) == 10
    for world in (mine, theirs):
        with one_message(world.account_id) as message:
            assert len(NAMES(message, {"but": "x"}).all()) == 5
        with transaction(world.account_id) as session:
            assert len(NAMES(session.connection(), {"but": "x"}).all()) == 5
    with maintenance_message() as everything:
        assert len(NAMES(everything, {"but": "x"}).all()) == 10


def test_a_plan_follows_the_growth_of_its_table(servers: Servers, committed: str) -> None:
    one = Prepared("SELECT name FROM accounts WHERE id = %(id)s")
    nobody = {"id": "00000000-0000-0000-0000-000000000000"}

    def plan() -> str:
        with maintenance() as session:
            for _ in range(10):
                one(session.connection(), nobody)
            rows: Any = session.connection().exec_driver_sql(f"EXPLAIN {one.executing}", nobody)
            return "\n".join(row[0] for row in rows)

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
