"""What questions cost those who ask none: the statements of intake and claim count them on every card."""

from __future__ import annotations

import re
from contextlib import closing
from uuid import UUID

import pytest

from deploy.production import database
from models.feed import card
from models.handoff import questions
from models.session import MAX_STEPS
from models.transaction import one_message
from tests import world as worlds
from tests.servers import Servers
from tests.world import World

# Sessions of other tickets, so that reading the table would be seen, and one that is as long as a session may be.
_STEPS = """
    INSERT INTO sessions (account_id, id, external_id, title, problem, steps_count)
    SELECT %(account)s, gen_random_uuid(), 'S-' || n, 'x', 'x', 20 FROM generate_series(1, 1000) AS n;
    INSERT INTO session_steps (account_id, session_id, seq, kind, text, added_by_id)
    SELECT s.account_id, s.id, n, 'note', repeat('x', 500), %(by)s
    FROM sessions AS s, generate_series(1, 20) AS n WHERE s.external_id LIKE 'S-%%';
    INSERT INTO session_steps (account_id, session_id, seq, kind, text, added_by_id)
    SELECT h.account_id, h.session_id, n, 'note', repeat('x', 500), %(by)s
    FROM handoffs AS h, generate_series(3, %(most)s) AS n WHERE h.id = %(handoff)s;
    UPDATE sessions SET steps_count = %(most)s FROM handoffs AS h
    WHERE h.id = %(handoff)s AND sessions.account_id = h.account_id AND sessions.id = h.session_id
"""


@pytest.fixture
def lasting(committed: str) -> World:
    from wsgi import app

    return worlds.create(app.test_client())


def buffers(account_id: UUID, executing: str, values: dict[str, object]) -> int:
    """The buffers that a prepared statement touches, as PostgreSQL counts them, at its second execution."""
    with one_message(account_id) as message:
        sql = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {executing}"
        plans = ["\n".join(row[0] for row in message.send(sql, values)) for _ in range(2)]
    assert "Seq Scan on session_steps" not in plans[1]
    found = re.search(r"Buffers: shared hit=(\d+)", plans[1])
    assert found, plans[1]
    return int(found.group(1))


def test_a_card_and_a_list_of_questions_read_the_same_of_a_long_session_as_of_a_short_one(
    servers: Servers, committed: str, lasting: World
) -> None:
    world, made = lasting, UUID(lasting.junior.hand_off("T-1")["id"])
    whole = {"account": world.account_id, "handoff": made}
    asked = {"account": world.account_id, "user": world.senior.id, "most": questions.MOST}

    def read() -> list[int]:
        with one_message(world.account_id) as message:
            card._WHOLE(message, whole)
            questions._WAITING(message, asked)
        return [
            buffers(world.account_id, card._WHOLE.executing, whole),
            buffers(world.account_id, questions._WAITING.executing, asked),
        ]

    few = read()
    values = {"account": str(world.account_id), "by": str(world.junior.id), "handoff": str(made), "most": MAX_STEPS}
    with closing(database.connect(servers.postgres.url(committed))) as connection, connection.cursor() as cursor:
        cursor.execute(_STEPS, values)
        cursor.execute("ANALYZE")  # plans are made again
    many = read()
    assert all(later <= earlier + 6 for earlier, later in zip(few, many, strict=True)), (few, many)
