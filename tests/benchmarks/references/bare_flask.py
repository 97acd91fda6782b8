"""Bare Flask and psycopg2: no login, no checks, no ORM, a connection per thread. Served by the same gunicorn."""

from __future__ import annotations

import json
import os
import threading
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import psycopg2.extras
import redis
from flask import Flask, Response, request

app = Flask(__name__)
_local = threading.local()


def cursor() -> Any:
    """A cursor of this thread's own connection, as the superuser: row-level security costs it nothing."""
    if not hasattr(_local, "connection"):
        _local.connection = psycopg2.connect(os.environ["BENCH_DATABASE_URL"])
    return _local.connection.cursor()


def commit() -> None:
    """End the thread's transaction."""
    _local.connection.commit()


@app.get("/nothing")
def nothing() -> Response:
    """The least that Flask can answer."""
    return Response("{}", mimetype="application/json")


EVENTS = (
    "SELECT seq, type, created_at, card FROM feed_events WHERE account_id = %s AND seq > %s ORDER BY seq LIMIT 101"
)


@app.get("/events/<account>/<int:after>")
def events(account: str, after: int) -> Response:
    """The events after a number, as anybody would write it."""
    with cursor() as found:
        found.execute(EVENTS, (account, after))
        rows = found.fetchall()
    commit()
    items = [{"seq": seq, "type": kind, "at": at.isoformat(), "handoff": card} for seq, kind, at, card in rows]
    return Response(json.dumps({"events": items}), mimetype="application/json")


SESSION = """
    INSERT INTO sessions (account_id, id, external_id, title, problem, category, steps_count)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
STEPS = "INSERT INTO session_steps (account_id, session_id, seq, kind, text, outcome, added_by_id) VALUES %s"
HANDOFF = """
    INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, handed_off_by_id,
        returns, overdue, generation, seq, card, search, words, created_at)
    VALUES (%s, %s, %s, 'escalate', 'pending', 1, 'normal', %s, %s, 0, false, 1, %s, %s,
        array_to_tsvector(ARRAY[%s]) || setweight(to_tsvector('english', %s), 'A') || to_tsvector('english', %s),
        to_tsvector('simple', %s), now())
"""
ASSESSMENT = """
    INSERT INTO assessments (account_id, id, handoff_id, generation, lane, state, asked_by_id, deadline_at)
    VALUES (%s, %s, %s, 1, 'interactive', 'queued', %s, now() + interval '120 s')
"""
COUNT = "UPDATE feeds SET head = head + 1, changed_at = clock_timestamp() WHERE account_id = %s RETURNING head"
EVENT = """
    INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, actor_id, card)
    VALUES (%s, %s, 'handoff.created', %s, 1, %s, %s)
"""


@app.post("/handoffs/<account>/<user>")
def create(account: str, user: str) -> tuple[Response, int]:
    """The rows of an intake in one commit."""
    body: dict[str, Any] = json.loads(request.get_data())
    told = body["session"]
    session, handoff, steps = str(uuid4()), str(uuid4()), told["steps"]
    texts = "\n".join([told["external_id"], told["problem"], body["reason"], *(step["text"] for step in steps)])
    card = json.dumps(body | {"id": handoff, "session": {**told, "steps": len(steps)}})
    with cursor() as write:
        details = [told[name] for name in ("external_id", "title", "problem", "category")]
        write.execute(SESSION, (account, session, *details, len(steps)))
        rows = [
            (account, session, seq, step["kind"], step["text"], step["outcome"], user)
            for seq, step in enumerate(steps, start=1)
        ]
        psycopg2.extras.execute_values(write, STEPS, rows)
        lexeme = f"account:{UUID(account).hex}"
        write.execute(
            HANDOFF, (account, handoff, session, body["reason"], user, 1, card, lexeme, told["title"], texts, texts)
        )
        write.execute(ASSESSMENT, (account, str(uuid4()), handoff, user))
        write.execute(COUNT, (account,))
        write.execute(EVENT, (account, write.fetchone()[0], handoff, user, card))
    commit()
    return Response(card, mimetype="application/json"), 202


CLAIM = """
    UPDATE handoffs SET status = 'claimed', claimed_by_id = %s, claimed_at = now(), version = version + 1
    WHERE account_id = %s AND id = %s AND status IN ('pending', 'ready') RETURNING id
"""


@app.post("/claim/<account>/<user>/<handoff>")
def claim(account: str, user: str, handoff: str) -> tuple[Response, int]:
    """One conditional update, and who won."""
    with cursor() as write:
        write.execute(CLAIM, (user, account, handoff))
        won = write.fetchone()
    commit()
    return Response(json.dumps({"id": handoff}), mimetype="application/json"), 200 if won else 409


@app.post("/tasks/<key>")
def start_task(key: str) -> tuple[Response, int]:
    """Send an empty Celery task that only reports its execution."""
    from tests.benchmarks.references.worker import mark

    mark.apply_async(args=[key], queue="interactive")
    return Response("{}", mimetype="application/json"), 202


@app.get("/tasks/<key>")
def task_ended(key: str) -> Response:
    """Return whether that task has run."""
    done = bool(_redis().exists(f"mark:{key}"))
    return Response(json.dumps({"done": done}), mimetype="application/json")


def _redis() -> redis.Redis:
    if not hasattr(_local, "redis"):
        _local.redis = redis.Redis.from_url(os.environ["REDIS_URL"])
    found: redis.Redis = _local.redis
    return found
