"""Views of the handoffs: what is in each, in which order, and how many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text, update

from models import database
from models.handoff import Handoff
from models.transaction import maintenance
from tests.api.test_reading import lapse, read
from tests.world import Person, World

VIEWS = ("waiting", "for_me", "mine", "handed_off", "resolved", "all")
SORTS = ("urgency", "oldest", "newest")


def names(person: Person, query: str) -> list[str]:
    """The tickets of a list, page by page of two, which are the same as those of one page."""
    whole = person.get(f"/handoffs?{query}&limit=200")
    assert whole.status_code == 200, whole.text
    expected = [row["session"]["external_id"] for row in whole.json["items"]]
    found, page = [], ""
    while True:
        answer = person.get(f"/handoffs?{query}&limit=2{page}").json
        found += [row["session"]["external_id"] for row in answer["items"]]
        if answer["next_page"] is None:
            break
        page = f"&page={answer['next_page']}"
    assert found == expected
    return found


def hours_ago(handoff_id: str, hours: float, column: str = "created_at") -> None:
    at = datetime.now(UTC) - timedelta(hours=hours)
    with maintenance() as session:
        session.execute(update(Handoff).where(Handoff.id == UUID(handoff_id)).values({column: at}))


def claim(person: Person, handoff_id: str) -> str:
    assert person.post(f"/handoffs/{handoff_id}/claim").status_code == 200
    return handoff_id


def resolve(person: Person, handoff_id: str) -> str:
    answer = person.post(f"/handoffs/{claim(person, handoff_id)}/resolve", {"resolution": "A new driver."})
    assert answer.status_code == 200
    return handoff_id


@pytest.fixture
def made(world: World) -> dict[str, str]:
    """Handoffs of every kind by their tickets, each an hour younger than the one before."""
    people = {"target_user_id": str(world.senior.id)}
    junior = world.junior
    found = {
        "done-1": resolve(world.senior, junior.hand_off("done-1", priority="urgent")["id"]),
        "done-2": resolve(world.senior2, world.admin.hand_off("done-2", priority="low")["id"]),
        "gone": junior.hand_off("gone")["id"],
        "low": junior.hand_off("low", priority="low")["id"],
        "normal-1": junior.hand_off("normal-1")["id"],
        "for-senior": world.admin.hand_off("for-senior", priority="high", **people)["id"],
        "urgent": junior.hand_off("urgent", priority="urgent")["id"],
        "normal-2": junior.hand_off("normal-2")["id"],
        "taken": claim(world.senior, junior.hand_off("taken", priority="urgent")["id"]),
        "given": claim(world.senior2, junior.hand_off("given")["id"]),
        "draft": junior.hand_off("draft", intent="park")["id"],
    }
    junior.post(f"/handoffs/{found['gone']}/withdraw")
    world.senior2.post(f"/handoffs/{found['given']}/reassign", {"user_id": str(world.senior.id)})
    for n, each in enumerate(found.values()):
        hours_ago(each, 20 - n)
    # Resolved in another order than handed over.
    hours_ago(found["done-1"], 1, "resolved_at")
    hours_ago(found["done-2"], 2, "resolved_at")
    return found


def test_each_view_has_its_handoffs_in_order_of_urgency(world: World, made: dict[str, str]) -> None:
    assert names(world.senior, "view=waiting") == ["urgent", "for-senior", "normal-1", "normal-2", "low"]
    assert names(world.senior, "view=for_me") == ["for-senior", "given"]
    assert names(world.senior2, "view=for_me") == []
    assert names(world.senior, "view=mine") == ["taken", "given"]
    assert names(world.senior, "view=handed_off") == []
    of_junior = ["urgent", "taken"], ["normal-1", "normal-2", "given", "low", "draft", "done-1"]
    assert sorted(names(world.junior, "view=handed_off")[:2]) == sorted(of_junior[0])
    assert names(world.junior, "view=handed_off")[2:] == of_junior[1]
    assert names(world.senior, "view=resolved") == ["done-1", "done-2"]
    everything = ["urgent", "taken", "for-senior", "normal-1", "normal-2", "given", "low", "gone", "done-2", "done-1"]
    assert names(world.senior, "view=all") == everything
    assert names(world.admin, "view=all") == [*everything[:7], "draft", *everything[7:]]


def test_a_list_goes_by_age_in_either_direction(world: World, made: dict[str, str]) -> None:
    waiting = ["low", "normal-1", "for-senior", "urgent", "normal-2"]
    assert names(world.viewer, "view=waiting&sort=oldest") == waiting
    assert names(world.viewer, "view=waiting&sort=newest") == waiting[::-1]
    assert names(world.viewer, "view=resolved&sort=oldest") == ["done-2", "done-1"]
    assert names(world.viewer, "view=resolved&sort=urgency") == ["done-1", "done-2"]
    assert names(world.viewer, "sort=oldest") == [name for name in made if name != "draft"]
    assert names(world.junior, "view=handed_off&sort=newest")[:2] == ["draft", "given"]


def test_without_view_and_sort_the_list_goes_by_id_the_newest_first(world: World, made: dict[str, str]) -> None:
    assert names(world.admin, "") == list(made)[::-1]


def test_a_view_is_narrowed_by_the_other_filters(world: World, made: dict[str, str]) -> None:
    assert names(world.viewer, "view=waiting&priority=urgent&priority=low") == ["urgent", "low"]
    assert names(world.viewer, f"view=all&handed_off_by={world.admin.id}") == ["for-senior", "done-2"]
    assert names(world.viewer, "view=waiting&status=claimed") == []
    assert names(world.viewer, "view=waiting&q=normal") == ["normal-1", "normal-2"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("sort", SORTS)
def test_a_page_goes_on_where_the_one_before_ended_though_rows_come_and_go(
    world: World, made: dict[str, str], view: str, sort: str
) -> None:
    person = world.junior if view == "handed_off" else world.senior
    query = f"view={view}&sort={sort}"
    expected = names(person, query)
    found, page, n = [], "", 0
    while page is not None:
        answer = person.get(f"/handoffs?{query}&limit=1{page}").json
        found += [row["session"]["external_id"] for row in answer["items"]]
        page = f"&page={answer['next_page']}" if answer["next_page"] else None
        if n < 3:
            new = world.senior2.hand_off(f"new-{n}")["id"]
            world.senior2.post(f"/handoffs/{new}/withdraw")
        n += 1
    assert [name for name in found if not name.startswith("new-")] == expected


def test_rows_of_the_same_time_are_on_one_page_each(world: World) -> None:
    ids = [world.junior.hand_off(f"T-{n}")["id"] for n in range(7)]
    with maintenance() as session:
        session.execute(update(Handoff).values(created_at=text("now() - interval '1 hour'")))
    for sort in SORTS:
        assert len(names(world.viewer, f"sort={sort}")) == len(ids)


def test_a_page_token_belongs_to_its_view_and_order(world: World, made: dict[str, str]) -> None:
    token = world.viewer.get("/handoffs?view=waiting&limit=1").json["next_page"]
    assert world.viewer.get(f"/handoffs?view=waiting&limit=1&page={token}").status_code == 200
    for query in ("", "view=all&", "view=waiting&sort=newest&", "sort=urgency&"):
        assert world.viewer.get(f"/handoffs?{query}limit=1&page={token}").json["code"] == "page_invalid"


@pytest.mark.parametrize("query", ["view=theirs", "sort=colour", "view=Waiting"])
def test_a_view_or_an_order_that_there_is_not_is_422(world: World, query: str) -> None:
    assert world.viewer.get(f"/handoffs?{query}").status_code == 422


def test_what_is_given_to_me_is_for_me_until_i_open_it(world: World, made: dict[str, str]) -> None:
    read(world.senior, made["given"])
    assert names(world.senior, "view=for_me") == ["for-senior"]
    read(world.senior, made["for-senior"])
    assert names(world.senior, "view=for_me") == ["for-senior"]
    claim(world.senior, made["for-senior"])
    assert names(world.senior, "view=for_me") == []


def test_what_i_took_myself_is_not_for_me(world: World) -> None:
    made = claim(world.senior, world.junior.hand_off("T-1")["id"])
    lapse(world, made)
    claim(world.senior, made)
    assert names(world.senior, "view=for_me") == []


def counts(person: Person) -> dict[str, Any]:
    answer = person.get("/queue/counts")
    assert answer.status_code == 200
    return dict(answer.json)


def test_the_counts_are_those_of_the_views(world: World, made: dict[str, str]) -> None:
    read(world.senior, made["urgent"])
    read(world.senior, made["taken"])
    for person in (world.junior, world.senior, world.senior2, world.admin, world.viewer):
        found = counts(person)
        assert set(found["views"]) == set(VIEWS) - {"all"}
        for view, count in found["views"].items():
            rows = person.get(f"/handoffs?view={view}&limit=200").json["items"]
            assert count["total"] == len(rows), (person.name, view)
            opened = [row for row in rows if row["status"] in ("pending", "ready", "claimed")]
            if view != "resolved":
                assert count["urgent"] == sum(row["priority"] == "urgent" for row in opened), (person.name, view)
                assert count["unread"] == sum(row["unread"] for row in opened), (person.name, view)
    assert counts(world.senior)["views"]["waiting"] == {"total": 5, "urgent": 1, "unread": 4}


def test_the_counts_carry_the_number_of_the_feed_that_they_are_of(world: World, made: dict[str, str]) -> None:
    before = counts(world.viewer)
    seq = int(world.senior.post(f"/handoffs/{made['low']}/claim").headers["Feed-Seq"])
    after = counts(world.viewer)
    assert (before["seq"], after["seq"]) == (seq - 1, seq)
    assert after["views"]["waiting"]["total"] == before["views"]["waiting"]["total"] - 1


def test_what_was_resolved_long_ago_is_shown_and_does_not_count(world: World, made: dict[str, str]) -> None:
    hours_ago(made["done-1"], 31 * 24, "resolved_at")
    assert counts(world.viewer)["views"]["resolved"] == {"total": 1}
    assert counts(world.junior)["views"]["handed_off"]["total"] == 7
    assert names(world.viewer, "view=resolved") == ["done-2", "done-1"]


def test_a_page_of_the_queue_is_one_statement(world: World, made: dict[str, str]) -> None:
    sent: list[str] = []

    def note(*args: Any) -> None:
        sent.append(args[2])

    world.viewer.get("/queue?limit=2")
    token = world.viewer.get("/queue?limit=2").json["next_page"]
    event.listen(database.engine(), "before_cursor_execute", note)
    try:
        world.viewer.get(f"/queue?limit=2&page={token}")
    finally:
        event.remove(database.engine(), "before_cursor_execute", note)
    assert len([statement for statement in sent if "handoff" in statement]) == 1, sent


def test_a_question_to_me_is_for_me_and_unread_until_it_is_answered(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    seq = world.junior.get(f"/handoffs/{made}").json["seq"]
    world.junior.put(f"/handoffs/{made}/read", {"seq": seq})
    question = {"kind": "question", "text": "Which port?", "to_user_id": str(world.junior.id)}
    asked = world.senior.post("/sessions/T-1/steps", question).json["seq"]
    rows = [world.junior.get(f"/handoffs?view={view}").json["items"] for view in ("for_me", "handed_off")]
    assert [[row["unread"] for row in row_list] for row_list in rows] == [[True], [True]]
    assert world.junior.get("/queue/counts").json["views"]["for_me"] == {"total": 1, "urgent": 0, "unread": 1}
    assert world.senior2.get("/handoffs?view=for_me").json["items"] == []
    world.junior.post("/sessions/T-1/steps", {"kind": "note", "text": "Port 4.", "answers": asked})
    assert world.junior.get("/handoffs?view=for_me").json["items"] == []
