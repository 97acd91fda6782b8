"""Corrections: what a session says of itself, and steps that are taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from models.assessment import case
from models.assessment.case import FIRST_STEPS, LAST_STEPS, MOST_STEPS, Case
from models.feed import FeedEvent
from models.transaction import transaction
from tasks.assessors.model import prompt
from tasks.assessors.model.redaction import Redaction
from tests import world as worlds
from tests.api.test_moves import ACTORS, STATUS, assess_all, in_state, person
from tests.world import STEPS, Person, World

# What each of ACTORS gets for a correction of the session, by the state of its handoff.
EDIT: dict[str, tuple[Any, ...]] = {
    "parked": (200, "not_found", "not_found", 200, "forbidden"),
    "pending": (200, "not_yours", "not_yours", 200, "forbidden"),
    "ready": (200, "not_yours", "not_yours", 200, "forbidden"),
    "claimed": (200, 200, "not_yours", 200, "forbidden"),
    "resolved": ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    "withdrawn": ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
}
# What each of them gets for taking back a step of the author's.
RETRACT: dict[str, tuple[Any, ...]] = {
    "parked": (200, "not_found", "not_found", 200, "forbidden"),
    **dict.fromkeys(
        ("pending", "ready", "claimed", "resolved", "withdrawn"), (200, "not_yours", "not_yours", 200, "forbidden")
    ),
}
CODES = {**STATUS, "not_yours": 403}


def told(world: World) -> list[tuple[str, str | None]]:
    """Every event of the account with its note."""
    with transaction(world.account_id) as session:
        rows = session.execute(select(FeedEvent.type, FeedEvent.note).order_by(FeedEvent.seq)).all()
    return [(str(row.type.value), row.note) for row in rows]


def rows(table: dict[str, tuple[Any, ...]]) -> list[tuple[str, str, Any]]:
    return [(state, actor, want) for state, row in table.items() for actor, want in zip(ACTORS, row, strict=True)]


def check(world: World, state: str, expected: int | str, act: Any, note: str) -> None:
    """Act on the session of a handoff in this state, and compare the answer, the events and the version."""
    made = in_state(world, state)
    before, events = world.admin.get(f"/handoffs/{made}").json, told(world)
    session = world.admin.get(f"/sessions/T-1?handoff={made}").json
    answer: TestResponse = act()
    after = world.admin.get(f"/handoffs/{made}").json
    if isinstance(expected, str):
        assert (answer.status_code, answer.json["code"]) == (CODES[expected], expected)
        assert (after, told(world)) == (before, events)
        assert world.admin.get(f"/sessions/T-1?handoff={made}").json == session
        return
    assert answer.status_code == expected, answer.text
    is_open = state in ("pending", "ready", "claimed")
    assert told(world)[len(events) :] == ([("handoff.updated", note)] if is_open else [])
    if is_open:
        assert (after["version"], after["seq"]) == (before["version"] + 1, int(answer.headers["Feed-Seq"]))


@pytest.mark.parametrize(("state", "actor", "expected"), rows(EDIT))
def test_a_session_is_corrected_or_not(world: World, state: str, actor: str, expected: Any) -> None:
    who = person(world, actor)
    check(world, state, expected, lambda: who.patch("/sessions/T-1", {"title": "Copier offline"}), "title")


@pytest.mark.parametrize(("state", "actor", "expected"), rows(RETRACT))
def test_a_step_is_taken_back_or_not(world: World, state: str, actor: str, expected: Any) -> None:
    who = person(world, actor)
    check(world, state, expected, lambda: who.post("/sessions/T-1/steps/1/retract"), "step 1 retracted")


def test_a_correction_says_what_changed_and_quotes_names_alone(world: World) -> None:
    made = world.junior.hand_off("T-1", client="Northwind", asset="HP-2", category="Printing")
    changes = {"title": "A secret", "problem": "Secret", "client": "Contoso", "asset": None, "category": "x" * 99}
    answer = world.junior.patch("/sessions/T-1", changes)
    assert {name: answer.json[name] for name in changes} == changes
    assert (answer.json["external_id"], answer.json["steps_count"]) == ("T-1", len(STEPS))
    row = world.viewer.get("/queue").json["items"][0]
    assert answer.json["handoff"] | {"unread": True} == row
    assert answer.json["handoff"]["version"] == made["version"] + 1
    quoted = "x" * 59
    note = f"title, problem, client: Northwind → Contoso, asset: HP-2 → none, category: Printing → {quoted}…"
    assert told(world)[-1] == ("handoff.updated", note)
    seen = world.viewer.get("/sessions/T-1").json
    assert {name: seen[name] for name in changes} == changes
    assert world.viewer.get(f"/handoffs/{made['id']}").json["session"]["title"] == "A secret"


UNCHANGED = [{}, {"title": "Printer offline after the update"}, {"client": None}, {"asset": ""}, {"title": " "}]


@pytest.mark.parametrize("changes", UNCHANGED)
def test_what_is_as_it_was_is_no_change_and_no_event(world: World, changes: dict[str, Any]) -> None:
    made = world.junior.hand_off("T-1")
    before = told(world)
    answer = world.junior.patch("/sessions/T-1", changes)
    assert (answer.status_code, answer.json["handoff"]["version"]) == (200, made["version"])
    assert told(world) == before


INVALID = [
    *({"title": None}, {"title": "x" * 201}, {"title": "\u3164"}, {"problem": None}, {"problem": "x" * 20_001}),
    *({"client": "x" * 201}, {"category": "a\x00"}, {"asset": 5}, {"external_id": "T-2"}, {"steps": []}),
]


@pytest.mark.parametrize("changes", INVALID)
def test_a_correction_that_makes_no_sense_is_422(world: World, changes: dict[str, Any]) -> None:
    world.junior.hand_off("T-1")
    assert world.junior.patch("/sessions/T-1", changes).status_code == 422


def test_a_search_finds_a_session_by_its_corrected_words(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    changes = {"title": "Zebra", "problem": "Yak", "client": "Xenops", "asset": "Wombat", "category": "Vole"}
    world.junior.patch("/sessions/T-1", changes)
    for word in changes.values():
        assert [found["id"] for found in world.viewer.get(f"/handoffs?q={word}").json["items"]] == [made]


def test_the_claimer_before_is_not_the_claimer(world: World) -> None:
    made = in_state(world, "claimed")
    world.senior.post(f"/handoffs/{made}/release")
    assert world.senior.patch("/sessions/T-1", {"title": "x"}).json["code"] == "not_yours"


def test_a_ticket_and_its_drafts_are_corrected_apart(world: World) -> None:
    made = world.senior.hand_off("T-1", title="The ticket")["id"]
    parked = world.junior.hand_off("T-1", intent="park", title="The draft")
    before = told(world)
    answer = world.junior.patch(f"/sessions/T-1?handoff={parked['id']}", {"title": "Drafted"})
    assert (answer.json["title"], answer.json["handoff"]["version"]) == ("Drafted", parked["version"] + 1)
    assert told(world) == before
    assert world.viewer.get("/sessions/T-1").json["title"] == "The ticket"
    assert world.junior.patch("/sessions/T-1", {"title": "x"}).json["code"] == "not_yours"
    world.senior.patch("/sessions/T-1", {"title": "Corrected"})
    assert world.junior.get(f"/sessions/T-1?handoff={parked['id']}").json["title"] == "Drafted"
    assert world.viewer.get(f"/handoffs/{made}").json["session"]["title"] == "Corrected"


def test_a_draft_that_was_escalated_after_others_is_its_authors(world: World) -> None:
    parked = world.junior.hand_off("T-1", intent="park")["id"]
    other = world.senior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{other}/withdraw")
    world.junior.post(f"/handoffs/{parked}/escalate")
    assert world.senior.patch("/sessions/T-1", {"title": "x"}).json["code"] == "not_yours"
    assert world.junior.patch("/sessions/T-1", {"title": "x"}).json["handoff"]["id"] == parked


def test_a_correction_of_another_version_is_412_with_the_current_one(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    tag = world.junior.get(f"/handoffs/{made}").headers["ETag"]
    assert world.junior.patch("/sessions/T-1", {"title": "First"}, headers={"If-Match": tag}).status_code == 200
    refused = world.junior.patch("/sessions/T-1", {"title": "Second"}, headers={"If-Match": tag})
    assert (refused.status_code, refused.json["code"]) == (412, "version_mismatch")
    assert refused.json["version"] == world.junior.get(f"/handoffs/{made}").json["version"]
    newest = f'W/"{refused.json["version"]}"'
    answer = world.junior.patch("/sessions/T-1", {"title": "Second"}, headers={"If-Match": f"{tag}, {newest}"})
    assert (answer.status_code, answer.json["title"]) == (200, "Second")


def at_once(people: list[Person], act: Any) -> list[TestResponse]:
    barrier = Barrier(len(people))

    def go(who: Person) -> TestResponse:
        mine = Person(who.id, who.name, who.token, who.client.application.test_client())
        mine.get("/me")  # so that nobody is delayed by signing in
        barrier.wait(30)
        answer: TestResponse = act(mine)
        return answer

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(go, people))


def test_of_two_who_correct_a_session_at_once_one_gets_412_and_the_current_version(committed: str) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    for n in range(10):
        name = f"T-{n}"
        made = world.junior.hand_off(name)["id"]
        seen = {"If-Match": world.junior.get(f"/handoffs/{made}").headers["ETag"]}
        answers = at_once(
            [world.junior, world.admin],
            lambda who, name=name, seen=seen: who.patch(f"/sessions/{name}", {"title": who.name}, headers=seen),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        now = world.viewer.get(f"/handoffs/{made}").json
        assert now["session"]["title"] == won.json["title"]
        assert lost.json["version"] == now["version"] == won.json["handoff"]["version"]


def test_of_two_who_take_the_same_step_back_at_once_one_makes_the_event(committed: str) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    world.junior.hand_off("T-1")
    answers = at_once([world.junior, world.admin], lambda who: who.post("/sessions/T-1/steps/1/retract"))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert told(world) == [("handoff.created", None), ("handoff.updated", "step 1 retracted")]


def test_a_retracted_step_stays_and_says_by_whom(world: World) -> None:
    world.junior.hand_off("T-1")
    before = world.viewer.get("/sessions/T-1").json
    answer = world.admin.post("/sessions/T-1/steps/2/retract").json
    assert answer["retracted_by"] == {"id": str(world.admin.id), "name": world.admin.name}
    assert answer["retracted_at"] is not None
    after = world.viewer.get("/sessions/T-1").json
    assert after["steps_count"] == before["steps_count"]
    assert after["steps"] == [before["steps"][0], answer]
    assert world.junior.post("/sessions/T-1/steps/2/retract").json == answer  # nothing happens again
    assert len(told(world)) == 2


@pytest.mark.parametrize("seq", ["0", "3", "2147483648", "9" * 30])
def test_a_step_that_is_not_there_is_404(world: World, seq: str) -> None:
    world.junior.hand_off("T-1")
    assert world.junior.post(f"/sessions/T-1/steps/{seq}/retract").status_code == 404


def test_a_retracted_step_that_is_sent_again_is_still_known(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.junior.post("/sessions/T-1/steps/1/retract")
    world.junior.post(f"/handoffs/{made}/withdraw")
    assert world.junior.hand_off("T-1")["session"]["steps_count"] == len(STEPS)


def test_a_step_that_is_retracted_in_a_draft_is_retracted_in_the_ticket(world: World) -> None:
    parked = world.junior.hand_off("T-1", intent="park")["id"]
    world.junior.post("/sessions/T-1/steps/1/retract")
    world.junior.post(f"/handoffs/{parked}/escalate")
    steps = world.viewer.get("/sessions/T-1").json["steps"]
    assert [step["retracted_by"] and step["retracted_by"]["name"] for step in steps] == [world.junior.name, None]


def loaded(world: World, handoff_id: str) -> Case:
    with transaction(world.account_id) as session:
        return case.load(session, world.account_id, UUID(handoff_id), UUID(int=1))


def test_no_assessor_reads_a_retracted_step(world: World) -> None:
    steps = [{"kind": "action", "text": f"Attempt {n}.", "outcome": "failed"} for n in range(1, 5)]
    made = world.junior.hand_off("T-1", steps=steps)["id"]
    world.junior.post("/sessions/T-1/steps/2/retract")
    found = loaded(world, made)
    assert [(step.seq, step.text) for step in found.steps] == [
        (1, "Attempt 1."),
        (3, "Attempt 3."),
        (4, "Attempt 4."),
    ]
    assert (found.steps_count, found.steps_left_out, "step:2" in found.evidence_ids()) == (4, 0, False)
    sent = prompt.render(found, Redaction(), 10_000).user
    assert "Attempt 1." in sent
    assert "Attempt 2." not in sent


def test_of_a_long_session_retracted_steps_are_neither_read_nor_counted_as_left_out(world: World) -> None:
    count = MOST_STEPS + 100
    steps = [{"kind": "action", "text": f"Attempt {n}.", "outcome": "failed"} for n in range(1, count + 1)]
    made = world.junior.hand_off("T-1", steps=steps)["id"]
    gone = (FIRST_STEPS, count - LAST_STEPS, count)
    for seq in gone:
        world.junior.post(f"/sessions/T-1/steps/{seq}/retract")
    found = loaded(world, made)
    assert not {step.seq for step in found.steps} & set(gone)
    assert len(found.steps) == MOST_STEPS - 2  # the place of the failure in between is another's
    assert found.steps_left_out == count - len(gone) - len(found.steps)
    assert found.steps_count == count


def cited(assessment: Any) -> set[str]:
    """Every evidence id anywhere in an assessment."""
    if isinstance(assessment, list):
        return {each for item in assessment for each in cited(item)}
    if not isinstance(assessment, dict):
        return set()
    own = set(assessment.get("evidence", []))
    return own | {each for value in assessment.values() for each in cited(value)}


def test_an_assessment_says_that_it_rests_on_what_was_retracted_since(world: World) -> None:
    made = in_state(world, "ready")
    before = world.viewer.get(f"/handoffs/{made}").json["assessment"]
    steps = sorted(each for each in cited(before) if each.startswith("step:"))
    assert "step:1" in steps
    assert before["retracted_evidence"] == []
    assert world.viewer.get(f"/handoffs/{made}/assessments").json["items"] == [before]
    answer = world.junior.post("/sessions/T-1/steps/1/retract")
    now = world.viewer.get(f"/handoffs/{made}").json
    assert now["assessment"] == before | {"retracted_evidence": ["step:1"]}
    assert now["seq"] == int(answer.headers["Feed-Seq"])
    assert world.viewer.get(f"/handoffs/{made}/assessments").json["items"] == [now["assessment"]]
    world.senior.post(f"/handoffs/{made}/reassess")
    assess_all(world, made)
    renewed = world.viewer.get(f"/handoffs/{made}").json["assessment"]
    assert (renewed["generation"], renewed["retracted_evidence"], renewed["steps_newer"]) == (2, [], 0)
    assert "step:1" not in cited(renewed)


def test_a_retracted_step_that_nothing_rests_on_makes_no_assessment_older(world: World) -> None:
    made = in_state(world, "ready")
    seq = world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "Later."}).json["seq"]
    world.senior.post(f"/sessions/T-1/steps/{seq}/retract")
    assert world.viewer.get(f"/handoffs/{made}").json["assessment"]["retracted_evidence"] == []
