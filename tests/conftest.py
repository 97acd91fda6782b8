"""Fixtures: private servers per run, a rolled-back transaction per test, and real commits on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, PoolProxiedConnection

from deploy.local import minilm
from models import database, transaction
from models.database.executor import Session
from models.feed.unit_of_work import UnitOfWork
from tests import servers as private
from tests import world as worlds
from tests.leaks import pytest_runtest_logreport, pytest_sessionfinish, pytest_terminal_summary  # noqa: F401
from tests.servers import Servers
from tests.stack import ROOT
from tests.world import World

# What needs more than this process: private servers, or programs that a test starts by itself.
SLOW_FIXTURES = {"servers", "process", "browser", "page_of"}
SLOW_FILES = {
    f"test_{name}.py" for name in ("build", "database", "processes", "quiet", "run", "servers", "stop", "web")
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that need no server, no process and no browser")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        os.environ |= {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """Leave out what --quick has no time for."""
    if config.getoption("--quick"):
        left_out = [item for item in items if SLOW_FIXTURES & {*item.fixturenames} or item.path.name in SLOW_FILES]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL and Redis of this run (of this worker, under xdist)."""
    made = private.start(tmp_path_factory.mktemp("servers"))
    try:
        with environment(made.environment(private.TEMPLATE)):
            private.migrate_template(made)
        yield made
    finally:
        made.postgres.stop()
        made.redis.stop()


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Run as a process that was started with these variables."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    private.forget_process_state()
    try:
        yield
    finally:
        private.forget_process_state()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def shared_database(servers: Servers) -> Iterator[str]:
    """The database of all tests that roll back."""
    name = servers.create_database()
    with environment(servers.environment(name)):
        yield name


class OneConnection(transaction.Source):
    """Puts one connection in the place of the engine: every commit is a savepoint of the test's transaction.

    Only for the test's own thread. Others, as the one that renews leases, would break into the savepoints of
    the test; they get connections of the engine, where there is nothing for them to do.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.thread = threading.get_ident()

    def session(self) -> UnitOfWork:
        """A session whose commit stays inside the test's transaction."""
        if threading.get_ident() != self.thread:
            return super().session()
        return UnitOfWork(self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False)

    def begin(self, session: Session, kind: transaction.Kind, account_id: UUID | None) -> None:
        """The scope of a transaction within the test's, which has begun."""
        if threading.get_ident() != self.thread:
            super().begin(session, kind, account_id)
        else:
            session.send(transaction.scope(self.connection.connection.driver_connection, kind, account_id), {})

    @contextmanager
    def reading(self) -> Iterator[PoolProxiedConnection]:
        """The same connection: a reader sees what the test has written."""
        if threading.get_ident() != self.thread:
            with super().reading() as connection:
                yield connection
            return
        yield self.connection.connection


@pytest.fixture
def rollback(shared_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Everything the test does happens in one transaction, which is rolled back."""
    with database.engine().connect() as connection:
        outer = connection.begin()
        monkeypatch.setattr(transaction, "source", OneConnection(connection))
        yield connection
        outer.rollback()


@pytest.fixture
def committed(servers: Servers) -> Iterator[str]:
    """A database of the test's own in which commits are real: for threads, processes and crashes.

    Redis is emptied: the wake-ups of tests that rolled back would keep this test's workers busy.
    """
    name = servers.create_database()
    with closing(redis.Redis.from_url(servers.redis.url)) as client:
        client.flushdb()
    try:
        with environment(servers.environment(name)):
            yield name
    finally:
        servers.drop_database(name)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of the small model that the development packages bring."""
    folder = minilm.link(tmp_path_factory.mktemp("minilm"))
    assert folder, "requirements-dev.txt brings the model"
    return str(folder)


@pytest.fixture(scope="session")
def app(shared_database: str) -> Flask:
    """The application. It connects through models.transaction.source, so it follows the test's database."""
    from wsgi import app

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An HTTP client without a token."""
    return app.test_client()


@pytest.fixture
def world(rollback: Connection, client: FlaskClient) -> World:
    """An account of the test's own, with five people."""
    return worlds.create(client)


@pytest.fixture
def other_world(world: World, client: FlaskClient) -> World:
    """A second account, for what must not cross."""
    return worlds.create(client, "Umbra")


class Provider:
    """The stand-in provider, from the outside."""

    def __init__(self, url: str) -> None:
        self.url = url

    def behave(self, behaviour: str = "good", **orders: Any) -> None:
        """Choose the behaviour of the next calls; see tests/provider.py."""
        data = json.dumps({"behaviour": behaviour, **orders}).encode()
        urllib.request.urlopen(f"{self.url}/control", data=data, timeout=5).close()

    def seen(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/control", timeout=5) as answer:
            return json.load(answer)

    @property
    def calls(self) -> int:
        return self.seen()["calls"]


@pytest.fixture(scope="session")
def _provider_process() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.provider", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def provider(_provider_process: str) -> Provider:
    """A provider in good health that has seen nothing yet."""
    stand_in = Provider(_provider_process)
    stand_in.behave("good", reset=True)
    return stand_in
