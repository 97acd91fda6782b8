"""The service's processes: supervisord keeps them running, and leftovers of a killed run are found and ended."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.local.servers import is_alive, wait_until_gone

# Every process of a stack, and each of its children, carries this variable with the stack's folder. It identifies
# them whatever happened, even after supervisord itself was killed.
MARK = "RESOLUTIONFLOW_LOCAL"

# The C library keeps freed memory for the thread that freed it; with few arenas most of it is reused.
FRUGAL = {"MALLOC_ARENA_MAX": "2"}
# Prefixes of variables that people set for other programs and that would change how ours run.
FOREIGN = (
    "PYTHON",
    "FLASK_",
    "GUNICORN_",
    "CELERY",
    "PROMETHEUS_MULTIPROC_DIR",
    "BROKER_URL",
    "LOADER",
    "CONFIG_MODULE",
)

# supervisord's log lines: a program died by itself; a program could not be started, or exited with an error.
DIED = re.compile(r"exited: .*not expected|gave up: ")
FAILED = re.compile(r"(?:exited: (\w+) \(exit status \d+; not expected\)|spawnerr: .*)$")
REASON = re.compile(r"(?:[\w.]+(?:Error|Exception|Exit)\b|settings: |Error: ).*")

CELERY = "python -m celery -A tasks"
QUIET = "--without-gossip --without-mingle --without-heartbeat"

# All in one group, because supervisord stops the members of a group together, and groups one after another.
# Commands are looked up on PATH and files from the working folder, so no path needs quoting.
CONFIG = """\
[supervisord]
nodaemon=true
{user}
logfile={folder}/logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={folder}/supervisord.pid

[group:service]
programs={names}
"""
PROGRAM = """
[program:{name}]
command={command}
stdout_logfile={folder}/logs/{name}.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=1
redirect_stderr=true
startretries=1000000
stopwaitsecs=11
killasgroup=true
"""


def programs(folder: str) -> dict[str, str]:
    """Return the service's processes by name, each with its command."""
    worker = f"{CELERY} worker {QUIET} -P threads"
    # With a model, the threads of a batch mostly wait for its calls. With the offline assessor, one thread keeps a
    # processor busy, its own or PostgreSQL's; on two processors a second speeds a batch up little, and people wait.
    offline = os.environ.get("ASSESSOR", "extractive") == "extractive"
    bulk_threads = os.environ.get("BULK_THREADS") or (1 if offline else 8)
    return {
        "web": "python -m gunicorn -c deploy/production/gunicorn.conf.py wsgi:app",
        # Niced, because the author of a handoff waits for the response, but nobody waits idly for the assessment.
        "interactive": f"nice -n 5 {worker} -Q interactive -n interactive@%%h -c 16",
        # Niced below the others, so that people hardly notice a batch.
        "bulk": f"nice -n 10 {worker} -Q bulk -n bulk@%%h -c {bulk_threads}",
        # A separate worker, so that deadlines are met even when every slot of the others waits for a model.
        "maintenance": f"{worker} -Q maintenance -n maintenance@%%h -c 2",
        "beat": f"{CELERY} beat -s {folder}/celerybeat-schedule",
    }


def supervisor_config(folder: str) -> str:
    """Return the text of supervisord's configuration. `folder` is relative to the working folder, without spaces."""
    user = "user=root" if os.geteuid() == 0 else ""  # explicit, or supervisord warns about it
    chosen = programs(folder)
    head = CONFIG.format(folder=folder, user=user, names=",".join(chosen))
    return head + "".join(
        PROGRAM.format(name=name, command=command, folder=folder) for name, command in chosen.items()
    )


def start_supervisor(folder: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start supervisord with all programs, in its own session so that Ctrl-C reaches only us."""
    Path(folder, "logs").mkdir(exist_ok=True)
    metrics = Path(folder, "metrics").resolve()
    shutil.rmtree(metrics, ignore_errors=True)  # the files of processes that have ended
    metrics.mkdir()
    config = Path(folder, "supervisord.conf")
    config.write_text(supervisor_config(folder))
    with Path(folder, "logs", "start.log").open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            # Every process writes its counters to this folder, so that the web's /metrics covers the workers too.
            env={**FRUGAL, **environment, "PROMETHEUS_MULTIPROC_DIR": str(metrics)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the same lines are in its log
            stderr=errors,
            start_new_session=True,
        )


def terminate_children(pid: int) -> None:
    """Send SIGTERM to supervisord's programs again.

    A child that had only just been forked still had supervisord's signal handler, and lost the first signal when it
    executed its program. For the others a second signal makes no difference.
    """
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess):
                child.terminate()


def is_foreign(name: str) -> bool:
    """Whether a variable of this name is withheld from the service's processes."""
    return name.startswith(FOREIGN)


def failed_program(log: Sequence[str]) -> str | None:
    """Return the first program that did not start according to supervisord's log, or None."""
    for line in log:
        if found := FAILED.search(line):
            return found[1] or "supervisord"
    return None


def reason(lines: Iterable[str]) -> str:
    """Return the one line of a program's last output that says why it ended."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if REASON.match(line)] or [line for line in said if "[ERROR]" in line]
    return (errors or said or ["it says nothing"])[-1]


def marked(value: str) -> list[psutil.Process]:
    """Return the live processes that carry our mark with this value."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == value and is_alive(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def sweep(value: str) -> None:
    """End every process that carries our mark with this value: SIGTERM first, then SIGKILL until none is left."""
    grace_seconds = 5.0
    while left := marked(value):
        for process in left:
            try:
                process.send_signal(signal.SIGCONT)
                process.terminate() if grace_seconds else process.kill()
            except psutil.NoSuchProcess:
                continue
        wait_until_gone(left, seconds=grace_seconds or 1)
        grace_seconds = 0


class LogFollower:
    """Follow what the processes write to their logs from now on.

    `show` gets each line with the name of its process or, unless `whole`, only the lines about one that died.
    """

    most = 200  # lines remembered per process

    def __init__(self, folder: Path, show: Callable[[str], None], *, whole: bool) -> None:
        self._folder = folder
        self._show = show
        self._whole = whole
        self._read = {path: path.stat().st_size for path in folder.glob("*.log")}
        self._latest: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=self.most))

    def latest(self, name: str) -> list[str]:
        """Return the last lines that this process wrote."""
        return list(self._latest[name])

    def follow(self) -> None:
        """Read the complete lines written since the last call: remember them, and show those that are wanted."""
        for path in sorted(self._folder.glob("*.log")):
            start = self._read.get(path, 0)
            if path.stat().st_size < start:
                start = 0  # supervisord started a new file
            with path.open("rb") as log:
                log.seek(start)
                lines = [line for line in log.readlines() if line.endswith(b"\n")]
            self._read[path] = start + sum(map(len, lines))
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self._latest[path.stem].append(text)
                if self._whole or (path.stem == "supervisord" and DIED.search(text)):
                    self._show(f"{path.stem:11} | {text}")
