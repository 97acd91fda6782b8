"""Batches over HTTP: starting, controlling, watching."""

from __future__ import annotations

from typing import Any

import pytest

from models import batch
from models.batch.selection import Selection
from models.transaction import transaction
from tests.world import World

ALL: dict[str, Any] = {"kind": "reassess", "filter": {}}


@pytest.fixture
def three(world: World) -> World:
    """Three open handoffs."""
    for number in (1, 2, 3):
        world.junior.hand_off(f"T-{number}", category="Printing" if number < 3 else "Files")
    return world


def test_a_batch_covers_every_handoff_that_exists_when_it_is_created(three: World) -> None:
    answer = three.admin.post("/batches", ALL | {"note": "new prompt"})
    assert answer.status_code == 202
    made = answer.json
    assert answer.headers["Location"].endswith(f"/api/v1/batches/{made['id']}")
    three.junior.hand_off("T-4")
    read = three.viewer.get(f"/batches/{made['id']}").json
    assert (read["total"], read["done"], read["failed"], read["state"]) == (3, 0, 0, "queued")
    assert read["rate"] is None
    assert read["eta"] is None
    assert read["note"] == "new prompt"
    assert read["started_by"] == {"id": str(three.admin.id), "name": three.admin.name}


def test_a_dry_run_counts_and_starts_nothing(three: World) -> None:
    answer = three.admin.post("/batches", ALL | {"dry_run": True})
    assert answer.status_code == 200
    assert answer.json == {"count": 3, "expected_tokens": 0, "expected_cost": 0.0}
    assert three.viewer.get("/batches").json == {"items": [], "next_page": None}


def test_an_identical_batch_is_refused_with_the_id_of_the_running_one(three: World) -> None:
    first = three.admin.post("/batches", {"kind": "reassess", "filter": {"status": ["pending", "ready"]}}).json
    again = three.admin.post("/batches", {"kind": "reassess", "filter": {"status": ["ready", "pending"]}})
    assert again.status_code == 409
    assert (again.json["code"], again.json["batch_id"]) == ("already_running", first["id"])
    assert three.admin.post("/batches", ALL).status_code == 202
    assert three.admin.post(f"/batches/{first['id']}/cancel").status_code == 200
    assert (
        three.admin.post("/batches", {"kind": "reassess", "filter": {"status": ["pending", "ready"]}}).status_code
        == 202
    )


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "reassess"},
        {"kind": "delete", "filter": {}},
        {"kind": "reassess", "filter": {"colour": "red"}},
        {"kind": "reassess", "filter": {"status": "parked"}},
        {"kind": "reassess", "filter": {"since": "yesterday"}},
        {"kind": "reassess", "filter": {"category": "a\x00b"}},
        {"kind": "reassess", "filter": {"limit": 0}},
        {"kind": "reassess", "filter": []},
        {"kind": "reassess", "filter": {}, "cost_ceiling": -1},
        {"kind": "reassess", "filter": {}, "cost_ceiling": "NaN"},
        {"kind": "reassess", "filter": {}, "extra": 1},
    ],
)
def test_what_is_not_a_batch_is_422(world: World, body: dict[str, Any]) -> None:
    assert world.admin.post("/batches", body).status_code == 422


def test_only_admins_start_and_steer_and_everybody_watches(three: World) -> None:
    made = three.admin.post("/batches", ALL).json
    for person in (three.senior, three.viewer):
        assert person.post("/batches", ALL).status_code == 403
        for move in ("pause", "resume", "cancel"):
            assert person.post(f"/batches/{made['id']}/{move}").status_code == 403
        assert person.get(f"/batches/{made['id']}").status_code == 200


def test_another_accounts_batch_is_404(three: World, other_world: World) -> None:
    made = three.admin.post("/batches", ALL).json
    assert other_world.admin.get(f"/batches/{made['id']}").status_code == 404
    for move in ("pause", "resume", "cancel"):
        assert other_world.admin.post(f"/batches/{made['id']}/{move}").status_code == 404
    assert other_world.admin.get("/batches").json["items"] == []


def test_pausing_resuming_and_cancelling_twice_is_fine_and_a_cancelled_one_stays_so(three: World) -> None:
    made = three.admin.post("/batches", ALL).json
    states = []
    for move in ("pause", "pause", "resume", "resume", "cancel", "cancel"):
        answer = three.admin.post(f"/batches/{made['id']}/{move}")
        assert answer.status_code == 200, answer.text
        states.append(answer.json["state"])
    assert states == ["paused", "paused", "running", "running", "cancelled", "cancelled"]
    for move in ("pause", "resume"):
        refused = three.admin.post(f"/batches/{made['id']}/{move}")
        assert (refused.status_code, refused.json["code"]) == (409, "wrong_state")


def test_a_batch_over_nothing_is_completed_at_once(world: World) -> None:
    made = world.admin.post("/batches", ALL).json
    assert (made["state"], made["total"]) == ("completed", 0)


def test_the_filter_narrows(three: World) -> None:
    counts = {
        name: three.admin.post("/batches", {"kind": "reassess", "filter": filter, "dry_run": True}).json["count"]
        for name, filter in {
            "category": {"category": "Printing"},
            "status alone": {"status": "pending"},
            "other status": {"status": ["resolved"]},
            "until": {"until": "2020-01-01T00:00:00Z"},
            "without": {"without_assessment": True},
            "limit": {"limit": 2},
            "rated": {"rated": "wrong"},
            "imported": {"imported": True},
        }.items()
    }
    assert counts == {
        "category": 2,
        "status alone": 3,
        "other status": 0,
        "until": 0,
        "without": 3,
        "limit": 2,
        "rated": 0,
        "imported": 0,
    }


def test_parked_and_withdrawn_handoffs_are_never_covered(three: World) -> None:
    gone = three.junior.hand_off("T-9")
    three.junior.post(f"/handoffs/{gone['id']}/withdraw")
    three.junior.hand_off("T-10", intent="park")
    assert three.admin.post("/batches", ALL | {"dry_run": True}).json["count"] == 3


def test_batches_are_listed_page_by_page_with_the_newest_first(three: World) -> None:
    for limit in (1, 2, 3):
        with transaction(three.account_id) as session:
            batch.create(session, three.account_id, Selection(limit=limit), by=three.admin.id)
    first = three.viewer.get("/batches?limit=2").json
    assert [item["total"] for item in first["items"]] == [3, 2]
    rest = three.viewer.get(f"/batches?limit=2&page={first['next_page']}").json
    assert [item["total"] for item in rest["items"]] == [1]
    assert rest["next_page"] is None
    assert three.viewer.get("/batches?page=nonsense").status_code == 422


def test_the_items_of_a_batch_show_what_it_changed(three: World) -> None:
    made = three.admin.post("/batches", ALL).json["id"]
    first = three.viewer.get(f"/batches/{made}/items?limit=2").json
    second = three.viewer.get(f"/batches/{made}/items?limit=2&page={first['next_page']}").json
    rows = [*first["items"], *second["items"]]
    assert [(row["position"], row["session"]["external_id"], row["state"]) for row in rows] == [
        (1, "T-3", "waiting"),
        (2, "T-2", "waiting"),
        (3, "T-1", "waiting"),
    ]
    assert second["next_page"] is None
    assert {(row["before"], row["after"], row["differs"]) for row in rows} == {(None, None, None)}
    assert three.viewer.get(f"/batches/{made}/items?state=skipped").json["items"] == []
    assert three.viewer.get(f"/batches/{made}/items?changed=true").json["items"] == []
    assert three.viewer.get(f"/batches/{made}/items?state=lost").status_code == 422
    assert three.viewer.get(f"/batches/{made}/items?state=skipped&page={first['next_page']}").status_code == 422
