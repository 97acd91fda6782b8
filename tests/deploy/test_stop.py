"""A signal is remembered, whatever the process is doing at that moment."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.stack import ROOT

# Signals that come while the handler of another one runs, thousands of times.
STORM = """
import os, signal, sys, threading
from deploy.local.stop import StopSignal
stop = StopSignal()
stop.listen()
me = os.getpid()
for _ in range(3000):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(me, number)
assert stop.wait(0) and stop.is_set
print("all heard")
"""
WAITING = """
import sys
from deploy.local.stop import StopSignal
stop = StopSignal()
stop.listen()
print("listening", flush=True)
print(stop.wait(60), flush=True)
"""


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_no_signal_waits_for_another_one() -> None:
    with start(STORM) as process:
        assert process.communicate(timeout=60)[0] == "all heard\n"


def test_waiting_ends_with_a_signal() -> None:
    with start(WAITING) as process:
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        began = time.monotonic()
        process.terminate()
        assert process.stdout.readline() == "True\n"
        assert time.monotonic() - began < 30
