"""The search for similar past cases: whose they are, when there are none, and that it stays cheap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from deploy.production import database
from models import database as db
from models.assessment import case, vocabulary
from models.database.executor import Session
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers
from tests.world import World

SPOOLER = {
    "title": "Print spooler crashes on PRN-01",
    "problem": "The spooler on PRN-01 crashes with 0x00000709 since the driver update of the HP LaserJet.",
}
BACKUP = {
    "title": "Backup of the SQL server fails",
    "problem": "Veeam reports a snapshot timeout for the SQL server every night since Monday.",
}
ASKED = "Spooler crash with 0x00000709\nAfter the driver update the print spooler on PRN-02 crashes."
NOBODY = UUID(int=0)


def resolve(world: World, external_id: str, resolution: str = "Removed the new driver.", **more: Any) -> str:
    handoff = world.junior.hand_off(external_id, **more)
    world.senior.post(f"/handoffs/{handoff['id']}/claim")
    answer = world.senior.post(f"/handoffs/{handoff['id']}/resolve", {"resolution": resolution})
    assert answer.status_code == 200, answer.text
    return str(handoff["id"])


def found(world: World, asked: str = ASKED, **more: Any) -> list[case.PastCase]:
    with transaction(world.account_id) as session:
        return case.similar(session, world.account_id, asked, **{"besides": NOBODY, **more})


def test_the_case_about_the_same_thing_is_found_with_its_resolution(world: World) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    resolve(world, "T-2", **BACKUP)
    past = found(world)
    assert [str(each.handoff_id) for each in past] == [spooler]
    assert past[0].resolution == "Removed the new driver."
    assert case.LEAST_SCORE <= past[0].score <= 1


def test_a_case_is_loaded_with_what_is_like_its_title_and_problem_and_without_itself(world: World) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    alike = resolve(world, "T-2", title=SPOOLER["title"], problem="It happened again this morning.")
    with transaction(world.account_id) as session:
        loaded = case.load(session, world.account_id, UUID(alike), NOBODY)
    assert [str(each.handoff_id) for each in loaded.past] == [spooler]
    words = f"{SPOOLER['title']}\nIt happened again this morning."
    assert list(loaded.past) == found(world, words, besides=UUID(alike))


def test_what_resolved_the_same_session_before_has_not_held_and_is_not_offered(world: World) -> None:
    other = resolve(world, "T-1", **SPOOLER)
    resolve(world, "T-2", "Restarted it.", **SPOOLER)
    again = world.junior.hand_off("T-2", **SPOOLER)["id"]
    with transaction(world.account_id) as session:
        loaded = case.load(session, world.account_id, UUID(again), NOBODY)
    assert [str(each.handoff_id) for each in loaded.past] == [other]
    assert [str(each.handoff_id) for each in found(world, besides=UUID(again))] == [other]


def test_nothing_is_found_for_another_topic_or_for_no_words(world: World) -> None:
    resolve(world, "T-1", **SPOOLER)
    resolve(world, "T-2", **BACKUP)
    other_topic = "VPN token expired\nA user cannot connect from home."
    for asked in (other_topic, "", "the of and", "🖨️ ' \\ & | ! :*", "server"):
        assert found(world, asked) == []


def test_a_word_of_the_titles_counts_more_than_one_of_the_problems(world: World) -> None:
    said = "The nightly run ended early and nobody was told."
    titled = resolve(world, "T-1", title="Veeam snapshot", problem=said)
    buried = resolve(world, "T-2", title=said, problem="Veeam snapshot")
    past = found(world, f"Veeam snapshot\n{said}", least=0.0)
    assert [str(each.handoff_id) for each in past] == [titled, buried]
    assert past[0].score > past[1].score
    assert all(each.score <= 1 for each in past)


def test_only_resolved_handoffs_count_and_never_the_case_itself(world: World) -> None:
    world.junior.hand_off("T-1", **SPOOLER)
    assert found(world) == []
    spooler = resolve(world, "T-2", **SPOOLER)
    assert found(world, besides=UUID(spooler)) == []


def test_another_account_s_cases_are_never_found(world: World, other_world: World) -> None:
    theirs = resolve(other_world, "T-1", **SPOOLER)
    assert [str(past.handoff_id) for past in found(other_world)] == [theirs]
    assert found(world) == []
    # Neither does it help to name them in the words, or to ask the function itself.
    assert found(world, f"{ASKED} account:{other_world.account_id.hex}") == []
    with transaction(world.account_id) as session:
        query = text("SELECT id FROM similar_handoffs(:words, :besides, 5, 0, 45)")
        assert session.execute(query, {"words": ASKED, "besides": NOBODY}).all() == []


def test_five_at_most_the_best_first_and_a_session_once(world: World) -> None:
    for number in range(7):
        resolve(world, f"T-{number}", **SPOOLER)
    again = resolve(world, "T-0", **SPOOLER)
    past = found(world)
    assert len(past) == 5
    assert [each.score for each in past] == sorted((each.score for each in past), reverse=True)
    assert str(past[0].handoff_id) == again
    assert len({each.handoff_id for each in past}) == 5


def test_words_that_every_case_has_do_not_make_two_cases_alike(world: World) -> None:
    for number in range(12):
        told = {"title": f"Ticket {number} of Contoso", "problem": f"Contoso asks for thing{number} again."}
        resolve(world, f"T-{number}", **told)
    with maintenance() as session:
        assert vocabulary.outdated(session) == [world.account_id]
        vocabulary.count(session, world.account_id)
        assert vocabulary.outdated(session) == []
    assert found(world, "Ticket of Contoso\nContoso asks for a new keyboard again.") == []


MANY = 20_000
WORDS = "printer mail network login screen update server disk backup account phone driver file error slow"
FILL = text("""
    WITH numbered AS (
        SELECT n, gen_random_uuid() AS session_id, gen_random_uuid() AS id,
               (string_to_array(:words, ' '))[1 + n % 15] || ' ' || (string_to_array(:words, ' '))[1 + n / 15 % 15]
               || ' thing' || n % 4000 || ' place' || n AS told
        FROM generate_series(1, :many) AS n
    ), kept AS (
        INSERT INTO sessions (account_id, id, external_id, title, problem)
        SELECT :account_id, session_id, 'N-' || n, told, told FROM numbered
    )
    INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, handed_off_by_id,
                          resolution, returns, overdue, generation, search)
    SELECT :account_id, id, session_id, 'escalate', 'resolved', 1, 'normal', 'stuck', :user_id, 'done', 0, false, 0,
           array_to_tsvector(ARRAY['account:' || replace(CAST(:account_id AS text), '-', '')])
           || to_tsvector('english', told)
    FROM numbered
""")


@pytest.fixture
def history(app: Flask, servers: Servers) -> Iterator[World]:
    """An account with twenty thousand past cases."""
    name = servers.create_database()
    with environment(servers.environment(name)):
        world = worlds.create(app.test_client())
        with maintenance() as session:
            ids = {"account_id": str(world.account_id), "user_id": str(world.junior.id)}
            session.execute(FILL, {"words": WORDS, "many": MANY, **ids})
            vocabulary.count(session, world.account_id)
        yield world
    servers.drop_database(name)


def test_a_large_history_is_searched_by_its_index_and_few_rows_are_read(history: World) -> None:
    """Counted by the database itself, which also sees what happens inside of functions."""
    with transaction(history.account_id) as session:
        before = _reads(session)
        past = case.similar(
            session, history.account_id, "printer mail thing77 offline\nprinter mail server slow", besides=NOBODY
        )
        after = _reads(session)
    assert past
    assert after["whole_table"] == before["whole_table"]
    assert after["by_index"] > before["by_index"]
    assert after["rows"] - before["rows"] < 1300


def test_handoffs_that_are_still_open_are_not_even_read(world: World) -> None:
    for number in range(5):
        world.junior.hand_off(f"T-{number}", **SPOOLER)
    resolve(world, "T-9", **SPOOLER)
    with transaction(world.account_id) as session:
        before = _reads(session)
        assert len(case.similar(session, world.account_id, ASKED, besides=NOBODY)) == 1
        after = _reads(session)
    assert after["rows"] - before["rows"] < 20


def test_what_is_loaded_as_resolved_is_a_past_case_and_stays_as_it_was_told(world: World) -> None:
    first = resolve(world, "T-1", **SPOOLER)
    world.junior.hand_off("T-1", title="Other words", problem="Nothing of the kind is told any more.")
    assert [str(each.handoff_id) for each in found(world)] == [first]


def _reads(session: Session) -> dict[str, int]:
    row = session.execute(
        text("""
            SELECT seq_scan AS whole_table, idx_tup_fetch AS rows,
                   pg_stat_get_xact_numscans('ix_past_cases_said'::regclass) AS by_index
            FROM pg_stat_xact_user_tables WHERE relname = 'past_cases'
        """)
    ).one()
    return dict(row._mapping)


def test_the_plan_of_the_search_uses_the_index(history: World, servers: Servers) -> None:
    """EXPLAIN cannot look into a function, so its body is prepared with the same five parameters."""
    url = servers.postgres.url(db.engine().url.database or "")
    with closing(database.connect(url)) as owner, owner.cursor() as cursor:
        cursor.execute("SELECT set_config('app.account_id', %s, false)", [str(history.account_id)])
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'similar_handoffs' AND pronargs = 5")
        body = cursor.fetchone()[0]
        for number, name in enumerate(("words", "besides", "most", "threshold", "compared"), 1):
            body = re.sub(rf"\b{name}\b", f"${number}", body)
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("PREPARE asked (text, uuid, int, real, int) AS " + body)
        cursor.execute("EXPLAIN EXECUTE asked ('printer mail', %s, 5, 0.25, 45)", [str(NOBODY)])
        plan = "\n".join(line[0] for line in cursor.fetchall())
    assert "Bitmap Index Scan on ix_past_cases_said" in plan
    assert "Seq Scan on past_cases" not in plan
