"""Redis addresses, parsed once so that Celery and our own clients agree on their meaning."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix")
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
CERTIFICATE = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class RedisAddressError(ValueError):
    """Raised for a text that not every client understands. The message never quotes it: it may hold a password."""


@dataclass(frozen=True)
class RedisAddress:
    """A Redis server by host and port or by its socket, with user and database."""

    scheme: str
    host: str  # empty for a socket
    port: int
    socket: str  # a path; empty for a host
    database: int
    user: str | None
    password: str | None = field(repr=False)
    tls: Mapping[str, Any] = field(default_factory=dict)  # redis-py's names

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Parse an address; RedisAddressError explains in words what is not supported."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:
            raise RedisAddressError("is not a URL") from None
        if parts.scheme not in SCHEMES:
            raise RedisAddressError("must begin with redis://, rediss:// or unix://; no cluster, no sentinels")
        if parts.fragment or _STRAY_PERCENT.search(url):
            raise RedisAddressError("has a # or a % that is not percent-encoded")
        is_socket = parts.scheme == "unix"
        path = unquote(parts.path)
        if is_socket and (parts.hostname or not path.strip("/")):
            raise RedisAddressError("must name a socket's absolute path: unix:///run/redis.sock?db=0")
        if "," in (parts.hostname or ""):
            raise RedisAddressError("must name one host; no cluster, no sentinels")
        return cls(
            scheme=parts.scheme,
            host="" if is_socket else parts.hostname or "localhost",
            port=0 if is_socket else 6379 if port is None else port,
            socket=path if is_socket else "",
            database=_database("" if is_socket else path.strip("/"), query.pop("db", None)),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=_tls(parts.scheme, query),
        )

    @property
    def url(self) -> str:
        """The address for redis-py."""
        if self.socket:
            return f"unix://{self._login()}{quote(self.socket)}?db={self.database}"
        return f"{self.scheme}://{self._login()}{self._place()}/{self.database}"

    @property
    def broker_url(self) -> str:
        """The address for Celery, whose transport has its own form for sockets."""
        if self.socket:
            return f"redis+socket://{self._login()}{quote(self.socket)}?virtual_host={self.database}"
        return self.url

    def _place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def _login(self) -> str:
        if self.user is None and self.password is None:
            return ""
        return f"{quote(self.user or '', safe='')}:{quote(self.password or '', safe='')}@"


def _database(path: str, query: str | None) -> int:
    given = {text for text in (path, query) if text}
    if len(given) > 1:
        raise RedisAddressError("names two databases")
    text = given.pop() if given else "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise RedisAddressError("must name its database by a number, as in redis://localhost:6379/0")
    return int(text)


def _tls(scheme: str, query: dict[str, str]) -> dict[str, Any]:
    """Return the options of a TLS connection; RedisAddressError for any other."""
    found: dict[str, Any] = {}
    for name, value in query.items():
        if scheme == "rediss" and name in TLS_FILES:
            found[name] = value
        elif scheme == "rediss" and name == "ssl_cert_reqs" and value.lower().removeprefix("cert_") in CERTIFICATE:
            found[name] = CERTIFICATE[value.lower().removeprefix("cert_")]
        elif scheme == "rediss" and name == "ssl_check_hostname" and value.lower() in ("true", "false"):
            found[name] = value.lower() == "true"
        else:
            raise RedisAddressError(f"has an option that not every client knows: {name[:40]!r}")
    if found.get("ssl_cert_reqs") is ssl.CERT_NONE:
        found["ssl_check_hostname"] = False
    return found
