"""A login is a row in the database: ending it ends every copy of its cookie, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from api import auth
from api.auth import cookie
from models import account, people
from models.account import login
from models.account.login import Login
from models.transaction import maintenance
from tests.world import Person, World

FORMS = [
    "//[",
    "http://[",
    "//[::1",
    "http://]",
    "http://[x]",
    "//[/%5B",
    "https://a]b[",
    "///",
    "/\\[",
    "ht!tp:[",
    "\ud800",
]


@pytest.fixture
def browse(app: Flask) -> Any:
    """Browsers that are signed in."""

    def opened(somebody: Person) -> FlaskClient:
        browser = app.test_client()
        assert browser.post("/sign-in", data={"token": somebody.token}).status_code == 303
        return browser

    return opened


def copied(app: Flask, browser: FlaskClient) -> FlaskClient:
    """Another browser with the same cookie."""
    kept = browser.get_cookie(cookie.NAME)
    assert kept
    other = app.test_client()
    other.set_cookie(cookie.NAME, kept.value)
    return other


def csrf(browser: FlaskClient) -> str:
    return browser.get("/queue").text.partition('csrf-token" content="')[2].partition('"')[0]


def leave(browser: FlaskClient, path: str = "/sign-out") -> int:
    return browser.post(path, data={"csrf": csrf(browser)}).status_code


def status(browser: FlaskClient) -> int:
    return browser.get("/api/v1/me").status_code


def test_signing_out_ends_every_copy_of_the_cookie(world: World, app: Flask, browse: Any) -> None:
    browser = browse(world.senior)
    copy = copied(app, browser)
    assert status(copy) == 200
    assert leave(browser) == 303
    assert (status(copy), status(browser)) == (401, 401)


def test_signing_out_ends_one_browser_and_everywhere_ends_all_of_one_person(world: World, browse: Any) -> None:
    here, there, other = browse(world.senior), browse(world.senior), browse(world.junior)
    assert leave(here) == 303
    assert [status(each) for each in (here, there, other)] == [401, 200, 200]
    again = browse(world.senior)
    assert leave(there, "/sign-out/everywhere") == 303
    assert [status(each) for each in (there, again, other)] == [401, 401, 200]
    assert world.senior.get("/me").status_code == 200  # a program's token keeps working


def test_a_login_that_ended_in_another_process_ends_here_with_the_next_request(world: World, browse: Any) -> None:
    browser = browse(world.senior)
    assert status(browser) == 200
    with maintenance() as session:
        assert login.end_all(session, world.account_id, world.senior.id)
    assert status(browser) == 401


def test_a_login_ends_with_its_token_and_with_its_person(world: World, browse: Any) -> None:
    browser, other = browse(world.senior), browse(world.junior)
    with maintenance() as session:
        token = session.scalars(select(Login.token_id).where(Login.user_id == world.senior.id)).one()
        assert account.revoke_token(session, token)
    people.deactivate(world.account_id, world.junior.id, by=None)
    assert [status(browser), status(other)] == [401, 401]


def test_signing_out_asks_for_the_pages_secret(world: World, app: Flask, browse: Any) -> None:
    for path in ("/sign-out", "/sign-out/everywhere"):
        browser = browse(world.senior)
        assert browser.post(path, data={"csrf": "x"}).status_code == 403
        assert status(browser) == 200
    assert app.test_client().post("/sign-out/everywhere").status_code == 303


def test_old_logins_are_pruned_and_one_person_has_a_bounded_number(
    world: World, browse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "MOST", 3)
    browsers = [browse(world.senior) for _ in range(5)]
    assert [status(each) for each in browsers] == [401, 401, 200, 200, 200]
    monkeypatch.setattr(login, "LIFETIME", timedelta(seconds=-1))
    assert status(browse(world.junior)) == 401
    with maintenance() as session:
        assert login.prune(session) == 1
    assert status(browsers[-1]) == 200


def test_a_stolen_key_without_our_signature_is_no_login(world: World, app: Flask, browse: Any) -> None:
    browse(world.senior)
    with maintenance() as session:
        key = session.scalars(select(Login.key)).one()
    for value in (key, f'{{"login":"{key}"}}', f"{key}.x.y"):
        thief = app.test_client()
        thief.set_cookie(cookie.NAME, value)
        assert status(thief) == 401
    assert app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "is_secure"),
    [
        ({}, False),
        ({"X-Forwarded-Proto": "https"}, True),
        ({"X-Forwarded-Proto": "HTTPS, http"}, True),
        ({"X-Forwarded-Proto": "http"}, False),
        ({"X-Forwarded-Scheme": "https"}, True),
        ({"X-Forwarded-Ssl": "on"}, True),
        ({"X-Forwarded-Ssl": "off"}, False),
        ({"Front-End-Https": "on"}, True),
        ({"Forwarded": "for=192.0.2.1;proto=https;host=x"}, True),
        ({"Forwarded": 'proto="https"'}, True),
        ({"Forwarded": "proto=http;host=https.example"}, False),
    ],
)
def test_behind_any_proxy_that_speaks_https_the_cookie_is_secure(
    world: World, client: FlaskClient, headers: dict[str, str], is_secure: bool
) -> None:
    answer = client.post("/sign-in", data={"token": world.senior.token}, headers=headers)
    assert ("Secure" in answer.headers["Set-Cookie"]) is is_secure
    assert ("Strict-Transport-Security" in answer.headers) is is_secure


@pytest.mark.parametrize("target", FORMS)
def test_an_address_that_cannot_be_parsed_is_no_error_of_ours(world: World, client: FlaskClient, target: str) -> None:
    assert client.get("/sign-in", query_string={"next": target.encode(errors="replace")}).status_code == 200
    signed_in = client.post("/sign-in", data={"token": world.senior.token, "next": target.encode(errors="replace")})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/queue")
    if target.isprintable():
        origin = {"Origin": target}
        assert client.post("/sign-in", data={"token": "x"}, headers=origin).status_code == 403
        assert client.get("/api/v1/me", headers=origin | {"Host": "localhost"}).status_code in (200, 401)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "javascript:x",
        "\\\\x",
        "/\x7f",
    ],
)
def test_signing_in_leads_to_no_other_site(world: World, client: FlaskClient, target: str) -> None:
    answer = client.post("/sign-in", data={"token": world.senior.token, "next": target})
    assert answer.headers["Location"] == "/queue"


def test_a_login_is_forgotten_by_polls_too(world: World, app: Flask, browse: Any) -> None:
    browser = browse(world.senior)
    assert status(browser) == 200
    with maintenance() as session:
        key = session.scalars(select(Login.key)).one()
    assert auth.remembered(key)
    leave(browser)
    assert auth.remembered(key) is None
