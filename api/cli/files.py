"""Files that commands read and write: any path, UTF-8, written completely or not at all where that is possible."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import secrets
import shutil
import signal
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any, BinaryIO, NoReturn, cast

import click

GZIP = b"\x1f\x8b"
HEAD_BYTES = 64 * 1024
STANDARD = "-"

UTF_16 = "UTF-16 text; convert it to UTF-8 first"
# What a file is by its first bytes. None of these holds JSON lines that could be read as they are.
MAGIC = {
    b"PK\x03\x04": "a ZIP archive or an Office document; unpack it first",
    b"BZh": "bzip2; unpack it first",
    b"\xfd7zXZ\x00": "xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "zstd; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"%PDF-": "a PDF document",
    b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "Parquet",
    b"\xff\xfe": UTF_16,
    b"\xfe\xff": UTF_16,
}


class Joined(io.RawIOBase):
    """What was read already, and then the rest: for a pipe, which cannot be read twice."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            return self._rest.readinto(buffer)  # type: ignore[attr-defined]
        size = min(len(buffer), len(self._head))
        buffer[:size], self._head = self._head[:size], self._head[size:]
        return size


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, bytes]]:
    """The bytes of a file, a pipe or standard input, unpacked where they are gzip, and how the file itself begins."""
    with ExitStack() as stack:
        plain = sys.stdin.buffer if path == STANDARD else cast(BinaryIO, stack.enter_context(Path(path).open("rb")))
        head = plain.read(HEAD_BYTES)
        whole = cast(BinaryIO, io.BufferedReader(Joined(head, plain), HEAD_BYTES))
        yield (cast(BinaryIO, stack.enter_context(gzip.open(whole))) if head.startswith(GZIP) else whole), head


def refuse_other_formats(file: BinaryIO) -> None:
    """One line for a file that holds no JSON lines at all, before anything of it is loaded."""
    head = b""
    with suppress(EOFError, OSError, zlib.error):  # damaged, which the reader reports with the line
        head = file.peek(HEAD_BYTES)  # type: ignore[attr-defined]
    if found := _format_of(head):
        raise click.ClickException(f"this is {found}. Expected is one JSON object per line (JSON lines).")


def _format_of(head: bytes) -> str | None:
    for magic, name in MAGIC.items():
        if head.startswith(magic):
            return name
    if b"\x00" in head[:400]:
        return UTF_16 if _is_utf_16(head[:400]) else "no text"
    text = head.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    lines = [line.strip() for line in text.splitlines()[:5] if line.strip()]
    if text.startswith("<"):
        return "HTML or XML"
    if re.match(r"\[\s*(?:\{|$)", text) or (lines and lines[0] == "["):
        return "one JSON array; `jq -c '.[]'` makes lines of it"
    if len(lines) > 1 and lines[0][0] == "{" and not _is_json(lines[0]) and re.match(r'"[^"]*"\s*:|\}', lines[1]):
        return "JSON over several lines; `jq -c .` makes lines of it"
    if len(lines) > 1 and not any(line[0] in "{[" for line in lines) and _are_columns(lines):
        return "a table (CSV)"
    return None


def _is_utf_16(head: bytes) -> bool:
    """As most text in it is: every second byte is zero and hardly any of the others."""
    even, odd = head[::2].count(0) / len(head[::2]), head[1::2].count(0) / max(1, len(head[1::2]))
    return max(even, odd) > 0.6 and min(even, odd) < 0.1


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _are_columns(lines: list[str]) -> bool:
    return any(lines[0].count(mark) and lines[1].count(mark) for mark in (",", ";", "\t", "|"))


@contextmanager
def written(path: str) -> Iterator[IO[str]]:
    """A text file for `path`, or standard output for `-`; `.gz` is compressed.

    A file appears, or changes, when it is whole. What is no file of its own (a device, a pipe, a file with several
    names) is written to directly; a link is followed; an existing file keeps its mode and its owner.
    """
    if path == STANDARD:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="\n")
        yield sys.stdout
        return
    target = Path(os.path.realpath(path))
    existing = target.stat() if target.exists() else None
    if existing is not None and not _may_be_replaced(target, existing):
        with target.open("wb") as file, _text(file, target) as text:
            yield text
        return
    draft = target.with_name(f".export-{secrets.token_hex(8)}.part")
    with _orderly_end():
        try:
            with draft.open("xb") as file:
                if existing is not None:
                    os.chown(draft, existing.st_uid, existing.st_gid)
                    shutil.copymode(target, draft)
                with _text(file, target) as text:
                    yield text
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does, so that nothing half written is left."""
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _may_be_replaced(target: Path, existing: os.stat_result) -> bool:
    """Whether another file can take its place unseen."""
    groups = {os.getegid(), *os.getgroups()}
    is_ours = os.geteuid() == 0 or (os.geteuid() == existing.st_uid and existing.st_gid in groups)
    return (
        stat.S_ISREG(existing.st_mode)
        and existing.st_nlink == 1
        and is_ours
        and os.access(target, os.W_OK)
        and os.access(target.parent, os.W_OK)
    )


@contextmanager
def _text(file: IO[bytes], target: Path) -> Iterator[IO[str]]:
    packed = gzip.GzipFile(fileobj=file, mode="wb", filename="") if target.suffix == ".gz" else file
    with packed, io.TextIOWrapper(cast(BinaryIO, packed), encoding="utf-8", newline="\n") as text:
        yield text
