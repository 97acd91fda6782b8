"""Where a search found its words: the field, an excerpt, and the place in it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from models.handoff import matched as searching
from models.session import TroubleshootingSession
from models.transaction import maintenance
from tests.world import World

TICKET: dict[str, Any] = {
    "title": "Drucker bei Frau Müller druckt nicht",
    "problem": "Since KB5034441 the queue on srv-db01.corp.example\nis stuck; <b>error</b> 0x80070005 & more. "
    "打印机无法连接",
    "client": "Nordwind Façades SARL",
    "asset": "LAP-Zoë-7",
    "category": "Printing",
    "reason": "No idea left about the Spooler.",
    "ask": "Which policy maps it?",
    "steps": [
        {"kind": "action", "text": "Restarted the spooler.", "author": "Đorđe Petrović"},
        {"kind": "observation", "text": "x" * 300 + " Event 372 names the gateway " + "y" * 300},
    ],
}


def found(world: World, query: str, path: str = "/handoffs") -> list[dict[str, Any]]:
    answer = world.viewer.get(path, query_string={"q": query})
    assert answer.status_code == 200
    [row] = answer.json["items"]
    for each in row["matched"]:
        assert set(each) == {"field", "text", "start", "end"}
        assert 0 <= each["start"] < each["end"] <= len(each["text"]) <= 250
    assert len(row["matched"]) <= 3
    return list(row["matched"])


def hits(world: World, query: str) -> list[tuple[str, str]]:
    return [(each["field"], each["text"][each["start"] : each["end"]]) for each in found(world, query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("drucker", [("title", "Drucker")]),
        ("muller", [("title", "Müller")]),
        ("facades", [("client", "Façades")]),
        ("zoe", [("asset", "Zoë")]),
        ("print", [("category", "Printing")]),
        ("policies", [("ask", "policy")]),
        ("5034441", [("problem", "5034441")]),
        ("kb-5034441", [("problem", "KB5034441")]),
        ('"srv db"', [("problem", "srv-db01")]),
        ("srv-db01.corp", [("problem", "srv-db01.corp")]),
        ("kb503", [("problem", "KB5034441")]),
        ("打印机", [("problem", "打印机")]),
        ('"the spooler"', [("reason", "the Spooler")]),
        ("T-1", [("ticket", "T-1")]),
        ("gateway", [("step:2", "gateway")]),
        ("dorde", [("person", "Đorđe")]),
        ("junior", [("person", "junior")]),
        ("drucker gateway nordwind", [("title", "Drucker"), ("client", "Nordwind"), ("step:2", "gateway")]),
        ("spooler gateway", [("reason", "Spooler"), ("step:2", "gateway"), ("step:1", "spooler")]),
        ("gateway or drucker", [("title", "Drucker")]),
        ("-nonsense", []),
        ("drucker -nonsense", [("title", "Drucker")]),
    ],
)
def test_a_match_names_the_field_and_where_the_word_is(
    world: World, query: str, expected: list[tuple[str, str]]
) -> None:
    world.junior.hand_off("T-1", **TICKET)
    assert sorted(hits(world, query)) == sorted(expected)


def test_an_excerpt_is_plain_text_on_one_line_around_the_word(world: World) -> None:
    world.junior.hand_off("T-1", **TICKET)
    [problem] = found(world, "error")
    assert "stuck; <b>error</b> 0x80070005 & more." in problem["text"]
    assert "\n" not in problem["text"]
    [step] = found(world, "gateway")
    assert (step["text"][0], step["text"][-1]) == ("…", "…")
    assert " Event 372 names the gateway y" in step["text"]


def test_the_queues_search_says_it_too_and_a_list_without_a_search_does_not(world: World) -> None:
    world.junior.hand_off("T-1", **TICKET)
    assert found(world, "drucker", "/queue") == found(world, "drucker")
    for path in ("/queue", "/handoffs"):
        assert "matched" not in world.viewer.get(path).json["items"][0]


def test_the_search_finds_closed_ones_with_what_fixed_them(world: World) -> None:
    made = world.junior.hand_off("T-1", **TICKET)["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    fixed = {"resolution": "Rolled back the update.", "root_cause": "A driver from the catalogue."}
    world.senior.post(f"/handoffs/{made}/resolve", fixed)
    assert hits(world, "rolled catalogue") == [("resolution", "Rolled"), ("root_cause", "catalogue")]
    assert ("person", "senior") in hits(world, "senior")


def tickets(world: World, query: str, more: str = "") -> list[str]:
    answer = world.viewer.get(f"/handoffs?q={query}{more}").json
    return [row["session"]["external_id"] for row in answer["items"]]


@pytest.mark.parametrize("more", ["", "&view=all", "&view=all&sort=oldest", "&limit=1"])
def test_a_tickets_id_alone_finds_its_handoffs_first(world: World, more: str) -> None:
    world.junior.hand_off("INC-2041", title="Mail is late", priority="low")
    for name in ("INC-3000", "INC-3001"):
        world.junior.hand_off(name, problem="As in INC-2041, only worse.", priority="urgent")
    for query in ("INC-2041", "inc-2041", "2041"):
        found_first = tickets(world, query, more)
        assert found_first[0] == "INC-2041"
        assert len(found_first) == (1 if "limit" in more else 3)


def test_a_search_for_a_ticket_goes_on_from_page_to_page(world: World) -> None:
    world.junior.hand_off("INC-2041")
    for n in range(4):
        world.junior.hand_off(f"INC-300{n}", problem="As in INC-2041.")
    found_all, page = [], ""
    while page is not None:
        answer = world.viewer.get(f"/handoffs?q=INC-2041&limit=2{page}").json
        found_all += [row["session"]["external_id"] for row in answer["items"]]
        page = f"&page={answer['next_page']}" if answer["next_page"] else None
    assert found_all == ["INC-2041", "INC-3003", "INC-3002", "INC-3001", "INC-3000"]


def test_long_logs_are_looked_through_up_to_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_STEP_BYTES", 100)
    steps = [{"kind": "note", "text": "z" * 90}, {"kind": "note", "text": "The gateway is away."}]
    world.junior.hand_off("T-1", steps=steps)
    assert found(world, "gateway") == []
    assert found(world, "printer gateway")[0]["field"] == "title"


def test_a_session_that_was_corrected_behind_the_index_is_no_error(world: World) -> None:
    world.junior.hand_off("T-1")
    with maintenance() as session:
        session.execute(update(TroubleshootingSession).values(title="x", problem=""))
    assert found(world, "printer") == []
