"""Profile a hot path: `python -m tests.benchmarks.profile poll|news|queue|intake|claim|assess`.

Runs the path in this process, against real servers, and prints what does not depend on how busy the machine is
(SQL statements and Python calls per run), then the functions that took the most time.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from tests.api.feed.feeds import statements
from tests.benchmarks import population as people
from tests.benchmarks.population import handoff_id, intakes, token
from tests.benchmarks.stage import Service, stage

RUNS = 200
Run = Callable[[int], Any]


def intake(service: Service, client: FlaskClient) -> Run:
    """POST /handoffs with ten steps."""
    bodies = intakes("p")
    return lambda n: _post(client, "/handoffs", next(bodies), token(1))


def claim(service: Service, client: FlaskClient) -> Run:
    """POST …/claim."""
    people.add_handoffs(service.stage.servers, service.name, account=1, first=0, count=RUNS * 2, status="ready")
    return lambda n: _post(client, f"/handoffs/{handoff_id(1, n)}/claim", b"{}", token(1, 2))


def assess(service: Service, client: FlaskClient) -> Run:
    """One assessment by an assessor that takes no time."""
    from models.assessment import Lane
    from tasks import assess as task
    from tests.benchmarks.references.worker import instant

    task.build = instant  # type: ignore[assignment]
    for body in islice(intakes("p"), RUNS * 2):
        _post(client, "/handoffs", body, token(1))
    serving = task._DrainLoop(Lane.INTERACTIVE)
    return lambda n: serving.go_on()


def queue(service: Service, client: FlaskClient) -> Run:
    """GET /queue, a page of 200."""
    people.add_handoffs(service.stage.servers, service.name, account=1, first=1, count=500, status="ready")
    return lambda n: _get(client, "/queue?limit=200")


def poll(service: Service, client: FlaskClient) -> Run:
    """GET /feed with nothing new."""
    place = _get(client, "/feed?cursor=now").json["cursor"]
    return lambda n: _get(client, f"/feed?cursor={place}", 1 + n % 20)


def news(service: Service, client: FlaskClient) -> Run:
    """GET /feed with 20 new events."""
    place = _get(client, "/feed?cursor=now").json["cursor"]
    people.add_events(service.stage.servers, service.name, account=1, first=1, count=20, whole=True)
    service.redis().flushdb()
    return lambda n: _get(client, f"/feed?cursor={place}", 1 + n % 20)


PATHS = {path.__name__: path for path in (poll, news, queue, intake, claim, assess)}


def _post(client: FlaskClient, path: str, body: bytes, bearer: str) -> Any:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    answer = client.post(f"/api/v1{path}", data=body, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return answer


def _get(client: FlaskClient, path: str, person: int = 1) -> Any:
    answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {token(1, person)}"})
    assert answer.status_code == 200, answer.text
    return answer


def main() -> None:
    """Print the profile of one path."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile", description=__doc__)
    options.add_argument("path", choices=sorted(PATHS))
    options.add_argument("--functions", type=int, default=25, help="how many to list (default 25)")
    asked = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        stage(Path(folder)) as servers,
        servers.service(people=20) as service,
        service.inside(),
    ):
        from wsgi import app

        run = PATHS[asked.path](service, app.test_client())
        for n in range(RUNS // 2):
            run(n)
        with statements() as sent:
            run(RUNS // 2)
        profile = cProfile.Profile()
        profile.enable()
        for n in range(RUNS // 2 + 1, RUNS + RUNS // 2 + 1):
            run(n)
        profile.disable()
        report(sent, profile, asked.functions)


def report(sent: list[str], profile: cProfile.Profile, functions: int) -> None:
    """The statements and calls of one run, and where the time went."""
    stats = pstats.Stats(profile)
    calls = sum(row[1] for row in stats.stats.values())  # type: ignore[attr-defined]
    print(f"{len(sent)} statements a run:")
    print("\n".join(f"  {' '.join(each.split())[:100]}" for each in sent))
    print(f"{calls / RUNS:,.0f} Python calls a run")
    stats.sort_stats("tottime").print_stats(functions)


if __name__ == "__main__":
    main()
