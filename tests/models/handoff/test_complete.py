"""The end of an assessment beside a move of its handoff: neither waits for ever, and one of them wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from models import assessment
from models.assessment import Lane, State, leases
from models.assessment.leases import Lease
from models.assessment.result import Result
from models.feed import EventType
from models.handoff import SERVICE, Actor, moves
from models.handoff.assessing import complete
from models.handoff.conditional import values_of
from models.transaction import maintenance, transaction
from tests.stack import wait_for
from tests.tasks.accepted import a_world, accept, change, events, row
from tests.world import World

CONTENT = {"summary": "It prints again."}


@pytest.fixture
def world(committed: str) -> World:
    return a_world()


def take(world: World, assessment_id: UUID) -> Lease:
    with transaction(world.account_id) as session:
        lease = leases.take(session, world.account_id, assessment_id)
    assert lease
    return lease


def end(lease: Lease, state: State = State.SUCCEEDED, **values: Any) -> bool:
    return complete(lease, Result(state, **({"content": CONTENT, "source": "m"} | values)))


def again(world: World, handoff: UUID, lane: Lane = Lane.BULK) -> Lease:
    """A next generation; a batch asks for it, or a person."""
    with transaction(world.account_id) as session:
        generation = row("handoffs", handoff).generation + 1
        session.execute(text("UPDATE handoffs SET generation = :n WHERE id = :id"), {"n": generation, "id": handoff})
        asked = assessment.queue(session, world.account_id, handoff, generation, asked_by=None)
    change("assessments", asked, f"lane = '{lane}'")
    return take(world, asked)


def waiting() -> bool:
    with maintenance() as session:
        query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        return bool(session.scalar(text(query)))


@pytest.mark.parametrize(
    ("move", "told"),
    [
        ("withdraw", ["handoff.created", "handoff.withdrawn"]),
        ("claim", ["handoff.created", "handoff.claimed", "handoff.ready"]),
    ],
)
def test_a_result_waits_for_a_move_that_has_begun(world: World, move: str, told: list[str]) -> None:
    handoff, asked = accept(world)
    lease = take(world, asked)
    mover = Actor(world.junior.id if move == "withdraw" else world.senior.id)
    with ThreadPoolExecutor(1) as pool:
        with transaction(world.account_id) as session:
            session.execute(text("SELECT FROM handoffs WHERE id = :id FOR UPDATE"), {"id": handoff})
            result = pool.submit(end, lease)
            wait_for(waiting, "the result to wait for the handoff")
            # It would be a deadlock if the result had its assessment already.
            its_change = {"withdraw": moves._WITHDRAW, "claim": moves._CLAIM}[move]
            (changed,) = its_change(session, values_of(world.account_id, handoff, mover, None))
            assert changed.event == told[1]
            session.collect(world.account_id, handoff, EventType(told[1]), by=mover.user_id)
        assert result.result() is (move == "claim")
    assert events(handoff) == told
    assert row("assessments", asked).state == ("succeeded" if move == "claim" else "failed")
    assert row("handoffs", handoff).status == ("claimed" if move == "claim" else "withdrawn")


def test_of_a_batch_only_what_changed_is_told(world: World) -> None:
    handoff, asked = accept(world)
    assert end(take(world, asked))
    assert end(again(world, handoff))
    assert events(handoff) == ["handoff.created", "handoff.ready"]
    assert end(again(world, handoff), source="another")
    assert end(again(world, handoff), source="another", content=CONTENT | {"confidence": "low"})
    assert events(handoff)[2:] == ["handoff.reassessed", "handoff.reassessed"]
    assert row("handoffs", handoff).version == 4


def test_who_asks_is_told_though_nothing_changed(world: World) -> None:
    handoff, asked = accept(world)
    assert end(take(world, asked))
    assert end(again(world, handoff, Lane.INTERACTIVE))
    assert events(handoff) == ["handoff.created", "handoff.ready", "handoff.reassessed"]


@pytest.mark.parametrize(
    ("first", "then", "shown"),
    [
        (State.FALLBACK, State.FALLBACK, 2),
        (State.FALLBACK, State.SUCCEEDED, 2),
        (State.SUCCEEDED, State.SUCCEEDED, 2),
        (State.SUCCEEDED, State.FALLBACK, 1),
        (State.SUCCEEDED, State.FAILED, 1),
        (State.FAILED, State.FALLBACK, 2),
        (State.FAILED, State.FAILED, None),
    ],
)
def test_the_last_good_generation_is_shown(world: World, first: State, then: State, shown: int | None) -> None:
    handoff, asked = accept(world)
    assert end(take(world, asked), first)
    assert end(again(world, handoff), then)
    assert row("handoffs", handoff).shown_generation == shown


def test_a_handoff_becomes_ready_once_and_a_claimed_one_stays_claimed(world: World) -> None:
    handoff, asked = accept(world)
    lease = take(world, asked)
    moves.claim(world.account_id, handoff, by=Actor(world.senior.id))
    assert end(lease)
    ready = row("handoffs", handoff).ready_at
    assert ready
    moves.release(world.account_id, handoff, by=SERVICE)
    assert end(again(world, handoff), source="another")
    assert row("handoffs", handoff).ready_at == ready
    assert events(handoff)[1:] == ["handoff.claimed", "handoff.ready", "handoff.released", "handoff.reassessed"]
