"""Validation of a request's head before anything else happens (RFC 9110, RFC 9112)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import httptools

Header = tuple[bytes, bytes]

MOST_HEAD_BYTES = 64 * 1024
MOST_FIELDS = 100
MOST_URL_BYTES = 8 * 1024
FOR_ANY_HOST = (b"/healthz", b"/readyz", b"/metrics")  # probes come by an address and not by a name

# A name, an IPv4 or an IPv6 address, and perhaps a port. Names of containers may have underscores.
HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{0,5}))?")
VERSIONS = ("1.0", "1.1")


class RefusedError(Exception):
    """Raised to refuse a request; the connection ends with this answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Target(NamedTuple):
    """A request target. `authority` is set if the target names the host itself."""

    path: bytes
    query: bytes
    authority: bytes | None


def check_version(version: str) -> None:
    """Refuse a version with another framing."""
    if version not in VERSIONS:
        raise RefusedError(505, "This server speaks HTTP/1.1 and HTTP/1.0.")


def target(method: bytes, url: bytes) -> Target:
    """Parse a request target in origin, absolute or asterisk form."""
    if b"#" in url or method == b"CONNECT" or (url == b"*" and method != b"OPTIONS"):
        raise RefusedError(400, "The request target is not valid.")
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError as error:
        raise RefusedError(400, "The request target is not valid.") from error
    if parsed.schema is None:
        return Target(parsed.path, parsed.query or b"", None)
    authority = url.partition(b"://")[2].split(b"/", 1)[0].split(b"?", 1)[0]
    if parsed.schema.lower() not in (b"http", b"https") or not is_host(authority):
        raise RefusedError(400, "The request target is not valid.")
    return Target(parsed.path or b"/", parsed.query or b"", authority)


def check_host(version: str, hosts: Sequence[bytes]) -> None:
    """Refuse a request with no, several or malformed hosts."""
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise RefusedError(400, "A request names its host once.")
    if hosts and not is_host(hosts[0]):
        raise RefusedError(400, "The Host header is not valid.")


def check_allowed(host: bytes, allowed: Sequence[str]) -> None:
    """Refuse a request for another site; `.name` allows all below it."""
    name = host.decode("latin-1").lower()
    name = name if name.endswith("]") else name.rpartition(":")[0] or name
    fits = any(name == each.lower() or (each.startswith(".") and name.endswith(each.lower())) for each in allowed)
    if not fits:
        raise RefusedError(400, "This host is not served here.")


@lru_cache(maxsize=1024)
def is_host(value: bytes) -> bool:
    """Whether this is a host with an optional port."""
    found = HOST.fullmatch(value)
    return found is not None and int(found["port"] or 0) < 65536


def check_coding(version: str, codings: Sequence[bytes]) -> None:
    """Refuse a body whose end cannot be determined, or that would be passed on encoded."""
    if version != "1.1":
        raise RefusedError(400, "HTTP/1.0 knows no Transfer-Encoding.")
    names = [name.strip().lower() for name in b",".join(codings).split(b",")]
    if names[-1] != b"chunked" or names.count(b"chunked") > 1:
        raise RefusedError(400, "The last transfer coding of a request is chunked, once.")
    if len(names) > 1:
        raise RefusedError(501, "No other transfer coding than chunked is understood.")
