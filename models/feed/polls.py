"""Polls of one event loop: those that arrived in the same turn are counted and answered by Redis in one call."""

from __future__ import annotations

import asyncio
from uuid import UUID

from models.feed import head
from models.feed.head import UNKNOWN, Guard, Polled
from models.redis import connect_loop
from models.settings import settings

MOST_TOGETHER = 200  # Redis serves nobody else meanwhile

Asked = tuple[tuple[str, str, str], asyncio.Future[Polled]]


class Polls:
    """The same answers as Heads.poll, for coroutines."""

    def __init__(self) -> None:
        self._script = connect_loop(settings().redis).register_script(head.POLL)
        self._guard = Guard()
        self._waiting: list[Asked] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def poll(self, account_id: UUID, token_id: UUID, epoch: str) -> Polled:
        """Count a poll of this token and read the hint. Without Redis nobody waits."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Polled] = loop.create_future()
        self._waiting.append((head.poll_keys(account_id, token_id, epoch), answer))
        if len(self._waiting) == 1:
            loop.call_soon(self._send)
        elif len(self._waiting) == MOST_TOGETHER:
            self._send()
        return await answer

    def _send(self) -> None:
        if not self._waiting:
            return
        call = asyncio.get_running_loop().create_task(self._call(self._waiting))
        self._waiting = []
        self._calls.add(call)  # a loop alone holds its tasks weakly
        call.add_done_callback(self._calls.discard)

    async def _call(self, asked: list[Asked]) -> None:
        polled = [UNKNOWN] * len(asked)
        try:
            if not self._guard.is_paused:
                with self._guard.counting():
                    replies = await self._script([key for keys, _ in asked for key in keys], head.poll_limits())
                    polled = [Polled.of(reply) for reply in replies]
        finally:
            for (_, answer), each in zip(asked, polled, strict=True):
                if not answer.done():
                    answer.set_result(each)
