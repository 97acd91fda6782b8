"""I1 and I2: whoever sees n sees everything below n, whatever is rolled back, deadlocks or is killed."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from deploy.production import database
from models.feed.head import heads
from models.transaction import maintenance
from tests.proofs import storm
from tests.proofs.conftest import Note, scaled
from tests.proofs.storm import CounterRow, Outcome, PlainSequence, Strategy
from tests.servers import Servers
from tests.world import World

EVENTS = scaled(300, 5_000)
WRITERS = scaled(10, 14)


@pytest.fixture
def keys(servers: Servers, committed: str, accounts: list[World]) -> list[storm.Key]:
    """Three accounts with three handoffs each, in a database that finds deadlocks quickly."""
    connection = database.connect(servers.postgres.url(committed))
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {committed} SET deadlock_timeout = '20ms'")
        cursor.execute(f"CREATE SEQUENCE plain START 100; GRANT USAGE ON plain TO {servers.roles.upkeep}")
    connection.close()
    return [(world.account_id, UUID(world.junior.hand_off(f"T-{n}")["id"])) for world in accounts for n in range(3)]


def _storm(strategy: Strategy, keys: list[storm.Key]) -> Outcome:
    watch = isinstance(strategy, CounterRow)
    return storm.run(strategy, keys, events=EVENTS, writers=WRITERS, watch_hints=watch)


@pytest.mark.timeout(scaled(120, 1200))
def test_no_committed_event_is_missed_or_repeated_and_numbers_have_no_gaps(
    keys: list[storm.Key], figure: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The announcements of those who are killed end soon, so that there are hints to believe in such a storm.
    monkeypatch.setattr(heads(), "ttl_seconds", 0.3)
    monkeypatch.setattr(heads(), "announced_seconds", 1.0)
    outcome = _storm(CounterRow(), keys)
    figure(
        "I1, I2: one counter row per account",
        f"{len(outcome.committed)} events by {WRITERS} writers; {outcome.missed} missed,"
        f" {outcome.repeated} repeated; {outcome.rolled_back} rollbacks, {outcome.deadlocks} deadlocks,"
        f" {outcome.killed} connections killed; {outcome.late_hints} of {outcome.hints} hints too low",
    )
    assert outcome.rolled_back
    assert outcome.killed
    assert (outcome.missed, outcome.repeated) == (0, 0)
    assert outcome.late_hints == 0
    assert outcome.hints
    with maintenance() as session:
        feeds = session.execute(
            text("""
            SELECT f.head, count(*), min(e.seq), max(e.seq)
            FROM feeds AS f JOIN feed_events AS e USING (account_id) GROUP BY f.account_id, f.head""")
        ).all()
    assert len(feeds) == 3
    assert all((count, lowest, highest) == (head, 1, head) for head, count, lowest, highest in feeds)


@pytest.mark.timeout(scaled(120, 1200))
def test_the_same_storm_loses_events_with_a_plain_sequence(keys: list[storm.Key], figure: Note) -> None:
    outcome = _storm(PlainSequence(), keys)
    share = 100 * outcome.missed / len(outcome.committed)
    figure(
        "I1, negative control: a plain sequence in the same harness",
        f"{len(outcome.committed)} events; {outcome.missed} missed ({share:.1f} %)",
    )
    assert outcome.missed > 0
