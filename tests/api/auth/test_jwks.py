"""Keys of signed tokens: no key server, however it behaves, delays a request or receives too many of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api import auth
from api.auth import jwks, jwts
from tests.api.auth.key_server import MISBEHAVIOURS, KeyServer, serving
from tests.api.auth.test_jwts import AUDIENCE, claims, configured
from tests.stack import wait_for
from tests.world import World

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A key server that this process is set to."""
    with serving({"one": KEY}) as made, configured(JWT_JWKS_URL=made.url, JWT_AUDIENCE=AUDIENCE):
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, in their proportions."""
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.5)
    monkeypatch.setattr(jwks, "FIRST_SECONDS", 0.1)


def signed(world: World, key_id: str = "one", key: Any = KEY) -> str:
    return jwt.encode(claims(world), key, algorithm="ES256", headers={"kid": key_id})


def call(world: World, token: str) -> Any:
    """The answer to a request that nothing is remembered of."""
    auth.forget_verified()
    return world.junior.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def rest() -> None:
    """Wait until nothing is being fetched."""
    wait_for(lambda: not jwts._keys()._is_fetching, "the fetch to end", seconds=20)


def test_while_the_key_server_says_nothing_requests_are_refused_at_once_and_it_is_asked_once(
    world: World, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 30.0)
    server.behaviour = "silent"
    answers = [call(world, signed(world)) for _ in range(30)]
    assert jwts._keys()._is_fetching  # nobody has waited for its end
    assert {(answer.status_code, answer.mimetype) for answer in answers} == {(503, "application/problem+json")}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers)
    assert server.count == 1
    assert world.senior.get("/me").status_code == 200
    server.closing.set()
    rest()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", MISBEHAVIOURS)
def test_an_answer_that_is_none_ends_in_time_and_is_followed_by_a_pause(
    world: World, server: KeyServer, behaviour: str
) -> None:
    server.behaviour = behaviour
    with serving({"one": KEY}) as elsewhere:
        server.redirect_to = elsewhere.url
        assert call(world, signed(world)).status_code == 503
        rest()
        assert [call(world, signed(world)).status_code for _ in range(5)] == [503] * 5
        assert (server.count, elsewhere.count) == (1, 0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", ["silent", "failing", "no_keys"])
def test_known_keys_go_on_being_used_for_a_while_without_the_server(
    world: World, server: KeyServer, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(world, signed(world)).status_code == 200
    server.behaviour = behaviour
    monkeypatch.setattr(jwks, "FRESH_SECONDS", -1.0)
    jwts._keys()._next_fetch_at = 0.0
    assert [call(world, signed(world)).status_code for _ in range(3)] == [200] * 3
    rest()
    assert server.count == 2
    assert call(world, signed(world)).status_code == 200
    monkeypatch.setattr(jwks, "USABLE_SECONDS", -1.0)
    assert call(world, signed(world)).status_code == 503


def test_tokens_with_unknown_key_ids_do_not_make_the_server_be_asked(world: World, server: KeyServer) -> None:
    assert call(world, signed(world)).status_code == 200
    assert {call(world, signed(world, f"guess-{n}")).status_code for n in range(30)} == {401}
    assert server.count == 1


def test_an_unknown_key_id_makes_it_be_asked_once_an_interval_and_nobody_waits(
    world: World, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 30.0)
    assert call(world, signed(world)).status_code == 200
    server.behaviour = "silent"
    jwts._keys()._next_fetch_at = 0.0
    assert {call(world, signed(world, f"guess-{n}")).status_code for n in range(30)} == {401}
    assert call(world, signed(world)).status_code == 200
    assert jwts._keys()._is_fetching
    server.closing.set()
    rest()
    assert server.count == 2


def test_a_new_key_is_accepted_soon_after_it_was_published(
    world: World, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "UNKNOWN_KEY_SECONDS", 0.1)
    assert call(world, signed(world)).status_code == 200
    new = ec.generate_private_key(ec.SECP256R1())
    server.keys = {"two": new}
    wait_for(lambda: call(world, signed(world, "two", new)).status_code == 200, "the new key", seconds=20)
    assert call(world, signed(world)).status_code == 401  # the old one is withdrawn


@pytest.mark.usefixtures("impatient")
def test_a_server_that_comes_back_is_found(world: World, server: KeyServer) -> None:
    server.behaviour = "failing"
    assert call(world, signed(world)).status_code == 503
    server.behaviour = "good"
    wait_for(lambda: call(world, signed(world)).status_code == 200, "the keys", seconds=20)


def test_pauses_after_failures_grow_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = jwks.KeySet("http://127.0.0.1:9/jwks")
    pauses = []
    for _ in range(12):
        keys._failed(OSError())
        pauses.append(round(keys._next_fetch_at - time.monotonic()))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]


def test_a_process_asks_for_the_keys_before_its_first_request(server: KeyServer) -> None:
    jwts.start()
    rest()
    assert server.count == 1
