"""PostgreSQL addresses, parsed by libpq itself; connections are made from the parts, never from rendered text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urlencode

import psycopg2
from psycopg2 import extensions

SCHEMES = re.compile(r"^postgres(ql)?(\+psycopg2)?://")
# A password is taken up to the @, so that one with an unescaped slash or colon works too.
_LOGIN = re.compile(r"^([^:/@?]*)(?::([^@?]*))?@")
_PER_HOST = ("host", "hostaddr", "port")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class AddressError(ValueError):
    """Raised for a text that is no address. The message never quotes it, because it may hold a password."""


@dataclass(frozen=True)
class Address:
    """The address of a database and its user, as libpq's parameters."""

    parts: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Parse with libpq; raises AddressError."""
        if not SCHEMES.match(url):
            raise AddressError("must begin with postgresql://")
        try:
            parts = extensions.parse_dsn("postgresql://" + _escaped(SCHEMES.sub("", url)))
        except psycopg2.Error:
            raise AddressError(
                "is not an address that PostgreSQL's libpq understands; see its manual, “Connection URIs”"
            ) from None
        if len({parts[name].count(",") for name in _PER_HOST if "," in parts.get(name, "")}) > 1:
            raise AddressError("must name one port, or one for each of its hosts")
        return cls(parts)

    @property
    def user(self) -> str | None:
        """None: libpq takes PGUSER or the name of the process's user."""
        return self.parts.get("user")

    @property
    def database(self) -> str | None:
        """None: libpq takes PGDATABASE or the user's name."""
        return self.parts.get("dbname")

    def having(self, **parts: str) -> Address:
        """Return the address with these parts replaced."""
        return replace(self, parts={**self.parts, **parts})

    def each_host(self) -> Iterator[dict[str, str]]:
        """Return the parts once for each of several hosts.

        libpq goes through them by itself, but with a wait callback nothing ends its waiting for a host that is off.
        """
        lists = {name: self.parts[name].split(",") for name in _PER_HOST if self.parts.get(name)}
        for n in range(max(map(len, lists.values()), default=1)):
            # A single port applies to all hosts, as in libpq.
            yield {**self.parts, **{name: each[n] if len(each) > 1 else each[0] for name, each in lists.items()}}

    def url(self) -> str:
        """Render a text that parse() and libpq understand, for the environment of a process. Holds the password."""
        rest = dict(self.parts)
        user, password, name = rest.pop("user", None), rest.pop("password", None), rest.pop("dbname", "")
        login = ":".join(quote(each, safe="") for each in (user or "", password) if each is not None)
        hosts = ",".join(map(_rendered_host, self.each_host())) if rest.get("host") else ""
        for done in ("host", "port") if hosts else ():
            rest.pop(done, None)
        query = f"?{urlencode(rest, quote_via=quote)}" if rest else ""
        return f"postgresql://{login}{'@' if login else ''}{hosts}/{quote(name, safe='')}{query}"


def _escaped(rest: str) -> str:
    rest = _STRAY_PERCENT.sub("%25", rest)
    rest = re.sub(r"\s", lambda found: quote(found[0]), rest)
    return _LOGIN.sub(lambda found: _login(found[1], found[2]), rest)


def _login(user: str, password: str | None) -> str:
    return quote(unquote(user), safe="") + ("" if password is None else f":{quote(unquote(password), safe='')}") + "@"


def _rendered_host(parts: Mapping[str, str]) -> str:
    host = f"[{parts['host']}]" if ":" in parts["host"] else quote(parts["host"], safe="")
    return f"{host}:{parts['port']}" if parts.get("port") else host
