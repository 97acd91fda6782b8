"""Signed tokens of the main product, with a real key server."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import auth
from api.auth import jwts
from models.settings import SettingsError, settings
from tests.api.auth.key_server import serving
from tests.api.test_people import delete
from tests.conftest import environment
from tests.world import World

SECRET = "the-main-products-signing-key-0123456789"
AUDIENCE = "escalation"


@pytest.fixture
def keys() -> dict[str, Any]:
    return {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }


@contextmanager
def configured(**values: str) -> Iterator[None]:
    """Settings alone: the database and its transaction stay the test's."""
    settings.cache_clear()
    jwts._keys.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield
    settings.cache_clear()
    jwts._keys.cache_clear()


@pytest.fixture
def shared_secret() -> Iterator[None]:
    with configured(JWT_SECRET=SECRET, JWT_AUDIENCE=AUDIENCE):
        yield


def claims(world: World, **changed: Any) -> dict[str, Any]:
    said = {
        "sub": str(world.senior.id),
        "account_id": str(world.account_id),
        "aud": AUDIENCE,
        "exp": int(time()) + 60,
        **changed,
    }
    return {name: value for name, value in said.items() if value is not None}


def status(world: World, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return world.junior.client.get("/api/v1/me", headers=headers).status_code


def signed(world: World, key: Any = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    return jwt.encode(claims(world, **changed), key, algorithm=algorithm, headers={"kid": algorithm})


@pytest.mark.usefixtures("shared_secret")
def test_a_jwt_of_the_main_product_is_the_same_caller(world: World) -> None:
    headers = {"Authorization": f"Bearer {signed(world)}"}
    assert world.junior.client.get("/api/v1/me", headers=headers).json == world.senior.get("/me").json
    made = world.junior.hand_off("T-1")["id"]
    claimed = world.junior.client.post(f"/api/v1/handoffs/{made}/claim", headers=headers)
    assert claimed.json["claimed_by"]["id"] == str(world.senior.id)
    assert world.junior.client.get("/api/v1/feed?cursor=now", headers=headers).status_code == 200


@pytest.mark.usefixtures("shared_secret")
def test_a_jwt_is_not_looked_for_among_the_stored_tokens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "AGEING_SECONDS", -1.0)
    auth.forget_verified()
    token = signed(world)
    assert [status(world, token) for _ in range(2)] == [200, 200]
    assert not auth.are_ageing()
    assert world.senior.get("/me").status_code == 200
    assert auth.are_ageing()


@pytest.mark.usefixtures("shared_secret")
def test_the_role_is_the_stored_one_whatever_the_token_says(world: World) -> None:
    token = signed(world, sub=str(world.viewer.id), role="admin")
    headers = {"Authorization": f"Bearer {token}"}
    assert world.junior.client.get("/api/v1/me", headers=headers).json["role"] == "viewer"


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": 10**30},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
        {"aud": "another product"},
        {"aud": None},
        {"sub": None},
        {"sub": "not-a-uuid"},
        {"sub": "00000000-0000-0000-0000-000000000001"},
        {"sub": 7},
        {"account_id": None},
        {"account_id": "00000000-0000-0000-0000-000000000001"},
        {"account_id": ["x"]},
        {"account_id": {}},
    ],
    ids=str,
)
def test_a_jwt_with_a_wrong_claim_is_refused(world: World, changed: dict[str, Any]) -> None:
    assert status(world, signed(world)) == 200
    assert status(world, signed(world, **changed)) == 401


@pytest.mark.usefixtures("shared_secret")
def test_a_jwt_for_a_person_of_another_account_is_refused(world: World, other_world: World) -> None:
    assert status(world, signed(world, account_id=str(other_world.account_id))) == 401


@pytest.mark.usefixtures("shared_secret")
def test_a_jwt_of_a_deleted_person_is_refused(world: World) -> None:
    token = signed(world)
    assert status(world, token) == 200
    delete(world, world.senior)
    assert status(world, token) == 401


@pytest.mark.usefixtures("shared_secret")
def test_unsigned_and_wrongly_signed_jwts_are_refused(world: World, keys: dict[str, Any]) -> None:
    assert status(world, signed(world, None, "none")) == 401
    assert status(world, signed(world, "x" * 40)) == 401
    assert status(world, signed(world, SECRET + "0" * 30, "HS512")) == 401
    assert status(world, signed(world, keys["RS256"], "RS256")) == 401
    assert status(world, signed(world)[:-3] + "AAA") == 401
    assert status(world, "a.b.c") == 401


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_jwt_is_checked_with_the_published_keys(world: World, keys: dict[str, Any], algorithm: str) -> None:
    with serving(keys) as server, configured(JWT_JWKS_URL=server.url, JWT_AUDIENCE=AUDIENCE):
        assert status(world, signed(world, keys[algorithm], algorithm)) == 200
        assert status(world, signed(world, keys[algorithm], algorithm, aud="other")) == 401
        assert status(world, signed(world, keys[algorithm], algorithm, exp=1)) == 401
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        assert status(world, signed(world, stranger, "RS256")) == 401
        assert status(world, signed(world, None, "none")) == 401


def test_a_public_key_is_no_shared_secret(world: World, keys: dict[str, Any]) -> None:
    """The classic confusion: HS256 keyed with the text of the published RSA key."""
    with serving(keys) as server, configured(JWT_JWKS_URL=server.url, JWT_AUDIENCE=AUDIENCE):
        text = keys["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head, body, _ = jwt.encode(claims(world), SECRET, headers={"kid": "RS256"}).split(".")
        mac = hmac.new(text, f"{head}.{body}".encode(), hashlib.sha256).digest()
        forged = f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        assert status(world, forged) == 401


def test_an_unknown_key_id_is_refused(world: World, keys: dict[str, Any]) -> None:
    with serving(keys) as server, configured(JWT_JWKS_URL=server.url, JWT_AUDIENCE=AUDIENCE):
        token = jwt.encode(claims(world), keys["RS256"], algorithm="RS256", headers={"kid": "other"})
        assert status(world, token) == 401


def test_keys_that_do_not_answer_are_503_and_our_own_tokens_go_on(world: World, keys: dict[str, Any]) -> None:
    with configured(JWT_JWKS_URL="http://127.0.0.1:9/jwks", JWT_AUDIENCE=AUDIENCE):
        assert status(world, signed(world, keys["RS256"], "RS256")) == 503
        assert world.senior.get("/me").status_code == 200


def test_without_the_settings_no_jwt_is_looked_at(world: World) -> None:
    assert status(world, signed(world)) == 401


@pytest.mark.parametrize(
    "values",
    [
        {"JWT_SECRET": SECRET},
        {"JWT_JWKS_URL": "https://example.com/jwks"},
        {"JWT_SECRET": SECRET, "JWT_JWKS_URL": "https://example.com/jwks", "JWT_AUDIENCE": "a"},
        {"JWT_SECRET": "short", "JWT_AUDIENCE": "a"},
        {"JWT_JWKS_URL": "file:///etc/passwd", "JWT_AUDIENCE": "a"},
    ],
)
def test_half_a_configuration_stops_the_start(servers: Any, values: dict[str, str]) -> None:
    with environment(servers.environment("none") | values), pytest.raises(SettingsError) as stopped:
        settings()
    assert str(stopped.value).startswith("settings: ")
    assert "\n" not in str(stopped.value)
