"""Run a test that only uses the database many times, and print the milliseconds of each set-up."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

TEST = """
import pytest

@pytest.mark.parametrize("turn", range({count}))
def test_nothing(world, turn):
    assert world.account_id
"""


class Clock:
    """Notes what pytest measured around each test: set-up and tear-down together."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each phase of each test."""
        if report.when != "call":
            self.milliseconds[report.nodeid] = self.milliseconds.get(report.nodeid, 0.0) + 1000 * report.duration


def main(count: int) -> None:
    """Print the times, without the first test, which starts the servers, and the last, which stops them."""
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix="set_up_") as folder:
        path = Path(folder) / "test_nothing.py"
        path.write_text(TEST.format(count=count + 2))
        status = pytest.main(
            [str(path), "-p", "no:cacheprovider", "-q", "--no-header", "-o", "log_cli=false"], [clock]
        )
    if status != 0:
        sys.exit(f"pytest ended with {status}")
    times = list(clock.milliseconds.values())[1:-1]
    sys.stdout.write("\nTIMES " + " ".join(f"{each:.3f}" for each in times) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
