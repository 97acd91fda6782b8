"""Batches with real processes: killed at random, and steered from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import batch
from models.batch_filter import Selection
from models.batch_work import moving
from models.transaction import transaction, upkeep
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
    with upkeep() as session:
        assert moving(session) == []
