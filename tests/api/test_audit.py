"""GET /audit: the acts of admins and operators and the pruned events, for admins alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from models import audit, feed
from models.audit import Act
from models.transaction import transaction
from tests.world import Person, World


def record(world: World, kind: Act = Act.PERSON_CREATED, **more: Any) -> None:
    with transaction(world.account_id) as session:
        audit.record(session, world.account_id, kind, **{"by": None, "subject": "person:x", **more})


def prune(world: World, *, most: int = 0) -> None:
    with transaction(world.account_id) as session:
        assert feed.prune(session, world.account_id, keep=timedelta(days=1), most=most)


def items(world: World, query: str = "") -> list[dict[str, Any]]:
    answer = world.admin.get(f"/audit{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def kinds(world: World, query: str = "") -> list[str]:
    return [item["kind"] for item in items(world, query)]


def test_a_line_tells_who_did_what_to_whom(world: World) -> None:
    made = world.junior.hand_off()["id"]
    record(world, by=world.admin.id, note="Noa: engineer", handoff_id=UUID(made))
    (line,) = items(world)
    assert {name: line[name] for name in ("seq", "kind", "by", "handoff_id", "subject", "note")} == {
        "seq": 1,
        "kind": "person.created",
        "by": {"id": str(world.admin.id), "name": world.admin.name},
        "handoff_id": made,
        "subject": "person:x",
        "note": "Noa: engineer",
    }
    assert len(line["hash"]) == 64
    assert line["at"].endswith("+00:00")


def test_only_admins_read_the_audit(world: World) -> None:
    people: list[Person] = [world.viewer, world.junior, world.senior]
    assert [who.get("/audit").status_code for who in people] == [403, 403, 403]
    assert world.admin.get("/audit").json == {"items": [], "next_page": None}


def test_the_newest_lines_come_first_page_by_page(world: World) -> None:
    for n in range(5):
        record(world, subject=f"person:{n}")
    first = world.admin.get("/audit?limit=2").json
    second = world.admin.get(f"/audit?limit=2&page={first['next_page']}").json
    third = world.admin.get(f"/audit?limit=2&page={second['next_page']}").json
    assert [[item["seq"] for item in page["items"]] for page in (first, second, third)] == [[5, 4], [3, 2], [1]]
    assert third["next_page"] is None
    assert world.admin.get(f"/audit?limit=2&kind=person.created&page={first['next_page']}").status_code == 422


def test_lines_are_found_by_kind_handoff_and_time(world: World) -> None:
    one, two = (world.junior.hand_off(f"T-{n}")["id"] for n in (1, 2))
    world.senior.post(f"/handoffs/{one}/claim")
    prune(world)
    record(world, Act.TOKEN_ISSUED)
    assert kinds(world) == ["token.issued", "handoff.claimed", "handoff.created", "handoff.created"]
    assert kinds(world, f"?handoff={one}") == ["handoff.claimed", "handoff.created"]
    assert kinds(world, f"?handoff={two}&kind=handoff.claimed") == []
    assert kinds(world, "?kind=token.issued&kind=handoff.claimed") == ["token.issued", "handoff.claimed"]
    newest = items(world)[0]["at"].replace("+", "%2B")
    assert kinds(world, f"?since={newest}") == ["token.issued"]
    assert len(items(world, f"?until={newest}")) == 3


@pytest.mark.parametrize(
    "query", ["kind=handoff.stolen", "handoff=1", "since=yesterday", "limit=0", "page=x", "by=me"]
)
def test_what_cannot_be_asked_is_422(world: World, query: str) -> None:
    assert world.admin.get(f"/audit?{query}").status_code == 422


def test_a_timeline_is_the_same_before_and_after_pruning(world: World) -> None:
    made = world.junior.hand_off()["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    world.senior.post(f"/handoffs/{made}/release", {"reason": "Not mine."})
    world.senior.post(f"/handoffs/{made}/claim")
    world.senior.post(f"/handoffs/{made}/resolve", {"resolution": "Done.", "root_cause": "The driver."})
    before = world.viewer.get(f"/handoffs/{made}/timeline").json
    assert len([item for item in before["items"] if "seq" in item]) == 5
    for most in (2, 0):
        prune(world, most=most)
        assert world.viewer.get(f"/handoffs/{made}/timeline").json == before


def test_an_act_about_a_handoff_is_no_entry_of_its_timeline(world: World) -> None:
    made = world.junior.hand_off()["id"]
    before = world.viewer.get(f"/handoffs/{made}/timeline").json
    record(world, handoff_id=UUID(made), subject="event:hostile")
    assert world.viewer.get(f"/handoffs/{made}/timeline").json == before


def test_what_is_done_to_a_batch_is_audited_once_with_its_admin(world: World) -> None:
    world.junior.hand_off()
    world.admin.post("/batches", {"kind": "reassess", "filter": {}, "dry_run": True})
    assert items(world) == []
    made = world.admin.post("/batches", {"kind": "reassess", "filter": {}, "note": "not repeated"}).json["id"]
    for move in ("pause", "pause", "resume", "resume", "cancel", "cancel"):
        world.admin.post(f"/batches/{made}/{move}")
    told = items(world)
    assert [line["kind"] for line in told] == ["batch.cancelled", "batch.resumed", "batch.paused", "batch.started"]
    assert {line["subject"] for line in told} == {f"batch:{made}"}
    assert {line["by"]["id"] for line in told} == {str(world.admin.id)}
    assert told[-1]["note"] == "1 handoffs"


def test_a_refused_batch_leaves_no_line(world: World) -> None:
    world.junior.hand_off()
    body = {"kind": "reassess", "filter": {}}
    assert [world.admin.post("/batches", body).status_code for _ in range(2)] == [202, 409]
    assert kinds(world) == ["batch.started"]


def test_what_is_done_to_people_and_tokens_is_audited_once_with_its_admin(world: World) -> None:
    admin = world.admin
    noa = admin.post("/people", {"name": "Noa", "role": "engineer"}).json["id"]
    monitor = admin.post("/people", {"name": "Monitor", "role": "viewer", "kind": "service"}).json["id"]
    issued = admin.post(f"/people/{noa}/tokens", {"name": "Laptop", "expires_days": None}).json
    for _ in range(2):
        admin.patch(f"/people/{noa}", {"name": "Noa Lind", "role": "admin"})
        admin.delete(f"/tokens/{issued['id']}")
        admin.delete(f"/people/{noa}")
    told = items(world)[::-1]
    assert [(line["kind"], line["subject"], line["note"]) for line in told] == [
        ("person.created", f"person:{noa}", "Noa: engineer"),
        ("person.created", f"person:{monitor}", "Monitor: viewer, service"),
        ("token.issued", f"token:{issued['id']}", "Noa: Laptop, active until it is revoked"),
        ("person.changed", f"person:{noa}", "Noa: engineer → admin, now called Noa Lind"),
        ("token.revoked", f"token:{issued['id']}", None),
        ("person.deleted", f"person:{noa}", "Noa Lind"),
    ]
    assert {line["by"]["id"] for line in told} == {str(admin.id)}
    assert issued["token"][:11] not in str(told)


def test_changed_settings_are_audited_and_those_that_stay_are_not(world: World) -> None:
    for body in ({"language": "DE", "red_minutes": 90}, {"language": "de", "red_minutes": None}, {"language": "de"}):
        assert world.admin.patch("/settings", body).status_code == 200
    told = items(world)
    assert [line["note"] for line in told] == ["red_minutes: default", "red_minutes: 90, language: de"]
    assert {(line["kind"], line["subject"]) for line in told} == {("settings.changed", f"account:{world.account_id}")}
    assert {line["by"]["id"] for line in told} == {str(world.admin.id)}


def test_what_is_refused_about_people_and_settings_leaves_no_line(world: World) -> None:
    admin, nobody = world.admin, UUID(int=1)
    answers = [
        admin.patch(f"/people/{admin.id}", {"role": "viewer", "name": "Ada"}),
        admin.delete(f"/people/{admin.id}"),
        admin.post("/people", {"name": "a\nb", "role": "viewer"}),
        admin.post(f"/people/{nobody}/tokens", {"name": "x"}),
        admin.delete(f"/tokens/{nobody}"),
        admin.patch("/settings", {"red_minutes": 90, "language": "german"}),
        world.senior.patch("/settings", {"red_minutes": 90}),
    ]
    assert [answer.status_code for answer in answers] == [409, 409, 422, 404, 404, 422, 403]
    assert items(world) == []
