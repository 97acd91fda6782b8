"""Pure: one redaction rule and how it searches a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.assessors.model.redaction.values import anything, trimmed

Span = tuple[int, int]  # in the folded text


class Rule:
    """What to hide: the groups of `pattern` whose names begin with "value", or all of the match.

    The pattern meets the folded text, in lower case unless `cased`, and only when one of the `hints` is in it.
    With `after`, it is tried only right after what that pattern finds. Every pattern is linear: its repeats are
    bounded, or possessive and started only where no other start lies within the same run.
    The `example` is a text with this kind of thing in it.
    """

    def __init__(
        self,
        name: str,
        pattern: str,
        example: str,
        *,
        hints: tuple[str, ...] = (),
        after: re.Pattern[str] | None = None,
        check: Callable[[str], bool] = anything,
        cased: bool = False,
    ) -> None:
        self.name = name
        self.pattern = re.compile(pattern, re.DOTALL)
        self.example = example
        self._hints = hints
        self._after = after
        self._check = check
        self._cased = cased
        self._groups: list[str | int] = [name for name in self.pattern.groupindex if name.startswith("value")] or [0]

    def spans(self, search: Search) -> Iterator[Span]:
        """Where something has to be hidden."""
        if self._hints and not any(hint in search.lower for hint in self._hints):
            return
        for match in self._matches(search):
            for group in self._groups:
                yield from self._span(search, *match.span(group))

    def _matches(self, search: Search) -> Iterator[re.Match[str]]:
        text = search.cased if self._cased else search.lower
        if self._after is None:
            yield from self.pattern.finditer(text)
            return
        covered = 0
        for end in search.ends_of(self._after):
            # A word within what has been matched announces nothing more; and no run is read twice.
            if end >= covered and (match := self.pattern.match(text, end)):
                covered = match.end()
                yield match

    def _span(self, search: Search, start: int, end: int) -> Iterator[Span]:
        if start < 0:
            return
        written = search.cased[start:end]
        value = trimmed(written)
        if value and self._check(written if written[0] in "\"'`" and value != written else value):
            start += written.index(value)
            yield start, start + len(value)


@dataclass
class Search:
    """A folded text that is searched by several rules."""

    cased: str
    lower: str

    def __post_init__(self) -> None:
        self._ends: dict[re.Pattern[str], list[int]] = {}

    def ends_of(self, words: re.Pattern[str]) -> list[int]:
        """Where each of the words ends."""
        if words not in self._ends:
            self._ends[words] = [match.end() for match in words.finditer(self.lower)]
        return self._ends[words]

    def without(self, spans: list[Span]) -> Search:
        """The same text with nothing to be found where the spans are."""
        if not spans:
            return self
        return Search(_blanked(self.cased, spans), _blanked(self.lower, spans))


def _blanked(text: str, spans: list[Span]) -> str:
    pieces, last = [], 0
    for start, end in spans:
        pieces += [text[last:start], "\0" * (end - start)]
        last = end
    return "".join([*pieces, text[last:]])
