"""The feed while the database or Redis is unavailable, and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api import auth
from deploy.production import database
from models.feed import follow_identity, head
from models.transaction import maintenance
from tests import servers as private
from tests import world as worlds
from tests.api.feed.feeds import cursor, epoch, forget_hints, news, poll
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import wait_for


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Servers]:
    """Servers of the test's own, to be stopped, and a database in them."""
    made = private.start(tmp_path)
    try:
        with environment(made.environment(private.TEMPLATE) | {"DATABASE_URL": made.postgres.url(private.TEMPLATE)}):
            private.migrate_template(made)
        with environment(made.environment(made.create_database())):
            yield made
    finally:
        for server in (made.postgres, made.redis):
            server.thaw()
            server.stop()


def test_parts_that_go_away_and_come_back(own: Servers, client: FlaskClient, app: object) -> None:
    world = worlds.create(client)
    at = cursor(world.viewer)
    world.junior.hand_off("T-1")

    own.redis.kill()
    assert [event["seq"] for event in news(world.viewer, at)["events"]] == [1]
    world.junior.hand_off("T-2")
    assert [event["seq"] for event in news(world.viewer, at)["events"]] == [1, 2]

    own.postgres.kill()
    for _ in range(3):
        answer = poll(world.viewer, at)
        assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.content_type == "application/problem+json"
    assert world.viewer.get("/queue").status_code == 503

    own.postgres.start()
    auth.forget_verified()  # what is remembered of the token is from before the outage, and would soon end
    page = news(world.viewer, at)  # at the first attempt
    assert [event["seq"] for event in page["events"]] == [1, 2]

    own.redis.start()
    wait_for(lambda: head.heads().guard.paused_until < time.monotonic(), "Redis to be asked again")
    forget_hints()
    assert news(world.viewer, page["cursor"])["events"] == []
    own.postgres.stop()
    # Caught up by the hint: a database that is away is not even noticed.
    assert news(world.viewer, page["cursor"])["events"] == []


def test_a_silent_redis_costs_time_and_nothing_else(own: Servers, client: FlaskClient, app: object) -> None:
    world = worlds.create(client)
    at = cursor(world.viewer)
    own.redis.freeze()
    # The publisher of the assessment waits its bounded time too; the handoff is accepted.
    world.junior.hand_off("T-1")
    assert [event["seq"] for event in news(world.viewer, at)["events"]] == [1]
    own.redis.thaw()
    wait_for(lambda: head.heads().guard.paused_until < time.monotonic(), "the pause to end")
    page = news(world.viewer, at)
    world.junior.hand_off("T-2")
    assert [event["seq"] for event in news(world.viewer, page["cursor"])["events"]] == [2]


def test_a_restored_database_begins_a_new_epoch_by_itself(own: Servers, client: FlaskClient, app: object) -> None:
    world = worlds.create(client)
    world.junior.hand_off("T-1")
    with maintenance() as session:
        follow_identity(session)
    at, old = cursor(world.viewer), epoch()
    own.postgres.restart()
    with maintenance() as session:
        assert follow_identity(session) is None

    # What a restore to a point in time does: recovery from an archive, then a new timeline.
    own.postgres.stop()
    (own.postgres.data / "recovery.signal").touch()
    with (own.postgres.data / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'false'\n")
    own.postgres.start()
    wait_for(lambda: not _recovering(own), "the restore to end")
    with maintenance() as session:
        assert follow_identity(session) is not None
    assert epoch() != old
    forget_hints()
    assert poll(world.viewer, at).json["reason"] == "epoch"


def _recovering(own: Servers) -> bool:
    """The service itself does not connect to a server that takes no writes."""
    with closing(database.connect(own.postgres.url())) as connection, connection.cursor() as asking:
        asking.execute("SELECT pg_is_in_recovery()")
        return bool(asking.fetchone()[0])
