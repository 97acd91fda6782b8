"""The progress of a batch without processes: the driver's steps, and ends written by hand."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from models import batch
from models.assessment import Assessment, Lane, State, feedback, leases
from models.assessment.feedback import Rating
from models.assessment.result import Result, Spent
from models.batch import Batch, BatchItem, BatchState, ItemState, work
from models.batch.selection import Selection, estimate, selected
from models.batch.work import Moving, shares
from models.feed import FeedEvent
from models.handoff import SERVICE, Handoff, assessing, moves
from models.handoff.assessing import complete
from models.transaction import transaction
from tests.world import World

CONTENT = {"summary": "It is the driver.", "likely_cause": None, "confidence": "low"}


@pytest.fixture
def five(world: World) -> World:
    """Five ready handoffs whose first assessment has ended."""
    for number in range(5):
        world.junior.hand_off(f"T-{number}")
    end_all(world.account_id)
    return world


def end_all(account_id: UUID, state: State = State.SUCCEEDED, **values: object) -> None:
    """End every open assessment as a worker would."""
    with transaction(account_id) as session:
        waiting = session.scalars(select(Assessment.id).where(Assessment.state == State.QUEUED)).all()
    for each in waiting:
        end(account_id, each, state, **values)


def end(account_id: UUID, assessment_id: UUID, state: State = State.SUCCEEDED, **values: object) -> None:
    with transaction(account_id) as session:
        lease = leases.take(session, account_id, assessment_id)
        assert lease is not None
    defaults = {"source": "m-1", "prompt_version": "1"}
    content = None if state is State.FAILED else CONTENT
    complete(lease, Result(state, **{**defaults, "content": content, **values}))  # type: ignore[arg-type]


def start(world: World, wanted: Selection | None = None, **how: object) -> UUID:
    with transaction(world.account_id) as session:
        made = batch.create(session, world.account_id, wanted or Selection(), by=world.admin.id, **how)  # type: ignore[arg-type]
    return made.id


def drive(world: World, batch_id: UUID, share: int = 2, paced: int | None = None) -> int:
    with transaction(world.account_id) as session:
        return work.drive(session, world.account_id, batch_id, share=share, paced=paced)


def read(world: World, batch_id: UUID) -> Batch:
    with transaction(world.account_id) as session:
        return batch.find(session, world.account_id, batch_id)


def run_to_the_end(world: World, batch_id: UUID) -> Batch:
    for _ in range(20):
        drive(world, batch_id)
        end_all(world.account_id)
    return read(world, batch_id)


def events(world: World) -> list[str]:
    return [item["type"] for item in feed_of(world)]


def feed_of(world: World) -> list[dict[str, str]]:
    with transaction(world.account_id) as session:
        return [{"type": row} for row in session.scalars(select(FeedEvent.type).order_by(FeedEvent.seq))]


def test_no_more_than_the_share_is_ever_in_flight(five: World) -> None:
    made = start(five)
    assert drive(five, made) == 2
    assert drive(five, made) == 0
    end_all(five.account_id)
    assert drive(five, made) == 2
    assert read(five, made).done == 2


def test_every_handoff_gets_exactly_one_new_generation(five: World) -> None:
    made = run_to_the_end(five, start(five))
    assert (made.state, made.done, made.succeeded) == (BatchState.COMPLETED, 5, 5)
    assert made.finished_at is not None
    with transaction(five.account_id) as session:
        assert set(session.scalars(select(Handoff.generation))) == {2}
        items = session.scalars(select(BatchItem).order_by(BatchItem.position)).all()
    assert [item.position for item in items] == [1, 2, 3, 4, 5]
    assert {item.state for item in items} == {ItemState.SUCCEEDED}


def test_an_unchanged_assessment_is_not_told_and_a_changed_one_is(five: World) -> None:
    before = len(feed_of(five))
    run_to_the_end(five, start(five))
    assert len(feed_of(five)) == before
    made = start(five)
    drive(five, made, share=5)
    end_all(five.account_id, source="m-2")
    assert events(five)[before:] == ["handoff.reassessed"] * 5


def test_the_old_assessment_stays_shown_until_the_new_one_ends(five: World) -> None:
    made = start(five)
    assert drive(five, made) == 2
    with transaction(five.account_id) as session:
        begun = select(Assessment.handoff_id).where(Assessment.lane == Lane.BULK)
        shown = session.execute(
            select(Handoff.generation, Handoff.shown_generation).where(Handoff.id.in_(begun))
        ).all()
        assert [tuple(each) for each in shown] == [(2, 1)] * 2


def test_one_that_is_assessed_anyway_or_withdrawn_is_skipped(five: World) -> None:
    made = start(five)
    with transaction(five.account_id) as session:
        ids = list(session.scalars(select(Handoff.id).order_by(Handoff.id.desc())))
        assessing.reassess(session, five.account_id, ids[0], by=SERVICE)
    moves.withdraw(five.account_id, ids[1], by=SERVICE)
    assert drive(five, made, share=2) == 2
    found = read(five, made)
    assert (found.skipped, found.done, found.cursor) == (2, 2, 4)
    with transaction(five.account_id) as session:
        reasons = session.scalars(select(BatchItem.reason).where(BatchItem.state == ItemState.SKIPPED))
        assert sorted(str(reason) for reason in reasons) == ["already_queued", "withdrawn"]


def test_one_that_is_withdrawn_in_flight_counts_as_skipped(five: World) -> None:
    made = start(five, Selection(limit=1))
    drive(five, made)
    with transaction(five.account_id) as session:
        newest = session.scalars(select(Handoff.id).order_by(Handoff.id.desc())).first()
        assert newest is not None
    moves.withdraw(five.account_id, newest, by=SERVICE)
    drive(five, made)
    found = read(five, made)
    assert (found.state, found.skipped, found.failed) == (BatchState.COMPLETED, 1, 0)


def test_a_paused_batch_counts_what_ends_and_begins_nothing(five: World) -> None:
    made = start(five)
    drive(five, made)
    with transaction(five.account_id) as session:
        batch.pause(session, five.account_id, made, by=None)
    end_all(five.account_id)
    assert drive(five, made) == 0
    found = read(five, made)
    assert (found.state, found.done, found.paused_reason) == (BatchState.PAUSED, 2, "asked")
    with transaction(five.account_id) as session:
        batch.resume(session, five.account_id, made, by=None)
    assert run_to_the_end(five, made).done == 5


def test_a_cancelled_batch_counts_what_was_in_flight_and_nothing_more(five: World) -> None:
    made = start(five)
    drive(five, made)
    with transaction(five.account_id) as session:
        batch.cancel(session, five.account_id, made, by=None)
    found = run_to_the_end(five, made)
    assert (found.state, found.done, found.total) == (BatchState.CANCELLED, 2, 5)


def test_the_cost_ceiling_pauses_and_a_higher_one_lets_it_go_on(five: World) -> None:
    made = start(five, cost_ceiling=Decimal("0.5"))
    drive(five, made)
    end_all(five.account_id, spent=Spent(cost=Decimal("0.3"), tokens_in=10, tokens_out=1))
    assert drive(five, made) == 0
    found = read(five, made)
    assert (found.state, found.paused_reason, found.cost) == (BatchState.PAUSED, "cost_ceiling", Decimal("0.6"))
    assert (found.tokens_in, found.tokens_out) == (20, 2)
    refused = five.admin.post(f"/batches/{made}/resume")
    assert (refused.status_code, refused.json["code"]) == (409, "cost_ceiling")
    assert five.admin.post(f"/batches/{made}/resume", {"cost_ceiling": 5}).json["state"] == "running"
    assert run_to_the_end(five, made).state is BatchState.COMPLETED


def test_a_spent_model_budget_pauses_the_batch(five: World) -> None:
    made = start(five)
    drive(five, made)
    end_all(five.account_id, State.FALLBACK, error="budget")
    assert drive(five, made) == 0
    found = read(five, made)
    assert (found.state, found.paused_reason, found.fallback) == (BatchState.PAUSED, "budget", 2)


def test_no_more_begin_in_a_minute_than_the_pace_allows(five: World) -> None:
    made = start(five)
    assert drive(five, made, share=5, paced=3) == 3
    end_all(five.account_id)
    assert drive(five, made, share=5, paced=3) == 0


def test_a_batch_in_which_everything_failed_is_failed(five: World) -> None:
    made = start(five)
    for _ in range(4):
        drive(five, made)
        end_all(five.account_id, State.FAILED, error="internal")
    found = read(five, made)
    assert (found.state, found.failed, found.done) == (BatchState.FAILED, 5, 5)


def test_the_filter_finds_what_is_rated_wrong_or_written_otherwise(five: World) -> None:
    with transaction(five.account_id) as session:
        one = session.scalars(select(Handoff.id)).first()
        assert one is not None
        feedback.give(session, five.account_id, one, 1, by=five.senior.id, rating=Rating.WRONG, comment=None)
    with transaction(five.account_id) as session:

        def count(**wanted: object) -> int:
            return len(session.scalars(selected(five.account_id, Selection(**wanted))).all())  # type: ignore[arg-type]

        assert count(rated=Rating.WRONG) == 1
        assert count(rated=Rating.HELPFUL) == 0
        assert (count(source="m-1"), count(not_source="m-1"), count(not_source="m-2")) == (5, 0, 5)
        assert (count(prompt_version="1"), count(not_prompt_version="1")) == (5, 0)
        assert (count(without_assessment=True), estimate(session, five.account_id, Selection()).count) == (0, 5)


def moving(account: UUID, waiting: int, in_flight: int = 0) -> Moving:
    return Moving(account, uuid4(), waiting, in_flight)


def test_slots_are_shared_between_accounts_first_and_then_between_batches() -> None:
    one, two = uuid4(), uuid4()
    batches = [moving(one, 1000), moving(one, 1000), moving(two, 1000)]
    assert list(shares(batches, window=32, per_account=32).values()) == [8, 8, 16]


def test_what_a_small_batch_does_not_need_goes_to_the_others() -> None:
    batches = [moving(uuid4(), 3), moving(uuid4(), 1000)]
    assert list(shares(batches, window=32, per_account=32).values()) == [3, 29]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 9)), max_size=8),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_shares_never_exceed_the_window_the_account_or_the_need(
    batches: list[tuple[int, int, int]], window: int, per_account: int
) -> None:
    given_batches = [moving(UUID(int=account), waiting, flying) for account, waiting, flying in batches]
    result = shares(given_batches, window=window, per_account=per_account)
    assert sum(result.values()) <= window
    for account in {each.account_id for each in given_batches}:
        assert sum(result[each.id] for each in given_batches if each.account_id == account) <= per_account
    assert all(result[each.id] <= each.waiting + each.in_flight for each in given_batches)
