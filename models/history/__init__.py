"""Imported history: the meaning of a line, which handoffs were imported, and how far a file was read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, func
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Mapped, mapped_column

from models.database import Base, Time, dump_json
from models.database.executor import Session
from models.feed.append import MAX_EVENTS
from models.handoff import Intent, Status
from models.handoff.intake import Intake

CHUNK_LINES = 500
CHUNK_BYTES = 4 * 1024 * 1024  # so that a chunk of long sessions stays small in memory


class ImportedHandoff(Base):
    """A handoff imported from a file, by the key of its line. Its times are the file's, not measured."""

    __tablename__ = "imported_handoffs"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    handoff_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "handoff_id"], ["handoffs.account_id", "handoffs.id"]),
        Index("uq_imported_handoffs_key", "account_id", "key", unique=True),  # has this line been loaded?
    )


class ImportPosition(Base):
    """The number of lines of a file that were handled, stored with their results."""

    __tablename__ = "import_positions"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    file_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    lines: Mapped[int]
    updated_at: Mapped[Time] = mapped_column(server_default=func.now(), onupdate=func.now())


@dataclass(frozen=True)
class Line:
    """A valid line: its number in the file, and its content as the schema loaded it."""

    number: int
    content: dict[str, Any]

    @property
    def key(self) -> str:
        """The identity of the line: its own id, else its session and time, else all of it."""
        given, created_at = self.content.get("id"), self.content.get("created_at")
        if given is not None:
            name = f"id\0{_as_uuid(given) or given}"
        elif created_at is not None:
            name = f"at\0{self.intake.session.external_id}\0{created_at.astimezone(UTC).isoformat()}"
        else:
            name = f"all\0{dump_json(_plain(self.content))}"
        return hashlib.sha256(name.encode()).hexdigest()

    @cached_property
    def intake(self) -> Intake:
        """The handoff that it describes."""
        return Intake.of(self.content)

    @property
    def is_resolved(self) -> bool:
        """Whether it is a past case."""
        return self.content.get("resolution") is not None

    @property
    def status(self) -> Status:
        """The resulting status: a past case, an open handoff, or one parked by the person who imports it."""
        if self.intake.intent is Intent.PARK:
            return Status.PARKED
        return Status.RESOLVED if self.is_resolved else Status.READY

    def created_at(self, now: datetime) -> datetime:
        """The time of the handoff, as far as the line gives it."""
        times = (
            self.content.get("created_at"),
            self.intake.session.opened_at,
            self.content.get("resolved_at"),
        )
        return next((time for time in times if time is not None), now)

    def handoff_id(self, now: datetime) -> UUID:
        """Its own id if that is a UUID; else one derived from time and key, so that lists keep their order."""
        given = self.content.get("id")
        own = _as_uuid(given) if given is not None else None
        return own or _ordered_id(self.created_at(now), self.key)


def _as_uuid(given: str) -> UUID | None:
    try:
        return UUID(given) if len(given) == 36 else None
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value


def _ordered_id(time: datetime, key: str) -> UUID:
    """Derive a UUIDv7 whose random bits come from the key, so that it is the same in every run."""
    milliseconds = max(0, int(time.timestamp() * 1000)) & (2**48 - 1)
    noise = int(key, 16)
    high = (milliseconds << 16) | 0x7000 | (noise & 0xFFF)
    low = (0b10 << 62) | ((noise >> 12) & (2**62 - 1))
    return UUID(int=(high << 64) | low)


def lines_done(session: Session, account_id: UUID, file_digest: str) -> int:
    """Return the number of lines of this file handled before; 0 for an unknown file."""
    found = session.get(ImportPosition, (account_id, file_digest), populate_existing=True)
    return found.lines if found else 0


def remember_lines(session: Session, account_id: UUID, file_digest: str, lines: int) -> None:
    """Store how far the file was read, in the transaction that stores what was read."""
    session.execute(
        upsert(ImportPosition)
        .values(account_id=account_id, file_digest=file_digest, lines=lines)
        .on_conflict_do_update(
            index_elements=["account_id", "file_digest"], set_={"lines": lines, "updated_at": func.now()}
        )
    )


@dataclass
class Chunk:
    """Lines for one transaction."""

    lines: list[Line] = field(default_factory=list)
    size: int = 0  # bytes
    events: int = 0  # that storing them appends

    def add(self, line: Line, size: int) -> None:
        """Add a line of this size in bytes."""
        self.lines.append(line)
        self.size += size
        self.events += line.status is Status.READY

    def is_full(self) -> bool:
        """Whether the chunk is full: many lines, long ones, or as many events as a transaction may append."""
        return len(self.lines) >= CHUNK_LINES or self.size >= CHUNK_BYTES or self.events >= MAX_EVENTS
