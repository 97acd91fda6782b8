"""Real Chromium against real processes: one stack for the run, a fresh account for each test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from deploy.local.servers import Redis
from tests import world as worlds
from tests.conftest import environment
from tests.screens.service import Service, Somebody, Team
from tests.servers import Servers
from tests.stack import Stack, running

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def service(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """gunicorn, a worker and beat on a database and a Redis of their own."""
    folder = tmp_path_factory.mktemp("screens")
    redis = Redis(folder / "redis", durable=False)
    redis.start()
    database = servers.create_database()
    stack = Stack(servers, database, folder / "stack", REDIS_URL=redis.url, WEB_CONCURRENCY="1", PORT="0")
    stack.environment["PORT"] = str(stack.port)
    try:
        with running(stack):
            web, worker = stack.web(), stack.worker("interactive,bulk,maintenance")
            stack.beat()
            yield Service(stack, redis, {**servers.environment(database), "REDIS_URL": redis.url}, web, worker)
    finally:
        redis.stop()
        servers.drop_database(database)


@pytest.fixture
def team(service: Service) -> Team:
    """A new account with its people."""
    with environment(service.variables):
        made = worlds.create(None)  # type: ignore[arg-type]
    people = {
        key: Somebody(service.url, person.name, person.token, str(person.id), made.account_id)
        for key, person in vars(made).items()
        if key != "account_id"
    }
    return Team(**people)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of the browser."""
    expect.set_options(timeout=20_000)  # patience for a busy machine; nothing waits that long otherwise
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
    yield found
    found.close()


Open = Callable[..., BrowserContext]


@dataclass
class Watched:
    """What went wrong in the pages of a test."""

    errors: list[str]


@pytest.fixture
def watched() -> Watched:
    """Script errors and refused content, of every page that the test opens."""
    return Watched([])


@pytest.fixture
def open_browser(browser: Browser, service: Service, watched: Watched) -> Iterator[Open]:
    """Opens browsers of their own (cookies, storage); signed in when somebody is given."""
    opened: list[BrowserContext] = []

    def opens(somebody: Somebody | None = None, **options: Any) -> BrowserContext:
        context = browser.new_context(base_url=service.url, **options)
        context.set_default_timeout(20_000)
        context.on("weberror", lambda error: watched.errors.append(str(error.error)))
        context.on("console", lambda message: _note(watched, message.type, message.text))
        opened.append(context)
        if somebody is not None:
            sign_in(context, somebody)
        return context

    yield opens
    for context in opened:
        context.close()
    assert watched.errors == []


def _note(watched: Watched, kind: str, text: str) -> None:
    # A refused request is news of the network and belongs to many tests; what the policy refused does not.
    if kind == "error" and "Failed to load resource" not in text and "net::" not in text:
        watched.errors.append(text)


def sign_in(context: BrowserContext, somebody: Somebody) -> None:
    """Sign a browser in, as the form would, without showing it."""
    answer = context.request.post("/sign-in", form={"token": somebody.token, "next": "/queue"}, max_redirects=0)
    assert answer.status == 303, answer.text()


@pytest.fixture
def page_of(open_browser: Open) -> Callable[..., Page]:
    """Opens a page of the service as somebody."""

    def opens(somebody: Somebody, path: str = "/queue", **options: Any) -> Page:
        page = open_browser(somebody, **options).new_page()
        page.goto(path)
        return page

    return opens


@pytest.fixture
def still_worker(service: Service) -> Iterator[Callable[[], None]]:
    """Stop the worker in the middle of its work; the returned function lets it continue."""
    group = os.getpgid(service.worker.pid)
    os.killpg(group, signal.SIGSTOP)
    yield lambda: os.killpg(group, signal.SIGCONT)
    os.killpg(group, signal.SIGCONT)


def build_folder() -> Path:
    """Return the folder of the screenshots."""
    folder = Path(__file__).parents[2] / "build" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
