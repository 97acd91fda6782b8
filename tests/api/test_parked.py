"""Only the author and the admins see a parked handoff, until it is escalated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from models.assessment import case
from models.session import MAX_STEPS, SessionStep, TroubleshootingSession
from models.transaction import transaction
from tests.api.cli.imports import Imports, past
from tests.world import STEPS, Person, World

MARK = "quixotic"  # in everything that is parked here
DETAILS = ("title", "problem", "client", "asset", "category", "reason", "ask")


@pytest.fixture
def imports(app: Flask, world: World, tmp_path: Path) -> Imports:
    return Imports(app, world, tmp_path)


def park(person: Person, external_id: str = "T-1", **more: Any) -> str:
    details = {
        name: f"{MARK} {name}" for name in ("title", "problem", "client", "asset", "category", "reason", "ask")
    }
    steps = [{"kind": "note", "text": f"{MARK} step"}]
    return str(person.hand_off(external_id, intent="park", **{**details, "steps": steps, **more})["id"])


def resolve(world: World, handoff_id: str) -> None:
    world.senior2.post(f"/handoffs/{handoff_id}/claim")
    assert world.senior2.post(f"/handoffs/{handoff_id}/resolve", {"resolution": "Renewed."}).status_code == 200


def texts(answer: TestResponse) -> list[str]:
    return [step["text"] for step in answer.json["steps"]]


def readings(handoff_id: str, external_id: str) -> list[str]:
    """Every address that shows a session or a handoff."""
    return [
        f"/sessions/{external_id}",
        f"/handoffs/{handoff_id}",
        f"/handoffs/{handoff_id}/timeline",
        f"/handoffs/{handoff_id}/assessments",
        f"/handoffs?session={external_id}",
        "/handoffs?limit=200",
        f"/handoffs?q={MARK}",
        "/queue?limit=200",
        f"/queue?q={MARK}",
    ]


@pytest.mark.parametrize("who", ["senior", "viewer"])
def test_nobody_else_sees_a_ticket_that_is_only_parked(world: World, who: str) -> None:
    parked, other = park(world.junior), getattr(world, who)
    for path in readings(parked, "T-1"):
        assert MARK not in other.get(path).text, path
    for path in ("/sessions/T-1", f"/sessions/T-1?handoff={parked}", f"/handoffs/{parked}/timeline"):
        assert other.get(path).status_code == 404, path


def test_nobody_else_adds_a_step_to_what_is_parked(world: World) -> None:
    parked = park(world.junior)
    for path in ("/sessions/T-1/steps", f"/sessions/T-1/steps?handoff={parked}"):
        assert world.senior.post(path, {"kind": "note", "text": "from elsewhere"}).status_code == 404, path
    assert texts(world.junior.get("/sessions/T-1")) == [f"{MARK} step"]


def test_its_author_and_the_admins_see_it_and_add_steps(world: World) -> None:
    parked = park(world.junior)
    assert world.junior.post("/sessions/T-1/steps", {"kind": "note", "text": "a second thought"}).status_code == 201
    for person in (world.junior, world.admin):
        seen = person.get("/sessions/T-1")
        assert texts(seen) == [f"{MARK} step", "a second thought"]
        assert [each["id"] for each in seen.json["handoffs"]] == [parked]


@pytest.mark.parametrize("state", ["open", "claimed", "resolved", "withdrawn"])
def test_parking_changes_nothing_of_a_ticket_that_others_work_on(world: World, state: str) -> None:
    made = world.senior.hand_off("T-1")["id"]
    if state == "claimed":
        world.senior2.post(f"/handoffs/{made}/claim")
    if state == "resolved":
        resolve(world, made)
    if state == "withdrawn":
        world.senior.post(f"/handoffs/{made}/withdraw")
    before = {path: world.viewer.get(path).json for path in readings(made, "T-1")}
    park(world.junior)
    for path, body in before.items():
        assert world.viewer.get(path).json == body, path


def test_a_ticket_and_what_is_parked_of_it_are_read_and_written_apart(world: World) -> None:
    made = world.senior.hand_off("T-1")["id"]
    parked = park(world.junior)
    world.junior.post("/sessions/T-1/steps", {"kind": "note", "text": "for everybody"})
    world.junior.post(f"/sessions/T-1/steps?handoff={parked}", {"kind": "note", "text": "for myself"})
    public = [step["text"] for step in STEPS] + ["for everybody"]
    assert texts(world.junior.get("/sessions/T-1")) == public
    assert texts(world.junior.get(f"/sessions/T-1?handoff={made}")) == public
    assert texts(world.junior.get(f"/sessions/T-1?handoff={parked}")) == [f"{MARK} step", "for myself"]
    assert world.junior.get(f"/sessions/T-2?handoff={parked}").status_code == 404
    assert world.junior.get("/sessions/T-1?handoff=x").status_code == 422


def test_a_ticket_can_be_parked_more_than_once(world: World) -> None:
    first, second, theirs = park(world.junior), park(world.junior), park(world.senior)
    for each in (first, second):
        assert texts(world.junior.get(f"/sessions/T-1?handoff={each}")) == [f"{MARK} step"]
        assert world.senior.get(f"/sessions/T-1?handoff={each}").status_code == 404
    assert [each["id"] for each in world.senior.get("/sessions/T-1").json["handoffs"]] == [theirs]


def test_escalating_makes_the_draft_the_ticket(world: World) -> None:
    parked = park(world.junior)
    world.admin.post("/sessions/T-1/steps", {"kind": "note", "text": "the admin's"})
    before = world.junior.get("/sessions/T-1").json["steps"]
    assert world.junior.post(f"/handoffs/{parked}/escalate").status_code == 202
    seen = world.viewer.get("/sessions/T-1").json
    assert seen["steps"] == before
    assert [seen[name] for name in ("title", "client")] == [f"{MARK} title", f"{MARK} client"]
    assert seen["steps_count"] == len(before)
    assert [each["id"] for each in world.viewer.get(f"/handoffs?q={MARK}").json["items"]] == [parked]
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "next"})
    assert [step["seq"] for step in world.viewer.get("/sessions/T-1").json["steps"]] == [1, 2, 3]
    assert only_one_session(world)


def test_escalating_adds_to_the_ticket_what_is_new_and_nothing_twice(world: World) -> None:
    resolve(world, world.senior.hand_off("T-1", asset="HP-2")["id"])
    steps = [STEPS[0], {"kind": "note", "text": f"{MARK} step"}, STEPS[1], STEPS[1]]
    parked = park(world.junior, steps=steps, asset=None)
    answer = world.junior.post(f"/handoffs/{parked}/escalate")
    assert (answer.status_code, answer.json["returns"]) == (202, 1)
    seen = world.viewer.get("/sessions/T-1")
    assert texts(seen) == [STEPS[0]["text"], STEPS[1]["text"], f"{MARK} step", STEPS[1]["text"]]
    assert [step["seq"] for step in seen.json["steps"]] == [1, 2, 3, 4]
    assert seen.json["steps"][2]["added_by"]["name"] == world.junior.name
    assert [seen.json[name] for name in ("title", "asset")] == [f"{MARK} title", "HP-2"]
    assert only_one_session(world)


def only_one_session(world: World) -> bool:
    """Nothing is left of a draft."""
    with transaction(world.account_id) as session:
        ids = set(session.scalars(select(TroubleshootingSession.id)))
        return len(ids) == 1 and set(session.scalars(select(SessionStep.session_id))) <= ids


def test_what_cannot_be_escalated_stays_as_it_was(world: World) -> None:
    parked = park(world.junior)
    made = world.senior.hand_off("T-1")["id"]
    before = world.viewer.get("/sessions/T-1").json
    refused = world.junior.post(f"/handoffs/{parked}/escalate")
    assert (refused.status_code, refused.json["handoff_id"]) == (409, made)
    assert world.viewer.get("/sessions/T-1").json == before
    assert texts(world.junior.get(f"/sessions/T-1?handoff={parked}")) == [f"{MARK} step"]


def test_escalating_does_not_make_a_ticket_too_long(world: World) -> None:
    many = [{"kind": "note", "text": str(number)} for number in range(MAX_STEPS // 4)]
    for each in range(4):
        kept = [{**step, "text": f"{each} {step['text']}"} for step in many]
        resolve(world, world.senior.hand_off("T-1", steps=kept)["id"])
    parked = park(world.junior)
    refused = world.junior.post(f"/handoffs/{parked}/escalate")
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_steps")
    assert world.viewer.get("/sessions/T-1").json["steps_count"] == MAX_STEPS


def test_escalating_twice_is_refused(world: World) -> None:
    parked = park(world.junior)
    assert world.junior.post(f"/handoffs/{parked}/escalate").status_code == 202
    refused = world.junior.post(f"/handoffs/{parked}/escalate")
    assert (refused.status_code, refused.json["code"]) == (409, "wrong_state")


def test_an_assessment_and_an_export_hold_nothing_that_is_parked(world: World, app: Flask) -> None:
    for number in range(2):
        resolve(world, world.senior.hand_off(f"T-{number}", problem="The VPN client shows error 809 at home.")["id"])
    park(world.junior, "T-1", problem=f"The VPN client shows error 809 at home. {MARK}")
    made = world.senior.hand_off("T-2", problem="The VPN client shows error 809 at home.")["id"]
    with transaction(world.account_id) as session:
        found = case.similar(session, world.account_id, "VPN client error 809 home", besides=UUID(made))
    assert len(found) == 2
    assert MARK not in repr(found)
    exported = app.test_cli_runner().invoke(args=["handoffs", "export", "--account", str(world.account_id)])
    assert len(exported.stdout.splitlines()) == 3
    assert MARK not in exported.stdout


def test_what_is_imported_as_parked_is_a_draft_too(imports: Imports) -> None:
    world = imports.world
    world.senior.hand_off("T-1")
    before = world.viewer.get("/sessions/T-1").json
    body = {"intent": "park", "reason": "later", "id": "p-1"}
    steps = [{"kind": "note", "text": MARK}]
    parked = {"external_id": "T-1", "title": f"{MARK} title", "problem": MARK, "steps": steps}
    for added in (1, 0):
        result = imports.run(imports.file({**body, "session": parked}))
        assert f"1 lines: {added} added, {1 - added} there before, 0 bad" in result.output
    assert world.viewer.get("/sessions/T-1").json == before
    [item] = world.admin.get("/handoffs?status=parked").json["items"]
    assert texts(world.admin.get(f"/sessions/T-1?handoff={item['id']}")) == [MARK]


def test_history_that_adds_to_an_open_handoff_is_an_event_of_it(imports: Imports) -> None:
    world = imports.world
    made = world.senior.hand_off("T-1")["id"]
    world.senior2.post(f"/handoffs/{made}/claim")
    older = past(1, steps=[{"kind": "action", "text": "Reinstalled the driver in March."}])
    older["session"]["external_id"] = "T-1"
    result = imports.run(imports.file(older))
    assert result.exit_code == 0, result.output
    whole = world.viewer.get(f"/handoffs/{made}").json
    assert (whole["version"], whole["session"]["steps_count"]) == (3, 3)
    assert whole["first_action_at"] is None
    kinds = [item["kind"] for item in world.viewer.get(f"/handoffs/{made}/timeline").json["items"]]
    assert kinds.count("handoff.updated") == 1
    assert imports.run(imports.file(older, {"bad": 1})).exit_code == 1
    assert world.viewer.get(f"/handoffs/{made}").json["version"] == 3


def test_more_events_than_a_transaction_holds_are_imported_in_several(imports: Imports) -> None:
    world, several = imports.world, 230
    opened = [{"intent": "escalate", "reason": "x", "session": session(number)} for number in range(several)]
    assert imports.run(imports.file(*opened)).exit_code == 0
    steps = [{"kind": "note", "text": "from the archive"}]
    older = [{**past(number), "session": session(number) | {"steps": steps}} for number in range(several)]
    path = imports.file(*older, name="older.jsonl")
    assert f"{several} would be added" in imports.run(path, "--dry-run").output
    result = imports.run(path)
    assert f"{several} lines: {several} added, 0 there before, 0 bad" in result.output
    items = world.viewer.get("/feed?cursor=now").json
    assert items["head"] == 2 * several
    assert "0 lines" in imports.run(path, "--resume").output


def session(number: int) -> dict[str, Any]:
    return json.loads(json.dumps({"external_id": f"T-{number}", "title": "Title", "problem": "Problem"}))


def test_drafts_and_tickets_are_counted_by_the_database(world: World) -> None:
    """One session for everybody, however often it is parked."""
    for _ in range(3):
        park(world.junior)
    world.senior.hand_off("T-1")
    with transaction(world.account_id) as session:
        drafts = select(func.count()).where(TroubleshootingSession.draft_of.is_not(None))
        assert session.scalar(drafts) == 3
        assert session.scalar(select(func.count()).where(TroubleshootingSession.draft_of.is_(None))) == 1
