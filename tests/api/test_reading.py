"""Read state: what each person has read, and what makes it unread for them again."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest

from models.feed import EventType
from models.feed.unit_of_work import EVERYBODY
from models.transaction import transaction
from tests import world as worlds
from tests.api.test_moves import age_claim, return_overdue
from tests.world import Person, World


def unread(person: Person, handoff_id: str) -> bool:
    """Whether it is unread in both lists, which agree."""
    shown = {
        row["unread"]
        for path in ("/handoffs", "/queue")
        for row in person.get(path).json["items"]
        if row["id"] == handoff_id
    }
    assert len(shown) == 1, shown
    return bool(shown.pop())


def read(person: Person, handoff_id: str, seq: int | None = None) -> int:
    """Open the handoff: read it up to its last event, or up to an earlier one."""
    body = {"seq": person.get(f"/handoffs/{handoff_id}").json["seq"] if seq is None else seq}
    answer = person.put(f"/handoffs/{handoff_id}/read", body)
    assert answer.status_code == 200, answer.text
    return int(answer.json["seq"])


def everybody(world: World) -> list[Person]:
    return [world.junior, world.senior, world.senior2, world.admin, world.viewer]


def lapse(world: World, handoff_id: str) -> None:
    """Let the lease of its claim run out."""
    age_claim(world, handoff_id, minutes=60)
    assert return_overdue() == 1


def test_a_handoff_is_unread_until_the_person_has_read_it(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    assert [unread(person, made) for person in everybody(world)] == [False, True, True, True, True]
    for person in (world.senior, world.viewer):
        assert read(person, made) == 1
    assert [unread(person, made) for person in everybody(world)] == [False, False, True, True, False]


def test_looking_at_it_in_lists_or_by_its_address_reads_nothing(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.get(f"/handoffs/{made}")
    world.senior.get(f"/handoffs/{made}/timeline")
    world.senior.post(f"/handoffs/{made}/claim")
    assert unread(world.senior, made)


def test_what_happens_otherwise_leaves_it_read(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    read(world.senior2, made)
    world.senior.post(f"/handoffs/{made}/claim")
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "Looked at it."})
    world.senior.post(f"/handoffs/{made}/release")
    assert not unread(world.senior2, made)


def test_a_reassignment_makes_it_unread_for_whom_it_goes_to_and_nobody_else(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    for person in everybody(world):
        read(person, made)
    world.senior.post(f"/handoffs/{made}/claim")
    read(world.junior, made)
    world.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior2.id)})
    assert [unread(person, made) for person in everybody(world)] == [False, False, True, False, False]
    read(world.senior2, made)
    assert not unread(world.senior2, made)
    world.senior2.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior.id)})
    world.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior2.id)})
    assert [unread(person, made) for person in everybody(world)] == [False, True, True, False, False]


def test_a_lapsed_claim_makes_it_unread_for_everybody_and_a_release_does_not(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    for person in everybody(world):
        read(person, made)
    world.senior.post(f"/handoffs/{made}/claim")
    lapse(world, made)
    assert all(unread(person, made) for person in everybody(world))
    read(world.senior2, made)
    assert [unread(person, made) for person in everybody(world)] == [True, True, False, True, True]


@pytest.mark.parametrize("others", [0, 1])
def test_an_event_that_is_for_one_person_makes_it_unread_for_them(world: World, others: int) -> None:
    made = [world.junior.hand_off(f"T-{n}")["id"] for n in range(2)]
    for each in made:
        read(world.senior, each)
        read(world.junior, each)
    with transaction(world.account_id) as session:
        session.collect(
            world.account_id, UUID(made[0]), EventType.UPDATED, by=world.senior.id, unread_for=world.junior.id
        )
        for _ in range(others):
            session.collect(world.account_id, UUID(made[1]), EventType.UPDATED, by=None, unread_for=EVERYBODY)
    assert [unread(world.junior, each) for each in made] == [True, bool(others)]
    assert [unread(world.senior, each) for each in made] == [False, bool(others)]


def test_a_page_loaded_before_the_reassignment_does_not_read_it(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    loaded = world.senior2.get(f"/handoffs/{made}").json["seq"]
    world.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior2.id)})
    assert read(world.senior2, made, loaded) == loaded
    assert unread(world.senior2, made)


def test_reading_never_goes_backwards(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    world.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior2.id)})
    assert read(world.senior2, made) == 3
    assert read(world.senior2, made, 1) == 3
    assert not unread(world.senior2, made)


def test_what_has_not_happened_yet_cannot_be_read(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.junior.hand_off("T-2")  # the feed's last number is not the handoff's
    answer = world.senior.put(f"/handoffs/{made}/read", {"seq": 2})
    assert (answer.status_code, answer.json["code"], answer.json["seq"]) == (422, "seq_ahead", 1)
    assert unread(world.senior, made)


@pytest.mark.parametrize("body", [{}, {"seq": None}, {"seq": -1}, {"seq": 2**63}, {"seq": "x"}, {"seq": 1.5}, []])
def test_a_number_that_is_none_is_422(world: World, body: Any) -> None:
    made = world.junior.hand_off("T-1")["id"]
    assert world.senior.put(f"/handoffs/{made}/read", body).status_code == 422


def test_a_draft_is_read_by_its_author_and_there_for_nobody_else(world: World) -> None:
    made = world.junior.hand_off("T-1", intent="park")["id"]
    path = f"/handoffs/{made}/read"
    assert world.senior.put(path, {"seq": 0}).status_code == 404
    assert world.junior.put(path, {"seq": 0}).json == {"seq": 0}
    assert world.admin.put(path, {"seq": 0}).json == {"seq": 0}
    assert world.junior.put(path, {"seq": 1}).status_code == 422


def test_the_shared_card_says_nothing_of_who_has_read_it(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    at = world.viewer.get("/queue").json["cursor"]
    world.senior.post(f"/handoffs/{made}/claim")
    [event] = world.viewer.get(f"/feed?cursor={at}").json["events"]
    [row] = world.viewer.get("/queue").json["items"]
    [listed] = world.viewer.get("/handoffs").json["items"]
    assert set(row) - set(event["handoff"]) == set(listed) - set(event["handoff"]) == {"unread"}
    assert "unread" not in world.viewer.get("/sessions/T-1").json["handoffs"][0]


def test_a_reassignment_and_a_late_reading_at_the_same_moment_leave_it_unread(committed: str) -> None:
    """Forty times, with real connections: the page was loaded before, and is read while the reassignment commits."""
    from wsgi import app

    world = worlds.create(app.test_client())
    hidden = []
    for n in range(40):
        made = world.junior.hand_off(f"T-{n}")["id"]
        world.senior.post(f"/handoffs/{made}/claim")
        loaded = world.senior2.get(f"/handoffs/{made}").json["seq"]
        if n % 2:  # a row of theirs to update
            read(world.senior2, made, loaded - 1)
        barrier, answers = threading.Barrier(2), []

        def late(made: str = made, loaded: int = loaded, barrier: Any = barrier, answers: Any = answers) -> None:
            reader = Person(world.senior2.id, "", world.senior2.token, app.test_client())
            barrier.wait(30)
            answers.append(reader.put(f"/handoffs/{made}/read", {"seq": loaded}).status_code)

        thread = threading.Thread(target=late)
        thread.start()
        barrier.wait(30)
        moved = world.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior2.id)})
        thread.join()
        assert (moved.status_code, answers) == (200, [200])
        if not unread(world.senior2, made):
            hidden.append(n)
        read(world.senior2, made)
        if unread(world.senior2, made):
            hidden.append(-n)
    assert hidden == []


def test_readings_at_the_same_moment_keep_the_highest(committed: str) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    for n in range(20):
        made = world.junior.hand_off(f"T-{n}")["id"]
        last = world.senior.post(f"/handoffs/{made}/claim").json["seq"]
        barrier, answers = threading.Barrier(3), []

        def go(seq: int, made: str = made, barrier: Any = barrier, answers: Any = answers) -> None:
            reader = Person(world.viewer.id, "", world.viewer.token, app.test_client())
            barrier.wait(30)
            answers.append(reader.put(f"/handoffs/{made}/read", {"seq": seq}).status_code)

        threads = [threading.Thread(target=go, args=[last - back]) for back in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 3
        assert read(world.viewer, made, 0) == last


def test_a_discarded_draft_is_there_for_nobody(world: World) -> None:
    draft = world.junior.hand_off("T-1", intent="park")["id"]
    assert world.junior.put(f"/handoffs/{draft}/read", {"seq": 0}).status_code == 200
    world.junior.post(f"/handoffs/{draft}/discard")
    for person in (world.junior, world.admin):
        assert person.put(f"/handoffs/{draft}/read", {"seq": 0}).status_code == 404


def test_it_is_unread_for_its_author_when_somebody_takes_or_resolves_it(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    for move, body in (("claim", {}), ("resolve", {"resolution": "Removed the driver."})):
        world.senior.post(f"/handoffs/{made}/{move}", body)
        assert unread(world.junior, made)
        read(world.junior, made)
        assert not unread(world.junior, made)
