"""Handoffs over HTTP: intake, reading, lists."""

from __future__ import annotations

import pytest

from tests.world import World, intake


def test_a_handoff_is_accepted_with_202_location_and_feed_seq(world: World) -> None:
    answer = world.junior.post("/handoffs", intake("T-1", ask="Check the driver?", priority="high"))
    assert answer.status_code == 202
    body = answer.json
    assert answer.headers["Location"].endswith(f"/api/v1/handoffs/{body['id']}")
    assert int(answer.headers["Feed-Seq"]) == body["seq"] == 1
    assert body["status"] == "pending"
    assert body["assessment_state"] == "queued"
    assert body["assessment"] is None
    assert body["session"]["steps_count"] == 2
    assert body["handed_off_by"] == {"id": str(world.junior.id), "name": world.junior.name}


def test_a_handoff_reads_back_as_it_was_accepted(world: World) -> None:
    accepted = world.junior.hand_off("T-1")
    assert world.viewer.get(f"/handoffs/{accepted['id']}").json == accepted


def test_the_same_key_and_body_replay_the_first_answer(world: World) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = world.junior.post("/handoffs", intake("T-1"), headers=key)
    again = world.junior.post("/handoffs", intake("T-1"), headers=key)
    assert again.status_code == 202
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(world.viewer.get("/handoffs").json["items"]) == 1


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    key = {"Idempotency-Key": "k-1"}
    world.junior.post("/handoffs", intake("T-1"), headers=key)
    again = world.junior.post("/handoffs", intake("T-2"), headers=key)
    assert (again.status_code, again.json["code"]) == (422, "idempotency_mismatch")


def test_a_key_of_more_than_200_characters_is_refused(world: World) -> None:
    assert world.junior.post("/handoffs", intake(), headers={"Idempotency-Key": "k" * 201}).status_code == 422


def test_a_session_that_is_open_is_not_handed_off_again(world: World) -> None:
    first = world.junior.hand_off("T-1")
    again = world.junior.post("/handoffs", intake("T-1"))
    assert (again.status_code, again.json["code"]) == (409, "already_open")
    assert again.json["handoff_id"] == first["id"]


def test_handing_off_again_adds_only_new_steps_and_counts_the_return(world: World) -> None:
    first = world.junior.hand_off("T-1")
    world.senior.post(f"/handoffs/{first['id']}/claim")
    world.junior.post(f"/handoffs/{first['id']}/withdraw")
    steps = [*intake()["session"]["steps"], {"kind": "note", "text": "It came back."}]
    second = world.junior.hand_off("T-1", steps=steps)
    assert second["returns"] == 1
    assert second["session"]["steps_count"] == 3
    texts = [step["text"] for step in world.viewer.get("/sessions/T-1").json["steps"]]
    assert texts == [step["text"] for step in steps]


def test_handing_off_again_tells_of_the_session_anew_what_was_sent_and_keeps_the_rest(world: World) -> None:
    first = world.junior.hand_off("T-1", category="Printing", client="Northwind")
    world.junior.post(f"/handoffs/{first['id']}/withdraw")
    second = world.junior.hand_off("T-1", title="Printer and scanner offline", client=None)
    told = {name: second["session"][name] for name in ("title", "category", "client")}
    assert told == {"title": "Printer and scanner offline", "category": "Printing", "client": None}


def test_a_resolved_handoff_is_found_by_its_resolution_and_an_open_one_by_a_later_step(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "The defragmentation ran all night."})
    world.senior.post(f"/handoffs/{made}/claim")
    fixed = {"resolution": "Rolled the firmware back.", "root_cause": "A botched flash."}
    assert world.senior.post(f"/handoffs/{made}/resolve", fixed).status_code == 200
    for words in ("defragmentation", "firmware", "botched", "offline"):
        assert [item["id"] for item in world.viewer.get(f"/handoffs?q={words}").json["items"]] == [made], words


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 201),
        ("problem", "x" * 20_001),
        ("problem", "a\x00b"),
        ("problem", "\ud800"),
        ("steps", [{"kind": "note", "text": "x" * 8001}]),
        ("steps", [{"kind": "note", "text": "x"}] * 501),
        ("steps", [{"kind": "dance", "text": "x"}]),
        ("opened_at", "yesterday"),
        ("opened_at", "2026-01-01T10:00:00"),
    ],
)
def test_a_session_that_is_not_valid_is_422_and_nothing_is_stored(world: World, field: str, value: object) -> None:
    answer = world.junior.post("/handoffs", intake("T-1", **{field: value}))
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert field in answer.json["errors"]["json"]["session"]
    assert answer.content_type == "application/problem+json"
    assert world.viewer.get("/sessions/T-1").status_code == 404


def test_values_at_their_longest_are_accepted(world: World) -> None:
    longest = intake(
        "x" * 200,
        title="t" * 200,
        problem="ü" * 20_000,
        category="c" * 100,
        client="c" * 200,
        asset="a" * 200,
        steps=[{"kind": "observation", "text": "s" * 8000, "outcome": "unknown", "author": "a" * 200}],
        reason="r" * 2000,
        ask="a" * 2000,
        priority="urgent",
    )
    assert world.junior.post("/handoffs", longest).status_code == 202


def test_unknown_fields_are_refused(world: World) -> None:
    answer = world.junior.post("/handoffs", intake() | {"colour": "red"})
    assert answer.status_code == 422
    assert answer.json["errors"]["json"]["colour"] == ["Unknown field."]


def test_unknown_query_parameters_are_refused(world: World) -> None:
    assert world.viewer.get("/handoffs?colour=red").status_code == 422


@pytest.mark.parametrize("body", [b"{", b"\xff", b"NaN", b'{"a":' * 5000, b"[" * 200 + b"]" * 200])
def test_a_body_that_is_not_json_is_400(world: World, body: bytes) -> None:
    headers = {"Content-Type": "application/json", **world.junior.headers}
    answer = world.junior.client.post("/api/v1/handoffs", data=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


def test_a_body_over_one_mebibyte_is_413(world: World) -> None:
    answer = world.junior.post("/handoffs", {"reason": "x" * 1024 * 1024})
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_a_viewer_cannot_hand_off(world: World) -> None:
    assert world.viewer.post("/handoffs", intake()).status_code == 403


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic x"}, {"Authorization": "Bearer nonsense"}])
def test_without_a_valid_token_the_answer_is_401(world: World, header: dict[str, str]) -> None:
    answer = world.junior.client.get("/api/v1/handoffs", headers=header)
    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


def test_a_parked_handoff_is_private_and_makes_no_event(world: World) -> None:
    parked = world.junior.hand_off("T-1", intent="park")
    assert (parked["status"], parked["assessment_state"]) == ("parked", None)
    assert world.senior.get(f"/handoffs/{parked['id']}").status_code == 404
    assert world.senior.get("/handoffs").json["items"] == []
    assert world.admin.get(f"/handoffs/{parked['id']}").status_code == 200
    assert world.senior.get("/queue").json["items"] == []
    assert world.junior.get("/feed?cursor=now").json["head"] == 0


def test_a_parked_handoff_is_escalated_by_its_author(world: World) -> None:
    parked = world.junior.hand_off("T-1", intent="park")
    answer = world.junior.post(f"/handoffs/{parked['id']}/escalate")
    assert answer.status_code == 202
    assert (answer.json["status"], answer.json["assessment_state"]) == ("pending", "queued")
    assert [item["id"] for item in world.senior.get("/queue").json["items"]] == [parked["id"]]


def test_an_etag_spares_the_body_until_something_changes(world: World) -> None:
    path = f"/handoffs/{world.junior.hand_off('T-1')['id']}"
    tag = world.senior.get(path).headers["ETag"]
    assert world.senior.get(path, headers={"If-None-Match": tag}).status_code == 304
    world.senior.post(f"{path}/claim")
    assert world.senior.get(path, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("coding", ["", "-gzip", "--gzip", ";gzip", "-br", "-zstd"])
@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"other", {tag}', 'W/{tag} , W/"other"'])
def test_an_etag_is_known_among_others_and_with_the_coding_of_a_proxy(world: World, coding: str, form: str) -> None:
    path = f"/handoffs/{world.junior.hand_off('T-1')['id']}"
    tag = world.senior.get(path).headers["ETag"].removeprefix("W/")
    given = form.format(tag=f'{tag[:-1]}{coding}"')
    assert world.senior.get(path, headers={"If-None-Match": given}).status_code == 304
    assert world.senior.post(f"{path}/claim", headers={"If-Match": given}).status_code == 200
    assert world.senior.get(path, headers={"If-None-Match": given}).status_code == 200
    assert world.senior.post(f"{path}/release", headers={"If-Match": given}).status_code == 412


def test_a_list_is_paged_newest_first_without_repeating(world: World) -> None:
    made = [world.junior.hand_off(f"T-{n}")["id"] for n in range(5)]
    seen: list[str] = []
    page = ""
    while True:
        answer = world.viewer.get(f"/handoffs?limit=2{page}").json
        seen += [item["id"] for item in answer["items"]]
        if answer["next_page"] is None:
            break
        page = f"&page={answer['next_page']}"
    assert seen == made[::-1]


def test_a_bad_page_token_is_422(world: World) -> None:
    assert world.viewer.get("/handoffs?page=nonsense").status_code == 422


def test_lists_are_filtered(world: World) -> None:
    printing = world.junior.hand_off("T-1", category="Printing", priority="high")
    other = world.senior.hand_off("T-2", title="Mail bounces", problem="550 relay denied", steps=[])
    world.senior.post(f"/handoffs/{printing['id']}/claim")

    def ids(query: str) -> list[str]:
        return [item["id"] for item in world.viewer.get(f"/handoffs?{query}").json["items"]]

    assert ids("status=claimed") == [printing["id"]]
    assert ids("status=claimed&status=pending") == [other["id"], printing["id"]]
    assert ids("priority=high") == [printing["id"]]
    assert ids("category=Printing") == [printing["id"]]
    assert ids("session=T-2") == [other["id"]]
    assert ids(f"claimed_by={world.senior.id}") == [printing["id"]]
    assert ids(f"handed_off_by={world.senior.id}") == [other["id"]]
    assert ids("q=spooler") == [printing["id"]]
    assert ids("q=relay denied") == [other["id"]]
    assert ids("since=2999-01-01T00:00:00Z") == []
    assert ids("until=2999-01-01T00:00:00Z") == [other["id"], printing["id"]]


def test_a_feed_card_a_queue_row_and_a_list_row_have_the_same_keys_and_rows_say_what_is_unread(world: World) -> None:
    whole = world.junior.hand_off("T-1")
    row = world.senior.get("/handoffs").json["items"][0]
    queued = world.senior.get("/queue").json["items"][0]
    with_events = world.senior.get("/queue").json["cursor"]
    world.senior.post(f"/handoffs/{whole['id']}/claim")
    event = world.senior.get(f"/feed?cursor={with_events}").json["events"][0]["handoff"]
    assert set(row) == set(queued) == {*event, "unread"} == {*whole, "unread"}
    assert row == queued
