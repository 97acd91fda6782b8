"""The address of the web process, HOST and PORT, as gunicorn and as a browser write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = "8000"
# A browser cannot open a wildcard address.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, never bound to


class WebAddressError(ValueError):
    """Raised when PORT is not a port number. The text says so in one line."""


@dataclass(frozen=True)
class WebAddress:
    """An IP address or `localhost`, and a port."""

    host: str
    port: int

    @property
    def bind(self) -> str:
        """The address as gunicorn takes it: 127.0.0.1:8000, [::]:8000."""
        return f"{_bracketed(self.host)}:{self.port}"

    def at(self, port: int) -> WebAddress:
        """Return the same host with another port."""
        return replace(self, port=port)

    @property
    def url(self) -> str:
        """The URL that a browser on this machine opens."""
        return f"http://{_bracketed(EVERYWHERE.get(self.host, self.host))}:{self.port}"


def read(environ: Mapping[str, str]) -> WebAddress:
    """Return the address that these variables name. Raise WebAddressError if PORT is not a port number.

    A HOST other than an IP address or localhost is not meant for us and is ignored: conda puts the name of its
    compiler there, and tcsh that of the machine.
    """
    host = environ.get("HOST", "").strip().removeprefix("[").removesuffix("]")
    port = environ.get("PORT", "").strip() or DEFAULT_PORT
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise WebAddressError(f"PORT must be a number from 1 to 65535, not {port!r}")
    return WebAddress(host if _is_address(host) else DEFAULT_HOST, int(port))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
