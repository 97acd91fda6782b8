"""`make bench`: every row, or those named. `--write FILE` puts the tables there."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tasks.evaluation.tables import markdown
from tests.benchmarks import crowd, footprint, growth, pipeline, reads, writes
from tests.benchmarks.stage import stage
from tests.benchmarks.table import GROWTH_HEAD, HEAD, Growth, Row, write_between_markers

ROWS = {
    "poll": reads.caught_up,
    "news": reads.news,
    "history": reads.history,
    "queue": reads.queue,
    "queue-html": reads.queue_html,
    "intake": writes.intake,
    "claim": writes.claim,
    "slow-model": pipeline.slow_model,
    "frozen-redis": pipeline.frozen_redis,
    "assessments": pipeline.assessments,
    "slow-clients": crowd.slow_clients,
    "calls": pipeline.provider_calls,
    "ready": pipeline.ready,
    "memory": footprint.memory,
    "set-up": footprint.set_up,
    "growth-pages": growth.pages,
    "growth-accounts": growth.accounts,
    "growth-history": growth.history,
    "growth-past": growth.past_cases,
    "growth-steps": growth.steps,
}


def main() -> None:
    """Run, print, write."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    options.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; without one: all")
    options.add_argument("--seconds", type=float, default=2.0, help="of one round of load (default 2)")
    options.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the markers of FILE")
    asked = options.parse_args()
    unknown = set(asked.rows) - set(ROWS)
    if unknown:
        options.error(f"no such row: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was started is stopped
    found = run(asked.rows or list(ROWS), seconds=asked.seconds)
    tables = render(found)
    print(f"\n{tables}")
    if asked.write:
        write_between_markers(asked.write, tables)


def run(names: list[str], *, seconds: float) -> list[Row | Growth]:
    """Measure these rows, one after the other, on servers started for them."""
    found: list[Row | Growth] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        stage(Path(folder), seconds=seconds) as ours,
    ):
        for name in names:
            start = time.monotonic()
            made = ROWS[name](ours)
            found += made
            for each in made:
                print(" | ".join(each.cells()), flush=True)
            print(f"  ({name}: {time.monotonic() - start:.0f} s)", file=sys.stderr, flush=True)
    return found


def render(found: list[Row | Growth]) -> str:
    """The tables that are not empty."""
    parts = [
        (HEAD, [each.cells() for each in found if isinstance(each, Row)]),
        (GROWTH_HEAD, [each.cells() for each in found if isinstance(each, Growth)]),
    ]
    return "\n\n".join(markdown(head, rows) for head, rows in parts if rows)


if __name__ == "__main__":
    main()
