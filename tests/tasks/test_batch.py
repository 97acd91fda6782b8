"""Batches with real processes: killed at random, and controlled from the command line."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from models import batch
from models.assessment import Assessment, State, leases
from models.assessment.result import Result
from models.batch.selection import Selection
from models.batch.work import moving
from models.handoff.assessing import complete
from models.redis import client, redis_key
from models.transaction import maintenance, transaction
from tasks import batch as driver
from tests.faults.batch_kill import under_fire
from tests.servers import Servers
from tests.world import World


@pytest.mark.timeout(180)
def test_a_batch_whose_worker_driver_beat_and_redis_are_killed_does_every_row_exactly_once(
    servers: Servers, committed: str, tmp_path: Path
) -> None:
    outcome = under_fire(servers, committed, tmp_path, rows=200, kills=4, seed=7, longest_seconds=90)
    assert outcome.is_exact(), outcome
    assert all(outcome.kills.values()), outcome


def test_a_step_without_batches_says_so(world: World) -> None:
    assert driver.step() is False


def test_a_step_hands_out_at_most_the_window_and_ends_nothing_early(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        world.junior.hand_off(f"T-{number}")
    with transaction(world.account_id) as session:
        batch.create(session, world.account_id, Selection(), by=None)
    assert driver.step() is True  # all three have their first assessment queued, so all are skipped
    with maintenance() as session:
        assert moving(session) == []


def test_a_run_that_leaves_work_behind_asks_for_the_next_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "TURN_SECONDS", 0)
    ready = _assessed(world, "T-1")
    with transaction(world.account_id) as session:
        batch.create(session, world.account_id, Selection(), by=None)
    driver.drive_batches.run()
    assert client().llen(redis_key("maintenance")) == 1
    _end(world, ready)
    driver.drive_batches.run()  # counts what has ended
    driver.drive_batches.run()
    assert client().llen(redis_key("maintenance")) == 2, "a run that found nothing to do has asked for another one"


def _assessed(world: World, name: str) -> UUID:
    """A ready handoff whose first assessment has ended."""
    made = UUID(world.junior.hand_off(name)["id"])
    _end(world, made)
    return made


def _end(world: World, handoff_id: UUID) -> None:
    """End the handoff's open assessment as a worker would."""
    with transaction(world.account_id) as session:
        waiting = session.scalars(
            select(Assessment.id).where(Assessment.handoff_id == handoff_id, Assessment.state == State.QUEUED)
        ).one()
        lease = leases.take(session, world.account_id, waiting)
        assert lease is not None
    content = {"summary": "It is the driver."}
    complete(lease, Result(State.SUCCEEDED, source="m-1", prompt_version="1", content=content))
