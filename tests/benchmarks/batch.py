"""A large batch on real texts: rows a second, memory, and what people notice of it.

python -m tests.benchmarks.batch [--rows 100000] [--probes 200] [--bulk-threads 1]

Starts private servers, imports the rows (tickets and chats of REAL_DATA_DIR, cycled), measures interactive
time to ready on the idle service, then again while the offline assessor goes through all rows.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import select, text

from models import account, batch
from models.account import Role
from models.batch import BatchState
from models.batch.selection import Selection
from models.handoff import Handoff
from models.redis import client, redis_key
from models.settings import settings
from models.transaction import maintenance, transaction
from tests import real_data
from tests import servers as private
from tests.benchmarks import rows as real
from tests.conftest import environment
from tests.stack import Stack, running, wait_for
from tests.world import intake

FILES = ("tickets_it_labelled.jsonl", "sessions_irc.jsonl")
START = datetime(2024, 1, 1, tzinfo=UTC)


def history(rows: int) -> Iterator[dict[str, Any]]:
    """Lines to import: short tickets and long chats in turn; three of four are resolved."""
    short, long = (real.load([real_data.folder() / name]) for name in FILES)
    texts = (row for pair in zip(cycle(short), cycle(long), strict=False) for row in pair)
    for number, row in enumerate(islice(texts, rows)):
        at = START + timedelta(minutes=number)
        yield _line(number, row, at)


def _line(number: int, row: dict[str, Any], at: datetime) -> dict[str, Any]:
    steps = [step for step in row.get("steps", []) if step["text"].strip()]
    body = row.get("body") or (steps[0]["text"] if steps else "")
    line: dict[str, Any] = {
        "id": f"row-{number}",
        "created_at": at.isoformat(),
        "intent": "escalate",
        "reason": "Out of ideas.",
        "session": {
            "external_id": f"H-{number}",
            "title": ((row.get("title") or body).strip() or "untitled")[:200],
            "problem": body[:20_000],
            "category": row.get("topic_group"),
            "steps": [
                {"kind": "note", "text": step["text"][:8000], "author": step.get("author")} for step in steps[1:200]
            ],
        },
    }
    if number % 4:
        last = steps[-1]["text"] if steps else body
        line |= {"resolution": last[:2000], "resolved_at": (at + timedelta(hours=3)).isoformat()}
    return line


@dataclass
class Peaks:
    """The largest figures seen while something ran."""

    processes: dict[str, psutil.Process]
    memory: dict[str, int] = field(default_factory=dict)
    redis: int = 0
    queued: int = 0

    def watch(self, stop: threading.Event) -> None:
        while not stop.wait(0.5):
            for name, process in self.processes.items():
                resident = process.memory_info().rss
                self.memory[name] = max(resident, self.memory.get(name, 0))
            info = client().info("memory")
            self.redis = max(self.redis, int(info["used_memory"]))  # type: ignore[index]
            self.queued = max(self.queued, int(client().llen(redis_key("bulk"))))  # type: ignore[arg-type]


def mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def load(folder: Path, account_id: UUID, rows: int, stack: Stack) -> None:
    """Import the rows with the command and return the speed."""
    path = folder / "history.jsonl"
    with path.open("w") as file:
        for line in history(rows):
            file.write(json.dumps(line) + "\n")
    started = time.monotonic()
    process = stack.start("import", "-m", "flask", "handoffs", "import", str(path), "--account", str(account_id))
    watched = Peaks({"import": psutil.Process(process.pid)})
    _until_gone(watched, process)
    assert process.returncode == 0, stack.logs()[-2000:]
    seconds = time.monotonic() - started
    print(
        f"import: {rows} lines ({mib(path.stat().st_size)}) in {seconds:.1f} s,"
        f" {rows / seconds:.0f} lines/s, peak memory {mib(watched.memory.get('import', 0))}"
    )


def _until_gone(watched: Peaks, process: Any) -> None:
    while process.poll() is None:
        try:
            resident = watched.processes["import"].memory_info().rss
        except psutil.Error:
            return
        watched.memory["import"] = max(resident, watched.memory.get("import", 0))
        time.sleep(0.2)


def probe(token: str, stack: Stack, count: int, name: str, gap_seconds: float) -> list[float]:
    """Hand `count` sessions off over HTTP and return each one's time to ready, as the service measured it."""
    for number in range(count):
        body = json.dumps(intake(f"{name}-{number}")).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{stack.url}/api/v1/handoffs", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 202
        time.sleep(gap_seconds)
    return wait_for(lambda: _measured(name, count), f"{count} probes to be ready", seconds=60)


def _measured(name: str, count: int) -> list[float] | None:
    with maintenance() as session:
        found = session.execute(
            text(
                "SELECT extract(epoch FROM h.ready_at - h.created_at)::float8 FROM handoffs AS h JOIN sessions AS s"
                " ON s.account_id = h.account_id AND s.id = h.session_id"
                " WHERE s.external_id LIKE :name AND h.ready_at IS NOT NULL"
            ),
            {"name": f"{name}-%"},
        ).all()
    return [row[0] for row in found] if len(found) == count else None


def told(name: str, seconds: list[float]) -> float:
    """Print p50 and p95 in milliseconds; returns the p95."""
    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(f"time to ready, {name}: p50 {statistics.median(seconds) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms")
    return p95


def go_through(account_id: UUID, peaks: Peaks, token: str, stack: Stack, probes: int) -> list[float]:
    """Run the batch over everything; returns the times to ready of handoffs created in the meantime."""
    with transaction(account_id) as session:
        made = batch.create(session, account_id, Selection(imported=True), by=None)
    started, stop = time.monotonic(), threading.Event()
    watcher = threading.Thread(target=peaks.watch, args=(stop,), daemon=True)
    watcher.start()
    wait_for(lambda: _read(account_id, made.id).done > 0, "the batch to begin", seconds=60)
    meanwhile = probe(token, stack, probes, "busy", 0.25)
    still = _read(account_id, made.id).state is BatchState.RUNNING
    print(f"the batch was {'still' if still else 'NOT'} running when the last probe was ready")
    wait_for(lambda: _read(account_id, made.id).state is not BatchState.RUNNING, "the batch to end", seconds=36_000)
    seconds, ended = time.monotonic() - started, _read(account_id, made.id)
    stop.set()
    watcher.join()
    print(
        f"batch: {ended.state}, {ended.done} rows in {seconds:.1f} s, {ended.done / seconds:.1f} rows/s;"
        f" succeeded {ended.succeeded}, fallback {ended.fallback}, failed {ended.failed}, skipped {ended.skipped}"
    )
    return meanwhile


def _read(account_id: UUID, batch_id: UUID) -> batch.Batch:
    with transaction(account_id) as session:
        return batch.find(session, account_id, batch_id)


def measure(servers: private.Servers, folder: Path, rows: int, probes: int, threads: int) -> None:
    with maintenance() as session:
        made = account.create_account(session, "Bench")
        admin = account.create_user(session, made.id, "Ada", Role.ADMIN)
        token = account.issue_token(session, made.id, admin.id)[1]
    stack = Stack(servers, settings().database.database or "", folder / "logs")
    with running(stack):
        load(folder, made.id, rows, stack)
        stack.web()
        watched = {
            "interactive worker": _worker(stack, "interactive", 16, nice=5),
            "maintenance worker, which drives the batch": stack.worker("maintenance", 2),
            "bulk worker": _worker(stack, "bulk", threads, nice=10),
            "beat": stack.beat(),
        }
        probe(token, stack, 10, "warm", 0.1)
        idle = told("idle", probe(token, stack, probes, "idle", 0.25))
        before = int(client().info("memory")["used_memory"])  # type: ignore[index]
        peaks = Peaks({name: psutil.Process(process.pid) for name, process in watched.items()})
        busy = told("during the batch", go_through(made.id, peaks, token, stack, probes))
        print(f"interactive p95 during the batch is {busy / idle:.2f} times the idle one")
        for name, size in peaks.memory.items():
            print(f"peak memory of the {name}: {mib(size)}")
        print(
            f"Redis: {mib(before)} before, peak {mib(peaks.redis)}; at most {peaks.queued} messages in the bulk queue"
        )
    with transaction(made.id) as session:
        doubles = session.scalars(select(Handoff.id).where(Handoff.generation > 1)).all()
    print(f"handoffs assessed more than once: {len(doubles)}")


def _worker(stack: Stack, lane: str, threads: int, *, nice: int) -> subprocess.Popen[bytes]:
    """A worker that is as nice as deploy/local/processes.py has it."""
    started = stack.worker(lane, threads)
    os.setpriority(os.PRIO_PROCESS, started.pid, nice)
    return started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--bulk-threads", type=int, default=1)
    asked = parser.parse_args()
    # On this signal it also ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = private.start(folder)
        try:
            with environment(
                servers.environment(private.TEMPLATE) | {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
            ):
                private.migrate_template(servers)
            with environment(servers.environment(servers.create_database())):
                measure(servers, folder, asked.rows, asked.probes, asked.bulk_threads)
        finally:
            servers.postgres.stop()
            servers.redis.stop()


if __name__ == "__main__":
    main()
