"""Limits on the connections of a process: how many, which are closed first when there are too many, and timeouts."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from typing import Protocol

TICK_SECONDS = 0.25
MOST_UNSENT_BYTES = 64 * 1024 * 1024  # of all answers of a process that clients are slow to read


class Phase(StrEnum):
    """The phases of a connection, by what it waits for."""

    REQUEST = "the client sends a request"
    ENDING = "the last bytes leave"
    ANSWER_READ = "the client reads an answer"
    IDLE = "the client has nothing to ask"
    ANSWER = "the application answers"


# Nobody loses anything with the first ones; a closed idle connection costs a client a new one. Whom the
# application is answering is never dropped.
DROPPED_FIRST = (Phase.REQUEST, Phase.ENDING, Phase.ANSWER_READ, Phase.IDLE)


class Placed(Protocol):
    """The interface of a connection that has a place."""

    phase: Phase
    deadline: float
    address: str

    def overdue(self) -> None:
        """Handle an expired deadline."""

    def drop(self) -> None:
        """End it at once."""

    @property
    def unsent_bytes(self) -> int:
        """How much of its answer waits here."""


class Places:
    """At most `limit` connections, ordered within each phase by how long they have been in it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._in: dict[Phase, dict[Placed, None]] = {phase: {} for phase in Phase}
        self._by_address: Counter[str] = Counter()
        self._clock: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._in.values()))

    def enter(self, connection: Placed) -> bool:
        """Give a new connection a place, taking another one's if necessary. False: all are being answered."""
        if len(self) >= self.limit and not self._make_room(connection.address):
            return False
        self._in[connection.phase][connection] = None
        self._by_address[connection.address] += 1
        if self._clock is None:
            self._wait()
        return True

    def move(self, connection: Placed, phase: Phase) -> None:
        """Move it to another phase, or restart its present one."""
        if self._in[connection.phase].pop(connection, self) is None:
            self._in[phase][connection] = None
        connection.phase = phase

    def leave(self, connection: Placed) -> None:
        """Remove an ended connection."""
        if self._in[connection.phase].pop(connection, self) is not None:
            return  # it never had a place
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]

    def _make_room(self, address: str) -> bool:
        """Drop one connection; an address with more than half of the places loses one of its own."""
        is_greedy = self._by_address[address] > self.limit // 2
        for phase in DROPPED_FIRST:
            for each in self._in[phase]:
                if not is_greedy or each.address == address:
                    each.drop()
                    self.leave(each)
                    return True
        return False

    def _wait(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """End overdue connections. One clock for all is free for busy connections, unlike a timer for each."""
        now = asyncio.get_running_loop().time()
        for phase in DROPPED_FIRST:
            for each in [each for each in self._in[phase] if each.deadline <= now]:
                each.overdue()
        self._free_memory()
        self._clock = None
        if len(self):
            self._wait()

    def _free_memory(self) -> None:
        """Drop the slowest readers when too much data waits in total."""
        unsent = {each: each.unsent_bytes for phase in (Phase.ANSWER_READ, Phase.ENDING) for each in self._in[phase]}
        total = sum(unsent.values())
        for each, size in unsent.items():
            if total <= MOST_UNSENT_BYTES:
                return
            each.drop()
            total -= size
