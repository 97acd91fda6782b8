"""The tables of an evaluation: a row for each measure, a column for each method, each figure with its count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tasks.evaluation.figures import Figures, percentile
from tasks.evaluation.judgments import QUESTIONS, Agreement, Judged, Judgments, agreement, counted
from tasks.evaluation.measures import Share, mean
from tasks.evaluation.run import Evaluation

NONE = "none"


@dataclass(frozen=True)
class Cell:
    """A figure. `value` None: nothing was counted; `count` is how many things were; `text` is what is shown."""

    value: float | None
    count: int
    text: str


@dataclass(frozen=True)
class Row:
    """A measure of one or several methods."""

    table: str
    measure: str
    cells: dict[str, Cell]
    is_share: bool = True  # whether values are between 0 and 1, and can be drawn beside others


Measure = Callable[[Figures], Cell]


def _share(share: Share) -> Cell:
    return Cell(share.value, share.all, str(share))


def _number(values: Sequence[float], middle: float | None, form: str) -> Cell:
    return (
        Cell(None, 0, NONE)
        if middle is None
        else Cell(middle, len(values), f"{form.format(middle)} of {len(values)}")
    )


def _errors(kinds: Counter[str]) -> Cell:
    text = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    return Cell(float(kinds.total()), kinds.total(), text or NONE)


# What each measure means is written in docs/how-to/evaluate-an-assessor.md.
QUALITY: dict[str, Measure] = {
    "quotes found": lambda f: _share(f.quotes),
    "error strings kept": lambda f: _share(f.errors),
    "attempts right": lambda f: _share(f.attempts_right),
    "attempts found": lambda f: _share(f.attempts_found),
    "attempts that cannot be judged": lambda f: _share(f.attempts_unjudged),
    "causes named": lambda f: _share(f.causes_named),
    "causes right": lambda f: _share(f.causes_right),
    "solved sessions recognised": lambda f: _share(f.solved_seen),
    "open sessions called solved": lambda f: _share(f.open_called_solved),
    "sessions with a suggestion": lambda f: _share(f.suggested),
    "suggestions taken later": lambda f: _share(f.taken),
    "silent on foreign past cases": lambda f: _share(f.abstained),
    "in the session's language": lambda f: _share(f.language),
}
COSTS: dict[str, Measure] = {
    "characters": lambda f: _number(f.characters, mean(f.characters), "{:.0f}"),
    "tokens per reply": lambda f: _number(f.tokens, mean(f.tokens), "{:.0f}"),
    "cost of all replies": lambda f: Cell(float(f.cost), len(f.tokens), f"{f.cost:.4f} of {len(f.tokens)}"),
    "latency p50": lambda f: _number(f.seconds, percentile(f.seconds, 0.5), "{:.3f} s"),
    "latency p95": lambda f: _number(f.seconds, percentile(f.seconds, 0.95), "{:.3f} s"),
    "fallbacks": lambda f: _share(f.fallbacks),
    "errors": lambda f: _errors(f.error_kinds),
}
JUDGED: dict[str, Callable[[Judged], Share]] = {
    "facts worth a senior's seconds": lambda j: j.facts,
    "attempts judged right": lambda j: j.attempts,
    "summaries good": lambda j: j.good,
    "summaries good or fair": lambda j: j.passable,
}


def quality(run: Evaluation) -> list[Row]:
    """What the assessments are worth."""
    return [
        Row("quality", name, {method: of(figures) for method, figures in run.figures.items()})
        for name, of in QUALITY.items()
    ]


def costs(run: Evaluation) -> list[Row]:
    """What they cost, and how often there was none."""
    return [
        Row("cost", name, {method: of(figures) for method, figures in run.figures.items()}, name == "fallbacks")
        for name, of in COSTS.items()
    ]


def judged(run: Evaluation, judges: dict[str, Judgments]) -> list[Row]:
    """What each judge says of each judged method; a column is named by both."""
    columns = {
        f"{method}, by {judge}": counted(judgments, method)
        for method in sorted(run.judged, key=list(run.figures).index)
        for judge, judgments in judges.items()
    }
    return [
        Row("judgments", name, {column: _share(of(found)) for column, found in columns.items()})
        for name, of in JUDGED.items()
        if columns
    ]


def agreements(judges: dict[str, Judgments]) -> list[Row]:
    """How far the first two judges agree, question by question; nothing with fewer of them."""
    if len(judges) < 2:
        return []
    one, two = list(judges.values())[:2]
    return [
        Row("agreement", question, _agreed(agreement(one, two, kind)), is_share=False)
        for kind, question in QUESTIONS.items()
    ]


def _agreed(found: Agreement) -> dict[str, Cell]:
    value = found.kappa
    kappa = Cell(value, found.same.all, NONE if value is None else f"{value:.2f} of {found.same.all}")
    return {"same answer": _share(found.same), "kappa": kappa}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that is aligned in a terminal and valid in a document."""
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def text(rows: Sequence[Row]) -> str:
    """The rows of one table as text."""
    columns = list(rows[0].cells)
    return markdown(["", *columns], [[row.measure, *(row.cells[name].text for name in columns)] for row in rows])


def records(rows: Sequence[Row]) -> Iterator[tuple[str, str, str, str, int, str]]:
    """The figures one by one: table, measure, method, value, count, and as shown."""
    for row in rows:
        for method, cell in row.cells.items():
            value = "" if cell.value is None else f"{cell.value:.6g}"
            yield row.table, row.measure, method, value, cell.count, cell.text
