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

from tasks.assessors.reading.features import Words, edges, features, opening, words_of
from tasks.assessors.reading.text import Sentence
from tasks.assessors.reading.transcript import Transcript

WEIGHTS = Path(__file__).with_name("acts.tsv")
SCALE = 100
NOTHING = 0  # the row of the weights that stands for no feature
# What a feature is read of: the sentence, the one before or after it in its step, its place, or its opening
# when the speaker is the one with the problem or somebody else.
OWN, BEFORE, AFTER, PLACE, ASKER, HELPER = "own", "before", "after", "place", "asker", "helper"


Table = NDArray[np.int32]  # hundredths of log-odds: whole numbers have the same sum in any order
Features = list[tuple[str, Iterable[str]]]  # what they are read of, and their names


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
    is_asker: bool | None  # whether the one who has the problem speaks; None: it cannot be known
    scores: Scores

    @property
    def text(self) -> str:
        """The sentence itself."""
        return self.sentence.text


@dataclass(frozen=True)
class Model:
    """Which row of `weights` a feature has, by what it is read of; the columns are those of Scores.

    Row NOTHING holds zeros and is no feature's. `cut` is the log-odds from which on an answer is yes.
    """

    rows: dict[str, dict[str, int]]
    weights: Table
    bias: Table
    cut: Table


@cache
def load(path: Path = WEIGHTS) -> Model:
    """Read the weights."""
    rows: defaultdict[str, dict[str, int]] = defaultdict(dict)
    weights: list[list[int]] = []
    for line in path.read_text("utf-8").splitlines()[1:]:
        part, feature, *numbers = line.split("\t")
        rows[part][feature] = len(weights)
        weights.append([int(number or 0) for number in numbers])
    table = np.array(weights, np.int32)
    bias, cut = table[0].copy(), table[1]
    table[NOTHING] = 0
    del rows["constant"]
    return Model(dict(rows), table, bias, cut)


def judge(transcript: Transcript, model: Model | None = None) -> list[Judged]:
    """Judge the sentences of the problem and of the steps, in order."""
    model = model or load()
    spoken = sentences_of(transcript)
    words = [words_of(sentence.text) for sentence, _, _ in spoken]
    sums = _totals(model, context([step for _, step, _ in spoken], words)) + model.bias
    asker = find_asker([author for _, _, author in spoken], sums)
    asks = [
        True if step < 0 else None if author is None or asker is None else author == asker
        for _, step, author in spoken
    ]
    sums += _totals(model, map(spoken_by, words, asks)) - model.cut
    return [
        Judged(sentence, step, author, is_asker, Scores(*scores))
        for (sentence, step, author), is_asker, scores in zip(spoken, asks, (sums / SCALE).tolist(), strict=True)
    ]


def sentences_of(transcript: Transcript) -> list[tuple[Sentence, int, str | None]]:
    """The sentences of the problem and of the steps with the index of their step (-1: the problem) and its author."""
    found: list[tuple[Sentence, int, str | None]] = [(sentence, -1, None) for sentence in transcript.problem]
    for index, (step, spoken) in enumerate(zip(transcript.steps, transcript.spoken, strict=True)):
        found += [(sentence, index, step.author) for sentence in spoken]
    return found


def context(steps: Sequence[int], words: Sequence[Words]) -> Iterator[Features]:
    """Yield for each sentence its features that do not depend on who speaks; `steps` are those they stand in."""
    borders = [edges(each) for each in words]
    begun = 0
    for at, (step, each) in enumerate(zip(steps, words, strict=True)):
        is_first = at == 0 or steps[at - 1] != step
        is_last = at + 1 == len(steps) or steps[at + 1] != step
        begun = at if is_first else begun
        place = (f"{'problem' if step < 0 else 'step'} {min(at - begun, 4)}", f"{is_first:d}{is_last:d}")
        yield [
            (OWN, features(each)),
            (PLACE, place),
            (BEFORE, () if is_first else borders[at - 1]),
            (AFTER, () if is_last else borders[at + 1]),
        ]


def spoken_by(words: Words, asks: bool | None) -> Features:
    """The features that depend on who speaks; none where nobody is named."""
    return [] if asks is None else [(ASKER if asks else HELPER, opening(words)), (PLACE, (f"asker {asks:d}",))]


def find_asker(authors: Sequence[str | None], sums: Table) -> str | None:
    """Return who has the problem: the author who describes and reports most and proposes least.

    None if fewer than two people are named: whoever is alone may note down both sides.
    """
    points: defaultdict[str, list[float]] = defaultdict(list)
    for author, share in zip(authors, map(Scores._make, (1 / (1 + np.exp(-sums / SCALE))).tolist()), strict=True):
        if author is not None:
            points[author].append(share.symptom + share.failed + share.worked + share.solved - share.proposal)
    if len(points) < 2:
        return None
    return max(points, key=lambda author: sum(points[author]) / (len(points[author]) + 2), default=None)


def _totals(model: Model, sentences: Iterable[Features]) -> Table:
    """The sums of the weights of each sentence's features: a row for each sentence."""
    numbers: list[int] = []
    begins: list[int] = []
    for found in sentences:
        begins.append(len(numbers))
        numbers.append(NOTHING)
        for part, names in found:
            rows = model.rows.get(part, {})
            numbers += filter(None, map(rows.get, names))
    if not begins:
        return np.zeros((0, len(Scores._fields)), np.int32)
    total: Table = np.add.reduceat(model.weights[numbers], begins, axis=0)
    return total
