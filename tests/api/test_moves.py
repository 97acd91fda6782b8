"""Every move in every state by every kind of person: allowed, or refused with its code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from models.assessment import generations
from models.feed import FeedEvent
from models.handoff import Handoff, Status
from models.handoff.claims import overdue_claims
from models.handoff.claims import return_overdue_claim as return_claim
from models.transaction import maintenance, transaction
from tasks import assess
from tests.world import Person, World, intake

# Who asks: the one who handed off, the claimer, somebody else with the same role, an admin, a viewer.
ACTORS = ("author", "claimer", "other", "admin", "viewer")

# (state, move) -> what each of ACTORS gets, in that order. A number alone is a success.
TABLE: dict[tuple[str, str], tuple[Any, ...]] = {
    ("parked", "claim"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "release"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "reassign"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "resolve"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "withdraw"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "escalate"): (202, "not_found", "not_found", "not_author", "forbidden"),
    ("parked", "reassess"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "edit"): (200, "not_found", "not_found", 200, "forbidden"),
    ("parked", "keep"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "snooze"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "unsnooze"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "reopen"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "restore"): ("wrong_state", "not_found", "not_found", "wrong_state", "forbidden"),
    ("parked", "discard"): (200, "not_found", "not_found", 200, "forbidden"),
    ("pending", "claim"): ("own_handoff", 200, 200, 200, "forbidden"),
    ("pending", "release"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "reassign"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "resolve"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "withdraw"): (200, "not_author", "not_author", 200, "forbidden"),
    ("pending", "escalate"): ("wrong_state", "not_author", "not_author", "not_author", "forbidden"),
    ("pending", "reassess"): (200, 200, 200, 200, "forbidden"),
    ("pending", "edit"): (200, "not_yours", "not_yours", 200, "forbidden"),
    ("pending", "keep"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "snooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "unsnooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "reopen"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "restore"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("pending", "discard"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "claim"): ("own_handoff", 200, 200, 200, "forbidden"),
    ("ready", "release"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "reassign"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "resolve"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "withdraw"): (200, "not_author", "not_author", 200, "forbidden"),
    ("ready", "escalate"): ("wrong_state", "not_author", "not_author", "not_author", "forbidden"),
    ("ready", "reassess"): (202, 202, 202, 202, "forbidden"),
    ("ready", "edit"): (200, "not_yours", "not_yours", 200, "forbidden"),
    ("ready", "keep"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "snooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "unsnooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "reopen"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "restore"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("ready", "discard"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("claimed", "claim"): ("already_claimed", 200, "already_claimed", "already_claimed", "forbidden"),
    ("claimed", "release"): ("not_claimer", 200, "not_claimer", 200, "forbidden"),
    ("claimed", "reassign"): ("not_claimer", 200, "not_claimer", 200, "forbidden"),
    ("claimed", "resolve"): ("not_claimer", 200, "not_claimer", 200, "forbidden"),
    ("claimed", "withdraw"): (200, "not_author", "not_author", 200, "forbidden"),
    ("claimed", "escalate"): ("wrong_state", "not_author", "not_author", "not_author", "forbidden"),
    ("claimed", "reassess"): (202, 202, 202, 202, "forbidden"),
    ("claimed", "edit"): (200, 200, "not_yours", 200, "forbidden"),
    ("claimed", "keep"): ("not_claimer", 200, "not_claimer", "not_claimer", "forbidden"),
    ("claimed", "snooze"): ("not_claimer", 200, "not_claimer", 200, "forbidden"),
    ("claimed", "unsnooze"): ("not_claimer", 200, "not_claimer", 200, "forbidden"),
    ("claimed", "reopen"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("claimed", "restore"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("claimed", "discard"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "claim"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "release"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "reassign"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "resolve"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "withdraw"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "escalate"): ("wrong_state", "not_author", "not_author", "not_author", "forbidden"),
    ("resolved", "reassess"): (202, 202, 202, 202, "forbidden"),
    ("resolved", "edit"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "keep"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "snooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "unsnooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "reopen"): ("not_yours", 200, "not_yours", 200, "forbidden"),
    ("resolved", "restore"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("resolved", "discard"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "claim"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "release"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "reassign"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "resolve"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "withdraw"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "escalate"): ("wrong_state", "not_author", "not_author", "not_author", "forbidden"),
    ("withdrawn", "reassess"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "edit"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "keep"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "snooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "unsnooze"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "reopen"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("withdrawn", "restore"): (200, "not_yours", "not_yours", 200, "forbidden"),
    ("withdrawn", "discard"): ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    ("discarded", "claim"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "release"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "reassign"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "resolve"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "withdraw"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "escalate"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "reassess"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "edit"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "keep"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "snooze"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "unsnooze"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "reopen"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "restore"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
    ("discarded", "discard"): ("not_found", "not_found", "not_found", "not_found", "forbidden"),
}
STATUS = {
    "forbidden": 403,
    "not_author": 403,
    "not_claimer": 403,
    "not_yours": 403,
    "not_found": 404,
    "wrong_state": 409,
    "own_handoff": 409,
    "already_claimed": 409,
}
AFTERWARDS = {
    "claim": "claimed",
    "release": "ready",
    "reassign": "claimed",
    "resolve": "resolved",
    "withdraw": "withdrawn",
    "escalate": "pending",
    "reopen": "claimed",
    "restore": "ready",
}
EVENT = {
    "claim": "handoff.claimed",
    "release": "handoff.released",
    "reassign": "handoff.reassigned",
    "resolve": "handoff.resolved",
    "withdraw": "handoff.withdrawn",
    "escalate": "handoff.created",
    "edit": "handoff.updated",
    "keep": "handoff.updated",
    "snooze": "handoff.updated",
    "reopen": "handoff.reopened",
    "restore": "handoff.restored",
}


# One's own claim, what is not snoozed, and what nobody else sees.
NO_EVENT = {("claimed", "claim"), ("claimed", "unsnooze"), ("parked", "edit")}


def person(world: World, actor: str) -> Person:
    """The author is the junior, the claimer the senior."""
    people = {"author": world.junior, "claimer": world.senior, "other": world.senior2}
    return people.get(actor) or getattr(world, actor)


def ready(world: World, external_id: str = "T-1", **more: Any) -> str:
    """A handoff whose assessment has been written."""
    made = world.junior.hand_off(external_id, **more)["id"]
    assess_all(world, made)
    return str(made)


def assess_all(world: World, handoff_id: str) -> None:
    """Do now what a worker would do."""
    for item in timeline(world, handoff_id):
        if item["kind"] == "assessment.queued":
            assess.run(world.account_id, UUID(assessment_id(world, handoff_id, item["generation"])))


def timeline(world: World, handoff_id: str) -> list[dict[str, Any]]:
    return list(world.admin.get(f"/handoffs/{handoff_id}/timeline").json["items"])


def assessment_id(world: World, handoff_id: str, generation: int) -> str:
    with transaction(world.account_id) as session:
        rows = generations(session, world.account_id, UUID(handoff_id))
    return str(next(row.id for row in rows if row.generation == generation))


def in_state(world: World, state: str) -> str:
    """A handoff in this state, handed off by the junior and, where it was, claimed by the senior."""
    if state in ("parked", "discarded"):
        made = str(world.junior.hand_off("T-1", intent="park")["id"])
        if state == "discarded":
            assert world.junior.post(f"/handoffs/{made}/discard").status_code == 200
        return made
    if state == "pending":
        return str(world.junior.hand_off("T-1")["id"])
    made = ready(world)
    if state == "withdrawn":
        world.junior.post(f"/handoffs/{made}/withdraw")
    if state in ("claimed", "resolved"):
        world.senior.post(f"/handoffs/{made}/claim")
    if state == "resolved":
        world.senior.post(f"/handoffs/{made}/resolve", {"resolution": "Installed the driver."})
    return made


def body_of(world: World, move: str) -> dict[str, Any]:
    bodies = {
        "reassign": {"user_id": str(world.admin.id)},
        "resolve": {"resolution": "Done."},
        "edit": {"priority": "urgent"},
        "snooze": {"until": days_ahead(1), "reason": "The client is away."},
    }
    return bodies.get(move, {})


def days_ahead(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def send(world: World, who: Person, handoff_id: str, move: str, **more: Any) -> TestResponse:
    """Make a move over HTTP; the edit is a PATCH of the handoff itself."""
    if move == "edit":
        return who.patch(f"/handoffs/{handoff_id}", body_of(world, move), **more)
    return who.post(f"/handoffs/{handoff_id}/{move}", body_of(world, move), **more)


def events(world: World) -> list[str]:
    with transaction(world.account_id) as session:
        return [str(kind.value) for kind in session.scalars(select(FeedEvent.type).order_by(FeedEvent.seq))]


def test_the_table_names_every_state_and_move() -> None:
    assert {state for state, _ in TABLE} == {status.value for status in Status}
    assert len(TABLE) == len(Status) * 14


@pytest.mark.parametrize(
    ("state", "move", "actor", "expected"),
    [
        (state, move, actor, expected)
        for (state, move), row in TABLE.items()
        for actor, expected in zip(ACTORS, row, strict=True)
    ],
)
def test_a_move_is_allowed_or_refused_with_its_code(
    world: World, state: str, move: str, actor: str, expected: int | str
) -> None:
    handoff_id = in_state(world, state)
    before = world.admin.get(f"/handoffs/{handoff_id}").json
    told = events(world)
    answer = send(world, person(world, actor), handoff_id, move)
    after = world.admin.get(f"/handoffs/{handoff_id}").json
    if isinstance(expected, str):
        assert (answer.status_code, answer.json["code"]) == (STATUS[expected], expected)
        assert (after, events(world)) == (before, told)
        return
    assert answer.status_code == expected, answer.text
    if move == "discard":
        assert (answer.json["status"], after["code"], events(world)) == ("discarded", "not_found", told)
        return
    assert after["status"] == AFTERWARDS.get(move, state)
    if (state, move) in NO_EVENT or move == "reassess":
        assert events(world) == told
    else:
        assert events(world) == [*told, EVENT[move]]
        assert after["version"] == before["version"] + 1
        assert after["seq"] == int(answer.headers["Feed-Seq"])


@pytest.mark.parametrize("move", dict.fromkeys(move for _, move in TABLE))
def test_a_move_on_an_older_version_is_412_and_changes_nothing(world: World, move: str) -> None:
    states = {
        **{"claim": "ready", "reassess": "ready", "withdraw": "ready", "escalate": "parked", "discard": "parked"},
        **{"reopen": "resolved", "restore": "withdrawn"},
    }
    handoff_id = in_state(world, states.get(move, "claimed"))
    who = world.junior if move in ("withdraw", "escalate", "discard", "restore") else world.senior
    path = f"/handoffs/{handoff_id}"
    tag = world.admin.get(path).headers["ETag"]
    stale = tag.replace('"' + tag.split('"')[1].partition("-")[0], '"999', 1)
    before = world.admin.get(path).json
    refused = send(world, who, handoff_id, move, headers={"If-Match": stale})
    assert (refused.status_code, refused.json["code"]) == (412, "version_mismatch")
    assert world.admin.get(path).json == before
    assert send(world, who, handoff_id, move, headers={"If-Match": tag}).status_code in (200, 202)


@pytest.mark.parametrize("tag", ["", ",", '""', '"",', "W/,x", "nonsense", '"-1"', '"' + "9" * 40 + '"', 'W/"x-1"'])
def test_an_if_match_that_is_no_etag_is_412(world: World, tag: str) -> None:
    path = f"/handoffs/{in_state(world, 'ready')}/claim"
    assert world.senior.post(path, headers={"If-Match": tag}).status_code == 412


def test_a_second_claim_gets_409_and_the_winners_name(world: World) -> None:
    path = f"/handoffs/{in_state(world, 'claimed')}"
    answer = world.senior2.post(f"{path}/claim")
    assert answer.json["claimed_by"] == {"id": str(world.senior.id), "name": world.senior.name}
    assert answer.json["claimed_at"] == world.admin.get(path).json["claimed_at"]


def test_claiming_twice_is_fine_and_makes_no_second_event(world: World) -> None:
    path = f"/handoffs/{in_state(world, 'claimed')}"
    first = world.admin.get(path).json
    answer = world.senior.post(f"{path}/claim", headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json) == (200, first)


def test_a_targeted_handoff_is_for_its_target_and_admins(world: World) -> None:
    made = ready(world, target_user_id=str(world.senior.id))
    refused = world.senior2.post(f"/handoffs/{made}/claim")
    assert (refused.status_code, refused.json["code"]) == (409, "targeted")
    assert world.senior.post(f"/handoffs/{made}/claim").status_code == 200
    other = ready(world, "T-2", target_user_id=str(world.senior.id))
    assert world.admin.post(f"/handoffs/{other}/claim").status_code == 200


@pytest.mark.parametrize("target", ["viewer", "nobody", "foreign"])
def test_work_goes_to_engineers_of_the_account_only(world: World, other_world: World, target: str) -> None:
    ids = {"viewer": world.viewer.id, "nobody": UUID(int=1), "foreign": other_world.senior.id}
    answer = world.junior.post("/handoffs", intake(target_user_id=str(ids[target])))
    assert (answer.status_code, answer.json["code"]) == (422, "user_unknown")
    claimed = in_state(world, "claimed")
    answer = world.senior.post(f"/handoffs/{claimed}/reassign", {"user_id": str(ids[target])})
    assert (answer.status_code, answer.json["code"]) == (422, "user_unknown")


def test_nobody_targets_themselves(world: World) -> None:
    answer = world.junior.post("/handoffs", intake(target_user_id=str(world.junior.id)))
    assert (answer.status_code, answer.json["code"]) == (422, "target_is_author")


def test_a_claim_is_not_reassigned_to_the_one_who_handed_it_off(world: World) -> None:
    path = f"/handoffs/{in_state(world, 'claimed')}/reassign"
    answer = world.senior.post(path, {"user_id": str(world.junior.id)})
    assert (answer.status_code, answer.json["code"]) == (409, "own_handoff")


def test_reassigning_to_the_claimer_does_not_prolong_the_claim(world: World) -> None:
    path = f"/handoffs/{in_state(world, 'claimed')}"
    before = world.admin.get(path).json
    assert world.senior.post(f"{path}/reassign", {"user_id": str(world.senior.id)}).status_code == 200
    assert world.admin.get(path).json == before


def test_a_pending_handoff_is_claimed_and_the_assessment_arrives_in_the_same_card(world: World) -> None:
    made = in_state(world, "pending")
    claimed = world.senior.post(f"/handoffs/{made}/claim").json
    assert (claimed["status"], claimed["assessment"], claimed["ready_at"]) == ("claimed", None, None)
    assess_all(world, made)
    now = world.senior.get(f"/handoffs/{made}").json
    assert (now["status"], now["assessment_state"]) == ("claimed", "succeeded")
    assert now["claimed_by"]["id"] == str(world.senior.id)
    assert now["assessment"]["summary"]
    assert now["ready_at"] is not None
    assert events(world) == ["handoff.created", "handoff.claimed", "handoff.ready"]


def test_the_claimers_first_step_is_the_first_action_and_later_ones_are_not(world: World) -> None:
    made = in_state(world, "claimed")
    path = f"/handoffs/{made}"
    step = {"kind": "action", "text": "Looked at the event log."}
    world.senior2.post("/sessions/T-1/steps", step)
    assert world.senior.get(path).json["first_action_at"] is None
    world.senior.post("/sessions/T-1/steps", step)
    first = world.senior.get(path).json["first_action_at"]
    assert first is not None
    world.senior.post("/sessions/T-1/steps", step)
    assert world.senior.get(path).json["first_action_at"] == first


def test_a_step_names_who_sent_it_and_who_is_said_to_have_done_it(world: World) -> None:
    in_state(world, "claimed")
    answer = world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "Ann did it.", "author": "Ann"})
    assert answer.status_code == 201
    assert (answer.json["author"], answer.json["added_by"]["name"]) == ("Ann", world.senior.name)


def test_steps_after_the_assessment_make_it_visibly_stale(world: World) -> None:
    made = in_state(world, "claimed")
    assert world.senior.get(f"/handoffs/{made}").json["assessment"]["steps_newer"] == 0
    for _ in range(2):
        world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "More."})
    assert world.senior.get(f"/handoffs/{made}").json["assessment"]["steps_newer"] == 2
    assert events(world)[-1] == "handoff.updated"
    world.senior.post(f"/handoffs/{made}/reassess")
    assess_all(world, made)
    assert world.senior.get(f"/handoffs/{made}").json["assessment"]["steps_newer"] == 0


def test_a_release_or_a_reassignment_forgets_the_first_action(world: World) -> None:
    made = in_state(world, "claimed")
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "x"})
    moved = world.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior2.id)}).json
    assert (moved["claimed_by"]["id"], moved["first_action_at"]) == (str(world.senior2.id), None)
    released = world.senior2.post(f"/handoffs/{made}/release", {"reason": "not my field"}).json
    assert (released["claimed_by"], released["claimed_at"], released["first_action_at"]) == (None, None, None)


def test_a_resolved_handoff_becomes_a_past_case_of_the_next_assessment(world: World) -> None:
    past = in_state(world, "resolved")
    similar = ready(world, "T-2")
    found = world.senior.get(f"/handoffs/{similar}").json["assessment"]["similar"]
    assert [each["handoff_id"] for each in found] == [past]


def test_a_resolution_and_its_root_cause_are_kept(world: World) -> None:
    made = in_state(world, "claimed")
    said = {"resolution": "Installed the driver.", "root_cause": "The update removed it."}
    answer = world.senior.post(f"/handoffs/{made}/resolve", said).json
    assert (answer["resolution"], answer["status"]) == ("Installed the driver.", "resolved")
    ended = [item for item in timeline(world, made) if item["kind"] == "handoff.resolved"]
    assert ended[0]["note"] == "The update removed it."


def test_every_return_of_a_session_is_counted_and_shown(world: World) -> None:
    for returns in range(3):
        made = world.junior.hand_off("T-1")
        assert made["returns"] == returns
        world.senior.post(f"/handoffs/{made['id']}/claim")
        world.senior.post(f"/handoffs/{made['id']}/resolve", {"resolution": "Again."})
    assert world.viewer.get("/sessions/T-1").json["handoffs"][0]["returns"] == 2


def test_a_parked_handoff_counts_the_returns_up_to_its_escalation(world: World) -> None:
    parked = world.junior.hand_off("T-1", intent="park")["id"]
    other = world.senior2.hand_off("T-1")
    refused = world.junior.post(f"/handoffs/{parked}/escalate")
    assert (refused.status_code, refused.json["code"]) == (409, "already_open")
    world.senior.post(f"/handoffs/{other['id']}/claim")
    world.senior2.post(f"/handoffs/{other['id']}/withdraw")
    assert world.junior.post(f"/handoffs/{parked}/escalate").json["returns"] == 1


def age_claim(world: World, handoff_id: str, minutes: int) -> None:
    with maintenance() as session:
        session.execute(
            update(Handoff)
            .where(Handoff.account_id == world.account_id, Handoff.id == UUID(handoff_id))
            .values(lease_until=Handoff.lease_until - timedelta(minutes=minutes))
        )


def return_overdue() -> int:
    with maintenance() as session:
        return sum([return_claim(session, *late) for late in overdue_claims(session)])


def test_a_claim_without_an_action_is_overdue_after_the_accounts_own_lease(
    app: Flask, world: World, other_world: World
) -> None:
    set_lease = ["accounts", "set", "--claim-lease-minutes", "5", str(world.account_id)]
    assert app.test_cli_runner().invoke(args=set_lease).exit_code == 0
    mine, theirs = in_state(world, "claimed"), in_state(other_world, "claimed")
    age_claim(world, mine, 6)
    age_claim(other_world, theirs, 6)
    assert return_overdue() == 1
    late = world.senior.get(f"/handoffs/{mine}").json
    assert (late["status"], late["overdue"], late["claimed_by"]) == ("ready", True, None)
    assert events(world)[-2:] == ["handoff.overdue", "handoff.released"]
    assert other_world.senior.get(f"/handoffs/{theirs}").json["status"] == "claimed"
    assert world.senior2.post(f"/handoffs/{mine}/claim").json["overdue"] is False


def test_a_claim_with_an_action_is_never_overdue(world: World) -> None:
    made = in_state(world, "claimed")
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "On it."})
    age_claim(world, made, 10_000)
    assert return_overdue() == 0
