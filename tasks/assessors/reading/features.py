"""The features of a sentence that the linear model weighs: its words, their classes, and their order."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tasks.assessors.reading.similarity import stem
from tasks.assessors.reading.text import CACHED, plain

CHARACTERS_READ = 600  # of a sentence
FIRST_TOKENS = 36  # of a long sentence
LAST_TOKENS = 12
EDGE_TOKENS = 8  # of the neighbours
OPENING_TOKENS = 10
PAIR_REACH = 3  # telling classes

NUMBER = "0"  # stands for every number

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[^\sa-z\d]")
_CODE = re.compile(
    r"(?:[A-Za-z]:\\|/)[\w.-]+|https?:|\b\w+[._]\w+[._(]|[{}<>|=]|--\w|0x[0-9a-f]+|\b\w*\d\w*[a-z]\w*\b"
)
_CLASS = {
    word: name
    for name, words in reversed(tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text("utf-8")).items())
    for word in words.split()
}
OTHER = "WORD"  # the class of any other word
_TELLING = frozenset(_CLASS.values()) - {"TO", "A", "AND", "HELLO", "AGO", "ANYONE"} | {"DOING", "?"}
_LENGTHS = (3, 6, 12, 25, 48)  # tokens


def tokens(text: str) -> list[str]:
    """The words and marks of the beginning and the end of `text`, in lower case; numbers are 0."""
    found = [NUMBER if token.isdigit() else token for token in _TOKEN.findall(plain(text[:CHARACTERS_READ]))]
    return found if len(found) <= FIRST_TOKENS + LAST_TOKENS else found[:FIRST_TOKENS] + found[-LAST_TOKENS:]


@lru_cache(maxsize=CACHED)
def word_class(word: str) -> str:
    """The class of a word (lexicon.toml); a mark is a class of its own."""
    if word in _CLASS:
        return _CLASS[word]
    if word == NUMBER or not word[0].isalpha():
        return word
    if word.endswith("ed") and len(word) > 4:
        return "DID"
    if word.endswith("ing") and len(word) > 5:
        return "DOING"
    return "LY" if word.endswith("ly") else OTHER


class Words(NamedTuple):
    """A sentence as it is compared: its tokens, their stems and classes, the classes without runs of unknown words."""

    text: str
    tokens: list[str]
    stems: list[str]
    classes: list[str]
    shape: list[str]

    def opening(self, count: int) -> list[str]:
        """The shape of the first `count` tokens."""
        return _merged(self.classes[:count])


def words_of(text: str) -> Words:
    """Cut a sentence into words."""
    found = tokens(text)
    classes = [word_class(each) for each in found]
    return Words(text, found, [stem(each) for each in found], classes, _merged(classes))


def features(words: Words) -> set[str]:
    """The features of the sentence alone."""
    _, found, stems, classes, shape = words
    return {
        *found,
        *_runs(stems, 2),
        *map(" * ".join, zip(stems, stems[2:], strict=False)),
        *map("+".join, zip(classes, stems[1:], strict=False)),
        *_runs(shape, 2),
        *_runs(shape, 3),
        *_order(classes),
        *_ends(found, 3),
        *_ends(shape, 3),
        *_looks(words.text, len(found)),
    }


def opening(words: Words) -> set[str]:
    """The features of a sentence that are weighed apart for who has the problem and for who helps."""
    shape = words.opening(OPENING_TOKENS)
    return {*words.tokens[:OPENING_TOKENS], *shape, *_runs(shape, 2), *_runs(shape, 3)}


def edges(words: Words) -> set[str]:
    """The features of a sentence that tell about the one before or after it."""
    shape = words.opening(EDGE_TOKENS)
    return {*shape, *_runs(shape, 2), *_ends(words.tokens, 2), *_ends(shape, 3)}


def _order(classes: Sequence[str]) -> Iterator[str]:
    """Telling classes that follow one another, near or far: `TRY>NOT` is "tried … did not …"."""
    telling = [kind for kind in classes if kind in _TELLING]
    for distance in range(1, PAIR_REACH + 1):
        yield from map(">".join, zip(telling, telling[distance:], strict=False))
    yield from map(">>".join, zip(telling, telling[1:], telling[2:], strict=False))


def _merged(classes: Sequence[str]) -> list[str]:
    """The classes in order, neighbouring unknown words as one."""
    return [kind for kind, before in zip(classes, ["", *classes], strict=False) if kind != OTHER or before != OTHER]


def _runs(items: Sequence[str], length: int) -> Iterator[str]:
    """All runs of `length` items."""
    return map(" ".join, zip(*(items[at:] for at in range(length)), strict=False))


def _ends(items: Sequence[str], longest: int) -> Iterator[str]:
    """How a sentence begins and ends: its first items up to `longest`, its last and last two."""
    for count in range(1, longest + 1):
        yield f"^{' '.join(items[:count])}"
    yield from (f"{items[-1] if items else ''}$", f"{' '.join(items[-2:])}$")


def _looks(text: str, count: int) -> Iterator[str]:
    """How the sentence looks: its length, its share of letters, its code, its capitals."""
    seen = text[:300]
    yield f"#length {sum(count >= length for length in _LENGTHS)}"
    yield f"#letters {sum(map(str.isalpha, seen)) * 5 // max(1, len(seen))}"
    yield f"#code {min(len(_CODE.findall(text[:200])), 3)}"
    if text[:1].isupper():
        yield "#shouts" if text.isupper() else "#capital"
