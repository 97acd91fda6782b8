"""An idle poll is answered before Flask, and its answer does not differ from Flask's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from flask import Flask, request_started
from flask.testing import FlaskClient

from api import auth
from api.auth import cookie
from models import account
from models.addresses.redis import RedisAddress
from models.feed.head import FAILURES_BEFORE_PAUSE, POLLS_A_SECOND, heads
from models.feed.polls import MOST_TOGETHER
from models.redis import client as redis_client
from models.redis import connect_loop, redis_key
from models.transaction import maintenance
from tests.api.asgi import here as asgi
from tests.api.feed.feeds import cursor, forget_hints, poll, redis_calls, statements
from tests.api.http.test_limits import failures, set_to
from tests.world import Person, World

pytestmark = pytest.mark.usefixtures("a_patient_loop")

VARIANTS = ["", "&limit=1", "&limit=200&collapse=entity", "&collapse=none"]


@pytest.fixture
def a_patient_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis may take longer than the 50 ms after which polls go to Flask."""
    monkeypatch.setattr("models.redis.TIMEOUT_SECONDS", 5.0)


@contextmanager
def begun(app: Flask) -> Iterator[list[str]]:
    """Collect the requests that Flask begins in the block."""
    paths: list[str] = []

    def note(sender: Flask, **_: object) -> None:
        paths.append(sender.name)

    with request_started.connected_to(note, app):
        yield paths


def quick(app: Flask, person: Person, at: str, query: str = "", **headers: str) -> httpx2.Response:
    """A poll through the front."""
    return asgi.get(app, f"/api/v1/feed?cursor={at}{query}", {**person.headers, **headers})


def known_place(person: Person) -> str:
    """A cursor to poll from, of a feed whose hint Redis has and with a token that is known."""
    at = cursor(person)
    assert poll(person, at).status_code == 200
    return at


@pytest.mark.parametrize("query", VARIANTS)
@pytest.mark.parametrize("known", [True, False])
def test_both_ways_give_the_same_answer(world: World, app: Flask, query: str, known: bool) -> None:
    world.junior.hand_off("T-1")
    at = known_place(world.viewer)
    headers = {"If-None-Match": poll(world.viewer, at).headers["ETag"]} if known else {}
    with begun(app) as paths:
        fast = quick(app, world.viewer, at, query, **headers)
    assert paths == []
    slow = poll(world.viewer, at, query, headers=headers)
    assert (fast.status_code, fast.content) == (slow.status_code, slow.data)
    ours = {(name.lower(), value) for name, value in fast.headers.items()}
    theirs = {(name.lower(), value) for name, value in slow.headers.items()}
    assert {name for name, _ in ours ^ theirs} <= {"poll-interval"}  # which has jitter


def test_a_browsers_poll_is_quick_too(world: World, app: Flask, client: FlaskClient) -> None:
    client.post("/sign-in", data={"token": world.viewer.token})
    client.get("/queue")
    at = known_place(world.viewer)
    kept = client.get_cookie(cookie.NAME)
    assert kept
    with begun(app) as paths:
        answer = asgi.get(app, f"/api/v1/feed?cursor={at}", {"Cookie": f"{cookie.NAME}={kept.value}"})
        assert answer.json()["events"] == []
    assert paths == []
    forged = {"Cookie": f"{cookie.NAME}={kept.value[:-2]}"}
    assert asgi.get(app, f"/api/v1/feed?cursor={at}", forged).status_code == 401


def test_a_poll_with_news_is_counted_once(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    world.junior.hand_off("T-1")
    with begun(app) as paths, redis_calls() as calls:
        assert quick(app, world.viewer, at).json()["to"] == 1
    assert (len(paths), calls) == (1, [])


def test_polls_that_come_together_are_one_call(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    poll(world.senior, at)
    before = scripts_run()
    some = [
        (f"/api/v1/feed?cursor={at}", person.headers) for person in (world.viewer, world.senior) for _ in range(40)
    ]
    answers = asgi.gets(app, some)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["to"] for answer in answers} == {0}
    assert scripts_run() - before == 1


def test_more_polls_than_go_together_are_all_answered(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    people = (world.viewer, world.senior, world.junior, world.admin)
    for person in people:
        poll(person, at)
    count = MOST_TOGETHER + 50
    some = [(f"/api/v1/feed?cursor={at}", people[n % len(people)].headers) for n in range(count)]
    before = scripts_run()
    with begun(app) as paths:
        assert [answer.status_code for answer in asgi.gets(app, some)] == [200] * count
    assert paths == []
    assert scripts_run() - before == 2


def test_polls_that_come_one_after_the_other_are_a_call_each(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    before = scripts_run()
    answers = asgi.gets(app, [(f"/api/v1/feed?cursor={at}", world.viewer.headers)] * 5, together=False)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert scripts_run() - before == 5


def scripts_run() -> int:
    """Return the number of scripts that Redis has run."""
    told = redis_client().info("commandstats")
    return sum(told.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))


def test_who_polls_too_fast_is_told_so_and_others_are_not(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    poll(world.senior, at)
    path = f"/api/v1/feed?cursor={at}"
    answers = asgi.gets(app, [(path, world.viewer.headers)] * 150 + [(path, world.senior.headers)])
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 0 < len(refused) <= 50 + POLLS_A_SECOND
    assert all(answer.json()["code"] == "too_fast" and int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert answers[-1].status_code == 200


@pytest.mark.parametrize("query", ["&limit=0", "&limit=201", "&limit=", "&collapse=x", "&more=1", "%00"])
def test_what_is_not_plainly_a_poll_is_left_to_the_application(world: World, app: Flask, query: str) -> None:
    at = known_place(world.viewer)
    with begun(app) as paths:
        assert quick(app, world.viewer, at, query).status_code in (400, 422)
    assert len(paths) == 1


def test_another_accounts_cursor_and_an_unknown_token_are_left_to_the_application(
    world: World, other_world: World, app: Flask
) -> None:
    at = known_place(world.viewer)
    known_place(other_world.viewer)
    assert quick(app, other_world.viewer, at).json()["code"] == "cursor_invalid"
    unknown = asgi.get(app, f"/api/v1/feed?cursor={at}", {"Authorization": "Bearer rf_no"})
    assert unknown.status_code == 401
    both = [("Authorization", f"Bearer {person.token}") for person in (other_world.viewer, world.viewer)]
    assert asgi.get(app, f"/api/v1/feed?cursor={at}", both).status_code == 401
    auth.forget_verified()
    with begun(app) as paths:
        assert quick(app, world.viewer, at).status_code == 200
    assert len(paths) == 1


def test_pages_of_other_origins_get_their_headers(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    with set_to(CORS_ORIGINS="https://desk.example"):
        answer = quick(app, world.viewer, at, Origin="https://desk.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://desk.example"


def test_without_redis_polls_are_answered_from_the_database(
    world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = known_place(world.viewer)
    world.junior.hand_off("T-1")
    monkeypatch.setattr(
        "models.feed.polls.connect_loop", lambda _: connect_loop(RedisAddress.parse("redis://127.0.0.1:1/0"))
    )
    path = f"/api/v1/feed?cursor={at}"
    before = failures()
    answers = asgi.gets(app, [(path, world.viewer.headers)] * 9, together=False)
    assert [answer.json()["to"] for answer in answers] == [1] * 9
    assert failures() - before == FAILURES_BEFORE_PAUSE  # then it is left alone


def test_a_redis_that_says_nothing_is_waited_for_shortly(
    world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = known_place(world.viewer)
    monkeypatch.setattr("models.redis.TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        monkeypatch.setattr("models.feed.polls.connect_loop", lambda _: connect_loop(RedisAddress.parse(url)))
        before = failures()
        asked = [(f"/api/v1/feed?cursor={at}", world.viewer.headers)] * 9
        assert [answer.status_code for answer in asgi.gets(app, asked, together=False)] == [200] * 9
    assert failures() - before == FAILURES_BEFORE_PAUSE


def test_a_hint_that_redis_lost_is_made_again(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    forget_hints()
    with begun(app) as paths:
        answers = [quick(app, world.viewer, at) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(paths) == 1
    assert heads().client.keys(redis_key("feed", "*"))


def test_while_somebody_writes_polls_go_on_to_the_database(world: World, app: Flask) -> None:
    at = known_place(world.viewer)
    writing = heads().announce(world.account_id)
    with begun(app) as paths:
        assert quick(app, world.viewer, at).status_code == 200
    assert len(paths) == 1
    heads().withdraw(world.account_id, writing)
    with begun(app) as paths:
        assert quick(app, world.viewer, at).status_code == 200
    assert paths == []


def test_tokens_in_use_are_verified_again_together(world: World, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    at = known_place(world.viewer)
    poll(world.senior, at)
    monkeypatch.setattr(auth, "AGEING_SECONDS", -1.0)
    assert not auth.are_ageing()
    for person in (world.viewer, world.senior):
        quick(app, person, at)
    assert auth.are_ageing()
    digests = [account.digest(person.token) for person in (world.viewer, world.senior)]
    before = [auth._verified[digest].asked_at for digest in digests]
    with statements() as sent:
        auth.verify_again()
    assert len(sent) == 1
    assert not auth.are_ageing()
    assert all(auth._verified[digest].asked_at > at for digest, at in zip(digests, before, strict=True))


def test_the_loop_verifies_tokens_again_by_itself(world: World, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    at = known_place(world.viewer)
    monkeypatch.setattr(auth, "AGEING_SECONDS", -1.0)
    monkeypatch.setattr("api.asgi.VERIFY_PAUSE_SECONDS", 0.0)
    digest = account.digest(world.viewer.token)
    before = auth._verified[digest].asked_at
    assert quick(app, world.viewer, at).status_code == 200
    assert auth._verified[digest].asked_at > before


def test_a_token_revoked_meanwhile_is_refused_after_it_was_verified_again(
    world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = known_place(world.viewer)
    monkeypatch.setattr(auth, "AGEING_SECONDS", -1.0)
    quick(app, world.viewer, at)
    with maintenance() as session:
        assert account.revoke_token(session, auth._verified[account.digest(world.viewer.token)].caller.token_id)
    assert quick(app, world.viewer, at).status_code == 200
    auth.verify_again()
    assert quick(app, world.viewer, at).status_code == 401
