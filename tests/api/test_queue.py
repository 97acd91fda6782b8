"""The queue: its rows, its pages, and the cursor from which the feed continues."""

from __future__ import annotations

import pytest

from tests.api.feed.feeds import news, snapshot
from tests.world import World


def _ids(world: World, query: str) -> list[str]:
    return [item["id"] for item in snapshot(world.senior, query)["items"]]


def test_only_the_last_page_carries_the_cursor_and_it_was_taken_before_the_first(world: World) -> None:
    made = [world.junior.hand_off(f"T-{n}")["id"] for n in range(3)]
    first = snapshot(world.viewer, "limit=2")
    assert "cursor" not in first
    world.senior.post(f"/handoffs/{made[0]}/claim")
    late = world.junior.hand_off("T-9")["id"]
    last = snapshot(world.viewer, f"limit=2&page={first['next_page']}")
    assert last["next_page"] is None
    assert [item["id"] for item in first["items"] + last["items"]] == [*made, late]
    assert [event["type"] for event in news(world.viewer, last["cursor"])["events"]] == [
        "handoff.claimed",
        "handoff.created",
    ]


def test_every_item_carries_the_number_of_its_last_event(world: World) -> None:
    made = world.junior.hand_off("T-1")
    world.junior.hand_off("T-2")
    world.senior.post(f"/handoffs/{made['id']}/claim")
    assert [item["seq"] for item in snapshot(world.viewer)["items"]] == [3, 2]


def test_what_is_no_longer_open_is_not_shown(world: World) -> None:
    gone, done = world.junior.hand_off("T-1")["id"], world.junior.hand_off("T-2")["id"]
    world.junior.post(f"/handoffs/{gone}/withdraw")
    world.senior.post(f"/handoffs/{done}/claim")
    assert _ids(world, "") == [done]
    world.senior.post(f"/handoffs/{done}/resolve", {"resolution": "A new driver."})
    assert _ids(world, "") == []


def test_the_queue_is_filtered(world: World) -> None:
    printing = world.junior.hand_off("T-1", category="Printing", priority="high")["id"]
    mail = world.senior.hand_off("T-2", title="Mail bounces", problem="550 relay denied", steps=[])["id"]
    world.senior.post(f"/handoffs/{printing}/claim")
    assert _ids(world, "status=claimed") == [printing]
    assert _ids(world, "status=pending") == [mail]
    assert _ids(world, "status=pending&status=claimed") == [printing, mail]
    assert _ids(world, "priority=high&priority=urgent") == [printing]
    assert _ids(world, "category=Printing") == [printing]
    assert _ids(world, "mine=true") == [printing]
    assert _ids(world, "mine=false") == [printing, mail]
    assert _ids(world, "q=relay denied") == [mail]
    assert _ids(world, "q=spooler -denied") == [printing]
    assert _ids(world, "q=nothing-like-this") == []
    assert [item["id"] for item in snapshot(world.viewer, "mine=true")["items"]] == []


def test_a_filtered_snapshot_continues_with_the_whole_feed(world: World) -> None:
    at = snapshot(world.viewer, "priority=urgent")["cursor"]
    world.junior.hand_off("T-1", priority="low")
    assert [event["seq"] for event in news(world.viewer, at)["events"]] == [1]


@pytest.mark.parametrize(
    "query", ["status=resolved", "status=open", "limit=0", "limit=201", "limit=x", "colour=red", "mine=maybe"]
)
def test_what_does_not_fit_is_422(world: World, query: str) -> None:
    answer = world.viewer.get(f"/queue?{query}")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")


@pytest.mark.parametrize("words", ["'", '"', "a & | !", "\\", "((", ":*", "🖨", "%25", "-"])
def test_any_words_may_be_searched(world: World, words: str) -> None:
    world.junior.hand_off("T-1")
    assert world.viewer.get("/queue", query_string={"q": words}).status_code == 200


def test_a_page_token_belongs_to_its_filter_and_account(world: World, other_world: World) -> None:
    for n in range(3):
        world.junior.hand_off(f"T-{n}")
        other_world.junior.hand_off(f"T-{n}")
    token = snapshot(world.viewer, "limit=1")["next_page"]
    assert world.viewer.get(f"/queue?limit=1&page={token}").status_code == 200
    assert world.viewer.get(f"/queue?limit=1&mine=true&page={token}").json["code"] == "page_invalid"
    assert other_world.viewer.get(f"/queue?limit=1&page={token}").json["code"] == "page_invalid"
    assert world.viewer.get("/queue?page=nonsense").status_code == 422
    assert world.viewer.get(f"/handoffs?page={token}").status_code == 422
