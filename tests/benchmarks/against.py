"""The rate of caught-up polls of this tree beside that of another one, such as a clone of an older commit.

    python -m tests.benchmarks.against ../older --rounds 60

Both services run at the same time and are asked in turns, because the rate of one varies by a fifth from run to run.
The other tree only needs `tests/benchmarks`; both use this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks import load
from tests.stack import ROOT

CONNECTIONS = 32
ROUND_SECONDS = 1.5
# Run inside each tree: serves until its standard input ends.
SERVE = """
import json, sys, tempfile
from pathlib import Path
from tests.benchmarks.reads import ACCOUNTS, PEOPLE, know_the_tokens, polls
from tests.benchmarks.stage import stage
with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as servers:
    with servers.service(accounts=ACCOUNTS, people=PEOPLE) as service:
        master = service.web()
        requests = polls(service, ACCOUNTS, PEOPLE)
        know_the_tokens(service, requests)
        print(json.dumps([service.port, master.pid, [each.decode("latin-1") for each in requests]]), flush=True)
        sys.stdin.read()
"""


@dataclass
class Tree:
    """A served tree, and what each round measured: polls per second, and microseconds of processor time per poll."""

    port: int
    master: psutil.Process
    requests: list[bytes]
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """One round."""
        before = self._processor_seconds()
        result = load.closed_loop(self.port, cycle(self.requests), connections=CONNECTIONS, seconds=ROUND_SECONDS)
        rate = result.only(200).rate
        self.rates.append(rate)
        self.costs.append((self._processor_seconds() - before) / (rate * ROUND_SECONDS) * 1e6)

    def _processor_seconds(self) -> float:
        times = [child.cpu_times() for child in self.master.children(recursive=True)]
        return sum(each.user + each.system for each in times)


@contextmanager
def served(tree: Path) -> Iterator[Tree]:
    """The service of a tree, with its own PostgreSQL and Redis."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SERVE], cwd=tree, env=environment, text=True, **pipes) as process:
        assert process.stdout
        port, pid, requests = json.loads(process.stdout.readline())
        yield Tree(port, psutil.Process(pid), [each.encode("latin-1") for each in requests])
        process.communicate("")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    with ExitStack() as stack:
        ours, other = (stack.enter_context(served(tree.resolve())) for tree in (ROOT, given.tree))
        for number in range(given.rounds):
            for each in (ours, other) if number % 2 else (other, ours):
                each.measure()
    for name, each in (("this tree", ours), ("the other", other)):
        print(f"{name}: {statistics.median(each.rates):,.0f} polls/s, {statistics.median(each.costs):.1f} us a poll")
    rate = statistics.median(mine / theirs for mine, theirs in zip(ours.rates, other.rates, strict=True))
    cost = statistics.median(mine / theirs for mine, theirs in zip(ours.costs, other.costs, strict=True))
    print(f"median of the rounds: rate {rate:.3f}, processor time {cost:.3f}")


if __name__ == "__main__":
    main()
