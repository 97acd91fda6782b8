"""`make run` stopped at random moments: each stop has to end it, with nothing left behind.

    python -m tests.deploy.stops --times 200 [--seed N]

One folder is used for all of them, so every start also shows that the stop before it was no hindrance.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.processes import MARK
from deploy.local.servers import free_port

ROOT = Path(__file__).parents[2]
COPIED = ("api", "tasks", "models", "migrations", "deploy", "celeryconfig.py", "wsgi.py", "Makefile")
PINS = (
    "requirements.txt",
    "requirements-ai.txt",
    "requirements-embeddings.txt",
    "requirements-dev.txt",
    "constraints.txt",
)
LATEST_SECONDS = 8.0  # after the start of one; it is ready before that, unless the machine is busy
MOST_SECONDS = 5.0  # on a machine with nothing else to do
GIVEN_UP_SECONDS = 60.0


@dataclass(frozen=True)
class Stop:
    """A signal, how long after the start it comes, to whom, and how long after it comes a second time."""

    after_seconds: float
    number: signal.Signals
    to_group: bool
    again_seconds: float | None

    def __str__(self) -> str:
        whom = "group" if self.to_group else "pid"
        again = "" if self.again_seconds is None else f", again after {self.again_seconds:.2f} s"
        return f"{self.number.name} to the {whom} after {self.after_seconds:.2f} s{again}"


@dataclass(frozen=True)
class Outcome:
    """The result of a stop. `faults` lists the problems and is empty if there are none."""

    stop: Stop
    seconds: float
    faults: list[str]


def draw(chance: random.Random, latest: float = LATEST_SECONDS) -> Stop:
    """A random stop."""
    return Stop(
        chance.uniform(0, latest),
        chance.choice([signal.SIGTERM, signal.SIGINT]),
        chance.random() < 0.7,
        chance.choice([None, 0.0, chance.uniform(0, 1)]),
    )


class Project:
    """A copy of the project in a folder of its own, with this environment for its `.venv`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir()
        for name in (*COPIED, *PINS):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        """`make run`, its output in the file `output`."""
        with self.folder.joinpath("output").open("wb") as output:
            return subprocess.Popen(
                ["make", "--assume-old=.venv/stamp", "run"],  # nothing is to be installed
                cwd=self.folder,
                env={**os.environ, "PORT": str(self.port), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Return the output of the latest start so far."""
        return self.folder.joinpath("output").read_text()

    def processes(self) -> list[psutil.Process]:
        """All that run in the folder or carry its mark."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            inside = Path(process.cwd()).is_relative_to(self.folder)
            return inside or process.environ().get(MARK) == str(self.folder / ".local")
        except psutil.Error:
            return False

    def clear(self) -> None:
        """Kill whatever is left."""
        for process in self.processes():
            process.kill()


def carry_out(project: Project, stop: Stop) -> Outcome:
    """Start, stop, look at what is left."""
    make = project.start()
    try:
        time.sleep(stop.after_seconds)
        send(make, stop)
        if stop.again_seconds is not None:
            time.sleep(stop.again_seconds)
            send(make, stop)
        began = time.monotonic()
        try:
            make.wait(GIVEN_UP_SECONDS)
        except subprocess.TimeoutExpired:
            return Outcome(stop, GIVEN_UP_SECONDS, ["it did not end"])
        seconds = time.monotonic() - began
        late = [f"it took {seconds:.1f} s"] if seconds > MOST_SECONDS else []
        return Outcome(stop, seconds, [*late, *_faults(project)])
    finally:
        project.clear()
        make.wait()


def send(make: subprocess.Popen[bytes], stop: Stop) -> None:
    """Signal the group, or the process that `make` runs (make itself passes on TERM and nothing else)."""
    try:
        if stop.to_group:
            os.killpg(make.pid, stop.number)
            return
        for child in psutil.Process(make.pid).children() or [psutil.Process(make.pid)]:
            child.send_signal(stop.number)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return


def _faults(project: Project) -> Iterator[str]:
    if left := project.processes():
        yield f"left behind: {[process.name() for process in left]}"
    output = project.output
    for word in ("Traceback", "make run: "):
        if word in output:
            yield f"{word!r} in the output: {output[-400:]}"


def main() -> int:
    """Stop it as often as asked and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    chance = random.Random(given.seed)
    print(f"seed {given.seed}")
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder).resolve() / "project")
        outcomes = []
        for n in range(given.times):
            outcomes.append(outcome := carry_out(project, draw(chance)))
            print(
                f"{n + 1:4} {outcome.stop}: {outcome.seconds:.1f} s  {' '.join(outcome.faults) or 'ok'}", flush=True
            )
    bad = sum(bool(each.faults) for each in outcomes)
    print(
        f"{len(outcomes)} stops, {bad} with faults, the slowest took {max(each.seconds for each in outcomes):.1f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
