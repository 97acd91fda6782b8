"""A search finds what it should, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from models.account import User
from models.transaction import maintenance
from tests.world import World

# Tickets with their contents. Every query below searches all of them.
TICKETS: dict[str, dict[str, Any]] = {
    "INC-2024-00123": {
        "title": "Outlook stürzt ab bei Frau Müller",
        "problem": "Since KB5034441 she is asked for a password; write to anna.weiss@contoso.example.",
        "client": "Nordwind Façades SARL",
        "asset": "LAP-Zoë-7",
        "category": "Messaging",
        "steps": [{"kind": "action", "text": "Checked the policies of the mailbox.", "author": "Đorđe Petrović"}],
    },
    "OPS/7": {
        "title": "Database replication is failing",
        "problem": "srv-db01.corp.example and 10.20.30.40 lost each other; the error is 0x80070005. Who knows why?",
        "steps": [],
    },
    "T-3": {"title": "客户的打印机无法连接网络", "problem": "更新后VPNが接続できない。ﾌﾟﾘﾝﾀも動かない。", "steps": []},
    "T-4": {"title": "الطَّابعة لا تعمل", "problem": "Принтёр не печатает, 프린터가 안 됩니다, ΕΚΤΥΠΩΤΉΣ", "steps": []},
}
FOUND = {
    "INC-2024-00123": """
        nordwind | Nordwind facades | façades | FACADES | LAP-Zoë-7 | zoe | messaging | frau müller | "frau müller"
        müller | muller | MÜLLER | Mu\u0308ller | sturzt | mul | mü | outl | ou | anna | weiss | weiß | contoso
        anna.weiss@contoso.example | anna.weiss | @contoso.example | KB5034441 | kb-5034441 | 5034441 | kb503
        00123 | 2024-00123 | INC-2024-00123 | inc 00123 | Đorđe | dorde | xyz OR petrovic | policy mailbox | POLICIES
        checking | mailboxes | what is the password | who is Đorđe | outlook -replication
        -replication -客户 -принтер
    """,
    "OPS/7": """
        srv-db01 | db01 | srv | srv-db01.corp.example | corp.example | 10.20.30.40 | 10.20.30 | 30.40 | OPS/7
        0x80070005 | 80070005 | databases | failed replication | repl | who | WHO | "who knows" | lost each other
    """,
    "T-3": "打印机 | 打印 | 机 | 网络 | 接続 | vpn | プリンタ | ﾌﾟﾘﾝﾀ | 打印机 vpn | 客户的打印机 | 動か",
    "T-4": "الطابعة | طَابعة OR تعمل | принтер | ПРИНТЁР | печата | 프린터 | εκτυπωτης | εκτυπωτής",
}
NOTHING = """
    ? | !! | ' | " | "" | - | … | 🖨 | :* | & | does | they | your | the other thing | why not | book | 10.20.40
    30.20 | kb 441 | "müller frau" | outlook -müller | 打机 | nordwind replication
"""


def queries(text: str) -> list[str]:
    """Those of a table, which stand between bars."""
    return [query.strip() for query in text.strip().replace("\n", "|").split("|")]


@pytest.fixture
def tickets(world: World) -> dict[str, str]:
    """The ids of the handoffs by their tickets."""
    return {
        name: world.junior.hand_off(name, reason="No idea.", **content)["id"] for name, content in TICKETS.items()
    }


def found(world: World, query: str) -> list[str]:
    listed, queue = (world.viewer.get(path, query_string={"q": query}) for path in ("/handoffs", "/queue"))
    assert listed.status_code == queue.status_code == 200, query
    ids = [item["id"] for item in listed.json["items"]]
    assert sorted(ids) == [item["id"] for item in queue.json["items"]], query
    return ids


def test_a_query_finds_the_tickets_that_hold_its_words(world: World, tickets: dict[str, str]) -> None:
    asked = [(ticket, query) for ticket, text in FOUND.items() for query in queries(text)]
    wrong = {query: ids for ticket, query in asked if (ids := found(world, query)) != [tickets[ticket]]}
    assert wrong == {}


def test_what_no_ticket_holds_finds_nothing(world: World, tickets: dict[str, str]) -> None:
    assert {query: ids for query in queries(NOTHING) if (ids := found(world, query))} == {}


def test_people_are_found_by_what_they_are_called_now(world: World) -> None:
    with maintenance() as session:
        for key, name in {"junior": "Jürgen Weiß", "senior": "田中太郎", "senior2": "Will Ōno"}.items():
            session.get_one(User, (world.account_id, getattr(world, key).id)).name = name
    targeted = world.junior.hand_off("T-1", target_user_id=str(world.senior2.id))["id"]
    claimed = world.admin.hand_off("T-2")["id"]
    assert found(world, "jurgen") == found(world, "weiss printer") == [targeted]
    assert found(world, "ono") == found(world, "will") == found(world, '"will ono"') == [targeted]
    assert found(world, "太郎") == []
    world.senior.post(f"/handoffs/{claimed}/claim")
    assert found(world, "太郎") == found(world, "printer 田中") == [claimed]
    assert found(world, "printer -太郎") == [targeted]
    with maintenance() as session:
        session.get_one(User, (world.account_id, world.junior.id)).name = "Jonas Schwarz"
    assert found(world, "jurgen") == []
    assert found(world, "schw") == [targeted]
    world.senior.post(f"/handoffs/{claimed}/release")
    assert found(world, "太郎") == []


def test_what_is_added_later_is_found_too(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    step = {"kind": "action", "text": "Gerät getauscht.", "author": "Zoë"}
    assert world.senior.post("/sessions/T-1/steps", step).status_code == 201
    assert found(world, "gerat") == found(world, "zoe") == found(world, '"zoë gerät"') == [made]
    world.senior.post(f"/handoffs/{made}/resolve", {"resolution": "Neues Netzteil.", "root_cause": "Überspannung"})
    listed = world.viewer.get("/handoffs", query_string={"q": "netzteil uberspannung"}).json["items"]
    assert [item["id"] for item in listed] == [made]


def test_a_step_that_was_added_to_a_draft_is_found_once_that_is_escalated(world: World) -> None:
    made = world.junior.hand_off("T-1", intent="park")["id"]
    world.junior.post(f"/sessions/T-1/steps?handoff={made}", {"kind": "note", "text": "Zwischenablage"})
    world.junior.post(f"/handoffs/{made}/escalate")
    assert found(world, "zwischen") == [made]


def test_a_ticket_as_large_as_it_may_be_is_found_by_its_beginning(world: World) -> None:
    words = " ".join(f"{number:05x}ä{'漢' * (number % 90)}" for number in range(2_000))
    made = world.junior.hand_off("T-1", problem="Anfang " + words[:18_000])["id"]
    for _ in range(4):
        answer = world.junior.post("/sessions/T-1/steps", {"kind": "note", "text": words[-7_900:]})
        assert answer.status_code == 201, answer.text
    assert found(world, "anfang") == [made]


def test_a_search_stays_in_its_account(world: World, other_world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    other_world.junior.hand_off("T-1")
    assert found(world, "printer") == [made]
    assert found(world, "-nonsense") == [made]
    with maintenance() as session:
        name = session.scalars(select(User.name).where(User.id == other_world.junior.id)).one()
    assert found(world, f'"{name}"') == []
