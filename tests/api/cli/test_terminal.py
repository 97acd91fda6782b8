"""Commands on a real terminal, in their own processes: progress bars, Ctrl-C, and constant memory."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from models import batch
from models.batch.selection import Selection
from models.transaction import transaction
from tests import world as worlds
from tests.api.cli.test_history import past
from tests.servers import Servers
from tests.world import World

SECONDS = 60


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **environment, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"},
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def read_until(self, text: str) -> str:
        """Read until this was shown; returns all that was."""
        end = time.monotonic() + SECONDS
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was never shown: {self.shown!r}"
            if not self._read():
                raise AssertionError(f"it ended without showing {text!r}: {self.shown!r}")
        return self.shown

    def end(self) -> int:
        """Read to the end; the exit status."""
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], 1)[0]:
            return True
        try:
            part = os.read(self.ours, 65536)
        except OSError:  # Linux reports a closed other end this way
            return False
        self.shown += part.decode()
        return bool(part)


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(servers: Servers, committed: str) -> Iterator[Open]:
    opened: list[Terminal] = []

    def opens(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments, **servers.environment(committed)))
        return opened[-1]

    yield opens
    for each in opened:
        each.process.kill()
        each.process.wait()
        os.close(each.ours)


@pytest.fixture
def account(app: Flask, committed: str) -> World:
    return worlds.create(app.test_client())


@pytest.fixture
def started(account: World) -> UUID:
    """A batch over one handoff, which nothing drives."""
    account.junior.hand_off("T-1")
    with transaction(account.account_id) as session:
        return batch.create(session, account.account_id, Selection(), by=account.admin.id).id


def test_a_batch_is_watched_with_a_live_bar_until_it_ends(account: World, started: UUID, terminal: Open) -> None:
    screen = terminal("batches", "watch", str(started))
    shown = screen.read_until("0/1")
    assert "━" in shown
    assert "\x1b[" in shown  # drawn in place
    account.admin.post(f"/batches/{started}/cancel")
    screen.read_until(f"{started} cancelled 0/1")
    assert screen.end() == 1


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
def test_ctrl_c_leaves_the_bar_and_says_how_to_come_back(
    account: World, started: UUID, terminal: Open, before: Any
) -> None:
    """Also where it was ignored by the shell that started all this, as in the background."""
    usual = signal.signal(signal.SIGINT, before)
    try:
        screen = terminal("batches", "watch", str(started))
    finally:
        signal.signal(signal.SIGINT, usual)
    screen.read_until("0/1")
    screen.process.send_signal(signal.SIGINT)
    assert f"come back with: flask batches watch {started}" in screen.read_until("come back")
    assert screen.end() == 130
    assert "Traceback" not in screen.shown
    assert account.viewer.get(f"/batches/{started}").json["state"] in batch.MOVING


def history(path: Path, lines: int) -> str:
    """Write a file of past cases of about 6 kB each and return its name."""
    with path.open("w") as file:
        for n in range(lines):
            line = past(n)
            line["session"]["problem"] += f" word{n}" * 600
            file.write(json.dumps(line) + "\n")
    return str(path)


def test_an_import_shows_how_far_it_is_in_one_living_line(account: World, tmp_path: Path, terminal: Open) -> None:
    path = history(tmp_path / "h.jsonl", 1200)
    screen = terminal("handoffs", "import", path, "--account", str(account.account_id))
    screen.read_until("1200 lines: 1200 added")
    assert screen.end() == 0
    assert "lines read" in screen.shown
    assert "\x1b[" in screen.shown


def test_the_memory_of_an_import_does_not_grow_with_the_file(
    servers: Servers, committed: str, account: World, tmp_path: Path
) -> None:
    peaks = []
    for lines in (500, 3_500):
        arguments = ["import", history(tmp_path / f"{lines}.jsonl", lines), "--account", str(account.account_id)]
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "handoffs", *arguments, "--dry-run"],
            env={**os.environ, **servers.environment(committed)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks.append(used.ru_maxrss / 1024)
    added_mib = (tmp_path / "3500.jsonl").stat().st_size / 2**20 * 6 / 7
    assert peaks[1] - peaks[0] < added_mib / 2, peaks
