"""Taking back what ended a handoff: reopen, restore, and the returns that a withdrawal makes or does not make."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from models import people
from models.assessment import vectors
from models.assessment.vectors import PastText
from models.database import Base
from models.handoff import SERVICE, Handoff, moves
from models.history import Line, load
from models.transaction import maintenance, transaction
from tests.api.cli.imports import Imports
from tests.api.test_moves import assess_all, events, in_state, ready, return_overdue
from tests.world import World, intake


def similar_to(world: World, external_id: str) -> list[str]:
    """The past cases that a new handoff of another ticket cites."""
    asked = ready(world, external_id)
    found = world.senior.get(f"/handoffs/{asked}").json["assessment"]["similar"]
    return [each["handoff_id"] for each in found]


def resolve(world: World, handoff_id: str, **said: str) -> None:
    body = {"resolution": "Installed the driver.", **said}
    assert world.senior.post(f"/handoffs/{handoff_id}/resolve", body).status_code == 200


def store_vector(world: World, handoff_id: str) -> int:
    """Store the vector of a case, as a worker does; returns how many the case has then."""
    with maintenance() as session:
        past = PastText(world.account_id, UUID(handoff_id), "", "")
        vectors.store(session, "made-up", [(past, b"\x01")])
        count = select(func.count()).where(vectors.PastCaseVector.handoff_id == UUID(handoff_id))
        return int(session.scalar(count) or 0)


def test_a_reopened_handoff_is_its_claimers_again_and_the_history_tells_it(world: World) -> None:
    made = in_state(world, "resolved")
    shown = world.senior.post(f"/handoffs/{made}/reopen").json
    assert (shown["status"], shown["claimed_by"]["id"]) == ("claimed", str(world.senior.id))
    assert (shown["resolved_at"], shown["resolution"]) == (None, "Installed the driver.")
    assert shown["lease_until"] is not None
    assert [item["id"] for item in world.viewer.get("/queue").json["items"]] == [made]
    resolve(world, made)
    assert events(world)[-2:] == ["handoff.reopened", "handoff.resolved"]


def test_a_reopened_handoff_with_an_action_has_no_lease(world: World) -> None:
    made = in_state(world, "claimed")
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "On it."})
    resolve(world, made)
    assert world.senior.post(f"/handoffs/{made}/reopen").json["lease_until"] is None
    assert return_overdue() == 0


def test_a_reopened_handoff_is_no_past_case_until_it_is_resolved_again(world: World) -> None:
    made = in_state(world, "resolved")
    assert similar_to(world, "T-2") == [made]
    assert store_vector(world, made) == 1
    world.senior.post(f"/handoffs/{made}/reopen")
    assert similar_to(world, "T-3") == []
    assert store_vector(world, made) == 0
    resolve(world, made, resolution="Replaced the print server.")
    assert similar_to(world, "T-4") == [made]


def test_each_resolution_keeps_its_root_cause_in_the_history(world: World) -> None:
    made = in_state(world, "claimed")
    for cause in ("The driver.", "The server."):
        resolve(world, made, root_cause=cause)
        world.senior.post(f"/handoffs/{made}/reopen")
    told = world.viewer.get(f"/handoffs/{made}/timeline").json["items"]
    assert [item["note"] for item in told if item["kind"] == "handoff.resolved"] == ["The driver.", "The server."]


@pytest.mark.parametrize("move", ["reopen", "restore"])
def test_a_session_has_one_open_handoff_also_after_an_undo(world: World, move: str) -> None:
    made = in_state(world, "resolved" if move == "reopen" else "withdrawn")
    second = world.junior.hand_off("T-1")["id"]
    told = events(world)
    refused = world.admin.post(f"/handoffs/{made}/{move}")
    assert (refused.status_code, refused.json["code"]) == (409, "already_open")
    assert (refused.json["handoff_id"], events(world)) == (second, told)


def test_who_resolved_somebody_elses_claim_may_reopen_it_and_its_claimer_has_it_again(world: World) -> None:
    made = in_state(world, "claimed")
    world.admin.post(f"/handoffs/{made}/resolve", {"resolution": "Done."})
    assert world.senior.post(f"/handoffs/{made}/reopen").json["code"] == "not_yours"
    assert world.admin.post(f"/handoffs/{made}/reopen").json["claimed_by"]["id"] == str(world.senior.id)


def leave(world: World) -> None:
    people.deactivate(world.account_id, world.senior.id, by=None)


def test_what_is_reopened_after_its_claimer_has_left_waits_in_the_queue(world: World) -> None:
    made = in_state(world, "resolved")
    leave(world)
    shown = world.admin.post(f"/handoffs/{made}/reopen").json
    assert (shown["status"], shown["claimed_by"], shown["lease_until"]) == ("ready", None, None)
    assert world.senior2.post(f"/handoffs/{made}/claim").status_code == 200


def test_an_imported_past_case_is_reopened_into_the_queue(world: World) -> None:
    with transaction(world.account_id) as session:
        load.load(session, world.account_id, [Line(1, intake("OLD-1", resolution="Fixed."))], by=world.admin.id)
    (item,) = world.admin.get("/handoffs").json["items"]
    shown = world.admin.post(f"/handoffs/{item['id']}/reopen").json
    assert (shown["status"], shown["claimed_by"]) == ("ready", None)


@pytest.mark.parametrize("state", ["pending", "ready", "claimed"])
def test_a_withdrawal_is_undone_to_the_state_before(world: World, state: str) -> None:
    made = in_state(world, state)
    before = world.junior.get(f"/handoffs/{made}").json
    world.junior.post(f"/handoffs/{made}/withdraw")
    shown = world.junior.post(f"/handoffs/{made}/restore").json
    assert [shown[name] for name in ("status", "claimed_by", "claimed_at", "ready_at", "returns")] == [
        before[name] for name in ("status", "claimed_by", "claimed_at", "ready_at", "returns")
    ]
    assert (shown["lease_until"] is not None) is (state == "claimed")
    assert events(world)[-1] == "handoff.restored"
    assert [item["id"] for item in world.viewer.get("/queue").json["items"]] == [made]


def test_the_assessment_that_a_withdrawal_ended_is_asked_for_again(world: World) -> None:
    made = in_state(world, "pending")
    world.junior.post(f"/handoffs/{made}/withdraw")
    assert world.junior.post(f"/handoffs/{made}/restore").json["assessment_state"] == "queued"
    assess_all(world, made)
    shown = world.junior.get(f"/handoffs/{made}").json
    assert (shown["status"], shown["assessment_state"], shown["assessment"]["generation"]) == (
        "ready",
        "succeeded",
        2,
    )


def test_an_assessment_that_had_ended_is_not_asked_for_again(world: World) -> None:
    made = in_state(world, "withdrawn")
    shown = world.junior.post(f"/handoffs/{made}/restore").json
    assert (shown["assessment_state"], shown["assessment"]["generation"]) == ("succeeded", 1)


def test_a_withdrawal_is_undone_for_ten_minutes(world: World) -> None:
    made, late = in_state(world, "withdrawn"), timedelta(minutes=10, seconds=1)
    with maintenance() as session:
        session.execute(update(Handoff).where(Handoff.id == UUID(made)).values(closed_at=func.now() - late))
    refused = world.junior.post(f"/handoffs/{made}/restore")
    assert (refused.status_code, refused.json["code"]) == (409, "too_late")
    with maintenance() as session:  # as former versions left it
        session.execute(update(Handoff).where(Handoff.id == UUID(made)).values(closed_at=None, closed_by_id=None))
    assert world.admin.post(f"/handoffs/{made}/restore").json["code"] == "too_late"


def test_only_who_withdrew_it_or_an_admin_restores_it(world: World) -> None:
    made = in_state(world, "ready")
    world.admin.post(f"/handoffs/{made}/withdraw")
    assert world.junior.post(f"/handoffs/{made}/restore").json["code"] == "not_yours"
    assert world.admin.post(f"/handoffs/{made}/restore").status_code == 200


def test_a_claim_of_somebody_who_has_left_is_restored_into_the_queue(world: World) -> None:
    made = in_state(world, "claimed")
    world.junior.post(f"/handoffs/{made}/withdraw")
    leave(world)
    assert world.junior.post(f"/handoffs/{made}/restore").json["status"] == "ready"


def handed_off_again(world: World) -> int:
    return int(world.junior.hand_off("T-1")["returns"])


def test_what_its_author_withdraws_before_anybody_took_it_is_no_return(world: World) -> None:
    for state in ("pending", "ready"):
        world.junior.post(f"/handoffs/{in_state(world, state)}/withdraw")
    assert handed_off_again(world) == 0


@pytest.mark.parametrize("how", ["claimed", "released", "by an admin", "by the service"])
def test_every_other_withdrawal_counts_as_a_return(world: World, how: str) -> None:
    made = in_state(world, "claimed" if how in ("claimed", "released") else "ready")
    if how == "released":
        world.senior.post(f"/handoffs/{made}/release")
    if how == "by the service":
        moves.withdraw(world.account_id, UUID(made), by=SERVICE)
    else:
        who = world.admin if how == "by an admin" else world.junior
        assert who.post(f"/handoffs/{made}/withdraw").status_code == 200
    assert handed_off_again(world) == 1


def test_an_import_counts_returns_in_the_same_way(world: World) -> None:
    world.junior.post(f"/handoffs/{in_state(world, 'ready')}/withdraw")
    with transaction(world.account_id) as session:
        load.load(session, world.account_id, [Line(1, intake("T-1", resolution="Fixed."))], by=world.admin.id)
    returns = [item["returns"] for item in world.admin.get("/handoffs?status=resolved").json["items"]]
    assert returns == [0]


MARK = "confidentialword"


def stored(world: World) -> str:
    """Everything that the database holds."""
    with maintenance() as session:
        rows: list[Any] = []
        for table in Base.metadata.sorted_tables:
            rows += session.execute(text(f"SELECT t::text FROM {table.name} AS t")).all()
    return repr(rows)


def test_nothing_is_left_of_what_a_discarded_handoff_said(world: World) -> None:
    body = {
        "title": MARK,
        "problem": MARK,
        "client": MARK,
        "asset": MARK,
        "category": MARK,
        "reason": MARK,
        "ask": MARK,
    }
    sent = intake("T-1", intent="park", steps=[{"kind": "note", "text": MARK}], **body)
    key = {"Idempotency-Key": "k-1"}
    made = world.junior.post("/handoffs", sent, headers=key).json["id"]
    assert MARK in stored(world)
    assert world.junior.post(f"/handoffs/{made}/discard").status_code == 200
    assert MARK not in stored(world)
    for path in (f"/handoffs/{made}", "/sessions/T-1", f"/sessions/T-1?handoff={made}", f"/handoffs/{made}/timeline"):
        assert [who.get(path).status_code for who in (world.junior, world.admin)] == [404, 404]
    assert world.admin.get("/handoffs?status=discarded").json["items"] == []
    again = world.junior.post("/handoffs", sent, headers=key)
    assert (again.status_code, again.json["id"], again.json["status"]) == (202, made, "discarded")
    assert world.junior.hand_off("T-1")["returns"] == 0


@pytest.fixture
def imports(app: Flask, world: World, tmp_path: Path) -> Imports:
    return Imports(app, world, tmp_path)


def test_no_import_brings_back_what_was_discarded(imports: Imports) -> None:
    world = imports.world
    line = {"id": "p-1", "intent": "park", "reason": "later", "session": intake("T-1")["session"]}
    assert "1 added" in imports.run(imports.file(line)).output
    (item,) = world.admin.get("/handoffs?status=parked").json["items"]
    world.admin.post(f"/handoffs/{item['id']}/discard")
    assert "0 added, 1 there before" in imports.run(imports.file(line)).output
    assert world.admin.get("/handoffs").json["items"] == []
