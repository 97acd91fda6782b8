"""`python -m tests.faults [word ...]`: run every fault, or those whose name contains a word, and print a table."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from tests import servers as private
from tests.conftest import environment
from tests.faults.faults import FAULTS, LONG, SHORT, Fault, Size
from tests.faults.site import Count, Load, provider, site
from tests.servers import Servers


def run(name: str, fault: Fault, size: Size, servers: Servers, folder: Path, address: str) -> Count:
    """Break one site, wait until everything has ended, and count."""
    with site(servers, folder, address) as made:
        load = Load(made)
        cuts = fault(made, load, size)
        made.drained()
        return made.count(name, load, cuts=cuts)


def main() -> int:
    """Print a line per fault. 0: nothing was lost, duplicated, left open or sent to the model too often."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("words", nargs="*")
    options.add_argument("--short", action="store_true", help="as the test suite does")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is ended
    size = SHORT if chosen.short else LONG
    failed = 0
    print(Count.HEAD, flush=True)
    with tempfile.TemporaryDirectory() as place, provider() as address:
        servers = private.start(Path(place, "servers"))
        try:
            template = {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
            with environment(servers.environment(private.TEMPLATE) | template):
                private.migrate_template(servers)
            for n, (name, fault) in enumerate(FAULTS.items()):
                if chosen.words and not any(word.lower() in name.lower() for word in chosen.words):
                    continue
                failed += not _line(name, fault, size, servers, Path(place, str(n)), address)
        finally:
            servers.postgres.stop()
            servers.redis.stop()
    return min(failed, 1)


def _line(name: str, fault: Fault, size: Size, servers: Servers, folder: Path, address: str) -> bool:
    try:
        count = run(name, fault, size, servers, folder, address)
    except Exception:
        print(f"| {name} | failed |", flush=True)
        traceback.print_exc()
        return False
    print(count.row(), *count.wrong(), flush=True)
    return not count.wrong()


if __name__ == "__main__":
    sys.exit(main())
