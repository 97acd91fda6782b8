"""No tokens, keys or ticket text in logs, errors, or the repr of anything."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models import account
from models import database as db
from models.account import ApiToken, Caller
from models.handoff import Handoff
from models.settings import SettingsError, settings
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.conftest import environment
from tests.leaks import leaks_in
from tests.servers import Servers
from tests.stack import Stack, running, wait_for
from tests.world import World, intake

PLANTED = {
    "SECRET_KEY": "planted-secret-key-0123456789abcdef",
    "SECRET_KEY_PREVIOUS": "planted-older-key-0123456789abcdef",
    "OPENAI_API_KEY": "sk-planted-openai",
    "ANTHROPIC_API_KEY": "sk-planted-anthropic",
    "JWT_SECRET": "planted-jwt-secret-0123456789abcdef",
    "JWT_AUDIENCE": "escalation",
    "DATABASE_URL": "postgresql://user:plantedpassword@127.0.0.1/x",
    "REDIS_URL": "redis://:plantedpassword@127.0.0.1/0",
}


def test_the_repr_of_the_settings_shows_no_secret(servers: Servers) -> None:
    with environment(PLANTED):
        shown = repr(settings()) + str(settings()) + repr(db.engine()) + repr(settings().database)
    assert "planted" not in shown


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET", "DATABASE_URL", "REDIS_URL", "FEED_RETENTION_DAYS"])
def test_a_bad_setting_is_named_without_its_value(servers: Servers, name: str) -> None:
    with environment(PLANTED | {name: "planted"}), pytest.raises(SettingsError) as stopped:
        settings()
    assert name in str(stopped.value)
    assert "planted" not in str(stopped.value)


def test_the_repr_of_rows_and_callers_shows_no_token_and_no_ticket(world: World) -> None:
    made = world.junior.hand_off("T-1", reason="planted ticket text")["id"]
    with maintenance() as session:
        token, secret = account.issue_token(session, world.account_id, world.senior.id)
        shown = repr(token) + str(token) + repr(session.query(ApiToken).all())
        known = account.authenticate(session, [account.digest(secret)])[account.digest(secret)]
    with transaction(world.account_id) as session:
        shown += repr(session.get(Handoff, (world.account_id, UUID(made))))
    assert isinstance(known[0], Caller)
    shown += repr(known)
    assert secret not in shown
    assert account.digest(secret) not in shown
    assert "planted" not in shown


def test_an_error_of_the_database_does_not_quote_its_parameters(world: World) -> None:
    with pytest.raises(DBAPIError) as raised, transaction(world.account_id) as session:
        session.execute(text("SELECT 1 / 0 WHERE :ticket <> ''"), {"ticket": "planted ticket text"})
    assert "planted" not in str(raised.value)


def test_an_unexpected_error_answers_and_logs_without_its_message(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted ticket text")

    monkeypatch.setattr(Session, "flush", explode)
    answer = world.junior.post("/handoffs", intake())
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "RuntimeError" in caplog.text
    assert "planted" not in answer.text + caplog.text


def test_the_search_for_leaks_finds_tokens_and_ticket_text(world: World) -> None:
    assert leaks_in(f"Authorization: Bearer {world.junior.token}")
    assert leaks_in("rf_" + "x" * 43)
    assert leaks_in("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkw.sig")
    assert leaks_in(f'{{"event": "{intake()["session"]["problem"]}"}}')
    assert not leaks_in(
        '{"event": "assessed", "account": "0192f0c1-7a00-7000-8000-000000000001", "prefix": "rf_test_01a"}'
    )


def call(url: str, token: str, body: Any = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_real_processes_log_ids_and_neither_tokens_nor_keys_nor_ticket_text(
    servers: Servers, committed: str, tmp_path: Path
) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    planted = {name: value for name, value in PLANTED.items() if not name.endswith("_URL")}
    with running(Stack(servers, committed, tmp_path, WEB_CONCURRENCY="1", **planted)) as stack:
        stack.web()
        stack.worker(concurrency=1)
        api, token = f"{stack.url}/api/v1", world.junior.token
        assert call(f"{api}/handoffs", token, intake("T-1", ask="planted ask", reason="planted reason")) == 202
        assert call(f"{api}/handoffs", token, intake("T-2") | {"planted": "planted"}) == 422
        assert call(f"{api}/handoffs", "rf_" + "w" * 43, intake()) == 401
        assert call(f"{api}/handoffs?token={token}", token) == 422
        assert call(f"{api}/sessions/T-1/steps", token, {"kind": "note", "text": "planted step"}) == 201
        wait_for(lambda: '"assessed"' in stack.logs(), "the worker to write the assessment")
        break_the_tables(servers, committed)
        assert call(f"{api}/handoffs", token, intake("T-3", reason="planted reason")) == 500
        wait_for(lambda: "unexpected error" in stack.logs(), "the error to be logged")
        logged = stack.logs()
    assert str(world.account_id) in logged
    assert leaks_in(logged) == []
    assert "planted" not in logged
    assert servers.password not in logged


def break_the_tables(servers: Servers, database: str) -> None:
    """Make the next intake fail inside the database."""
    connection = psycopg2.connect(servers.postgres.url(database).replace("postgresql+psycopg2", "postgresql"))
    connection.autocommit = True
    connection.cursor().execute("ALTER TABLE sessions ADD CONSTRAINT broken CHECK (false) NOT VALID")
    connection.close()
