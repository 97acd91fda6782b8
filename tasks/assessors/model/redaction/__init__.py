"""Pure: replace personal data and secrets by placeholders before a text leaves, and restore them in the reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tasks.assessors.model.redaction.fold import Fold
from tasks.assessors.model.redaction.personal import CARD, EMAIL, IBAN, IP, PHONE, VERSION
from tasks.assessors.model.redaction.rule import Rule, Search, Span
from tasks.assessors.model.redaction.secrets import SECRETS

_PLACEHOLDER = re.compile(r"\[(?:email|phone|ip|iban|card|secret|text|person)-\d{1,6}\]")

# In this order: what one stage found is out of sight of the next. None: it stays as it is.
STAGES: tuple[tuple[str | None, tuple[Rule, ...]], ...] = (
    ("secret", SECRETS),
    # A ticket that already holds "[email-1]" must not be given somebody's address on the way back.
    ("text", (Rule("placeholder", _PLACEHOLDER.pattern, "[email-1]", hints=("-",)),)),
    ("email", EMAIL),
    (None, VERSION),
    ("ip", IP),
    ("iban", IBAN),
    ("card", CARD),
    ("phone", PHONE),
)


class Redaction:
    """The placeholders of one case: a value always gets the same one. Not for sharing between threads."""

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._value_of: dict[str, str] = {}
        self._name_of: dict[tuple[str, str], str] = {}
        self._count: dict[str, int] = {}

    def hide(self, text: str) -> str:
        """The text with every personal datum and secret replaced by a placeholder such as [email-1]."""
        if not self._enabled:
            return text
        pieces, last = [], 0
        for start, end, kind in sorted(_found(text)):
            start = max(start, last)  # two finds may share one character of the original
            if start < end:
                pieces += [text[last:start], self._name(kind, text[start:end])]
                last = end
        return "".join([*pieces, text[last:]])

    def person(self, name: str) -> str:
        """The placeholder of a person, such as [person-1], wherever this name stands for the author of a text."""
        return self._name("person", name) if self._enabled else name

    def restore(self, value: Any, longest: int | None = None) -> Any:
        """The same nested value with every known placeholder put back, in every string in it.

        A string that would grow past `longest` characters keeps its placeholders.
        """
        if isinstance(value, str):
            full = _PLACEHOLDER.sub(lambda match: self._value_of.get(match[0], match[0]), value)
            return full if longest is None or len(full) <= longest else value
        if isinstance(value, list):
            return [self.restore(item, longest) for item in value]
        if isinstance(value, dict):
            return {key: self.restore(item, longest) for key, item in value.items()}
        return value

    def _name(self, kind: str, value: str) -> str:
        known = self._name_of.get((kind, value))
        if known is None:
            number = self._count[kind] = self._count.get(kind, 0) + 1
            known = self._name_of[kind, value] = f"[{kind}-{number}]"
            self._value_of[known] = value
        return known


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    """Where something of which kind stands in the text."""
    fold = Fold(text)
    search = Search(fold.cased, fold.lower)
    for kind, rules in STAGES:
        spans = _joined(span for rule in rules for span in rule.spans(search))
        if spans and kind:
            yield from ((*fold.span(*span), kind) for span in spans)
        search = search.without(spans)


def _joined(spans: Iterator[Span]) -> list[Span]:
    """The spans in order, those that overlap as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
