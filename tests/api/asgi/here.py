"""Requests through the event loop in this process, with Flask on the test's own connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, TypeVar

import httpx2
from flask import Flask

from api.asgi import Front

T = TypeVar("T")
Headers = Mapping[str, str] | list[tuple[str, str]]
Request = tuple[str, Headers]  # path and headers of a GET


class Here(Executor):
    """Runs what a loop gives to it in the test's thread, which has the connection and waits for the loop."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As any executor's."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self._work.put(run)
        return future

    def until(self, loop: Callable[[], T]) -> T:
        """Run `loop` in its own thread, because Playwright may have a loop in the test's, and return its result."""
        result: list[T] = []
        errors: list[BaseException] = []

        def begin() -> None:
            try:
                result.append(loop())
            except BaseException as error:
                errors.append(error)
            finally:
                self._work.put(None)

        thread = threading.Thread(target=begin)
        thread.start()
        while (work := self._work.get()) is not None:
            work()
        thread.join()
        for error in errors:
            raise error
        return result[0]


def gets(app: Flask, requests: Iterable[Request], *, together: bool = True) -> list[httpx2.Response]:
    """The answers to requests that come at the same time, or one after the other, in their order."""
    here = Here()
    return here.until(lambda: asyncio.run(_gets(app, here, list(requests), together)))


def get(app: Flask, path: str, headers: Headers) -> httpx2.Response:
    """The answer to one GET."""
    return gets(app, [(path, headers)])[0]


async def _gets(app: Flask, here: Here, requests: list[Request], together: bool) -> list[httpx2.Response]:
    front = Front(app, here)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(front), base_url="http://localhost")
    client.headers.clear()  # what a client adds by itself is no part of what is tested
    try:
        async with client:
            asked = [client.get(path, headers=headers) for path, headers in requests]
            return await asyncio.gather(*asked) if together else [await each for each in asked]
    finally:
        await front._polls._script.registered_client.aclose()  # type: ignore[union-attr]
