"""The printed tables: a ratio per row, and how costs grow with size."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """Ours beside a reference. `aim` is the least ratio (`least`) or the greatest one; None: it is only stated."""

    name: str
    ours: float
    reference: float | None
    ratio: float | None
    unit: str
    against: str = ""
    aim: float | None = None
    least: bool = True

    @property
    def met(self) -> bool | None:
        """Return whether the aim was reached; None without an aim."""
        if self.aim is None:
            return None
        value = self.ours if self.ratio is None else self.ratio
        return value >= self.aim if self.least else value <= self.aim

    def cells(self) -> tuple[str, ...]:
        aim = "stated" if self.aim is None else f"{'≥' if self.least else '≤'} {self.aim:g}"
        return (
            self.name,
            f"{number(self.ours)} {self.unit}",
            "" if self.reference is None else f"{number(self.reference)} {self.unit}",
            self.against,
            "" if self.ratio is None else f"{self.ratio:.2f}",
            aim,
            {True: "yes", False: "NO", None: ""}[self.met],
        )


HEAD = ("row", "ours", "reference", "the reference is", "ratio", "aim", "met")


@dataclass(frozen=True)
class Growth:
    """One cost at several sizes. `exponent` is the slope of log cost over log size: 0 flat, 1 linear."""

    name: str
    sizes: Sequence[int]
    costs: Sequence[float]
    unit: str

    @property
    def exponent(self) -> float:
        """By least squares over all sizes."""
        return statistics.linear_regression(
            [math.log(size) for size in self.sizes], [math.log(c) for c in self.costs]
        )[0]

    def cells(self) -> tuple[str, ...]:
        pairs = [f"{size:,}: {number(cost)}" for size, cost in zip(self.sizes, self.costs, strict=True)]
        return (self.name, " · ".join(pairs), self.unit, f"{self.exponent:+.2f}")


GROWTH_HEAD = ("cost against", "size: cost", "unit", "exponent")


def number(value: float) -> str:
    """Format with three digits, all that a noisy machine justifies."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def alternate(
    ours: Callable[[], float], reference: Callable[[], float], rounds: int = 3
) -> tuple[float, float, float]:
    """Medians of both sides and of their ratio. The sides take turns, so that a noisy minute meets both."""
    pairs = [(ours(), reference()) for _ in range(rounds)]
    return (
        statistics.median(our for our, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        statistics.median(our / theirs for our, theirs in pairs),
    )


BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the two markers. ValueError when they are not there."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the figures")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
