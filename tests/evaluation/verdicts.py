"""What readers thought of whole outputs of the offline assessor: python -m tests.evaluation.verdicts.

labels/verdicts.csv has a line for each output; labels/README.md says who read, and how the outputs were drawn.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.evaluation.labelled import LABELS

Row = dict[str, str]
FACTS = ("facts worth it", "filler", "misleading")
SUGGESTIONS = ("suggestions useful", "harmless", "bad")
GRADES = ("good", "fair", "poor")


def read() -> list[Row]:
    """Return a row for each output."""
    with (LABELS / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines() -> Iterator[str]:
    """The table: a column for each round."""
    rounds = {name: [row for row in read() if row["round"] == name] for name in ("first", "second")}
    yield f"| | {' | '.join(f'{name} {len(rows)}' for name, rows in rounds.items())} |"
    yield f"| {' | '.join('---' for _ in range(1 + len(rounds)))} |"
    columns = [_figures(rows) for rows in rounds.values()]
    for name in columns[0]:
        yield f"| {name} | {' | '.join(column[name] for column in columns)} |"


def _figures(rows: Sequence[Row]) -> dict[str, str]:
    grades, causes = Counter(row["summary"] for row in rows), Counter(row["cause"] for row in rows)
    facts = [_sum(rows, name) for name in FACTS]
    return {
        "state right": f"{sum(row['state'] == 'right' for row in rows)} of {len(rows)}",
        "summaries good, fair, poor": ", ".join(str(grades[grade]) for grade in GRADES),
        "facts worth it, filler, misleading": f"{', '.join(map(str, facts))} of {sum(facts)}",
        "attempts right; missed": f"{_sum(rows, 'attempts right')} of {_sum(rows, 'attempts shown')};"
        f" {_sum(rows, 'attempts missed')}",
        "causes right": f"{causes['right']} of {causes['right'] + causes['wrong']}",
        "suggestions useful, harmless, bad": ", ".join(str(_sum(rows, name)) for name in SUGGESTIONS),
        "questions fine, bad": f"{_sum(rows, 'questions fine')}, {_sum(rows, 'questions bad')}",
    }


def _sum(rows: Sequence[Row], name: str) -> int:
    return sum(int(row[name]) for row in rows)


if __name__ == "__main__":
    for line in lines():
        print(line)
