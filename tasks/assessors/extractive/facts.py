"""Choose the sentences of a session that a senior would miss most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush

from tasks.assessors.extractive import cause
from tasks.assessors.extractive.questions import asks
from tasks.assessors.reading.proposals import is_proposal
from tasks.assessors.reading.similarity import overlap, stems
from tasks.assessors.reading.text import CACHED, Sentence, has_error, has_error_text, technical
from tasks.assessors.reading.wording import is_attempt, verdict

CONSIDERED = 120  # sentences compared with each other; the weightiest of longer sessions
NEW_WORD = 0.35
NEW_NAME = 1.5


def is_fact(sentence: Sentence) -> bool:
    """A statement with substance: no question, no request, no advice. The problem text may ask for what is wrong."""
    text = sentence.text
    if len(stems(text)) < 3 and not (technical(text) or has_error(text)):
        return False
    if len(text.split()) < 3 and not has_error_text(text):
        return False  # a lone name or number is no fact
    if sentence.source == "problem" or (text.rstrip().endswith("?") and has_error_text(text)):
        return True
    if text.rstrip().endswith("?") or asks(text):
        return False
    return is_attempt(text) or not is_proposal(text)


@lru_cache(maxsize=CACHED)
def weight(sentence: Sentence) -> float:
    """Return how informative the sentence is by itself."""
    text = sentence.text
    score = 3.0 * has_error_text(text) + 2.0 * has_error(text) + 1.5 * (verdict(text) is not None)
    score += 2.0 * cause.strength(text) + is_attempt(text)
    return score + 2.0 * (sentence.source == "problem") + (sentence.source == "problem" and not sentence.position)


def choose(
    told: Sequence[Sentence],
    *,
    count: int = 1000,
    room: int = 1_000_000,
    by_length: bool = False,
    known: Iterable[str] = (),
) -> list[Sentence]:
    """Return the most informative sentences in their order: at most `count`, of at most `room` characters.

    Each next one is worth its weight and the words and names that the chosen ones and `known` do not have
    yet; `by_length` prefers the short ones, for when the room is what is scarce.
    """
    order = {id(sentence): place for place, sentence in enumerate(told)}
    left = sorted(told, key=lambda s: (-weight(s), order[id(s)]))[:CONSIDERED]
    seen = {word for text in known for word in stems(text)}
    chosen: list[Sentence] = []
    # What a sentence is worth only ever falls while others are chosen, so an old figure is an upper bound.
    queue = [(-_worth(s, seen, by_length), order[id(s)], s) for s in left]
    heapify(queue)
    while queue and len(chosen) < count:
        bound, place, best = heappop(queue)
        if len(best.text) + 2 > room or _adds_nothing(best, chosen):
            continue
        worth = -_worth(best, seen, by_length)
        if worth > bound and queue and (worth, place) > queue[0][:2]:
            heappush(queue, (worth, place, best))
            continue
        chosen.append(best)
        room -= len(best.text) + 2
        seen |= stems(best.text)
    return sorted(chosen, key=lambda s: order[id(s)])


def _worth(sentence: Sentence, seen: set[str], by_length: bool) -> float:
    new = stems(sentence.text) - seen
    names = sum(name in new for name in technical(sentence.text))
    worth = weight(sentence) + NEW_WORD * min(len(new), 16) + NEW_NAME * min(names, 4)
    return worth / (40 + len(sentence.text)) if by_length else worth


def _adds_nothing(sentence: Sentence, chosen: Sequence[Sentence]) -> bool:
    return any(overlap(sentence.text, other.text) > 0.75 for other in chosen)
