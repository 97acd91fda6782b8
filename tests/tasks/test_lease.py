"""One worker writes an assessment, whoever else has the message, and the handoff becomes ready."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from uuid import UUID

import pytest

import tasks.assess
import tasks.leases
from models import assessment
from models.assessment import State, case, leases
from models.assessment.leases import Lease
from models.assessment.result import Result, Spent
from models.handoff import Actor, moves
from models.handoff.assessing import complete
from models.settings import settings
from models.transaction import transaction
from tasks.assess import LAST_CRASHES, MOST_CRASHES, run
from tasks.assessors.base import AssessorError, Draft
from tasks.assessors.extractive import Extractive
from tasks.leases import give_back_all, held
from tests.stack import wait_for
from tests.tasks.accepted import a_world, accept, at_once, change, events, row
from tests.world import World

LEASE_RAN_OUT = "lease_until = now() - interval '1 second'"
DEADLINE_PASSED = "deadline_at = now() - interval '1 second'"


@pytest.fixture
def world(committed: str) -> World:
    return a_world()


@dataclass
class Scripted:
    """An assessor that counts its calls and raises on request."""

    raises: BaseException | None = None
    seen: list[UUID] = field(default_factory=list)

    def assess(self, subject: case.Case, *, deadline: float) -> Draft:
        self.seen.append(subject.assessment_id)
        if self.raises:
            raise self.raises
        return Extractive().assess(subject, deadline=deadline)


@pytest.fixture
def assessor(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr(tasks.assess, "build", lambda *_: scripted)
    return scripted


def take(world: World, assessment_id: UUID) -> Lease | None:
    with transaction(world.account_id) as session:
        return leases.take(session, world.account_id, assessment_id)


def test_of_many_workers_with_the_same_message_one_calls_the_model(world: World, assessor: Scripted) -> None:
    handoff, asked = accept(world)
    assert sorted(at_once(8, lambda: run(world.account_id, asked))) == [False] * 7 + [True]
    assert len(assessor.seen) == 1
    assert events(handoff) == ["handoff.created", "handoff.ready"]
    assert row("handoffs", handoff).status == "ready"


def test_a_lease_is_not_given_twice_until_it_runs_out(world: World) -> None:
    _, asked = accept(world)
    first = take(world, asked)
    assert first
    assert take(world, asked) is None
    change("assessments", asked, LEASE_RAN_OUT)
    second = take(world, asked)
    assert second
    assert second.attempt == first.attempt + 1


def test_what_a_zombie_finishes_is_not_written(world: World) -> None:
    handoff, asked = accept(world)
    zombie = take(world, asked)
    assert zombie
    change("assessments", asked, LEASE_RAN_OUT)
    assert run(world.account_id, asked)
    written = row("assessments", asked)
    assert not complete(zombie, Result(State.FAILED, "zombie"))
    assert row("assessments", asked) == written
    assert events(handoff) == ["handoff.created", "handoff.ready"]


def test_a_result_that_comes_after_the_lease_is_welcome_while_nobody_has_begun_anew(world: World) -> None:
    handoff, asked = accept(world)
    late = take(world, asked)
    assert late
    change("assessments", asked, LEASE_RAN_OUT)
    assert complete(late, Result(State.FAILED, "internal"))
    assert events(handoff) == ["handoff.created", "handoff.ready"]


def test_a_lease_is_renewed_while_it_is_held_and_not_after(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = accept(world)
    lease = take(world, asked)
    assert lease
    change("assessments", asked, "lease_until = now() + interval '1 second'")
    monkeypatch.setenv("LEASE_SECONDS", "0.3")
    settings.cache_clear()
    monkeypatch.setattr(tasks.leases, "_thread", None)  # one of an earlier test may still be asleep
    before = row("assessments", asked).lease_until
    with held(lease):
        # A short one now, which only renewal keeps moving.
        wait_for(lambda: row("assessments", asked).lease_until != before, "the lease to be renewed")
        moved = row("assessments", asked).lease_until
        wait_for(lambda: row("assessments", asked).lease_until > moved, "the lease to be renewed again")
    wait_for(lambda: take(world, asked), "the lease to run out")


def test_a_lease_is_not_renewed_past_the_deadline(world: World) -> None:
    _, asked = accept(world)
    lease = take(world, asked)
    assert lease
    change("assessments", asked, DEADLINE_PASSED)
    with transaction(world.account_id) as session:
        assert leases.renew(session, [lease]) == set()


def test_a_failed_try_is_repeated_later_and_the_attempts_are_capped(world: World, assessor: Scripted) -> None:
    handoff, asked = accept(world)
    assessor.raises = AssessorError("unavailable", retryable=True, spent=Spent(provider_calls=1))
    for attempt in range(1, settings().assess_attempts):
        assert run(world.account_id, asked)
        put_back = row("assessments", asked)
        assert (put_back.state, put_back.attempts) == ("queued", attempt)
        change("assessments", asked, "not_before = now()")
    assert run(world.account_id, asked)
    ended = row("assessments", asked)
    assert (ended.state, ended.error_kind, ended.attempts) == ("fallback", "unavailable", settings().assess_attempts)
    assert ended.provider_calls == len(assessor.seen) == settings().assess_attempts
    assert ended.content["summary"]
    assert events(handoff) == ["handoff.created", "handoff.ready"]


def test_a_retry_is_not_taken_before_its_time(world: World, assessor: Scripted) -> None:
    _, asked = accept(world)
    assessor.raises = AssessorError("rate_limited", retryable=True, retry_after=30)
    assert run(world.account_id, asked)
    assert not run(world.account_id, asked)
    assert len(assessor.seen) == 1


def test_past_the_deadline_the_fallback_says_why(world: World, assessor: Scripted) -> None:
    handoff, asked = accept(world)
    change("assessments", asked, DEADLINE_PASSED)
    assert run(world.account_id, asked)
    ended = row("assessments", asked)
    assert (ended.state, ended.error_kind, assessor.seen) == ("fallback", "deadline", [])
    assert row("handoffs", handoff).status == "ready"


def test_no_retry_is_promised_beyond_the_deadline(world: World, assessor: Scripted) -> None:
    _, asked = accept(world)
    change("assessments", asked, "deadline_at = now() + interval '20 seconds'")
    assessor.raises = AssessorError("rate_limited", retryable=True, retry_after=60)
    assert run(world.account_id, asked)
    assert row("assessments", asked).error_kind == "rate_limited"
    assert row("assessments", asked).state == "fallback"


def test_time_spent_in_the_call_counts_against_the_deadline() -> None:
    one = UUID(int=1)
    lease = Lease(one, one, one, 1, assessment.Lane.BULK, 1, 1, 0, 10.0, taken_at=time.monotonic() - 9)
    assert lease.seconds_left < 2


def test_a_handoff_that_kills_the_process_gets_the_fallback_and_then_fails(world: World, assessor: Scripted) -> None:
    handoff, asked = accept(world)
    for crash in range(MOST_CRASHES):
        assert take(world, asked)  # and the process dies
        change("assessments", asked, LEASE_RAN_OUT)
        assert row("assessments", asked).attempts == crash + 1
    assert run(world.account_id, asked)
    assert row("assessments", asked).state == "fallback"
    assert row("assessments", asked).error_kind == "crashed"
    assert assessor.seen == []
    assert events(handoff) == ["handoff.created", "handoff.ready"]


def test_when_even_the_fallback_kills_the_process_nothing_of_it_is_run_any_more(
    world: World, assessor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    handoff, asked = accept(world)
    for _ in range(MOST_CRASHES + LAST_CRASHES):
        assert take(world, asked)
        change("assessments", asked, LEASE_RAN_OUT)
    monkeypatch.setattr(tasks.assess, "Extractive", lambda: pytest.fail("the offline assessor was run"))
    assert run(world.account_id, asked)
    ended = row("assessments", asked)
    assert (ended.state, ended.error_kind) == ("failed", "crashed")
    assert row("handoffs", handoff).status == "ready"
    assert events(handoff) == ["handoff.created", "handoff.ready"]


def test_when_the_fallback_raises_the_handoff_is_ready_as_failed(
    world: World, assessor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    handoff, asked = accept(world)
    assessor.raises = RuntimeError("a bug")
    monkeypatch.setattr(tasks.assess, "Extractive", lambda: Scripted(raises=RuntimeError("another")))
    assert run(world.account_id, asked)
    assert (row("assessments", asked).state, row("assessments", asked).error_kind) == ("failed", "internal")
    assert row("handoffs", handoff).status == "ready"


def test_a_case_that_cannot_be_read_ends_as_failed_and_is_not_tried_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handoff, asked = accept(world)

    def unreadable(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(case, "load", unreadable)
    assert run(world.account_id, asked)
    assert (row("assessments", asked).state, row("assessments", asked).error_kind) == ("failed", "internal")
    assert row("handoffs", handoff).status == "ready"


def test_what_a_stopping_worker_gives_back_is_due_at_once_and_does_not_count(world: World) -> None:
    _, asked = accept(world)
    for _ in range(settings().assess_attempts + 2):
        lease = take(world, asked)
        assert lease
        with held(lease):
            assert give_back_all() == 1
    again = take(world, asked)
    assert again
    assert again.tries == 1
    assert again.crashes == 0
    assert again.attempt == settings().assess_attempts + 3


def test_withdrawing_fences_the_worker_out(world: World) -> None:
    handoff, asked = accept(world)
    lease = take(world, asked)
    assert lease
    moves.withdraw(world.account_id, handoff, by=Actor(world.junior.id))
    assert not complete(lease, Result(State.FAILED, "internal"))
    assert events(handoff) == ["handoff.created", "handoff.withdrawn"]
