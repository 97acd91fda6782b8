"""Measure the metrics of 30 days over 100,000 handoffs, and list the indexes that they read.

python -m tests.benchmarks.analytics [--handoffs N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg2
from sqlalchemy import text

from models import analytics
from models.transaction import maintenance, transaction
from tests import servers as private
from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers

RUNS = 9
DAYS = 30

# Three times the period's handoffs, evenly in time, so that two thirds are older. Waits spread as real ones are:
# most short, a long tail; a tenth never claimed, a fifth without an action.
FILL = """
    INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, handed_off_by_id,
        claimed_by_id, created_at, ready_at, claimed_at, first_action_at, returns, overdue, generation, search)
    SELECT %(account)s, overlay(gen_random_uuid()::text placing lpad(to_hex(n), 12, '0') from 25 for 12)::uuid,
        %(session)s, 'escalate', 'resolved', 1, 'normal', repeat('x', 200), %(user)s, %(user)s,
        began, began + wait * interval '1 second',
        CASE WHEN n %% 10 > 0 THEN began + wait * interval '60 seconds' END,
        CASE WHEN n %% 10 > 1 THEN began + wait * interval '90 seconds' END,
        0, false, 1, to_tsvector('english', 'printer offline after update ' || n)
    FROM (SELECT n, now() - interval '1 minute' - n * %(days)s * interval '1 day' / %(count)s AS began,
        exp(random() * 8) AS wait FROM generate_series(1, 3 * %(count)s) AS n) AS made
"""
ASSESS = """
    INSERT INTO assessments (account_id, id, handoff_id, generation, lane, state, queued_at, deadline_at, content)
    SELECT account_id, gen_random_uuid(), id, 1, 'interactive',
        CASE WHEN random() < 0.9 THEN 'succeeded' ELSE 'fallback' END, created_at, now(),
        jsonb_build_object('summary', repeat('x', 1500))
    FROM handoffs WHERE account_id = %(account)s
"""


def fill(servers: Servers, database: str, account_id: UUID, count: int) -> None:
    """Store the handoffs with their assessments, and let PostgreSQL look at them."""
    with maintenance() as session:
        user, kept = session.execute(
            text("""
                WITH made AS (INSERT INTO sessions (account_id, id, external_id, title, problem)
                    VALUES (:account, gen_random_uuid(), 'B-1', 'x', 'x') RETURNING id)
                SELECT users.id, made.id FROM users, made WHERE users.account_id = :account LIMIT 1
            """),
            {"account": account_id},
        ).one()
    connection = psycopg2.connect(servers.postgres.url(database).replace("postgresql+psycopg2", "postgresql"))
    connection.autocommit = True
    cursor = connection.cursor()
    given = {"account": str(account_id), "session": str(kept), "user": str(user), "count": count, "days": DAYS}
    for statement in (FILL, ASSESS):
        cursor.execute(statement, given)
    cursor.execute("VACUUM ANALYZE handoffs, assessments")
    connection.close()


def measure(account_id: UUID) -> tuple[list[float], int]:
    """The milliseconds of each run, and how many handoffs were counted."""
    took, counted = [], 0
    until = datetime.now(UTC)
    for _ in range(RUNS):
        began = time.perf_counter()
        with transaction(account_id) as session:
            found = analytics.escalations(session, account_id, since=until - timedelta(days=DAYS), until=until)
        took.append((time.perf_counter() - began) * 1000)
        counted = found["n_handoffs"]
    return took, counted


def plan(account_id: UUID) -> str:
    """Return PostgreSQL's plan."""
    until = datetime.now(UTC)
    given = {"account": account_id, "since": until - timedelta(days=DAYS), "until": until}
    with transaction(account_id) as session:
        rows = session.execute(text(f"EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF) {analytics._MEASURE.text}"), given)
        return "\n".join(row[0] for row in rows)


def main() -> None:
    """Run it on private servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--handoffs", type=int, default=100_000)
    count = parser.parse_args().handoffs
    with tempfile.TemporaryDirectory() as folder:
        servers = private.start(Path(folder))
        try:
            url = {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
            with environment(servers.environment(private.TEMPLATE) | url):
                private.migrate_template(servers)
            name = servers.create_database()
            with environment(servers.environment(name)):
                from wsgi import app

                world = worlds.create(app.test_client())
                fill(servers, name, world.account_id, count)
                print(plan(world.account_id))
                took, counted = measure(world.account_id)
                print(f"{counted} handoffs, {DAYS} days, {RUNS} runs under row-level security, in ms:")
                print(f"median {statistics.median(took):.0f}  least {min(took):.0f}  most {max(took):.0f}")
        finally:
            servers.postgres.stop()
            servers.redis.stop()


if __name__ == "__main__":
    main()
