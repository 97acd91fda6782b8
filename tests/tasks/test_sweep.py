"""The sweep recovers what the broker lost or a worker dropped; many sweeps at once do no harm."""

from __future__ import annotations

from uuid import UUID

import pytest

import tasks.sweep
from models import people
from models.addresses.redis import RedisAddress
from models.assessment import Lane, unfinished
from models.handoff import Actor, leaving, moves
from models.handoff.intake import Intake
from models.handoff.intake import accept as accept_intake
from models.redis import client, connect, redis_key
from models.settings import settings
from models.transaction import maintenance, transaction
from tasks.sweep import finish_late, remind, requeue, return_claims, sweep_now
from tests.tasks.accepted import a_world, accept, at_once, change, events, row
from tests.tasks.test_lease import LEASE_RAN_OUT, take
from tests.world import World, intake

CLAIMED_LONG_AGO = "lease_until = lease_until - interval '31 minutes'"


@pytest.fixture
def world(committed: str) -> World:
    client().flushdb()
    return a_world()


def due() -> dict[Lane, int]:
    with maintenance() as session:
        return unfinished.due_by_lane(session, most=5)


def lying(lane: Lane) -> int:
    """Return the number of wake-ups in a lane's list."""
    return int(client().llen(redis_key(lane)))


def requeued() -> int:
    with maintenance() as session:
        return unfinished.requeue_expired(session)


def test_lanes_with_something_due_are_woken_once_their_lists_are_empty(world: World) -> None:
    first, *others = (accept(world, f"T-{n}")[1] for n in range(8))
    for each in others:
        change("assessments", each, "lane = 'bulk'")
    assert due() == {Lane.INTERACTIVE: 1, Lane.BULK: 5}
    requeue()
    assert (lying(Lane.INTERACTIVE), lying(Lane.BULK)) == (1, 7)
    requeue()
    assert (lying(Lane.INTERACTIVE), lying(Lane.BULK)) == (1, 7)
    client().delete(redis_key(Lane.INTERACTIVE))
    requeue()
    assert (lying(Lane.INTERACTIVE), lying(Lane.BULK)) == (1, 7)
    assert take(world, first)
    client().flushdb()
    requeue()
    assert (lying(Lane.INTERACTIVE), lying(Lane.BULK)) == (0, 7)


def test_without_redis_nobody_is_woken_and_nothing_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = accept(world)
    before = row("assessments", asked)
    monkeypatch.setattr(tasks.sweep, "client", lambda: connect(RedisAddress.parse("redis://127.0.0.1:1/0")))
    requeue()
    assert row("assessments", asked) == before
    assert lying(Lane.INTERACTIVE) == 0


def test_an_expired_lease_is_queued_and_woken(world: World) -> None:
    _, asked = accept(world)
    assert take(world, asked)
    assert requeued() == 0
    change("assessments", asked, LEASE_RAN_OUT)
    assert requeued() == 1
    dropped = row("assessments", asked)
    assert (dropped.state, dropped.lease_until) == ("queued", None)
    change("assessments", asked, "not_before = now()")
    assert due() == {Lane.INTERACTIVE: 1}


def test_rows_that_died_together_part(world: World) -> None:
    asked = [accept(world, f"T-{n}")[1] for n in range(6)]
    for each in asked:
        for _ in range(2):
            assert take(world, each)
            change("assessments", each, LEASE_RAN_OUT)
    assert requeued() == 6
    assert len({row("assessments", each).not_before for each in asked}) == 6


def test_nobody_is_woken_for_a_retry_before_its_time(world: World) -> None:
    _, asked = accept(world)
    change("assessments", asked, "not_before = now() + interval '20 seconds'")
    assert due() == {}


def test_of_many_sweeps_at_once_each_dropped_row_is_queued_by_one(world: World) -> None:
    asked = [accept(world, f"T-{n}")[1] for n in range(8)]
    for each in asked:
        assert take(world, each)
        change("assessments", each, LEASE_RAN_OUT)
    assert sum(at_once(6, requeued)) == 8


def test_what_is_long_past_its_deadline_is_ended_by_the_sweep(world: World) -> None:
    handoff, asked = accept(world)
    change("assessments", asked, "deadline_at = now() - interval '6 seconds', not_before = now() + interval '1 day'")
    finish_late()
    ended = row("assessments", asked)
    assert (ended.state, ended.error_kind) == ("fallback", "deadline")
    assert events(handoff) == ["handoff.created", "handoff.ready"]


def test_one_that_cannot_be_ended_does_not_keep_the_others_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = accept(world, "T-1")[1], accept(world, "T-2")[1]
    change("assessments", first, "deadline_at = now() - interval '9 seconds'")
    change("assessments", second, "deadline_at = now() - interval '8 seconds'")
    finish = tasks.sweep._finish

    def stuck(account_id: UUID, assessment_id: UUID) -> None:
        if assessment_id == first:
            raise RuntimeError("a bug")
        finish(account_id, assessment_id)

    monkeypatch.setattr(tasks.sweep, "_finish", stuck)
    sweep_now()
    assert row("assessments", second).state == "fallback"


def test_many_sweeps_end_what_is_late_once(world: World) -> None:
    made = [accept(world, f"T-{n}") for n in range(4)]
    for _, asked in made:
        change("assessments", asked, "deadline_at = now() - interval '6 seconds'")
    at_once(4, finish_late)
    for handoff, asked in made:
        assert row("assessments", asked).state == "fallback"
        assert events(handoff) == ["handoff.created", "handoff.ready"]


def claimed(world: World, external_id: str = "T-1") -> UUID:
    handoff, _ = accept(world, external_id)
    moves.claim(world.account_id, handoff, by=Actor(world.senior.id))
    return handoff


def test_an_overdue_claim_is_told_and_returned_once(world: World) -> None:
    handoff = claimed(world)
    return_claims()
    assert row("handoffs", handoff).status == "claimed"
    change("handoffs", handoff, CLAIMED_LONG_AGO)
    at_once(4, return_claims)
    returned = row("handoffs", handoff)
    assert (returned.status, returned.claimed_by_id, returned.overdue) == ("ready", None, True)
    assert events(handoff)[-2:] == ["handoff.overdue", "handoff.released"]
    assert events(handoff).count("handoff.released") == 1


def test_a_claim_with_a_first_action_stays(world: World) -> None:
    handoff = claimed(world)
    change("handoffs", handoff, f"{CLAIMED_LONG_AGO}, first_action_at = now()")
    return_claims()
    assert row("handoffs", handoff).status == "claimed"


def test_the_account_s_own_claim_lease_decides(world: World) -> None:
    patient, hasty = a_world("Patient"), a_world("Hasty")
    change("accounts", patient.account_id, "claim_lease_seconds = 7200")
    change("accounts", hasty.account_id, "claim_lease_seconds = 60")
    long, short, default = claimed(patient), claimed(hasty), claimed(world)
    change("handoffs", long, CLAIMED_LONG_AGO)
    for each in (short, default):
        change("handoffs", each, "lease_until = lease_until - interval '2 minutes'")
    return_claims()
    assert [row("handoffs", each).status for each in (long, short, default)] == ["claimed", "ready", "claimed"]


def let_wait(handoff: UUID, seconds: int) -> None:
    change("handoffs", handoff, f"waiting_since = now() - {seconds} * interval '1 s'")


def reminders(handoff: UUID) -> int:
    return events(handoff).count("handoff.waiting")


@pytest.mark.parametrize(("priority", "first"), [("high", 900), ("urgent", 300)])
def test_people_are_reminded_three_times_of_what_nobody_takes_each_after_twice_as_long(
    world: World, priority: str, first: int
) -> None:
    handoff, _ = accept(world, priority=priority)
    for sent, due in enumerate((first, 2 * first, 4 * first)):
        let_wait(handoff, due - 30)
        remind()
        assert reminders(handoff) == sent
        let_wait(handoff, due)
        at_once(4, remind)
        assert reminders(handoff) == sent + 1
    let_wait(handoff, 100 * first)
    remind()
    assert reminders(handoff) == 3
    assert row("handoffs", handoff).version == 4


def test_nobody_is_reminded_of_what_is_taken_parked_or_ended(world: World) -> None:
    taken, ended = claimed(world), accept(world, "T-2")[0]
    moves.withdraw(world.account_id, ended, by=Actor(world.junior.id))
    with transaction(world.account_id) as session:
        body = Intake.of(intake("T-3", intent="park"))
        parked, _ = accept_intake(session, world.account_id, body, by=world.junior.id)
    for each in (taken, ended, parked):
        let_wait(each, 100_000)
    remind()
    assert [reminders(each) for each in (taken, ended, parked)] == [0, 0, 0]


@pytest.mark.parametrize("how", ["released", "returned"])
def test_what_comes_back_is_reminded_of_anew(world: World, how: str) -> None:
    handoff, _ = accept(world)
    for wait in (900, 1800, 3600):
        let_wait(handoff, wait)
        remind()
    moves.claim(world.account_id, handoff, by=Actor(world.senior.id))
    if how == "released":
        moves.release(world.account_id, handoff, by=Actor(world.senior.id))
    else:
        change("handoffs", handoff, CLAIMED_LONG_AGO)
        return_claims()
    remind()
    assert reminders(handoff) == 3
    let_wait(handoff, 900)
    remind()
    assert reminders(handoff) == 4


def test_the_account_s_own_wait_decides(world: World) -> None:
    patient, hasty = a_world("Patient"), a_world("Hasty")
    change("accounts", patient.account_id, "waiting_reminder_seconds = 7200")
    change("accounts", hasty.account_id, "waiting_reminder_seconds = 60, urgent_reminder_seconds = 10")
    long, short, soon = accept(patient)[0], accept(hasty)[0], accept(hasty, "T-2", priority="urgent")[0]
    let_wait(long, 1000)
    let_wait(short, 59)
    let_wait(soon, 11)
    remind()
    assert [reminders(each) for each in (long, short, soon)] == [0, 0, 1]
    let_wait(short, 60)
    remind()
    assert reminders(short) == 1


def test_the_sweep_ends_snoozes_returns_claims_and_reminds(world: World) -> None:
    snoozed, late, forgotten = claimed(world), claimed(world, "T-2"), accept(world, "T-3")[0]
    change("handoffs", snoozed, "snoozed_until = now(), lease_until = NULL")
    change("handoffs", late, CLAIMED_LONG_AGO)
    let_wait(forgotten, 900)
    sweep_now()
    assert row("handoffs", snoozed).lease_until is not None
    assert row("handoffs", late).overdue
    assert reminders(forgotten) == 1


def test_a_sweep_right_after_another_does_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[None] = []
    monkeypatch.setattr(tasks.sweep, "sweep_now", lambda: swept.append(None))
    monkeypatch.setattr(tasks.sweep.LastRun, "at", -1e9)
    at_once(8, tasks.sweep.sweep.run)
    assert len(swept) == 1
    monkeypatch.setattr(tasks.sweep.LastRun, "at", tasks.sweep.LastRun.at - settings().sweep_seconds)
    tasks.sweep.sweep.run()
    assert len(swept) == 2


def test_claims_of_somebody_who_is_gone_go_back_also_when_nobody_was_there_to_give_them_back(world: World) -> None:
    """As after a kill in the middle of a deletion."""
    mine, theirs = (accept(world, name)[0] for name in ("T-1", "T-2"))
    moves.claim(world.account_id, mine, by=Actor(world.senior.id))
    moves.claim(world.account_id, theirs, by=Actor(world.senior2.id))
    change("users", world.senior.id, "deleted_at = now()")
    tasks.sweep.prune()
    assert (row("handoffs", mine).status, row("handoffs", theirs).status) == ("ready", "claimed")
    change("users", world.senior2.id, "role = 'viewer'")
    tasks.sweep.prune()
    assert row("handoffs", theirs).status == "ready"


def test_more_claims_than_one_transaction_may_tell_go_back_with_their_claimer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving.moves.release_claims_of, "__kwdefaults__", {"most": 2})
    claimed = [accept(world, f"T-{n}")[0] for n in range(5)]
    for each in claimed:
        moves.claim(world.account_id, each, by=Actor(world.senior.id))
    assert people.deactivate(world.account_id, world.senior.id, by=None)[1] == 5
    assert {row("handoffs", each).status for each in claimed} == {"ready"}
