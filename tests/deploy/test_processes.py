"""The processes that `make run`, the Procfile and the compose file start."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.processes import programs, terminate_children

DEPLOY = Path(__file__).parents[2] / "deploy" / "production"


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({}, 1),
        ({"ASSESSOR": "extractive"}, 1),
        ({"ASSESSOR": "openai"}, 8),
        ({"ASSESSOR": "anthropic", "BULK_THREADS": "20"}, 20),
    ],
)
def test_only_a_models_batch_gets_more_threads_than_there_are_processors(
    variables: dict[str, str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ASSESSOR", "BULK_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert programs("x")["bulk"].endswith(f" -c {threads}")


@pytest.mark.parametrize("name", ["Procfile", "compose.yaml"])
def test_each_way_of_starting_the_service_has_the_same_workers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULK_THREADS", "${BULK_THREADS:-1}")
    told = (DEPLOY / name).read_text()
    workers = [command.replace("%%h", "%h") for command in programs("x").values() if " worker " in command]
    assert len(workers) == 3
    for command in workers:
        assert command[command.index("-Q ") :] in told
    assert told.count("nice -n 10 ") == told.count("nice -n 5 ") == 1


def test_a_program_that_lost_the_first_signal_gets_another() -> None:
    """As between a fork and the program, when the handler is still the parent's."""
    parent = (
        "import os, signal, subprocess\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print('started', flush=True)\n"
        "raise SystemExit(-child.wait())\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        terminate_children(process.pid)
        assert process.wait(30) == signal.SIGTERM
    terminate_children(process.pid)  # which is gone
