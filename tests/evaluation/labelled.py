"""Sessions that were labelled sentence by sentence (labels/README.md says how, and what the labels mean)."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from models.assessment.case import Case
from tests import real_data
from tests.benchmarks import rows

LABELS = Path(__file__).with_name("labels")
SOURCES = {"tickets": "tickets.jsonl", "forum": "sessions_forum.jsonl", "chats": "sessions_irc.jsonl"}
ACTS = frozenset(["R-", "R+", "R~", "R?", "O-", "O+", "O~", "O?", *"PQDASLCKX"])
OUTCOMES = {"-": "failed", "~": "partial", "?": "unknown", "+": "worked"}

_SENTENCE = re.compile(r"(\d+)-(\d+) (\S{1,2}?)(!?)(?= |$)")
_ATTEMPT = re.compile(r"(\d+)>(\d+) ([-+~?])")


@dataclass(frozen=True)
class Labelled:
    """A sentence: its step (0: the problem), its place there in letters and digits, and what it does."""

    step: int
    start: int
    end: int
    act: str
    is_worth_it: bool


@dataclass(frozen=True)
class Attempt:
    """What was tried: the numbers of the sentences that tell of it and of how it came out."""

    action: int
    result: int
    outcome: str  # failed | partial | unknown | worked


@dataclass
class Session:
    """The labels of one session. Sentences are numbered from 1."""

    id: str
    sentences: list[Labelled] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    causes: list[int] = field(default_factory=list)
    fixes: list[int] = field(default_factory=list)
    state: str = "open"  # open | waiting | solved
    shown_by: int | None = None  # the sentence that shows the state

    @property
    def is_held_out(self) -> bool:
        """Whether nothing may be tuned by this session."""
        return zlib.crc32(self.id.encode()) % 3 == 0

    def covered(self, step: int, start: int, end: int) -> list[int]:
        """Return the numbers of the sentences of `step` of which a stretch covers half, or that cover half of it."""
        return [
            number
            for number, each in enumerate(self.sentences, 1)
            if each.step == step and _shared(each, start, end) * 2 >= max(1, min(each.end - each.start, end - start))
        ]


def _shared(sentence: Labelled, start: int, end: int) -> int:
    return min(sentence.end, end) - max(sentence.start, start)


def read(path: Path) -> list[Session]:
    """Read one file of labels. ValueError with the line that is no label."""
    found: list[Session] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("### "):
            found.append(Session(line[4:]))
        elif line:
            add_note(found[-1], line)
    return found


def add_note(session: Session, line: str) -> None:
    """Add one line of labels to a session. ValueError if it is none."""
    kind, _, rest = line.partition(" ")
    if kind.isdigit():
        told = _SENTENCE.findall(rest)
        if not told or any(act not in ACTS for _, _, act, _ in told):
            raise ValueError(f"{session.id}: no labels: {line}")
        session.sentences += [
            Labelled(int(kind), int(start), int(end), act, worth == "!") for start, end, act, worth in told
        ]
    elif kind == "TRIED":
        session.attempts = [Attempt(int(a), int(b), OUTCOMES[sign]) for a, b, sign in _ATTEMPT.findall(rest)]
    elif kind in ("CAUSE", "FIX"):
        numbers = session.causes if kind == "CAUSE" else session.fixes
        numbers += [int(number) for number in rest.split() if number.isdigit()]
    elif kind == "STATE":
        session.state, *shown = rest.split()
        session.shown_by = int(shown[0]) if shown else None
    else:
        raise ValueError(f"{session.id}: no labels: {line}")


def sessions(source: str) -> Iterator[tuple[Session, Case]]:
    """Yield the labelled sessions of a source (a key of SOURCES) with their cases."""
    data = _rows(SOURCES[source])
    for session in read(LABELS / f"{source}.txt"):
        if session.id in data:
            yield session, rows.to_case(data[session.id])


@cache
def _rows(name: str) -> dict[str, rows.Row]:
    with real_data.opened(name) as lines:
        return {row["id"]: row for row in map(json.loads, lines)}
