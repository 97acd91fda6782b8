"""I7: a page of news costs the same, however long the history."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import text

from deploy.production import database
from models import feed
from models.transaction import maintenance, one_message
from tests.proofs.conftest import Note, scaled
from tests.servers import Servers
from tests.world import World

MANY = scaled(100_000, 1_000_000)

_HISTORY = """
    INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, card)
    SELECT '{account}', n, 'handoff.updated', '{handoff}', 1, '{{"id": "x"}}'
    FROM generate_series({first}, {last}) AS n
"""


@pytest.mark.timeout(scaled(120, 600))
def test_a_page_reads_the_same_buffers_after_ten_thousand_events_and_after_many_more(
    servers: Servers, committed: str, accounts: list[World], figure: Note
) -> None:
    world = accounts[0]
    handoff = UUID(world.junior.hand_off("T-1")["id"])
    measured = {}
    first = 2
    for events in (10_000, MANY):
        _grow(servers, committed, world.account_id, handoff, first, events)
        first = events + 1
        measured[events] = [_buffers(world.account_id, events - behind) for behind in (0, 1, 50)]
    figure("I7: buffers of a page at the head, 1 behind, 50 behind", f"{measured}")
    few, many = measured[10_000], measured[MANY]
    # One more level of the index, and the page of a row may lie on either side of a block's edge.
    assert all(abs(later - earlier) <= 4 for earlier, later in zip(few, many, strict=True)), measured
    assert max(few) < 40


def _grow(servers: Servers, name: str, account: UUID, handoff: UUID, first: int, last: int) -> None:
    connection = database.connect(servers.postgres.url(name))
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY.format(account=account, handoff=handoff, first=first, last=last))
        cursor.execute("UPDATE feeds SET head = %s WHERE account_id = %s", [last, str(account)])
        cursor.execute("VACUUM ANALYZE feed_events")
        cursor.execute("VACUUM ANALYZE feeds")
    connection.close()


def _buffers(account: UUID, after: int) -> int:
    """The buffers that the service's own statement touches, as PostgreSQL counts them."""
    page = feed._PAGES["none"]
    sql = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {page.executing}"
    with one_message(account) as message:
        values = {"account": account, "after": after, "limit": 101}
        page(message, values)
        plans = ["\n".join(row[0] for row in message.send(sql, values)) for _ in range(2)]
    assert "Seq Scan on feed_events" not in plans[1]
    found = re.search(r"Buffers: shared hit=(\d+)", plans[1])
    assert found, plans[1]
    return int(found.group(1))


def test_the_writers_statement_touches_no_history(accounts: list[World]) -> None:
    accounts[0].junior.hand_off("T-1")
    with maintenance() as session:
        indexes = session.scalars(text("SELECT indexdef FROM pg_indexes WHERE tablename = 'feeds'")).all()
    # The counter's updates stay on their page: nothing but the key is indexed.
    assert [index for index in indexes if "account_id" not in index] == []
    assert len(indexes) == 1
