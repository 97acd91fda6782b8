"""The demo account: its cases, what workers make of them, and the stories they are written in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text

from api.cli import demo
from api.cli.demo import play, stories
from api.cli.demo.stories import Story, StoryError
from api.schemas import FeedbackSchema, IntakeSchema, ReasonSchema, ResolveSchema, StepSchema
from models import analytics
from models.account import Account, User
from models.assessment import Assessment, State
from models.batch import Batch, BatchState
from models.database import Base
from models.feed import EventType, FeedEvent
from models.feed.card import cards
from models.handoff import Handoff, Priority, Status, questions
from models.session import SessionStep, TroubleshootingSession
from models.transaction import maintenance, transaction
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import Stack, running, wait_for

STORIES = stories.read()
NOT_PLAYED = {EventType.REASSESSED, EventType.REOPENED, EventType.RESTORED, EventType.WAITING}
PAIRS = {story.ticket: story.resembles for story in STORIES if story.resembles}
SMALL = """
[[case]]
ticket = "T-1"
title = "Clock is wrong"
problem = "It shows another hour."
story = '''
2h  jo   failed: Set it by hand.
1h  jo   escalates: It comes back.
'''
"""


@dataclass
class Demo:
    """The demo account, as it was made and as it is."""

    made: dict[str, Any]

    @property
    def account_id(self) -> UUID:
        return UUID(self.made["account"])

    def rows(self, table: Any) -> list[Any]:
        with transaction(self.account_id) as session:
            return list(session.scalars(select(table).where(table.account_id == self.account_id)))

    def handoffs(self) -> dict[str, list[Handoff]]:
        """The handoffs of each ticket, oldest first."""
        found: dict[str, list[Handoff]] = {}
        names = {row.id: row.external_id for row in self.rows(TroubleshootingSession)}
        for row in sorted(self.rows(Handoff), key=lambda row: row.id):
            found.setdefault(names[row.session_id], []).append(row)
        return found

    def counts(self) -> dict[str, int]:
        """The number of rows of every table."""
        with maintenance() as session:
            tables = [table for table in Base.metadata.tables.values() if "account_id" in table.c]
            return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


@pytest.fixture(scope="module")
def filled(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo account after a worker has done what was left to it."""
    database = servers.create_database()
    stack = Stack(servers, database, tmp_path_factory.mktemp("demo"))
    try:
        with environment(servers.environment(database)):
            account = Demo(demo.create())
            with running(stack):
                worker = stack.worker("interactive,bulk,maintenance")
                wait_for(lambda: is_assessed(account), "the batch and what was pending", seconds=150, process=worker)
            yield account
    finally:
        servers.drop_database(database)


def is_assessed(account: Demo) -> bool:
    batches, handoffs = account.rows(Batch), account.rows(Handoff)
    ended = all(row.state is BatchState.COMPLETED for row in batches)
    return bool(batches) and ended and all(row.status is not Status.PENDING for row in handoffs)


def test_it_has_a_case_in_every_state(filled: Demo) -> None:
    assert filled.made["cases"].keys() == {status.value for status in Status}
    rows = filled.rows(Handoff)
    ready = [row for row in rows if row.status is Status.READY]
    assert {row.priority for row in ready} == set(Priority)
    assert any(row.target_id for row in ready)
    assert any(row.overdue and not row.claimed_by_id for row in ready)
    claimed = [row for row in rows if row.status is Status.CLAIMED]
    assert {row.first_action_at is not None for row in claimed} == {True, False}
    assert any(row.returns for row in claimed)
    assert any(row.snoozed_until and row.snooze_reason for row in claimed)
    now = datetime.now(UTC)
    assert [row.lease_until > now for row in claimed if row.first_action_at is None] == [True]
    lengths = sorted(row.steps_count for row in filled.rows(TroubleshootingSession))
    assert lengths[-1] >= 120
    assert lengths[-2] >= 60
    seen = {event.type for event in filled.rows(FeedEvent)}
    assert seen >= set(EventType) - NOT_PLAYED


def test_two_engineers_hand_off_and_two_seniors_take(filled: Demo) -> None:
    names = {row.id: row.name for row in filled.rows(User)}
    measured = [row for row in filled.rows(Handoff) if row.status is not Status.RESOLVED or row.claimed_by_id]
    assert {names[row.handed_off_by_id] for row in measured} == {"Jo Junior", "Nia Junior"}
    assert {names[row.claimed_by_id] for row in measured if row.claimed_by_id} == {"Sam Senior", "Alex Senior"}


@pytest.mark.parametrize("ticket", PAIRS)
def test_an_open_case_finds_the_resolved_one_that_it_resembles(filled: Demo, ticket: str) -> None:
    handoffs = filled.handoffs()
    found, twin = handoffs[ticket][-1], handoffs[PAIRS[ticket]][-1]
    assert (found.resolved_at, twin.status) == (None, Status.RESOLVED)
    [shown] = [
        row
        for row in filled.rows(Assessment)
        if (row.handoff_id, row.generation) == (found.id, found.shown_generation)
    ]
    assert shown.state is State.SUCCEEDED
    assert str(twin.id) in [past["handoff_id"] for past in (shown.content or {})["similar"]]


def test_workers_have_assessed_everything_that_is_open_in_a_batch_that_is_finished(filled: Demo) -> None:
    [batch] = filled.rows(Batch)
    assert batch.total == batch.succeeded > 5
    waiting = [row for row in filled.rows(Handoff) if row.status in (Status.READY, Status.CLAIMED)]
    assert len(waiting) == batch.total + filled.made["cases"]["pending"]
    assert all(row.shown_generation for row in waiting)


def test_times_go_forward_and_are_those_of_the_stories(filled: Demo) -> None:
    events = sorted(filled.rows(FeedEvent), key=lambda event: event.seq)
    assert all(one.created_at <= other.created_at for one, other in pairwise(events))
    handed_off = sorted(filled.rows(Handoff), key=lambda row: row.id)
    assert all(one.created_at <= other.created_at for one, other in pairwise(handed_off))
    now = datetime.now(UTC)
    for story in STORIES:
        begun = [line for line in story.lines if line.verb in stories.BEGINNINGS]
        for line, row in zip(begun, filled.handoffs()[story.ticket], strict=True):
            assert abs(now - line.ago - row.created_at) < timedelta(minutes=5), story.ticket
            times = [row.created_at, row.ready_at, row.claimed_at, row.first_action_at, row.closed_at]
            assert sorted(filter(None, times)) == list(filter(None, times)), story.ticket


def test_cards_and_attempts_have_the_times_of_their_handoffs(filled: Demo) -> None:
    rows = filled.rows(Handoff)
    with transaction(filled.account_id) as session:
        shown = cards(session, [(filled.account_id, row.id) for row in rows])
        stored = dict(session.execute(select(Handoff.id, Handoff.card)).all())
    names = ("created_at", "ready_at", "claimed_at", "first_action_at", "resolved_at", "lease_until")
    for row in rows:
        if stored[row.id] is not None:
            card = shown[filled.account_id, row.id]
            assert {name: stored[row.id][name] for name in names} == {name: card[name] for name in names}
    for event in filled.rows(FeedEvent):
        for name in names:
            time = event.card[name]
            assert (
                name == "lease_until"
                or time is None
                or datetime.fromisoformat(time) <= event.created_at + timedelta(seconds=1)
            )
    for row in filled.rows(Assessment):
        for attempt in row.attempt_log:
            assert abs(datetime.fromisoformat(attempt["at"]) - row.finished_at) < timedelta(seconds=5)


def test_people_ask_each_other_and_one_question_waits(filled: Demo) -> None:
    with transaction(filled.account_id) as session:
        people = dict(session.execute(select(User.name, User.id).where(User.account_id == filled.account_id)).all())
        waiting = {name: questions.waiting_for(session, filled.account_id, person) for name, person in people.items()}
    steps = filled.rows(SessionStep)
    assert len([step for step in steps if step.answers]) >= 10
    assert {name: len(found) for name, found in waiting.items() if found} == {"Jo Junior": 1}


def test_the_metrics_of_thirty_days_have_a_curve(filled: Demo) -> None:
    until = datetime.now(UTC)
    with transaction(filled.account_id) as session:
        measured = analytics.escalations(session, filled.account_id, since=until - timedelta(days=30), until=until)
    days = [day for day in measured["by_day"] if day["time_to_claim"]["p50"] is not None]
    assert len(days) > 20
    assert len({round(day["time_to_claim"]["p50"] / 300) for day in days}) > 8
    assert len({round(day["time_to_first_action"]["p50"] / 60) for day in days if day["n_with_action"]}) > 6
    assert 300 < measured["time_to_claim"]["p50"] < 7200
    assert measured["time_to_ready"]["p50"] < 60


def test_a_second_run_adds_nothing(filled: Demo) -> None:
    before = filled.counts()
    again = demo.create()
    assert again == {"account": filled.made["account"], "tokens": {}, "cases": {}}
    assert filled.counts() == before
    with_tokens = demo.create(new_tokens=True)
    assert with_tokens["tokens"].keys() == demo.PEOPLE.keys()
    assert filled.counts() == before | {"api_tokens": before["api_tokens"] + len(demo.PEOPLE)}


def test_an_empty_one_has_people_and_tokens_only(committed: str) -> None:
    result = CliRunner().invoke(demo.make_demo, ["--json", "--empty"])
    made = json.loads(result.stdout)
    assert made["tokens"].keys() == demo.PEOPLE.keys()
    assert (made["cases"], made["summary"]) == ({}, None)
    counts = Demo(made).counts()
    assert (counts["handoffs"], counts["sessions"], counts["batches"]) == (0, 0, 0)
    assert "it exists already" in CliRunner().invoke(demo.make_demo, []).stdout
    assert Demo(made).counts() == counts


def test_it_says_in_a_line_what_it_did(committed: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SMALL)
    made = demo.create(folder=tmp_path)
    assert demo.summary(made["cases"]) == "Demo MSP was filled with 1 cases of the last weeks: 1 ready."


def test_one_that_was_interrupted_is_made_again(committed: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SMALL.replace("1h  jo   escalates", "1h  nobody  escalates"))
    with pytest.raises(KeyError):
        demo.create(folder=tmp_path)
    (tmp_path / "a.toml").write_text(SMALL)
    made = Demo(demo.create(folder=tmp_path))
    assert made.made["cases"] == {"ready": 1}
    with maintenance() as session:
        assert session.scalars(select(Account.id).where(Account.name == demo.NAME)).all() == [made.account_id]


def test_an_account_of_an_older_version_stays_as_it_is(committed: str) -> None:
    made = Demo(demo.create(empty=True))
    with maintenance() as session:
        session.execute(text("UPDATE users SET name = 'Somebody Else' WHERE name = 'Nia Junior'"))
    assert demo.create(new_tokens=True)["tokens"].keys() == demo.PEOPLE.keys() - {"junior2"}
    assert made.counts()["users"] == len(demo.PEOPLE)


def texts() -> Iterator[tuple[str, str]]:
    for story in STORIES:
        yield story.ticket, story.title
        yield story.ticket, story.problem
        for line in story.lines:
            yield from ((story.ticket, said) for said in (line.text, line.extra) if said)


def test_no_text_occurs_twice() -> None:
    counted = Counter(said for _, said in texts())
    assert [said for said, count in counted.items() if count > 1] == []
    assert len({story.ticket for story in STORIES}) == len(STORIES)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.ticket)
def test_every_text_holds_the_limits_of_the_api(story: Story) -> None:
    session = {"external_id": story.ticket, "title": story.title, "problem": story.problem}
    session |= {name: getattr(story, name) for name in ("client", "asset", "category")}
    for line in story.lines:
        if line.is_step:
            assert StepSchema().validate({"kind": "note", "text": line.text}) == {}
        elif line.verb in stories.BEGINNINGS:
            body = {"intent": "escalate", "session": session, "reason": line.text, "ask": line.extra}
            assert IntakeSchema().validate(body) == {}
        elif line.verb == "resolves":
            assert ResolveSchema().validate({"resolution": line.text, "root_cause": line.extra}) == {}
        elif line.verb == "rates":
            assert FeedbackSchema().validate({"rating": line.how, "comment": line.text or None}) == {}
        elif line.text:
            assert ReasonSchema().validate({"reason": line.text}) == {}


def test_every_story_is_complete() -> None:
    for story in STORIES:
        assert any(line.verb in stories.BEGINNINGS for line in story.lines), story.ticket
        assert all(line.text for line in story.lines if line.is_step), story.ticket
        assert (story.lines[-1].ago > timedelta(days=30)) == story.imported, story.ticket
        assert timedelta(minutes=5) > play.AGE_OF_PENDING


BAD = {
    "2h jo jumps: x": "cannot read '2h jo jumps: x'",
    "jo failed: x": "cannot read 'jo failed: x'",
    "+5m jo failed: x": "the first line says how long ago it was",
    "2h jo failed: x\n3h jo failed: y": "goes back in time at '3h jo failed: y'",
    "2h jo failed: x\n+3h jo failed: y": "+3h is in the future",
}


@pytest.mark.parametrize(("story", "reason"), BAD.items(), ids=range(len(BAD)))
def test_a_story_that_cannot_be_read_is_named_with_its_line(story: str, reason: str, tmp_path: Path) -> None:
    case = f"[[case]]\nticket = \"T-1\"\ntitle = \"a\"\nproblem = \"b\"\nstory = '''\n{story}\n'''\n"
    (tmp_path / "a.toml").write_text(case)
    with pytest.raises(StoryError) as error:
        stories.read(tmp_path)
    assert str(error.value) == f"T-1: {reason}"


def test_an_indented_line_belongs_to_the_text_above_it(tmp_path: Path) -> None:
    case = SMALL.replace("Set it by hand.", "The log:\n      07:00  A\n        07:01  B").replace(
        "It comes back.", "Again.\n    Needs: A look."
    )
    (tmp_path / "a.toml").write_text(case)
    [story] = stories.read(tmp_path)
    assert story.lines[0].text == "The log:\n07:00  A\n  07:01  B"
    assert (story.lines[1].text, story.lines[1].extra) == ("Again.", "A look.")
