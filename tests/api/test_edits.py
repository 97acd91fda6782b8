"""Editing a handoff: what changes, what the history says of it, and two editors at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from models.feed import FeedEvent
from models.handoff import Actor, edits
from models.transaction import transaction
from tests import world as worlds
from tests.api.test_moves import events, in_state
from tests.world import Person, World

LONG = "The whole floor prints nothing, and the invoices go out today. " * 10


def notes(world: World) -> list[str | None]:
    """The notes of the account's edits, in order."""
    with transaction(world.account_id) as session:
        query = select(FeedEvent.note).where(FeedEvent.type == "handoff.updated").order_by(FeedEvent.seq)
        return list(session.scalars(query))


def found(world: World, words: str) -> list[str]:
    return [item["id"] for item in world.senior.get(f"/handoffs?q={words}").json["items"]]


@pytest.mark.parametrize(
    ("body", "field", "shown", "note"),
    [
        ({"priority": "urgent"}, "priority", "urgent", "priority: normal → urgent"),
        ({"reason": LONG}, "reason", LONG, "reason"),
        ({"ask": "Which driver?"}, "ask", "Which driver?", "ask"),
        ({"priority": "low", "ask": "Which?"}, "ask", "Which?", "priority: normal → low; ask"),
    ],
)
def test_what_is_sent_changes_and_the_history_says_it_without_the_texts(
    world: World, body: dict[str, Any], field: str, shown: str, note: str
) -> None:
    made = in_state(world, "ready")
    before = world.admin.get(f"/handoffs/{made}").json
    answer = world.junior.patch(f"/handoffs/{made}", body)
    assert (answer.status_code, answer.json[field], answer.json["version"]) == (200, shown, before["version"] + 1)
    assert answer.json["seq"] == int(answer.headers["Feed-Seq"])
    assert notes(world) == [note]
    told = [item for item in world.viewer.get(f"/handoffs/{made}/timeline").json["items"] if item.get("note") == note]
    assert [item["by"]["id"] for item in told] == [str(world.junior.id)]
    assert world.viewer.get("/queue").json["items"][0][field] == shown


def test_a_target_is_named_and_cleared(world: World) -> None:
    path = f"/handoffs/{in_state(world, 'ready')}"
    given = world.junior.patch(path, {"target_user_id": str(world.senior.id)})
    assert given.json["target"] == {"id": str(world.senior.id), "name": world.senior.name}
    assert world.senior2.post(f"{path}/claim").json["code"] == "targeted"
    assert world.junior.patch(path, {"target_user_id": None}).json["target"] is None
    assert notes(world) == [f"target: {world.senior.name}", "target: nobody"]
    assert world.senior2.post(f"{path}/claim").status_code == 200


def test_null_clears_the_ask_and_nothing_else_may_be_null(world: World) -> None:
    made = world.junior.hand_off("T-1", ask="Which driver?")["id"]
    assert world.junior.patch(f"/handoffs/{made}", {"ask": None}).json["ask"] is None
    for field in ("priority", "reason"):
        assert world.junior.patch(f"/handoffs/{made}", {field: None}).status_code == 422


def test_what_is_as_it_was_makes_no_event_and_no_version(world: World) -> None:
    made = in_state(world, "ready")
    before, told = world.admin.get(f"/handoffs/{made}").json, events(world)
    same = {"priority": before["priority"], "reason": before["reason"], "ask": None, "target_user_id": None}
    for body in ({}, same):
        answer = world.junior.patch(f"/handoffs/{made}", body)
        assert (answer.status_code, answer.json) == (200, before)
    assert events(world) == told


def test_an_edited_handoff_is_found_by_its_new_words(world: World) -> None:
    made = in_state(world, "ready")
    assert found(world, "payroll") == found(world, "cartridge") == []
    world.junior.patch(f"/handoffs/{made}", {"reason": "The payroll is due.", "ask": "Which cartridge?"})
    assert found(world, "payroll") == found(world, "cartridge") == [made]


@pytest.mark.parametrize(
    ("target", "code"), [("junior", "target_is_author"), ("viewer", "user_unknown"), (None, "user_unknown")]
)
def test_a_target_is_somebody_who_can_take_it(world: World, target: str | None, code: str) -> None:
    made = in_state(world, "ready")
    before = world.admin.get(f"/handoffs/{made}").json
    target_id = getattr(world, target).id if target else UUID(int=1)
    answer = world.admin.patch(f"/handoffs/{made}", {"target_user_id": str(target_id), "reason": "x"})
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert world.admin.get(f"/handoffs/{made}").json == before


def test_a_stranger_learns_nothing_of_a_target(world: World) -> None:
    """Whether somebody exists is told to who may edit."""
    made = in_state(world, "ready")
    answer = world.senior2.patch(f"/handoffs/{made}", {"target_user_id": str(UUID(int=1))})
    assert (answer.status_code, answer.json["code"]) == (403, "not_yours")


def test_an_edit_of_a_parked_handoff_stays_with_its_author(world: World) -> None:
    made = in_state(world, "parked")
    edited = world.junior.patch(f"/handoffs/{made}", {"priority": "high", "reason": "Confidential so far."}).json
    assert (edited["priority"], edited["version"]) == ("high", 2)
    assert events(world) == []
    assert found(world, "confidential") == []
    shown = world.junior.post(f"/handoffs/{made}/escalate").json
    assert (shown["priority"], shown["reason"]) == ("high", "Confidential so far.")


def test_of_two_editors_of_one_version_one_is_told_the_version_that_the_other_made(committed: str) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    made = world.junior.hand_off("T-1")["id"]
    for turn in range(10):
        tag = world.admin.get(f"/handoffs/{made}").headers["ETag"]
        barrier = Barrier(2)

        def go(
            who: Person, priority: str, tag: str = tag, barrier: Barrier = barrier, ask: str = f"ask {turn}"
        ) -> TestResponse:
            own = Person(who.id, who.name, who.token, app.test_client())
            barrier.wait(30)
            body = {"priority": priority, "ask": f"{ask} {priority}"}
            return own.patch(f"/handoffs/{made}", body, headers={"If-Match": tag})

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(go, (world.junior, world.admin), ("high", "urgent")))
        lost, won = sorted(answers, key=lambda answer: -answer.status_code)
        assert (won.status_code, lost.status_code, lost.json["code"]) == (200, 412, "version_mismatch")
        now = world.admin.get(f"/handoffs/{made}").json
        assert lost.json["version"] == won.json["version"] == now["version"]
        assert (now["priority"], now["ask"]) == (won.json["priority"], won.json["ask"])


def test_a_second_editor_without_a_version_keeps_what_the_first_one_changed(world: World) -> None:
    made = UUID(in_state(world, "ready"))
    by = Actor(world.junior.id)
    edits.edit(world.account_id, made, by=by, changes={"reason": "First."})
    edits.edit(world.account_id, made, by=by, changes={"ask": "Second?"})
    shown = world.viewer.get(f"/handoffs/{made}").json
    assert (shown["reason"], shown["ask"]) == ("First.", "Second?")
