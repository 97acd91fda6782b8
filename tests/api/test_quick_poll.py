"""A poll that finds nothing new is answered before Flask begins, and nobody can tell by the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask, request_started
from flask.testing import FlaskClient

from api import auth, cookie
from api.quick_poll import QuickPoll
from tests.api.feeds import cursor, poll, redis_calls
from tests.api.test_limits import set_to
from tests.world import World

VARIANTS = ["", "&limit=1", "&limit=200&collapse=entity", "&collapse=none"]


@contextmanager
def begun(app: Flask) -> Iterator[list[str]]:
    """The requests that Flask begins meanwhile."""
    paths: list[str] = []

    def note(sender: Flask, **_: object) -> None:
        paths.append(sender.name)

    with request_started.connected_to(note, app):
        yield paths


@pytest.mark.parametrize("query", VARIANTS)
@pytest.mark.parametrize("known", [True, False])
def test_both_ways_give_the_same_answer(
    world: World, app: Flask, query: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    headers = {"If-None-Match": poll(world.viewer, at).headers["ETag"]} if known else {}
    with begun(app) as paths:
        quick = poll(world.viewer, at, query, headers=headers)
    assert paths == []
    assert isinstance(app.wsgi_app, QuickPoll)
    monkeypatch.setattr(app, "wsgi_app", app.wsgi_app.next)
    slow = poll(world.viewer, at, query, headers=headers)
    assert (quick.status, quick.data) == (slow.status, slow.data)
    differs = {name for name, _ in set(quick.headers) ^ set(slow.headers)}
    assert differs <= {"Poll-Interval"}  # which has jitter


def test_a_browsers_poll_is_quick_too(world: World, app: Flask, client: FlaskClient) -> None:
    client.post("/sign-in", data={"token": world.viewer.token})
    at = cursor(world.viewer)
    client.get(f"/api/v1/feed?cursor={at}")
    with begun(app) as paths:
        assert client.get(f"/api/v1/feed?cursor={at}").json["events"] == []
    assert paths == []
    kept = client.get_cookie(cookie.NAME)
    assert kept
    client.set_cookie(cookie.NAME, kept.value[:-2])
    assert client.get(f"/api/v1/feed?cursor={at}").status_code == 401


def test_a_poll_with_news_is_counted_once(world: World, app: Flask) -> None:
    at = cursor(world.viewer)
    world.junior.hand_off("T-1")
    with begun(app) as paths, redis_calls() as calls:
        assert poll(world.viewer, at).json["to"] == 1
    assert (len(paths), calls) == (1, ["EVALSHA"])


@pytest.mark.parametrize("query", ["&limit=0", "&limit=201", "&limit=", "&collapse=x", "&more=1", "%00"])
def test_what_is_not_plainly_a_poll_is_left_to_the_application(world: World, app: Flask, query: str) -> None:
    at = cursor(world.viewer)
    poll(world.viewer, at)
    with begun(app) as paths:
        assert poll(world.viewer, at, query).status_code in (400, 422)
    assert len(paths) == 1


def test_another_accounts_cursor_and_an_unknown_token_are_left_to_the_application(
    world: World, other_world: World, client: FlaskClient
) -> None:
    at = cursor(world.viewer)
    poll(world.viewer, at), cursor(other_world.viewer)
    assert poll(other_world.viewer, at).json["code"] == "cursor_invalid"
    assert client.get(f"/api/v1/feed?cursor={at}", headers={"Authorization": "Bearer rf_no"}).status_code == 401
    auth.forget_verified()
    assert poll(world.viewer, at).status_code == 200


def test_pages_of_other_origins_get_their_headers(world: World) -> None:
    at = cursor(world.viewer)
    poll(world.viewer, at)
    with set_to(CORS_ORIGINS="https://desk.example"):
        answer = poll(world.viewer, at, headers={"Origin": "https://desk.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://desk.example"
