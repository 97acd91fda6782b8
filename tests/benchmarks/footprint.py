"""Resources of an installation: memory of each process, and the set-up of a database test."""

from __future__ import annotations

import statistics
import subprocess
import sys

from tests.benchmarks import load
from tests.benchmarks.pipeline import handed_off
from tests.benchmarks.reads import polls
from tests.benchmarks.stage import Service, Stage, memory_mib
from tests.benchmarks.table import Row
from tests.stack import ROOT

PAGES = 1000
SET_UPS = 40


def memory(stage: Stage) -> list[Row]:
    """Mebibytes (PSS) of a web process, of a Celery worker, and of a thousand open queue pages."""
    with stage.service(accounts=100, people=PAGES // 100) as service:
        web, worker = service.web(), service.worker(16)
        handed_off(service, 200)
        before = sum(memory_mib(web)) + _redis_mib(service)
        requests = polls(service, 100, PAGES // 100, conditional=True)
        for _ in range(2):
            load.closed_loop(service.port, iter(requests * 3), connections=64, seconds=60).only(304)
        after = sum(memory_mib(web)) + _redis_mib(service)
        of_web, of_worker = max(memory_mib(web)[1:]), max(memory_mib(worker))
    return [
        Row("memory of a web process", of_web, None, None, "MiB"),
        Row("memory of a Celery worker with 16 threads", of_worker, None, None, "MiB"),
        Row("memory per 1,000 open queue pages, web and Redis", max(0.0, after - before), None, None, "MiB"),
    ]


def _redis_mib(service: Service) -> float:
    return float(service.redis().info("memory")["used_memory"]) / 2**20


def set_up(stage: Stage) -> list[Row]:
    """Milliseconds of set-up and tear-down of a test that uses the database (fixture `world`)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.set_up", str(SET_UPS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    times = [float(word) for word in done.stdout.rpartition("TIMES")[2].split()]
    return [Row("set-up of a database test", statistics.median(times), None, None, "ms", aim=5.0, least=False)]
