"""The browser's login at the API: what its cookie permits, and until when."""

from __future__ import annotations

import time
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner

from api.auth import cookie
from models import settings
from models.account import login
from tests.world import World


def sign_in(client: FlaskClient, token: str, **more: str) -> int:
    """Sign a browser in; returns the status."""
    return client.post("/sign-in", data={"token": token}, **more).status_code  # type: ignore[arg-type]


def test_a_signed_in_browser_reads_without_a_bearer_token(world: World, client: FlaskClient) -> None:
    assert client.get("/api/v1/me").status_code == 401
    assert sign_in(client, world.senior.token) == 303
    assert client.get("/api/v1/me").json["id"] == str(world.senior.id)  # type: ignore[index]


def test_a_session_ends_after_twelve_hours(world: World, client: FlaskClient) -> None:
    long_ago = int(time.time() - login.LIFETIME.total_seconds() - 60)
    with patch.object(TimestampSigner, "get_timestamp", lambda _: long_ago):
        assert sign_in(client, world.senior.token) == 303
    assert client.get("/api/v1/me").status_code == 401
    answer = client.get("/queue?priority=high")
    assert answer.headers["Location"] == "/sign-in?next=/queue?priority%3Dhigh&ended=1"


def test_a_changed_cookie_is_no_login(world: World, client: FlaskClient) -> None:
    sign_in(client, world.senior.token)
    kept = client.get_cookie(cookie.NAME)
    assert kept is not None
    # Not the last character: some of its bits stand for nothing.
    client.set_cookie(cookie.NAME, kept.value[:-5] + ("A" if kept.value[-5] != "A" else "B") + kept.value[-4:])
    assert client.get("/api/v1/me").status_code == 401


def test_a_session_survives_a_new_key_while_the_old_one_is_still_accepted(
    world: World, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, world.senior.token)
    old = settings.settings().secret_key
    try:
        monkeypatch.setenv("SECRET_KEY", "the-next-" + "1" * 32)
        monkeypatch.setenv("SECRET_KEY_PREVIOUS", str(old))
        settings.settings.cache_clear()
        assert client.get("/api/v1/me").status_code == 200
        monkeypatch.delenv("SECRET_KEY_PREVIOUS")
        settings.settings.cache_clear()
        assert client.get("/api/v1/me").status_code == 401
    finally:
        monkeypatch.undo()
        settings.settings.cache_clear()


def test_the_cookie_is_secure_exactly_when_the_request_came_by_https(world: World, client: FlaskClient) -> None:
    for base_url, secure in (("https://localhost", True), ("http://localhost", False)):
        answer = client.post("/sign-in", data={"token": world.senior.token}, base_url=base_url)
        assert ("Secure" in answer.headers["Set-Cookie"]) is secure


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_our_own_form_signs_in(headers: dict[str, str], status: int, world: World, client: FlaskClient) -> None:
    answer = client.post("/sign-in", data={"token": world.senior.token}, headers=headers)
    assert answer.status_code == status


def test_a_bearer_caller_needs_no_mark_even_with_a_cookie(world: World, client: FlaskClient) -> None:
    handoff = world.junior.hand_off()
    sign_in(client, world.senior.token)
    assert client.post(f"/api/v1/handoffs/{handoff['id']}/claim").status_code == 403
    assert world.senior.post(f"/handoffs/{handoff['id']}/claim").status_code == 200
