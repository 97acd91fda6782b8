"""Judge what each sentence of a session does, by a linear model of its words, its neighbours and who speaks.

`make train` makes acts.tsv from labelled sessions: for each feature, its weights in hundredths of a log-odds for the
columns of Scores. Docs: docs/measurements/assessment.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.assessors.reading.features import edges, features, opening
from tasks.assessors.reading.text import Sentence
from tasks.assessors.reading.transcript import Transcript

WEIGHTS = Path(__file__).with_name("acts.tsv")
SCALE = 100
# What a feature is read of: the sentence, the one before or after it in its step, its place, or its opening
# when the speaker is the one with the problem or somebody else.
OWN, BEFORE, AFTER, PLACE, ASKER, HELPER = "own", "before", "after", "place", "asker", "helper"


class Scores(NamedTuple):
    """For each question about a sentence, by how much its log-odds exceed the cut; above 0 the answer is yes."""

    worth: float  # worth a senior's seconds, standing alone
    attempt: float  # tells of something done that did not, or not surely, solve the problem
    report: float  # reports something done
    failed: float  # tells that something did not help
    worked: float  # tells that something helped
    proposal: float
    question: float
    cause: float  # says why it happens
    solved: float  # tells that the problem is over
    symptom: float  # what is wrong, or the circumstances
    courtesy: float  # greetings, thanks, routine


@dataclass(frozen=True)
class Judged:
    """A sentence with its scores, the index of its step (-1: the problem), and who speaks."""

    sentence: Sentence
    step: int
    author: str | None
    is_asker: bool | None  # whether the one who has the problem speaks; None: nobody is named
    scores: Scores

    @property
    def text(self) -> str:
        """The sentence itself."""
        return self.sentence.text


@dataclass(frozen=True)
class Model:
    """Which row of `weights` a feature has, by what it is read of; the columns are those of Scores.

    `cut` is the log-odds from which on an answer is yes.
    """

    rows: dict[str, dict[str, int]]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    cut: NDArray[np.float32]


@cache
def load(path: Path = WEIGHTS) -> Model:
    """Read the weights."""
    rows: defaultdict[str, dict[str, int]] = defaultdict(dict)
    weights: list[list[int]] = []
    for line in path.read_text("utf-8").splitlines()[1:]:
        part, feature, *numbers = line.split("\t")
        rows[part][feature] = len(weights)
        weights.append([int(number or 0) for number in numbers])
    table = np.array(weights, np.float32) / SCALE
    constants = rows.pop("constant")
    return Model(dict(rows), table, table[constants["bias"]], table[constants["cut"]])


def judge(transcript: Transcript, model: Model | None = None) -> list[Judged]:
    """Judge the sentences of the problem and of the steps, in order."""
    model = model or load()
    spoken = told(transcript)
    texts = [(step, sentence.text) for sentence, step, _ in spoken]
    sums = [_total(model, found) + model.bias for found in context(texts)]
    asker = find_asker([(author, total) for (_, _, author), total in zip(spoken, sums, strict=True)])
    judged: list[Judged] = []
    for (sentence, step, author), total in zip(spoken, sums, strict=True):
        asks = True if step < 0 else None if author is None else author == asker
        above = total + _total(model, spoken_by(sentence.text, asks)) - model.cut
        judged.append(Judged(sentence, step, author, asks, Scores(*above.tolist())))
    return judged


def told(transcript: Transcript) -> list[tuple[Sentence, int, str | None]]:
    """The sentences of the problem and of the steps with the index of their step (-1: the problem) and its author."""
    found: list[tuple[Sentence, int, str | None]] = [(sentence, -1, None) for sentence in transcript.problem]
    for index, (step, spoken) in enumerate(zip(transcript.steps, transcript.spoken, strict=True)):
        found += [(sentence, index, step.author) for sentence in spoken]
    return found


def context(told: Sequence[tuple[int, str]]) -> Iterator[list[tuple[str, Iterable[str]]]]:
    """Yield for each (step, text) its features that do not depend on who speaks."""
    borders = [edges(text) for _, text in told]
    begun = 0
    for at, (step, text) in enumerate(told):
        is_first = at == 0 or told[at - 1][0] != step
        is_last = at + 1 == len(told) or told[at + 1][0] != step
        begun = at if is_first else begun
        place = (f"{'problem' if step < 0 else 'step'} {min(at - begun, 4)}", f"{is_first:d}{is_last:d}")
        yield [
            (OWN, features(text)),
            (PLACE, place),
            (BEFORE, () if is_first else borders[at - 1]),
            (AFTER, () if is_last else borders[at + 1]),
        ]


def spoken_by(text: str, asks: bool | None) -> list[tuple[str, Iterable[str]]]:
    """The features that depend on who speaks; none where nobody is named."""
    return [] if asks is None else [(ASKER if asks else HELPER, opening(text)), (PLACE, (f"asker {asks:d}",))]


def find_asker(told: Iterable[tuple[str | None, NDArray[np.float32]]]) -> str | None:
    """Return who has the problem: the author who describes and reports most and proposes least."""
    points: defaultdict[str, list[float]] = defaultdict(list)
    for author, total in told:
        if author is not None:
            share = Scores(*(1 / (1 + np.exp(-total))).tolist())
            points[author].append(share.symptom + share.failed + share.worked + share.solved - share.proposal)
    return max(points, key=lambda author: sum(points[author]) / (len(points[author]) + 2), default=None)


def _total(model: Model, found: Iterable[tuple[str, Iterable[str]]]) -> NDArray[np.float32]:
    numbers: list[int] = []
    for part, names in found:
        rows = model.rows.get(part, {})
        # Row 0 is the bias and no feature.
        numbers += filter(None, map(rows.get, names))
    total: NDArray[np.float32] = model.weights[numbers].sum(axis=0)
    return total
