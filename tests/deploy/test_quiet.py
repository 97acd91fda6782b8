"""No ticket text in PostgreSQL's log or in logged errors."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from deploy.local.servers import Postgres
from deploy.production import database
from models.addresses.postgres import Address
from models.database import connections
from tests.stack import wait_for

WORD = "ticketword"


class Foreign(Postgres):
    """A server as somebody else set it up: with every statement and every wait in its log."""

    def _command(self) -> list[str]:
        kept = [part for part in super()._command() if part.partition("=")[0] not in database.QUIET]
        command = [part for n, part in enumerate(kept) if part != "-c" or kept[n + 1 : n + 2] not in ([], ["-c"])]
        return [*command, "-c", "log_statement=all", "-c", "log_min_duration_statement=0", "-c", "log_lock_waits=on"]


@pytest.fixture(scope="module", params=[Postgres, Foreign])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with request.param(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        database.ensure_database(server.url(), "quiet")
        with closing(database.connect(server.url("quiet"))) as link, link.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE said (id text PRIMARY KEY, n int CHECK (n > 0)); INSERT INTO said VALUES ('a', 1)"
            )
            cursor.execute("INSERT INTO said VALUES ('b', 1)")
            cursor.execute("GRANT ALL ON said TO PUBLIC")
        yield server


@pytest.fixture
def service(server: Postgres) -> str:
    return database.service_url(server.url("quiet"), "secret")


def logged(server: Postgres) -> list[str]:
    return [line for line in server.log.read_text(errors="replace").splitlines() if WORD in line]


FAILING = [
    f"INSERT INTO said VALUES ('{WORD}', 1), ('{WORD}', 1)",  # Key (id)=(…) already exists
    f"INSERT INTO said VALUES ('{WORD} c', 0)",  # Failing row contains (…)
    f"SELECT '{WORD}'::uuid",
    f"""SELECT '{{"{WORD}": }}'::json""",
    f"SELECT '{WORD} & &'::tsquery",
    f"SELECT 'a' '{WORD}'",
    f"SELECT repeat('{WORD}', 300000)::tsvector",
    f"SELECT '{WORD}'::timestamptz",
    f"SELECT '2020-01-01'::date; SELECT 1/0 -- {WORD}",
]


@pytest.mark.parametrize("statement", FAILING)
def test_neither_a_failed_statement_nor_what_it_was_about_is_logged(
    server: Postgres, service: str, statement: str
) -> None:
    with (
        closing(connections.connect(Address.parse(service))) as link,
        pytest.raises(psycopg2.Error) as raised,
        link.cursor() as cursor,
    ):
        cursor.execute(statement)
    message = str(raised.value)
    assert message
    assert "\n" not in message
    assert WORD not in message
    assert logged(server) == []


def lock_wait(service: str) -> None:
    """One waits for the other for longer than it may; PostgreSQL notes the wait after a second."""
    with closing(connections.connect(Address.parse(service))) as one, closing(other(service)) as two:
        one.cursor().execute("UPDATE said SET n = 2 WHERE id = 'a'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            two.cursor().execute(f"SET lock_timeout = '1500ms'; UPDATE said SET n = 3 WHERE id = 'a' /* {WORD} */")


def deadlock(service: str) -> None:
    with closing(other(service)) as one, closing(other(service)) as two:
        one.cursor().execute("UPDATE said SET n = 2 WHERE id = 'a'")
        two.cursor().execute("UPDATE said SET n = 2 WHERE id = 'b'")

        def cross(link: Any, key: str) -> None:
            with suppress(psycopg2.errors.DeadlockDetected):
                link.cursor().execute(f"UPDATE said SET n = 4 WHERE id = '{key}' /* {WORD} */")
            link.rollback()

        waiting = threading.Thread(target=cross, args=(one, "b"))
        waiting.start()
        cross(two, "a")
        waiting.join()


def other(service: str) -> Any:
    return connections.connect(Address.parse(service))


@pytest.mark.parametrize("trouble", [lock_wait, deadlock])
def test_what_was_waited_for_is_not_logged(server: Postgres, service: str, trouble: Callable[[str], None]) -> None:
    trouble(service)
    assert logged(server) == []


def test_our_own_server_does_not_log_the_statement_that_it_died_of(tmp_path: Path) -> None:
    with Postgres(tmp_path, durable=False) as server:
        with closing(database.connect(server.url())) as link:
            pid = link.info.backend_pid
            sleeping = threading.Thread(target=lambda: _sleep(link))
            sleeping.start()
            with closing(database.connect(server.url())) as watch, watch.cursor() as cursor:
                wait_for(lambda: _is_asleep(cursor, pid), "the statement to run")
            os.kill(pid, signal.SIGKILL)
            sleeping.join()
        wait_for(lambda: "was terminated by signal 9" in server.log.read_text(), "the death to be logged")
        assert logged(server) == []


def _sleep(link: Any) -> None:
    with suppress(psycopg2.Error):
        link.cursor().execute(f"SELECT pg_sleep(60) /* {WORD} */")


def _is_asleep(cursor: Any, pid: int) -> bool:
    cursor.execute("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", [pid])
    return bool(cursor.fetchone() == ("PgSleep",))
