"""The append: numbers in order, the last card on its handoff, no event of a missing handoff."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import feed
from models.feed import EventType, card
from models.transaction import append_now, maintenance, transaction
from tests.tasks.accepted import row
from tests.world import World


def tell(world: World, *handoffs: UUID) -> None:
    with transaction(world.account_id) as session:
        for each in handoffs:
            session.execute(text("UPDATE handoffs SET version = version + 1 WHERE id = :id"), {"id": each})
            session.collect(world.account_id, each, EventType.UPDATED, by=world.junior.id, note="why")


@pytest.mark.parametrize("others", [0, 1])
def test_nothing_is_told_of_a_handoff_that_is_not_there(world: World, others: int) -> None:
    made = [UUID(world.junior.hand_off(f"T-{n}")["id"]) for n in range(others)]
    with pytest.raises(DBAPIError, match="null value"):
        tell(world, *made, uuid4())
    with transaction(world.account_id) as session:
        assert feed.tail(session, world.account_id)[1] == others


def test_a_handoff_shows_the_number_of_its_last_event(world: World) -> None:
    one, two = (UUID(world.junior.hand_off(f"T-{n}")["id"]) for n in (1, 2))
    tell(world, one, two, one)
    assert [(row("handoffs", each).seq, row("handoffs", each).card["seq"]) for each in (one, two)] == [(5, 5), (4, 4)]
    with maintenance() as session:
        told = session.execute(text("SELECT seq, handoff_id, card, note FROM feed_events WHERE seq > 2 ORDER BY seq"))
        events = told.all()
    assert [(event.seq, event.handoff_id, event.card["seq"]) for event in events] == [
        (3, one, 3),
        (4, two, 4),
        (5, one, 5),
    ]
    assert {event.card["version"] for event in events if event.handoff_id == one} == {3}
    assert {event.note for event in events} == {"why"}


def test_heads_are_those_of_the_transaction(world: World) -> None:
    made = UUID(world.junior.hand_off()["id"])
    with transaction(world.account_id) as session:
        assert append_now(session) == {}
        session.collect(world.account_id, made, EventType.UPDATED, by=None)
        assert append_now(session)[world.account_id].head == 2


@pytest.mark.parametrize(
    ("problem", "shown"),
    [("x" * 500, "x" * 500), ("x" * 501, "x" * 499 + "…"), ("🖨" * 501, "🖨" * 499 + "…")],
)
def test_a_card_carries_the_start_of_a_long_problem_and_the_full_form_all(
    world: World, problem: str, shown: str
) -> None:
    made = world.junior.hand_off(problem=problem)
    assert made["session"]["problem"] == problem
    stored = row("handoffs", UUID(made["id"])).card
    assert stored["session"]["problem"] == shown
    with transaction(world.account_id) as session:
        key = (world.account_id, UUID(made["id"]))
        assert card.cards(session, [key])[key] == stored


def test_a_generation_that_read_no_steps_does_not_say_how_many_came_later(world: World) -> None:
    made = world.junior.hand_off()
    path = f"/handoffs/{made['id']}"
    with maintenance() as session:
        session.execute(text("UPDATE assessments SET state = 'failed', error_kind = 'crashed'"))
    (generation,) = world.senior.get(f"{path}/assessments").json["items"]
    assert (generation["steps_seen"], generation["steps_newer"]) == (None, None)
    assert generation["what_we_know"] == []
    assert generation["summary"] is None
    assert (generation["assessment_state"], generation["state"]) == ("failed", None)


@pytest.mark.parametrize("state", [None, {"value": "waiting", "evidence": ["problem"]}])
def test_the_state_of_the_case_is_told_if_it_is_stored(world: World, state: dict[str, Any] | None) -> None:
    made = world.junior.hand_off()
    content = json.dumps({"summary": "It waits."} | ({"state": state} if state else {}))
    with maintenance() as session:
        wrote = "UPDATE assessments SET state = 'succeeded', content = CAST(:content AS jsonb)"
        session.execute(text(wrote), {"content": content})
        session.execute(text("UPDATE handoffs SET shown_generation = 1"))
    (generation,) = world.senior.get(f"/handoffs/{made['id']}/assessments").json["items"]
    assert (generation["assessment_state"], generation["state"]) == ("succeeded", state)
    assert world.senior.get(f"/handoffs/{made['id']}").json["assessment"]["state"] == state


@pytest.mark.parametrize("fraction", [0, 120_000, 123_456])
def test_a_time_is_written_as_everywhere_else(world: World, fraction: int) -> None:
    made = world.junior.hand_off()
    path = f"/handoffs/{made['id']}"
    world.senior.post(f"{path}/claim")
    at = datetime(2026, 3, 1, 12, 30, 15, fraction, UTC)
    with maintenance() as session:
        session.execute(text("UPDATE handoffs SET claimed_at = :at"), {"at": at})
        session.execute(text("UPDATE feed_events SET created_at = :at"), {"at": at})
    begin = world.senior.get("/feed?cursor=now").json["cursor"]
    lost = world.senior2.post(f"{path}/claim")
    released = world.senior.post(f"{path}/release", {"reason": "no"})
    assert (lost.status_code, released.status_code) == (409, 200)
    with maintenance() as session:
        session.execute(text("UPDATE feed_events SET created_at = :at"), {"at": at})
    assert lost.json["claimed_at"] == at.isoformat()
    (event,) = world.senior.get(f"/feed?cursor={begin}").json["events"]
    assert event["at"] == at.isoformat()
    told = {entry["at"] for entry in world.senior.get(f"{path}/timeline").json["items"] if "seq" in entry}
    assert told == {at.isoformat()}
    with transaction(world.account_id) as session:
        session.execute(text("UPDATE handoffs SET claimed_at = :at"), {"at": at})
        key = (world.account_id, UUID(made["id"]))
        assert card.cards(session, [key])[key]["claimed_at"] == at.isoformat()
        assert json.loads(card.representation(session, *key).text)["claimed_at"] == at.isoformat()
