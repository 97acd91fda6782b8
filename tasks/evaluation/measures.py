"""Compare texts, deliberately without the word lists of the assessors that are measured by it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from models.assessment.case import Case

MET = 0.3  # likeness from which two texts are taken to be about the same thing

_WORD = re.compile(r"[^\W_]+(?:[._'/:-][^\W_]+)*")
_ERRORS = (
    re.compile(r"[\"“‘]([^\"”’\n]{6,120})[\"”’]"),
    re.compile(r"\b(0x[0-9a-f]{2,}|[A-Z]{2,12}-?\d{3,}|(?:http|status|code|errno)[ :=]{1,3}\d{3,5})\b", re.I),
    re.compile(
        r"((?:\w+ )?(?:error|exception|failed to|cannot|can't|could not|couldn't|unable to|denied|refused"
        r"|not found"
        r"|no such|missing|timed out|timeout|crash(?:es|ed)?|not working|doesn't work"
        r"|invalid)(?: [\w'./-]+){0,3})",
        re.I,
    ),
)


@dataclass
class Share:
    """A count of right ones among all."""

    right: int = 0
    all: int = 0

    def add(self, is_right: bool) -> None:
        """Count one."""
        self.right += is_right
        self.all += 1

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None: nothing was counted."""
        return self.right / self.all if self.all else None

    def __str__(self) -> str:
        return f"{self.right / self.all:.2f} of {self.all}" if self.all else "none"


@dataclass(frozen=True)
class Said:
    """One statement of an output and the texts it rests on."""

    text: str
    sources: tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def even(text: str) -> str:
    """The text in one line and lower case."""
    return re.sub(r"\s+", " ", text).strip().lower()


def letters(text: str) -> str:
    """The letters and digits of a text in lower case."""
    return "".join(char for char in text.lower() if char.isalnum())


def place(text: str, whole: str) -> tuple[int, int] | None:
    """Return where the letters of `text` stand among those of `whole`, or None."""
    sought = letters(text)
    start = letters(whole).find(sought) if sought else -1
    return None if start < 0 else (start, start + len(sought))


def texts_of(case: Case) -> dict[str, str]:
    """Every text of a case that can be cited, by its evidence id."""
    steps = {f"step:{step.seq}": step.text for step in case.steps}
    past = {f"handoff:{p.handoff_id}": f"{p.title}\n{p.resolution}\n{p.root_cause or ''}" for p in case.past}
    own = {"title": case.title, "problem": case.problem, "reason": case.reason, "ask": case.ask or ""}
    return {**own, **steps, **past}


def whole(case: Case) -> str:
    """The text of a session."""
    return "\n".join([case.title, case.problem, *(step.text for step in case.steps)])


def lines_of(case: Case) -> list[Said]:
    """Every line of a session, cut naively, with where it stands."""
    told = [("problem", case.problem), *((f"step:{step.seq}", step.text) for step in case.steps)]
    return [
        Said(part.strip(), (name,))
        for name, text in told
        for part in text.replace(". ", ".\n").split("\n")
        if part.strip()
    ]


def error_strings(text: str) -> set[str]:
    """Codes, quoted messages and phrases of failure in a text."""
    return {even(found) for pattern in _ERRORS for found in pattern.findall(text)}


def statements(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Everything in an assessment that claims a fact of the session."""
    cause = content["likely_cause"]
    return [*content["what_we_know"], *content["do_not_repeat"], *([cause] if cause else [])]


def full_text(content: Mapping[str, Any]) -> str:
    """Everything that an assessment says, without past cases."""
    told = [content["summary"], *(item["text"] for item in statements(content))]
    told += [item["text"] for item in content["suggested_steps"]] + content["questions"]
    return "\n".join(told)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are known; None: none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


class Rarity:
    """Weights of words in a collection of texts, and the likeness of texts by these weights.

    `least` is the weight of a word that every text has: in a collection of a few texts that says little about it.
    """

    def __init__(self, texts: Iterable[str], *, least: float = 0.0) -> None:
        self.least = least
        self.spread: Counter[str] = Counter()
        self.count = 0
        for text in texts:
            self.spread.update(set(words(text)))
            self.count += 1

    def weight(self, word: str) -> float:
        """The rarer, the more."""
        return self.least + math.log((1 + self.count) / (1 + self.spread[word]))

    def alike(self, one: AbstractSet[str], two: AbstractSet[str]) -> float:
        """The cosine of two sets of words, 0 to 1."""
        norm = math.sqrt(self._square(one) * self._square(two))
        return self._square(one & two) / norm if norm else 0.0

    def best(self, text: str, others: Sequence[str]) -> float:
        """The likeness of a text to the nearest of others; 0 without any."""
        own = set(words(text))
        return max((self.alike(own, set(words(other))) for other in others), default=0.0)

    def _square(self, found: AbstractSet[str]) -> float:
        return sum(self.weight(word) ** 2 for word in found)
