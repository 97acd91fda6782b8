"""Text made for IT: what a person wrote, taken apart into prose with links, logs and fenced code.

Nothing else is marked up. The parts are plain text; the template that shows them escapes every one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import urlsplit

LONG_TEXT, LONG_LINES = 1200, 14  # what is longer is folded until somebody wants to see all of it
LONGEST_LINK = 2000
LOG_LINES = 3  # so few lines may look like anything

FENCE = re.compile(r"^[ \t]{0,3}(?P<mark>`{3,}|~{3,})[ \t]*(?P<label>[\w+#.-]{0,20})[ \t]*$")
# Reversed text, controls and invisible characters end an address: a reader must not see another one than is opened.
LINK = re.compile(
    r"https?://[^\s<>\"'`{}|\\^\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+", re.IGNORECASE
)
HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
TRAILING = ".,;:!?…"
BRACKETS = {")": "(", "]": "["}

# One line of a log, a console, a configuration or a program.
LOG_LINE = re.compile(
    r"""
      ^\W{0,2}\d{4}-\d\d-\d\d[T\ _]\d                            # 2026-03-01 10:00
    | ^\W{0,2}\d\d:\d\d:\d\d\b                                   # 10:00:01
    | ^\W{0,2}\d{1,2}[./]\d{1,2}[./]\d{2,4},?\ +\d{1,2}:\d\d     # 1.3.2026 10:00
    | ^\W{0,2}[A-Z][a-z]{2}\ +\d{1,2}\ \d\d:\d\d:\d\d            # Mar  1 10:00:01
    | \b(?:ERROR|WARN|WARNING|INFO|DEBUG|FATAL|TRACE|CRITICAL)\b
    | ^\s*(?:PS\ )?[A-Za-z]:\\[^>]{0,200}>                       # C:\Users>
    | ^\s*(?:[$#]|>>>)\ \S
    | ^\S{1,60}@\S{1,60}[:~][^$#]{0,80}[$#]\                     # jo@host:~$
    | ^\s+at\ [\w.$<>]+\( | ^Traceback\ \( | ^\s+File\ "
    | \t
    | ^\ {2,}\S
    | \S\ {3,}\S                                                 # columns
    | ^[\w.-]{1,60}=\S
    | [;{}]\s*$
    | ^(?:Reply\ from|Request\ timed\ out|Pinging|Ping\ statistics|HTTP/\d)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Piece:
    """A run of text. With `href` it is a link, and `host` is where that leads."""

    text: str
    href: str | None = None
    host: str | None = None


@dataclass(frozen=True)
class Block:
    """A part of a text: `prose` in pieces, or `log` and `code` with their lines as they are."""

    kind: str
    text: str
    label: str = ""
    pieces: tuple[Piece, ...] = field(default=())


def is_long(text: str) -> bool:
    """Whether a text is folded at first."""
    return len(text) > LONG_TEXT or text.count("\n") >= LONG_LINES


def blocks(text: str) -> list[Block]:
    """Take a text apart, in its order."""
    found: list[Block] = []
    prose: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        fence = FENCE.match(line)
        if fence is None:
            prose.append(line)
            continue
        found += _unfenced(prose)
        prose = []
        code = "\n".join(_until(lines, fence["mark"]))
        if code.strip():
            found.append(Block("code", code, fence["label"]))
    return [*found, *_unfenced(prose)]


def _until(lines: Iterator[str], mark: str) -> Iterator[str]:
    """Yield the lines before the fence that ends a block; one that nobody ended runs to the end."""
    for line in lines:
        stripped = line.strip()
        if len(stripped) >= len(mark) and not stripped.strip(mark[0]):
            return
        yield line


def _unfenced(lines: list[str]) -> Iterator[Block]:
    """Yield the paragraphs of a text without fences; those of one kind that follow each other are one block."""
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        paragraphs[-1].append(line)
        if not line.strip():
            paragraphs.append([])
    for is_log, group in groupby(filter(None, paragraphs), looks_like_log):
        text = "\n".join(line for paragraph in group for line in paragraph).strip("\n")
        if text.strip():
            yield Block("log", text) if is_log else Block("prose", text, pieces=tuple(pieces(text)))


def looks_like_log(lines: list[str]) -> bool:
    """Whether lines are the output of a machine: three or more, most of them like those of a log."""
    written = [line for line in lines if line.strip()]
    if len(written) < LOG_LINES:
        return False
    return sum(LOG_LINE.search(line[:400]) is not None for line in written) >= 0.6 * len(written)


def pieces(text: str) -> Iterator[Piece]:
    """Yield a text as runs of words and links."""
    at = 0
    for found in LINK.finditer(text):
        address = _address(found[0])
        host = host_of(address)
        if host is None:
            continue
        if found.start() > at:
            yield Piece(text[at : found.start()])
        yield Piece(address, address, host)
        at = found.start() + len(address)
    if at < len(text):
        yield Piece(text[at:])


def _address(found: str) -> str:
    """Return the address without the punctuation of the sentence around it."""
    while found and (
        found[-1] in TRAILING or found.count(found[-1]) > found.count(BRACKETS.get(found[-1], found[-1]))
    ):
        found = found[:-1]
    return found


def host_of(address: str) -> str | None:
    """Return the host to which an address leads, as machines write it; None: it is better not made a link.

    What carries a name or a password before the host looks like another host than it is.
    """
    if len(address) > LONGEST_LINK:
        return None
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        shown = f"[{host}]" if ":" in host else host.encode("idna").decode()
        _ = parts.port
    except ValueError:
        return None
    return None if "@" in parts.netloc or not HOST.fullmatch(shown) else shown
