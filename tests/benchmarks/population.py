"""Databases full of accounts, handoffs and events, created by SQL: a million rows in seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

from deploy.production import database
from tests.servers import Servers

STEPS = 10
TITLE = "Printer offline after the update"
PROBLEM = "The printer HP-2 shows offline on every PC since the update of KB5044284. " * 3
STEP = "Restarted the spooler service and printed a test page from the server; it stays in the queue."


def account_id(number: int) -> UUID:
    """The id of the account with this number, from 1."""
    return UUID(hashlib.md5(f"account{number}".encode(), usedforsecurity=False).hexdigest())


def user_id(account: int, person: int = 1) -> UUID:
    """The id of a person of an account; both count from 1."""
    return UUID(hashlib.md5(f"user{account}.{person}".encode(), usedforsecurity=False).hexdigest())


def token(account: int, person: int = 1) -> str:
    """The bearer token of a person of an account; both count from 1. The first one is the author of everything."""
    return f"rf_bench_{account}_{person}"


def handoff_id(account: int, number: int) -> UUID:
    """The id of an account's handoff with this number, from 1; they sort by number as UUIDv7 do by time."""
    return UUID(f"{number:012x}70008000{account:012x}")


def intake(external_id: str, steps: int = STEPS) -> bytes:
    """The body of a POST /handoffs."""
    each = [{"kind": "action", "text": f"{n}. {STEP}", "outcome": "failed"} for n in range(1, steps + 1)]
    session = {"external_id": external_id, "title": TITLE, "problem": PROBLEM, "category": "Printing", "steps": each}
    return json.dumps({"intent": "escalate", "reason": "No idea left.", "session": session}).encode()


def intakes(prefix: str, steps: int = STEPS) -> Iterator[bytes]:
    """Bodies without end, each of a session of its own."""
    template, number = intake("@@@@", steps), 0
    while True:
        number += 1
        yield template.replace(b"@@@@", f"{prefix}-{number}".encode())


def run_sql(servers: Servers, name: str, *statements: str) -> None:
    """Run statements as the superuser, without triggers: rows that are right need no check of foreign keys."""
    with closing(database.connect(servers.postgres.url(name))) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)


def add_accounts(servers: Servers, name: str, accounts: int, people: int) -> None:
    """Create accounts 1..n, each with its feed and admins, each of them with a token."""
    run_sql(
        servers,
        name,
        f"""
        INSERT INTO accounts (id, name)
        SELECT md5('account' || n)::uuid, 'Account ' || n FROM generate_series(1, {accounts}) AS n
        """,
        "INSERT INTO feeds (account_id) SELECT id FROM accounts",
        f"""
        INSERT INTO users (account_id, id, name, role)
        SELECT md5('account' || n)::uuid, md5('user' || n || '.' || p)::uuid, 'Person ' || p, 'admin'
        FROM generate_series(1, {accounts}) AS n, generate_series(1, {people}) AS p
        """,
        f"""
        INSERT INTO api_tokens (account_id, id, user_id, prefix, digest)
        SELECT md5('account' || n)::uuid, md5('token' || n || '.' || p)::uuid, md5('user' || n || '.' || p)::uuid,
            'rf_bench', encode(sha256(convert_to('rf_bench_' || n || '_' || p, 'UTF8')), 'hex')
        FROM generate_series(1, {accounts}) AS n, generate_series(1, {people}) AS p
        """,
        "ANALYZE accounts, feeds, users, api_tokens",
    )


# A card as long as a real one, about 900 bytes.
CARD = json.dumps(
    {
        "intent": "escalate",
        "status": "ready",
        "version": 2,
        "priority": "normal",
        "reason": "No idea left.",
        "ask": None,
        "session": {
            "external_id": "T-1",
            "title": TITLE,
            "problem": PROBLEM,
            "category": "Printing",
            "client": None,
            "asset": None,
            "steps_count": STEPS,
        },
        "handed_off_by": {"id": str(UUID(int=1)), "name": "Person 1"},
        "target": None,
        "claimed_by": None,
        "created_at": "2026-01-01T00:00:00+00:00",
        "ready_at": "2026-01-01T00:00:01+00:00",
        "claimed_at": None,
        "first_action_at": None,
        "lease_until": None,
        "snoozed_until": None,
        "snooze_reason": None,
        "resolved_at": None,
        "resolution": None,
        "returns": 0,
        "overdue": False,
        "assessment_state": "succeeded",
        "assessment": {
            "summary": f"{TITLE}. Restarting the spooler did not help.",
            "likely_cause": {"text": "The driver was removed by the update."},
            "confidence": "low",
            "source": "extractive",
        },
    }
)


def add_handoffs(
    servers: Servers, name: str, *, account: int, first: int, count: int, status: str, words: bool = False
) -> None:
    """Handoffs first..first+count-1 of an account, each with a session; `words` makes them searchable."""
    lexeme = f"array_to_tsvector(ARRAY['account:{account_id(account).hex}'])"
    document = f"{lexeme} || to_tsvector('english', '{TITLE} {PROBLEM} {status} ' || n)" if words else "''::tsvector"
    found_by = f"to_tsvector('simple', '{TITLE} {PROBLEM} {status} ' || n)" if words else "''::tsvector"
    claimed = f"md5('user{account}.1')::uuid" if status == "resolved" else "NULL"
    # The text form of handoff_id(): a rising number in front keeps the key's index in order, as UUIDv7 does.
    number = "lpad(to_hex(n), 12, '0')"
    key = f"(substr({number}, 1, 8) || '-' || substr({number}, 9, 4) || '-7000-8000-' || '{account:012x}')::uuid"
    numbers = f"generate_series({first}, {first + count - 1}) AS n"
    run_sql(
        servers,
        name,
        f"""
        INSERT INTO sessions (account_id, id, external_id, title, problem, category, steps_count)
        SELECT md5('account{account}')::uuid, {key}, 'S-{account}-' || n, '{TITLE}', '{PROBLEM}', 'Printing', 0
        FROM {numbers}
        """,
        f"""
        INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason,
            handed_off_by_id, claimed_by_id, created_at, ready_at, returns, overdue, generation, seq, card, search,
            words, resolution)
        SELECT md5('account{account}')::uuid, {key}, {key}, 'escalate', '{status}', 2, 'normal', 'No idea left.',
            md5('user{account}.1')::uuid, {claimed}, now() - interval '1 day', now(), 0, false, 0, 1,
            '{CARD}'::jsonb || jsonb_build_object('id', {key}::text, 'seq', 1), {document}, {found_by},
            CASE '{status}' WHEN 'resolved' THEN 'Installed the driver again.' END
        FROM {numbers}
        """,
        "ANALYZE sessions, handoffs",
    )
    if words and status == "resolved":
        remember_cases(servers, name, account)


def remember_cases(servers: Servers, name: str, account: int) -> None:
    """Do what the trigger does, which does not run for rows that are inserted without triggers."""
    run_sql(
        servers,
        name,
        f"""
        INSERT INTO past_cases (account_id, handoff_id, session_id, said, opening)
        SELECT h.account_id, h.id, h.session_id, h.search,
            setweight(to_tsvector('english', s.title), 'A') || to_tsvector('english', s.problem)
        FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
        WHERE h.account_id = md5('account{account}')::uuid AND h.status = 'resolved'
        ON CONFLICT DO NOTHING
        """,
        "ANALYZE past_cases",
    )


def add_events(servers: Servers, name: str, *, account: int, first: int, count: int, whole: bool = False) -> None:
    """Events first..first+count-1 in an account's feed; `whole` gives them cards of a real card's length."""
    card = f"'{CARD}'::jsonb" if whole else "'{}'::jsonb"
    last = first + count - 1
    run_sql(
        servers,
        name,
        f"""
        INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, card, created_at)
        SELECT md5('account{account}')::uuid, n, 'handoff.updated', md5('event' || n)::uuid, 1,
            {card} || jsonb_build_object('id', md5('event' || n), 'seq', n), now()
        FROM generate_series({first}, {last}) AS n
        """,
        f"UPDATE feeds SET head = {last}, changed_at = now() WHERE account_id = md5('account{account}')::uuid",
        "ANALYZE feed_events, feeds",
    )


def add_assessments(servers: Servers, name: str, *, account: int, first: int, count: int) -> None:
    """A queued assessment for each of these handoffs, with the handoff's id as its own."""
    run_sql(
        servers,
        name,
        f"""
        INSERT INTO assessments (account_id, id, handoff_id, generation, lane, state, deadline_at)
        SELECT account_id, id, id, 1, 'interactive', 'queued', now() + interval '1 hour'
        FROM handoffs WHERE account_id = md5('account{account}')::uuid
            AND id BETWEEN '{handoff_id(account, first)}' AND '{handoff_id(account, first + count - 1)}'
        """,
        f"""
        UPDATE handoffs SET generation = 1, ready_at = NULL WHERE account_id = md5('account{account}')::uuid
            AND id BETWEEN '{handoff_id(account, first)}' AND '{handoff_id(account, first + count - 1)}'
        """,
        "ANALYZE assessments",
    )
