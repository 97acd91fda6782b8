"""A woken worker takes what is due next: the account with the fewest running, its oldest, once."""

from __future__ import annotations

from uuid import UUID

import pytest

from models.assessment import Lane, next_due
from models.assessment.next_due import NextDue
from models.transaction import maintenance_message
from tests.tasks.accepted import a_world, accept, at_once, change, row
from tests.world import World

TWICE_IN_A_CRASH = f"attempts = {next_due.SUSPECT_CRASHES}"


@pytest.fixture
def world(committed: str) -> World:
    return a_world()


def take(lane: Lane = Lane.INTERACTIVE) -> NextDue | None:
    with maintenance_message() as message:
        return next_due.take(message, lane)


def taken(lane: Lane = Lane.INTERACTIVE) -> UUID | None:
    due = take(lane)
    return due and due.lease.assessment_id


def more(lane: Lane = Lane.INTERACTIVE) -> bool:
    due = take(lane)
    assert due
    return due.more


def test_the_messages_of_a_flood_serve_the_account_with_the_least_running(world: World) -> None:
    flood = [accept(world, f"T-{n}")[1] for n in range(6)]
    assert [taken() for _ in range(2)] == flood[:2]
    other = a_world("Umbra")
    ours = [accept(other, f"U-{n}")[1] for n in range(3)]
    # Two of the other's run as well; from then on they take turns, the oldest first.
    assert [taken() for _ in range(2)] == ours[:2]
    assert [taken() for _ in range(3)] == [flood[2], ours[2], flood[3]]


def test_who_takes_one_learns_whether_others_wait(world: World) -> None:
    first, second, retried, bulk = (accept(world, f"T-{n}")[1] for n in range(4))
    other = accept(a_world("Umbra"))[1]
    change("assessments", retried, "not_before = now() + interval '1 hour'")
    change("assessments", bulk, "lane = 'bulk'")
    assert [more() for _ in range(3)] == [True, True, False]
    assert {row("assessments", each).state for each in (first, second, other)} == {"running"}
    assert not more(Lane.BULK)


def test_as_many_are_taken_as_were_asked_for_and_each_once(world: World) -> None:
    asked = {accept(world, f"T-{n}")[1] for n in range(8)}
    got = at_once(16, taken)
    assert sorted(each for each in got if each) == sorted(asked)
    assert {row("assessments", each).attempts for each in asked} == {1}


def test_a_lane_s_message_takes_nothing_of_another_lane(world: World) -> None:
    bulk, interactive = (accept(world, f"T-{n}")[1] for n in range(2))
    change("assessments", bulk, "lane = 'bulk'")
    assert [taken() for _ in range(2)] == [interactive, None]
    assert taken(Lane.BULK) == bulk


def test_what_waits_for_its_retry_is_not_taken_before(world: World) -> None:
    retry, other = (accept(world, f"T-{n}")[1] for n in range(2))
    change("assessments", retry, "not_before = now() + interval '1 hour'")
    assert [taken() for _ in range(2)] == [other, None]


def test_what_a_dead_worker_holds_does_not_count_as_running(world: World) -> None:
    first, second = (accept(world, f"T-{n}")[1] for n in range(2))
    assert taken() == first
    other = a_world("Umbra")
    later = [accept(other, f"U-{n}")[1] for n in range(2)]
    change("assessments", first, "lease_until = now() - interval '1 second'")
    assert [taken() for _ in range(2)] == [second, later[0]]


def test_what_may_have_killed_its_worker_is_written_alone(world: World) -> None:
    suspects = [accept(world, f"T-{n}")[1] for n in range(3)]
    for each in suspects:
        change("assessments", each, TWICE_IN_A_CRASH)
    fresh = accept(world, "T-4")[1]
    got = at_once(8, lambda: taken())
    assert sorted(each for each in got if each) == sorted([suspects[0], fresh])
    change("assessments", suspects[0], "state = 'failed', lease_until = NULL")
    assert [taken() for _ in range(2)] == [suspects[1], None]


def test_what_failed_without_a_crash_is_no_suspect(world: World) -> None:
    retried = [accept(world, f"T-{n}")[1] for n in range(3)]
    log = '[{"result": "retried"}, {"result": "retried"}]'
    for each in retried:
        change("assessments", each, f"attempts = 3, attempt_log = '{log}'")
    assert [taken() for _ in range(2)] == retried[:2]
    suspect = accept(a_world("Umbra"))[1]
    change("assessments", suspect, TWICE_IN_A_CRASH)
    assert [taken() for _ in range(2)] == [suspect, retried[2]]
