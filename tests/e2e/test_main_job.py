"""From intake to a ready handoff in the feed, on real tickets, with real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests import real_data
from tests import world as worlds
from tests.e2e.post_tickets import Service, intakes, post_and_watch
from tests.servers import Servers
from tests.stack import Stack, running, wait_for
from tests.world import World


@pytest.fixture
def stack(servers: Servers, committed: str, tmp_path: Path) -> Iterator[Stack]:
    with running(Stack(servers, committed, tmp_path)) as stack:
        yield stack


@pytest.fixture
def people(committed: str, app: Flask) -> World:
    return worlds.create(app.test_client())


def test_real_tickets_become_ready_and_are_seen_once_each_in_order(stack: Stack, people: World) -> None:
    stack.web()
    stack.worker()
    service = Service(stack.url, people.junior.token)
    bodies = list(intakes(real_data.folder() / "tickets.jsonl", 50, ""))
    accepted, watch = post_and_watch(service, iter(bodies), seconds=60)
    assert len(accepted) == len(bodies) >= 8
    assert [watch.events[each] for each in accepted] == [["handoff.created", "handoff.ready"]] * len(bodies)
    assert watch.seqs == list(range(1, 2 * len(bodies) + 1))
    assert list(watch.events) == accepted
    for each in accepted:
        handoff = service.call(f"/handoffs/{each}")[1]
        assert (handoff["status"], handoff["assessment_state"]) == ("ready", "succeeded")
        assert handoff["assessment"]["summary"]
        assert handoff["assessment"]["source"] == "extractive"


def test_what_was_accepted_while_no_worker_ran_is_ready_after_one_starts(stack: Stack, people: World) -> None:
    stack.web()
    service = Service(stack.url, people.junior.token)
    body = next(intakes(real_data.folder() / "tickets.jsonl", 1, ""))
    assert service.call("/handoffs", body)[0] == 202
    stack.servers.redis.restart()  # it keeps nothing: the wake-up is lost
    stack.worker()
    stack.beat()
    found = wait_for(lambda: first_ready(service), "the handoff to be ready", seconds=45)
    assert found["assessment_state"] == "succeeded"


def first_ready(service: Service) -> dict[str, Any] | None:
    """The first open handoff, if it is ready."""
    return next((item for item in service.call("/queue")[1]["items"] if item["status"] == "ready"), None)
