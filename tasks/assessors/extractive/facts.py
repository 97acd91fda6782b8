"""Choose the sentences of a session that are worth a senior's seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tasks.assessors.reading.acts import Judged
from tasks.assessors.reading.similarity import overlap, stems
from tasks.assessors.reading.text import Sentence

CONSIDERED = 120  # sentences compared with each other; the best of longer sessions
REPEATED = 0.75  # share of a sentence's words in another one from which on it adds nothing

T = TypeVar("T", Judged, Sentence)


def choose(
    candidates: Sequence[T],
    worth: Callable[[T], float],
    *,
    count: int = 1000,
    room: int = 1_000_000,
    known: Iterable[str] = (),
) -> list[T]:
    """Return the sentences of most worth in their order: at most `count`, of at most `room` characters.

    None repeats another, or a text in `known`.
    """
    chosen: list[tuple[int, T]] = []
    seen = list(known)
    for at in sorted(range(len(candidates)), key=lambda at: (-worth(candidates[at]), at))[:CONSIDERED]:
        text = candidates[at].text
        if len(chosen) == count:
            break
        if len(text) + 2 <= room and not any(overlap(text, other) > REPEATED for other in seen):
            chosen.append((at, candidates[at]))
            seen.append(text)
            room -= len(text) + 2
    return [each for _, each in sorted(chosen, key=lambda pair: pair[0])]


def value(each: Judged) -> float:
    """By how much a sentence is worth a senior's seconds."""
    return each.scores.worth


def words(sentence: Sentence) -> float:
    """How many words of meaning a sentence has, up to 16."""
    return min(len(stems(sentence.text)), 16)
