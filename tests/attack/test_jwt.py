"""Tokens that resemble those of the main product and are none."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from tests.api.auth.test_jwts import AUDIENCE, SECRET, claims, configured, signed, status
from tests.world import World

pytestmark = pytest.mark.usefixtures("with_a_secret")


@pytest.fixture
def with_a_secret() -> Any:
    with configured(JWT_SECRET=SECRET, JWT_AUDIENCE=AUDIENCE, JWT_ISSUER="main"):
        yield


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_good_one_is_taken(world: World) -> None:
    assert status(world, signed(world, iss="main")) == 200


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS1", "RS256", "ES256", "PS256", "EdDSA"])
def test_an_algorithm_that_was_not_chosen_here_is_refused(world: World, algorithm: str) -> None:
    head, body = part({"alg": algorithm, "typ": "JWT"}), part(claims(world, iss="main"))
    for signature in ("", "x", signed(world, iss="main").rpartition(".")[2]):
        assert status(world, f"{head}.{body}.{signature}") == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_hash_with_the_right_key_is_no_surprise(world: World, algorithm: str) -> None:
    assert status(world, jwt.encode(claims(world, iss="main"), SECRET, algorithm=algorithm)) in (200, 401)


@pytest.mark.parametrize("key", ["", "x" * 32, SECRET + " ", SECRET.upper(), "\0" * 32])
def test_another_key_is_refused(world: World, key: str) -> None:
    assert status(world, signed(world, key=key or "-" * 32, iss="main")) == 401


CLAIMS: list[dict[str, Any]] = [
    {"exp": None},
    {"exp": -3600.5},
    {"exp": 0},
    {"exp": -1},
    {"exp": "tomorrow"},
    {"exp": 1e400},
    {"exp": [9999999999]},
    {"nbf": 99999999999},
    {"iat": 99999999999},
    {"aud": None},
    {"aud": "another"},
    {"aud": ["another"]},
    {"aud": {"escalation": True}},
    {"iss": None},
    {"iss": "another"},
    {"iss": ["main"]},
    {"sub": None},
    {"sub": ""},
    {"sub": 1},
    {"sub": "1' OR '1'='1"},
    {"sub": "01920000-0000-7000-8000-00000000dead"},
    {"sub": {"id": "x"}},
    {"account_id": None},
    {"account_id": "01920000-0000-7000-8000-00000000dead"},
    {"account_id": "x"},
    {"account_id": ["x"]},
]


@pytest.mark.parametrize("changed", CLAIMS, ids=str)
def test_a_claim_that_is_missing_or_odd_is_refused(world: World, changed: dict[str, Any]) -> None:
    said = {**claims(world, iss="main"), **changed}
    token = (
        jwt.encode({name: value for name, value in said.items() if value is not None}, SECRET, algorithm="HS256")
        if _can(said)
        else _raw(said)
    )
    assert status(world, token) == 401


def _can(said: dict[str, Any]) -> bool:
    try:
        jwt.encode(said, SECRET, algorithm="HS256")
    except TypeError:
        return False
    return True


def _raw(said: dict[str, Any]) -> str:
    """Signed by us, though the library would not write such claims."""
    return jwt.api_jws.encode(json.dumps(said).encode(), SECRET, algorithm="HS256")


HEADS: list[dict[str, Any]] = [
    {"kid": "../../../../dev/null"},
    {"kid": "' UNION SELECT 'x"},
    {"jku": "http://127.0.0.1:1/keys"},
    {"x5u": "http://127.0.0.1:1/cert"},
    {"jwk": {"kty": "oct", "k": "eA"}},
    {"crit": ["exp"], "exp": 1},
    {"b64": False, "crit": ["b64"]},
    {"zip": "DEF"},
]


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_what_a_header_asks_for_is_not_followed(world: World, head: dict[str, Any]) -> None:
    wrong = jwt.encode(claims(world, iss="main"), "y" * 40, algorithm="HS256", headers=_plain(head))
    assert status(world, wrong) == 401


def _plain(head: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in head.items() if name not in ("b64", "crit")} | {"odd": str(head)}


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        "..",
        "eyJ.eyJ.x",
        "eyJhbGciOiJIUzI1NiJ9..",
        "a." + "b" * 60_000 + ".c",
        "eyJhbGciOiJIUzI1NiJ9.!!!.x",
        "é.é.é",
    ],
)
def test_what_is_no_token_at_all_is_401(world: World, token: str) -> None:
    assert status(world, token) == 401
