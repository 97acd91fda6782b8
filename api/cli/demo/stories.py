"""Read the cases of the demo: TOML files with one story a case (cases/README.md has the format)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

FOLDER = Path(__file__).parent / "cases"

# The verbs of steps, with kind and outcome.
STEPS = {
    "saw": ("observation", None),
    "note": ("note", None),
    "asked": ("question", None),
    "asks": ("question", None),
    "answers": ("note", None),
    "did": ("action", None),
    "worked": ("action", "worked"),
    "failed": ("action", "failed"),
    "partly": ("action", "partial"),
    "unclear": ("action", "unknown"),
}
BEGINNINGS = ("escalates", "parks")
ENDS = ("resolves", "withdraws", "discards")
MOVES = (*BEGINNINGS, "takes", *ENDS, "releases", "gives", "reads", "rates", "snoozes", "lapses")

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_LENGTH = re.compile(r"(\d+)([dhms])")
_LINE = re.compile(
    r"(?P<when>\+?\d+[dhms](?: \d+[dhms])*) +(?P<who>[a-z]+) +(?P<verb>[a-z]+)(?P<how>[a-z0-9 ]*)(?:: (?P<text>.*))?"
)
_EXTRA = re.compile(r"^(Needs|Cause): ", re.MULTILINE)


class StoryError(Exception):
    """A line of a story that cannot be read. The text names the case and the line."""


@dataclass(frozen=True)
class Line:
    """A line of a story. `ago` counts back from now; `extra` is what follows “Needs:” or “Cause:”."""

    ago: timedelta
    who: str
    verb: str
    how: str
    text: str
    extra: str | None = None

    @property
    def is_step(self) -> bool:
        """Whether it is a step of the session; else it is a move of the handoff."""
        return self.verb in STEPS


@dataclass(frozen=True)
class Story:
    """A case. `resembles` names the ticket of a resolved one that is about the same."""

    ticket: str
    title: str
    problem: str
    lines: tuple[Line, ...]
    client: str | None = None
    asset: str | None = None
    category: str | None = None
    resembles: str | None = None
    imported: bool = False


def read(folder: Path = FOLDER) -> list[Story]:
    """Return the stories of every file of the folder."""
    return [
        _story(case)
        for path in sorted(folder.glob("*.toml"))
        for case in tomllib.loads(path.read_text("utf-8"))["case"]
    ]


def _story(case: dict[str, Any]) -> Story:
    try:
        lines = tuple(_lines(case.pop("story")))
    except StoryError as error:
        raise StoryError(f"{case['ticket']}: {error}") from None
    return Story(**case | {"problem": _unwrapped(case["problem"]), "lines": lines})


def _unwrapped(problem: str) -> str:
    """Join the lines of a paragraph: they are as long as the file is wide."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", problem.strip())


def _lines(story: str) -> list[Line]:
    """Parse a story. An indented line belongs to the text above it."""
    lines: list[Line] = []
    for block in re.split(r"\n(?=\S)", story.strip("\n")):
        first, _, rest = block.partition("\n")
        line = _LINE.fullmatch(first)
        if line is None or line["verb"] not in (*STEPS, *MOVES):
            raise StoryError(f"cannot read {first!r}")
        text = "\n".join(part for part in (line["text"] or "", dedent(rest).rstrip()) if part)
        text, extra = _apart(text)
        ago = _ago(line["when"], lines[-1].ago if lines else None)
        if lines and ago > lines[-1].ago:
            raise StoryError(f"goes back in time at {first!r}")
        lines.append(Line(ago, line["who"], line["verb"], line["how"].strip(), text, extra))
    return lines


def _apart(text: str) -> tuple[str, str | None]:
    parts = _EXTRA.split(text)
    return parts[0].strip("\n"), parts[2].strip() if len(parts) > 2 else None


def _ago(when: str, before: timedelta | None) -> timedelta:
    """`3d 2h` is that long ago; `+5m` is that long after the line above."""
    given = length(when)
    if not when.startswith("+"):
        return given
    if before is None:
        raise StoryError("the first line says how long ago it was")
    if given > before:
        raise StoryError(f"{when} is in the future")
    return before - given


def length(given: str) -> timedelta:
    """Return the length of “3d 2h”."""
    return timedelta(**{_UNITS[unit]: int(count) for count, unit in _LENGTH.findall(given)})
