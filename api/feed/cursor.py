"""The feed's cursor: opaque, URL-safe, signed, and bound to one account.

base64url of `1.<epoch>.<seq>.<scope>` and eight bytes of HMAC-SHA256 over it and the account. The signature
keeps clients from building cursors; what a cursor may see is decided by the login alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

VERSION = "1"
SCOPE = "all"  # which events it runs over; a filtered feed would have another
MAC_BYTES = 8
MAX_LENGTH = 256
REMEMBERED = 4096  # places at which pages are waiting: each asks with the same cursor again and again


@dataclass(frozen=True)
class Cursor:
    """A place in one account's feed: everything up to `seq` was seen."""

    epoch: str
    seq: int
    scope: str = SCOPE


class CursorError(ValueError):
    """Raised for a text that is no cursor of this account."""


@lru_cache(REMEMBERED)
def encode(cursor: Cursor, account_id: UUID, keys: tuple[str, ...]) -> str:
    """Encode the cursor for clients, signed with the first key."""
    body = f"{VERSION}.{cursor.epoch}.{cursor.seq}.{cursor.scope}".encode()
    return base64.urlsafe_b64encode(body + _mac(body, account_id, keys[0])).rstrip(b"=").decode()


@lru_cache(REMEMBERED)
def decode(text: str, account_id: UUID, keys: tuple[str, ...]) -> Cursor:
    """Decode a cursor signed with any of the keys. CursorError: malformed, forged, of another account."""
    body, mac = _unpack(text)
    if not any(hmac.compare_digest(mac, _mac(body, account_id, key)) for key in keys):
        raise CursorError("forged or of another account")
    version, epoch, seq, scope = body.decode("ascii").split(".")
    if version != VERSION:
        raise CursorError("unknown version")
    return Cursor(epoch, int(seq), scope)


def _unpack(text: str) -> tuple[bytes, bytes]:
    if len(text) > MAX_LENGTH:
        raise CursorError("too long")
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, UnicodeEncodeError) as error:
        raise CursorError("not base64url") from error
    if len(raw) <= MAC_BYTES:
        raise CursorError("too short")
    return raw[:-MAC_BYTES], raw[-MAC_BYTES:]


def _mac(body: bytes, account_id: UUID, key: str) -> bytes:
    message = b"feed-cursor\0" + account_id.bytes + body
    return hmac.digest(key.encode(), message, hashlib.sha256)[:MAC_BYTES]
