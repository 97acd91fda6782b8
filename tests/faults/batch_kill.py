"""A batch whose processes are killed at random, and whether every row was still done exactly once.

python -m tests.faults.batch_kill [--rows 20000] [--kills 9] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from models import account, batch
from models.account import Role
from models.batch import BatchState
from models.batch.selection import Selection
from models.handoff import Handoff
from models.history import Line, load
from models.settings import settings
from models.transaction import maintenance, transaction
from tests import servers as private
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import Stack, running, signal_group, wait_for
from tests.world import intake

# What a killed worker had is taken over after this long, so that the run is about kills and not about waiting.
FAST = {"LEASE_SECONDS": "3"}
WORDS = ("printer", "driver", "offline", "queue", "spooler", "network", "share", "login", "mail", "proxy", "disk")


@dataclass
class Outcome:
    """The outcome of a batch whose processes were killed."""

    state: str
    total: int
    done: int
    succeeded: int
    skipped: int
    failed: int
    assessments: int  # of these handoffs, however they ended
    not_once: int  # handoffs that do not have exactly one generation
    unfinished: int
    kills: dict[str, int]
    seconds: float

    def is_exact(self) -> bool:
        """Every row done, each exactly once."""
        whole = self.done == self.total == self.assessments == self.succeeded
        return whole and self.state == BatchState.COMPLETED and self.not_once == self.unfinished == 0


def fill(rows: int, chance: random.Random) -> UUID:
    """An account with open handoffs that have no assessment."""
    with maintenance() as session:
        made = account.create_account(session, "Under fire").id
        admin = account.create_user(session, made, "Ada", Role.ADMIN).id
    for start in range(0, rows, 200):
        lines = [Line(n, _content(n, chance)) for n in range(start, min(rows, start + 200))]
        with transaction(made) as session:
            load.load(session, made, lines, by=admin)
        if start % 5000 == 0:  # as the import does, so that it is planned for what is there
            with maintenance() as session:
                load.analyze(session)
    return made


def _content(number: int, chance: random.Random) -> dict[str, Any]:
    words = " ".join(chance.choices(WORDS, k=12))
    return intake(f"F-{number}", title=f"{words[:60]} {number}", problem=words, steps=[])


class Victims:
    """The processes that are killed, each with the way to bring it back."""

    def __init__(self, stack: Stack, servers: Servers) -> None:
        self.stack, self.servers = stack, servers
        self.starts: dict[str, Callable[[], subprocess.Popen[bytes]]] = {
            "bulk worker": lambda: stack.worker("bulk", 8),
            "driver": lambda: stack.worker("interactive,maintenance", 4),
            "beat": stack.beat,
        }
        self.alive = {name: start() for name, start in self.starts.items()}
        self.killed = dict.fromkeys((*self.starts, "redis"), 0)

    def kill(self, name: str, away_seconds: float) -> None:
        """kill -9, and start it again after a while."""
        self.killed[name] += 1
        if name == "redis":
            self.servers.redis.kill()
            time.sleep(away_seconds)
            self.servers.redis.start()
            return
        signal_group(self.alive[name], signal.SIGKILL)
        self.alive[name].wait(5)
        time.sleep(away_seconds)
        self.alive[name] = self.starts[name]()


def under_fire(
    servers: Servers, database: str, folder: Path, *, rows: int, kills: int, seed: int, longest_seconds: float
) -> Outcome:
    """Run a batch over `rows` handoffs while something is killed `kills` times; every kind at least once."""
    chance = random.Random(seed)
    made, started = fill(rows, chance), time.monotonic()
    stack = Stack(servers, database, folder, **FAST)
    with running(stack):
        victims = Victims(stack, servers)
        with transaction(made) as session:
            batch_id = batch.create(session, made, Selection(), by=None).id
        for number, name in enumerate(_order(list(victims.killed), kills, chance), start=1):
            # Spread over the run: each kill waits for its share of the rows.
            share = rows * number // (kills + 1)
            wait_for(
                lambda share=share: _read(made, batch_id).done >= share, f"{share} rows", seconds=longest_seconds
            )
            print(f"kill {number}: {name}, {_read(made, batch_id).done} rows done", flush=True)
            victims.kill(name, chance.uniform(0.1, 1.5))
        wait_for(
            lambda: _read(made, batch_id).state not in batch.UNFINISHED, "the batch to end", seconds=longest_seconds
        )
    return _outcome(made, batch_id, victims.killed, time.monotonic() - started)


def _order(names: list[str], kills: int, chance: random.Random) -> Iterator[str]:
    first = chance.sample(names, len(names))
    yield from (first + chance.choices(names, k=max(0, kills - len(names))))[:kills]


def _read(account_id: UUID, batch_id: UUID) -> batch.Batch:
    with transaction(account_id) as session:
        return batch.find(session, account_id, batch_id)


def _outcome(account_id: UUID, batch_id: UUID, kills: dict[str, int], seconds: float) -> Outcome:
    ended = _read(account_id, batch_id)
    with transaction(account_id) as session:
        not_once = len(session.scalars(select(Handoff.id).where(Handoff.generation != 1)).all())
        count = session.execute(
            text("SELECT count(*), count(*) FILTER (WHERE state IN ('queued', 'running')) FROM assessments")
        ).one()
    figures = (ended.state.value, ended.total, ended.done, ended.succeeded, ended.skipped, ended.failed)
    return Outcome(*figures, count[0], not_once, count[1], kills, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=9)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    asked = parser.parse_args()
    # On this signal it also ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        servers = private.start(Path(name))
        owner = {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
        try:
            with environment(servers.environment(private.TEMPLATE) | owner):
                private.migrate_template(servers)
            with environment(servers.environment(servers.create_database())):
                database = settings().database.database or ""
                outcome = under_fire(
                    servers,
                    database,
                    Path(name) / "logs",
                    rows=asked.rows,
                    kills=asked.kills,
                    seed=asked.seed,
                    longest_seconds=7200,
                )
        finally:
            servers.postgres.stop()
            servers.redis.stop()
    print(outcome)
    print("every row done exactly once" if outcome.is_exact() else "NOT every row done exactly once")
    raise SystemExit(0 if outcome.is_exact() else 1)


if __name__ == "__main__":
    main()
