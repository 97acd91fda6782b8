"""Every pair of writes at the same moment, a dozen times: no deadlock, no failure, and a complete feed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.production import database
from models.errors import Refused
from models.feed import doctor
from models.transaction import maintenance
from tests.conftest import environment
from tests.races import acts
from tests.races.acts import ACTS, Act, Scene
from tests.servers import Servers
from tests.tasks.accepted import a_world


@pytest.fixture(scope="module")
def scene(servers: Servers) -> Iterator[Scene]:
    """One account for all pairs: what is slow about them is building it."""
    name = servers.create_database()
    owner = servers.postgres.url(name)
    with closing(database.connect(owner)) as connection:
        connection.cursor().execute(f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
    try:
        with environment(servers.environment(name)):
            yield acts.build(a_world(), owner)
    finally:
        servers.drop_database(name)


def deadlocks(servers: Servers) -> int:
    """Count the occurrences in PostgreSQL's log."""
    return servers.postgres.log.read_text(errors="replace").count("deadlock detected")


def meet(scene: Scene, one: Act, other: Act) -> list[str]:
    """Both acts at once on every case; returns what failed. To be refused is no failure."""
    acts.reset(scene, one, other)
    barrier, failed = threading.Barrier(2), []

    def go(act: Act, side: int) -> None:
        for case in scene.cases:
            barrier.wait(60)
            try:
                act.carry_out(scene, case, side)
            except Refused:
                pass
            except Exception as error:
                failed.append(f"{one.name} beside {other.name}: {act.name}: {type(error).__name__} {error}"[:200])

    threads = [threading.Thread(target=go, args=each) for each in ((one, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


@pytest.mark.parametrize("one", ACTS, ids=lambda act: act.name)
def test_no_write_fails_or_deadlocks_beside_another(servers: Servers, scene: Scene, one: Act) -> None:
    before = deadlocks(servers)
    failed = [error for other in ACTS[ACTS.index(one) :] for error in meet(scene, one, other)]
    assert failed == []
    assert deadlocks(servers) == before
    with maintenance() as session:
        assert [report.wrong for report in doctor.examine(session, None)] == [[]]
