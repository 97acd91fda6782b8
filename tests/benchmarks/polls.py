"""Caught-up polls a second beside a bare Flask route, in the same gunicorn and the same run.

    python -m tests.benchmarks.polls [seconds]

Clients keep their connection, as a page does; the two routes take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import http.client
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests import servers as private
from tests import world as worlds
from tests.conftest import environment
from tests.stack import ROOT, Stack, answers, running, wait_for

CLIENTS = 8
ROUNDS = 4

# The service with a bare route beside it, and without the limit that one token has.
APPLICATION = """
from models import head
head.POLL_BURST = 10**9
from wsgi import app
app.add_url_rule("/bare", "bare", lambda: "[]")
"""


def main() -> None:
    """Start the parts, measure in turns, print one line."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as folder:
        servers = private.start(Path(folder))
        try:
            print(_measure(servers, Path(folder), seconds))
        finally:
            servers.postgres.stop()
            servers.redis.stop()


def _measure(servers: private.Servers, folder: Path, seconds: float) -> str:
    owner = {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
    with environment(servers.environment(private.TEMPLATE) | owner):
        private.migrate_template(servers)
    name = servers.create_database()
    (folder / "bench.py").write_text(APPLICATION)
    with environment(servers.environment(name)), running(Stack(servers, name, folder)) as stack:
        from wsgi import app

        world = worlds.create(app.test_client())
        world.junior.hand_off("T-1")
        cursor = world.viewer.get("/queue").json["cursor"]  # type: ignore[index]
        stack.environment["PYTHONPATH"] += f":{folder}"
        _serve(stack)
        routes = {"poll": (f"/api/v1/feed?cursor={cursor}", world.viewer.headers), "bare": ("/bare", {})}
        rates: dict[str, list[float]] = {route: [] for route in routes}
        for _ in range(ROUNDS):
            for route, (path, headers) in routes.items():
                rates[route].append(_rate(stack.port, path, headers, seconds))
    poll, bare = (statistics.median(rates[route]) for route in ("poll", "bare"))
    return (
        f"caught-up polls {poll:.0f}/s, bare Flask route {bare:.0f}/s: {poll / bare:.2f}"
        f" (median of {ROUNDS} turns of {seconds:g} s, {CLIENTS} clients, default gunicorn settings)"
    )


def _serve(stack: Stack) -> None:
    process = stack.start("web", "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"), "bench:app")
    wait_for(lambda: answers(f"{stack.url}/healthz"), "gunicorn to answer", process=process)


def _rate(port: int, path: str, headers: dict[str, str], seconds: float) -> float:
    """Answers a second over all clients."""
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        return sum(pool.starmap(_client, [(port, path, headers, seconds)] * CLIENTS))


def _client(port: int, path: str, headers: dict[str, str], seconds: float) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    begin, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < seconds:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        count += 1
    return count / spent


if __name__ == "__main__":
    main()
