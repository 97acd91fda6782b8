"""Draw the shares of an evaluation as bars."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tasks.evaluation.tables import Row

FORMATS = (".png", ".svg")
INCHES_PER_ROW = 0.7
WIDTH = 10
BAR_SPACE = 0.8  # of a row; the rest is between rows


def library() -> Any:
    """Return what draws. ClickException when it is not installed, which it need not be for anything else."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise click.ClickException("--plot needs matplotlib: pip install matplotlib") from error
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    matplotlib.use("agg")  # it draws into files; no window is opened
    matplotlib.rcParams["svg.hashsalt"] = "evaluation"  # so that the same figures make the same file
    from matplotlib import figure

    return figure.Figure


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the shares among `rows` to a .png or .svg file: a group of bars for each measure, with the counts."""
    shares = [row for row in rows if row.is_share and any(cell.count for cell in row.cells.values())]
    methods = list(dict.fromkeys(method for row in shares for method in row.cells))
    figure = library()(figsize=(WIDTH, 1.5 + INCHES_PER_ROW * len(shares)), layout="constrained")
    axes = figure.subplots()
    height = BAR_SPACE / max((len(row.cells) for row in shares), default=1)
    for method in methods:
        places = [
            (at + list(row.cells).index(method) * height, row.cells[method])
            for at, row in enumerate(shares)
            if method in row.cells
        ]
        bars = axes.barh([at for at, _ in places], [cell.value or 0 for _, cell in places], height, label=method)
        axes.bar_label(bars, [cell.text for _, cell in places], padding=2, fontsize=6)
    axes.set_yticks(
        [at + (len(row.cells) - 1) * height / 2 for at, row in enumerate(shares)], [row.measure for row in shares]
    )
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlim(0, 1.15)
    if methods:
        figure.legend(loc="outside upper center", ncols=min(len(methods), 5), fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
