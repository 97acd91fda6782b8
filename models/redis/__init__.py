"""The Redis client for everything that prefers doing without over waiting. (Celery has connections of its own.)"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from models import logs
from models.addresses.redis import RedisAddress
from models.settings import settings

log = logs.logger(__name__)

TIMEOUT_SECONDS = 0.05


def redis_key(*parts: str) -> str:
    """Return a key prefixed with this installation's name."""
    return settings().redis_key(*parts)


def connect(address: RedisAddress, *, seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    """Return a client whose calls end within so many seconds, with RedisError when Redis is down or frozen."""
    pool = redis.BlockingConnectionPool.from_url(
        address.url,
        **address.tls,
        max_connections=64,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),  # redis-py would otherwise try ten times, and wait in between
    )
    return redis.Redis.from_pool(pool)


def connect_loop(address: RedisAddress) -> redis.asyncio.Redis:
    """The same for coroutines of one event loop."""
    return redis.asyncio.Redis.from_url(
        address.url,
        **address.tls,
        max_connections=64,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=AsyncRetry(NoBackoff(), 0),
    )


class ThreadConnections:
    """One connection per thread, for frequent calls.

    Taking a connection out of the client's pool and putting it back is a good part of such a call.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._own = threading.local()

    def send(self, *command: Any) -> Any:
        """Send a command and return its reply. RedisError as from the client; the next call then reconnects."""
        connection = self._connection()
        connection.send_command(*command)
        return connection.read_response()

    def _connection(self) -> Any:
        """Return this thread's connection; reconnect if the server closed it or unread data is left."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._pool.connection_class(**self._pool.connection_kwargs)
        try:
            # can_read() connects what is not connected: a silent Redis would be waited for here and again in sending.
            ended = connection.is_connected and connection.can_read()
        except (redis.RedisError, OSError):
            ended = True
        if ended:
            connection.disconnect()
        return connection


class Script:
    """A Lua script sent over the thread's own connection."""

    def __init__(self, connections: ThreadConnections, source: str) -> None:
        self._connections = connections
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run the script and return its reply. RedisError as from the client."""
        try:
            return self._connections.send("EVALSHA", self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return self._connections.send("EVAL", self._source, len(keys), *keys, *arguments)


@cache
def client() -> redis.Redis:
    """Return this process's client."""
    return connect(settings().redis)


# What Celery and our scripts need: several keys in one script, which writes.
_PROBE = "for _, key in ipairs(KEYS) do redis.call('SET', key, '', 'PX', 1) end"
_FAULTS = (
    (("CROSSSLOT", "CLUSTERDOWN", "MOVED", "ASK", "Keys in request"), "a cluster, which cannot be used"),
    (("NOPERM", "User ", "unknown command", "this user has no permissions", "No permissions"), "refuses scripts"),
    (("READONLY", "You can't write against a read only replica"), "a replica, which cannot be written"),
    (("OOM", "command not allowed when used memory"), "full"),
    (("MISCONF",), "refuses writes, because it cannot save"),
)


def fault() -> str | None:
    """Describe briefly why Redis cannot be used now; None: it can."""
    try:
        client().eval(_PROBE, 2, redis_key("probe", "1"), redis_key("probe", "2"))
    except redis.exceptions.ClusterError:
        return "a cluster, which cannot be used"
    except ResponseError as error:
        said = str(error)
        return next((name for signs, name in _FAULTS if any(sign in said for sign in signs)), "refuses commands")
    except (redis.RedisError, OSError):
        return "away"
    return None


def log_fault() -> None:
    """Log at start-up that Redis cannot be used. Being unreachable may pass."""
    found = fault()
    if found and found != "away":
        log.error("redis cannot be used", why=found)
