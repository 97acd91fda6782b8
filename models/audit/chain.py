"""The chain of an audit: exported lines, their hashes, and where a chain is broken.

The hash of a line is the SHA-256 of its canonical form, in lower-case hexadecimal digits. The canonical form is a
JSON array without spaces, in UTF-8, of the line's `account`, `seq`, `at`, `actor`, `kind`, `handoff`, `subject`,
`note` and `former`, which is the hash of the line before it, or 64 zeros for the first one. Only quotes, backslashes
and control characters are escaped. PostgreSQL writes the same in migrations/sql/chain_audit.sql.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.audit import Audit
from models.database import dump_json
from models.database.executor import Session

ORIGIN = "0" * 64  # the former hash of the first line
HASHED = ("account", "seq", "at", "actor", "kind", "handoff", "subject", "note", "former")
PAGE = 2000  # lines

Line = Mapping[str, Any]


class BrokenChainError(Exception):
    """Raised for the first line that is not as it was written. The message quotes nothing of a line."""


@dataclass(frozen=True)
class Head:
    """The last line of a chain: its number and its hash, which stands for every line before it too."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def digest(line: Line) -> str:
    """Compute the hash of a line from what it says."""
    return hashlib.sha256(dump_json([line[name] for name in HASHED]).encode()).hexdigest()


def page(session: Session, account_id: UUID, head: Head) -> list[dict[str, Any]]:
    """Return the next lines after this one as they are exported; fewer than PAGE: these were the last."""
    rows = session.scalars(
        select(Audit).where(Audit.account_id == account_id, Audit.seq > head.seq).order_by(Audit.seq).limit(PAGE)
    )
    lines, former = [], head.hash
    for row in rows:
        lines.append(_line(row, former))
        former = row.hash
    return lines


def _line(row: Audit, former: str) -> dict[str, Any]:
    return {
        "account": str(row.account_id),
        "seq": row.seq,
        "at": row.at.astimezone(UTC).isoformat(),
        "actor": row.actor_id and str(row.actor_id),
        "kind": row.kind,
        "handoff": row.handoff_id and str(row.handoff_id),
        "subject": row.subject,
        "note": row.note,
        "former": former,
        "hash": row.hash,
    }


def begin(session: Session, account_id: UUID, since: datetime | None = None) -> Head:
    """Return the line after which an export begins: the one before the first line at or after this time.

    Without such a line it is the last one. Lines are in the order in which they were written, so later ones may tell
    of earlier times.
    """
    before = Head(0, ORIGIN)
    if since is None:
        return before
    lines = select(Audit.seq, Audit.hash).where(Audit.account_id == account_id)
    first = session.execute(lines.where(Audit.at >= since).order_by(Audit.seq).limit(1)).first()
    earlier = lines if first is None else lines.where(Audit.seq < first.seq)
    found = session.execute(earlier.order_by(Audit.seq.desc()).limit(1)).first()
    return Head(found.seq, found.hash) if found else before


def follow(lines: Iterable[Line], *, whole: bool) -> Iterator[Head]:
    """Check lines and yield each as a head. Raises BrokenChainError at the first that does not follow.

    `whole`: they begin with the account's first line, as those of a table do; else anywhere.
    """
    head = Head(0, ORIGIN) if whole else None
    account = None
    for line in lines:
        account = account or line["account"]
        _refuse_broken(line, head, account)
        yield (head := Head(line["seq"], line["hash"]))


def _refuse_broken(line: Line, head: Head | None, account: str) -> None:
    seq = line["seq"]
    if line["account"] != account:
        raise BrokenChainError(f"line {seq} is of another account")
    if head is not None and seq != head.seq + 1:
        raise BrokenChainError(f"line {head.seq + 1} is missing: line {seq} follows")
    if head is not None and line["former"] != head.hash:
        raise BrokenChainError(f"line {seq} was not written after line {head.seq} as that is now")
    if digest(line) != line["hash"]:
        raise BrokenChainError(f"line {seq} is not as it was written")
