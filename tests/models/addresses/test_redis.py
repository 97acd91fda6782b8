"""Every accepted form of a Redis address means the same to redis-py and Celery; others are refused."""

from __future__ import annotations

import ssl

import pytest
import redis
from kombu import Connection

from models.addresses.redis import RedisAddress, RedisAddressError
from models.settings import SettingsError, settings
from tests.conftest import environment

ACCEPTED = {
    "redis://": {"host": "localhost", "port": 6379, "db": 0},
    "redis://desk": {"host": "desk", "port": 6379, "db": 0},
    "redis://desk/": {"host": "desk", "port": 6379, "db": 0},
    " redis://desk:6380/3\n": {"host": "desk", "port": 6380, "db": 3},
    "redis://desk?db=4": {"host": "desk", "port": 6379, "db": 4},
    "redis://desk/4?db=4": {"host": "desk", "port": 6379, "db": 4},
    "redis://127.0.0.1:6379/00": {"host": "127.0.0.1", "port": 6379, "db": 0},
    "redis://[::1]:6380/1": {"host": "::1", "port": 6380, "db": 1},
    "redis://:secret@desk": {"host": "desk", "port": 6379, "db": 0, "password": "secret"},
    "redis://me:p%40s%2Fs%3A%25@desk/1": {
        "host": "desk",
        "port": 6379,
        "db": 1,
        "username": "me",
        "password": "p@s/s:%",
    },
    "rediss://desk:6380/2": {"host": "desk", "port": 6380, "db": 2},
    "unix:///run/redis.sock": {"path": "/run/redis.sock", "db": 0},
    "unix:///run/my%20redis.sock?db=5": {"path": "/run/my redis.sock", "db": 5},
    "unix://me:p%40ss@/run/redis.sock?db=1": {
        "path": "/run/redis.sock",
        "db": 1,
        "username": "me",
        "password": "p@ss",
    },
}


@pytest.mark.parametrize("url", ACCEPTED)
def test_redis_py_and_celery_mean_the_same(url: str) -> None:
    address = RedisAddress.parse(url)
    ours = redis.ConnectionPool.from_url(address.url, **address.tls).connection_kwargs
    with Connection(address.broker_url, ssl=dict(address.tls) or None) as broker:
        celerys = _parameters(broker)
    for name, value in ACCEPTED[url].items():
        assert (ours.get(name), celerys.get(name)) == (value, value), name


def _parameters(broker: Connection) -> dict[str, object]:
    """With what Celery's transport would connect."""
    channel = object.__new__(broker.transport.Channel)
    channel.connection = broker.transport
    return dict(channel._connparams())


def test_tls_options_reach_both() -> None:
    address = RedisAddress.parse(
        "rediss://desk/0?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem"
    )
    options = {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem"}
    assert address.tls == options | {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert "ssl" not in address.url
    assert RedisAddress.parse("rediss://desk?ssl_cert_reqs=none").tls["ssl_check_hostname"] is False


REFUSED = {
    "": "must begin with",
    "desk:6379": "must begin with",
    "http://desk": "must begin with",
    "redis-sentinel://desk": "must begin with",
    "redis+cluster://desk": "must begin with",
    "redis+socket:///run/redis.sock": "must begin with",
    "redis://one:6379,two:6379/0": "not a URL",
    "redis://one,two/0": "one host",
    "redis://desk:0x1/0": "not a URL",
    "redis://desk:99999": "not a URL",
    "redis://[::1/0": "not a URL",
    "redis://desk/one": "by a number",
    "redis://desk/-1": "by a number",
    "redis://desk/1/2": "by a number",
    "redis://desk/1?db=2": "two databases",
    "redis://desk?socket_timeout=5": "an option",
    "redis://desk?ssl_cert_reqs=none": "an option",
    "rediss://desk?ssl_cert_reqs=maybe": "an option",
    "redis://desk?protocol": "not a URL",
    "redis://desk#1": "a # or a %",
    "redis://:p%ss@desk": "a # or a %",
    "unix://": "absolute path",
    "unix://run/redis.sock": "absolute path",
    "unix:///run/redis.sock?db=x": "by a number",
    "unix:///run/redis.sock?virtual_host=1": "an option",
}


@pytest.mark.parametrize("url", REFUSED)
def test_what_not_every_client_would_understand_is_refused_in_words(url: str) -> None:
    with pytest.raises(RedisAddressError, match=REFUSED[url]) as refused:
        RedisAddress.parse(url)
    assert "p%ss" not in str(refused.value)


def test_a_setting_that_is_no_address_is_named_at_the_start() -> None:
    given = {"DATABASE_URL": "postgresql://x/y", "REDIS_URL": "redis://a,b"}
    with environment(given), pytest.raises(SettingsError, match="REDIS_URL must name one host"):
        settings()


@pytest.mark.parametrize(
    ("given", "database", "name"),
    [(None, "desk", "desk"), (None, "my%20desk", "my_desk"), ("north", "desk", "north"), (" ", "desk", "desk")],
)
def test_an_installation_is_named_after_its_database_or_by_its_setting(
    given: str | None, database: str, name: str
) -> None:
    variables = {"DATABASE_URL": f"postgresql://u@h/{database}", "REDIS_URL": "redis://h"}
    with environment(variables | ({"INSTALLATION": given} if given else {})):
        assert settings().installation == name
