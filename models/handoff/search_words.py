"""Words as the search compares them, and the two forms in which PostgreSQL takes them.

Texts and queries go through the same folding, so that case, accents, widths and ligatures count for nothing, and are
cut into the same words. A word is letters, numbers and the signs that belong to them. What stands between separates:
`srv-db01.corp.example`, `10.1.2.3` and a mail address are several words, and a query that is written so finds them in
this order only. `KB5034441` is found as it is and by `kb` and `5034441`. Scripts that put no spaces between words are
cut into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

# A tsvector holds at most 1 MiB; these bounds keep every document below that.
MOST_WORDS = 8_000
LONGEST_WORD = 64  # bytes; of a longer one its beginning counts
MOST_PARTS = 4  # a serial number of more changes between letters and digits is searched as it is
LAST_POSITION = 16_383  # PostgreSQL keeps no later one
SHORTEST_BEGINNING = 2  # a single letter begins too many words

# Words that are dropped from a query that has others: they occur in every sentence and distinguish nothing.
_COMMON = """
    a an and are as at be been by can did do does for from had has have he her his how i in is it its me my of on our
    she so that the their them they this to was we were what when where which who why will with you your
"""
COMMON = frozenset(_COMMON.split())

# Letters that no decomposition takes apart.
_PLAIN = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "þ": "th"}
# Thai, Lao, Burmese, Khmer, Japanese and Chinese.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17dd\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_IS_SPACELESS = re.compile(f"[{_SPACELESS}]")
_SCRIPTS = re.compile(f"[{_SPACELESS}]+|[^{_SPACELESS}]+")
_PARTS = re.compile(r"\d+|\D+")
_TERM = re.compile(r'(-?)"([^"]*)"?|(\S+)')


class _Folds(dict[int, str]):
    """Replacements for the characters of a decomposed text, computed once per character."""

    def __missing__(self, code: int) -> str:
        self[code] = self._of(chr(code))
        return self[code]

    @staticmethod
    def _of(character: str) -> str:
        kind = unicodedata.category(character)
        # Accents and vowel points go; the signs of Indic scripts and of Japanese, whose class is low, are letters.
        if kind == "Cf" or unicodedata.combining(character) > 9:
            return ""
        return _PLAIN.get(character, character) if kind[0] in "LNM" else " "


_FOLDS = _Folds()


def _words(text: str) -> Iterator[str]:
    """Yield the folded words of a text in order."""
    if text.isascii():
        yield from text.lower().translate(_FOLDS).split()
        return
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_FOLDS)
    for run in unicodedata.normalize("NFKC", plain).split():
        yield from _SCRIPTS.findall(run)


def _parts(word: str) -> list[str]:
    """Split a word into its letters and numbers, if it has both."""
    if word.isalpha() or word.isdigit():
        return [word]
    parts = _PARTS.findall(word)
    return parts if len(parts) <= MOST_PARTS else [word]


def _cut(word: str) -> str:
    if len(word) * 4 <= LONGEST_WORD:
        return word
    return word.encode()[:LONGEST_WORD].decode(errors="ignore")


def vector(text: str, *, most: int = MOST_WORDS, always: Sequence[str] = ()) -> str:
    """Render the words of a text with their positions as a tsvector; at most `most` different ones."""
    found: dict[str, list[int]] = {}
    at = 1
    for word in _words(text):
        at = _place(found, word, at)
        if len(found) >= most:
            break
    # A word is letters, digits and signs: nothing in it has to be escaped.
    written = [f"'{word}':{','.join(map(str, positions))}" for word, positions in found.items()]
    return " ".join([*(f"'{word}'" for word in always), *written])


def _place(found: dict[str, list[int]], word: str, at: int) -> int:
    """Record a word at its position; returns the next position."""
    if not word.isascii() and _IS_SPACELESS.match(word):
        # The last character begins no pair, and is looked for too.
        entries = [*_pairs(word), word[-1]]
    else:
        entries = _parts(word)
        if len(entries) > 1:
            found.setdefault(_cut(word), []).append(min(at, LAST_POSITION))
    for entry in entries:
        positions = found.setdefault(_cut(entry), [])
        if not positions or positions[-1] < LAST_POSITION:
            positions.append(min(at, LAST_POSITION))
        at += 1
    return at


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(len(word) - 1)]


@dataclass(frozen=True)
class Term:
    """Words that a query wants next to each other; usually a single one."""

    words: tuple[str, ...]
    is_negated: bool = False
    is_quoted: bool = False

    @property
    def is_common(self) -> bool:
        """Whether it consists of common words only."""
        return not self.is_quoted and all(word in COMMON for word in self.words)

    def operand(self, *, literally: bool) -> str:
        """Render the term as an operand of a tsquery. `literally`: match no other forms of its words."""
        if literally:
            return " <-> ".join(f"'{_cut(word)}'" for word in self.words)
        *others, last = self.words
        return " <-> ".join([*(_operand(word, is_last=False) for word in others), _operand(last, is_last=True)])

    def pattern(self) -> re.Pattern[str]:
        """Compile what finds the term in a Folded text, with the rest of its last word.

        Nothing in it is tried twice, so that it takes linear time on any text.
        """
        *others, last = self.words
        if self.is_common:
            return re.compile(rf"(?<!\S){' +'.join(map(re.escape, self.words))}(?!\S)")
        rest = "" if _IS_SPACELESS.match(last) else r"\S*+"
        return re.compile("".join([*(_pattern(word) + _between(word) for word in others), _pattern(last), rest]))

    def is_in(self, name: str) -> bool:
        """Whether a name contains these words, or words beginning with them, next to each other."""
        begins = str.__eq__ if self.is_common else _begins
        its_words = list(_words(name))
        return any(
            all(begins(there, word) for there, word in zip(its_words[at:], self.words, strict=False))
            for at in range(len(its_words) - len(self.words) + 1)
        )


def _begins(there: str, word: str) -> bool:
    if _IS_SPACELESS.match(word):
        return word in there
    return there == word or (len(word) >= SHORTEST_BEGINNING and there.startswith(word))


def terms(query: str) -> list[list[Term]]:
    """Parse a query: all terms of any one of the lists have to match. Lists without a word are left out."""
    either: list[list[Term]] = [[]]
    found = list(_TERM.finditer(query))
    for place, term in enumerate(found, start=1):
        minus, quoted, bare = term.groups()
        if bare and bare.lower() == "or" and either[-1] and place < len(found):
            either.append([])
            continue
        is_negated = bool(minus) or bool(bare and len(bare) > 1 and bare.startswith("-"))
        if words := tuple(_words(bare if quoted is None else quoted)):
            either[-1].append(Term(words, is_negated, is_quoted=quoted is not None))
    return [_telling(all_of) for all_of in either if all_of]


def _telling(all_of: list[Term]) -> list[Term]:
    """Drop common words, unless there are no others."""
    return [term for term in all_of if not term.is_common] or all_of


def _operand(word: str, *, is_last: bool) -> str:
    """A word of a query and what it may be the beginning of. A number is only begun where the term ends."""
    if _IS_SPACELESS.match(word):
        return "(" + (" <-> ".join(f"'{pair}'" for pair in _pairs(word)) or f"'{word}':*") + ")"
    whole = _beginning(word) if is_last or not word.isdigit() else f"'{_cut(word)}'"
    *others, last = _parts(word)
    if not others:
        return whole
    # It is also found where it is written apart: `KB-5034441`.
    apart = " <-> ".join([*(f"'{_cut(part)}'" for part in others), _beginning(last)])
    return f"({whole} | ({apart}))"


def _beginning(word: str) -> str:
    forms = [_cut(form) for form in _forms(word)]
    either = " | ".join(f"'{form}':*" if len(form) >= SHORTEST_BEGINNING else f"'{form}'" for form in forms)
    return f"({either})" if len(forms) > 1 else either


def _pattern(word: str) -> str:
    """What _operand() finds, as a regular expression."""
    if _IS_SPACELESS.match(word):
        return re.escape(_plain(word))
    parts = _parts(word)
    if len(parts) == 1 and not word.isdigit():
        either = "|".join(_begun(form) for form in _forms(word))
    else:
        either = " *+".join(re.escape(_plain(part)) for part in parts)
    return rf"{_AFTER_NO_DIGIT if word[0].isdigit() else _AFTER_NO_LETTER}(?:{either})"


_AFTER_NO_DIGIT, _AFTER_NO_LETTER = r"(?<!\d)", r"(?<![^\s\d])"


def _begun(form: str) -> str:
    return re.escape(_plain(form)) + ("" if len(form) >= SHORTEST_BEGINNING else r"(?!\S)")


def _between(word: str) -> str:
    """What may stand between a word that is not the last of its term and the next: its own rest, and separators."""
    if _IS_SPACELESS.match(word):
        return " *+"
    return r"(?!\d) *+" if word[-1].isdigit() else r"[^\s\d]*+ *+"


class Folded:
    """A text as words are compared, with spaces for what separates them."""

    def __init__(self, text: str) -> None:
        self._original = text
        self._text = text.lower().translate(_FOLDS) if text.isascii() else _plain_text(text)

    def find(self, pattern: re.Pattern[str]) -> tuple[int, int] | None:
        """Return start and end of the first match in the original; None: there is none."""
        found = pattern.search(self._text)
        if found is None or self._original.isascii():
            return found and found.span()
        # Character by character, to know where each comes from: that is slow, and most texts have no match.
        pieces = [_plain(character) for character in self._original]
        ends = list(accumulate(map(len, pieces)))
        found = pattern.search("".join(pieces))
        return found and (bisect_right(ends, found.start()), bisect_right(ends, found.end() - 1) + 1)


def _plain_text(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold().translate(_FOLDS)


_plain = lru_cache(maxsize=16_384)(_plain_text)  # of characters and of the words of a query


def _forms(word: str) -> list[str]:
    """What an English word begins with in its other forms too, plurals and those of verbs; any other word itself."""
    if len(word) < 5 or not word.isascii() or not word.isalpha():
        return [word]
    if word.endswith(("ies", "ied", "y")):
        stem = word.removesuffix("y").removesuffix("ies").removesuffix("ied")
        return [f"{stem}y", f"{stem}ie"]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            stem = word.removesuffix(ending)
            return [stem[:-1] if stem[-1] == stem[-2] and stem[-1] not in "ls" else stem]
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return [word[:-2]]
    if word.endswith("s"):
        return [word if word.endswith(("ss", "us", "is")) else word[:-1]]
    return [word[:-1] if word.endswith("e") and len(word) > 5 else word]
