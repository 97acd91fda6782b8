"""Pure: a text in one plain spelling to search in, and the way back to the text as it was written.

Full-width letters, accents, invisible characters, typographic quotes and escapes (HTML, URL, quoted-printable, JSON)
write the same thing in many ways. Rules are matched against one spelling; what is replaced is the original.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache

_PUNCTUATION = str.maketrans(
    {**dict.fromkeys("“”„‟«»″", '"'), **dict.fromkeys("‘’‚‛´′", "'"), **dict.fromkeys("‐‑‒–—―−", "-"), "→": ">"}
)

# An escaped "&" or "/" stays escaped: it belongs to the value of a URL, where a plain one would end it.
_ESCAPE = (
    r"&(?:#(?:\d{1,7}|[xX][0-9A-Fa-f]{1,6})|quot|apos|amp|lt|gt|nbsp|colon|equals|commat);"
    r"|%(?:2[27]|3[ACDEacde]|40|5[BDbd]|7[BDbd])"
    r"|=3[AD]|(?<=[^\n]{60})=\r?\n"
    r"|\\[\"'/]|\\u00[2-7][0-9A-Fa-f]"
)
_ONLY_ESCAPES = re.compile(_ESCAPE)


class Fold:
    """One text. `cased` and `lower` have the same length; `span` leads from them back to the original."""

    def __init__(self, original: str) -> None:
        self.original = original
        # Pieces by where they begin in the folded text and in the original. A piece counts as one character
        # when it is `whole`; else each of its characters stands for one of the original.
        self._at, self._origin, self._whole = [0], [0], [False]
        self.cased = self._folded(original)
        self.lower = self.cased.lower()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the folded characters from `start` up to `end` stand in the original."""
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, index: int) -> tuple[int, int]:
        piece = bisect_right(self._at, index) - 1
        if self._whole[piece]:
            return self._origin[piece], self._origin[piece + 1]
        begin = self._origin[piece] + index - self._at[piece]
        return begin, begin + 1

    def _folded(self, text: str) -> str:
        odd, plain = _odd_characters(text)
        pattern = re.compile(f"{_ESCAPE}|[{re.escape(odd)}]") if odd else _ONLY_ESCAPES
        pieces, length, last = [], 0, 0
        for match in pattern.finditer(text):
            short = _unescaped(match[0])
            pieces += [text[last : match.start()], short]
            length += match.start() - last
            self._at += [length, length + len(short)]
            self._origin += [match.start(), match.end()]
            self._whole += [True, False]
            length, last = length + len(short), match.end()
        whole = "".join([*pieces, text[last:]])
        return whole.translate(plain) if plain else whole


def _odd_characters(text: str) -> tuple[str, dict[int, str]]:
    """The characters of the text that do not become one character, and what the others become."""
    if text.isascii():
        return "", {}
    becomes = {character: plain_character(character) for character in set(text) if character > "\x7f"}
    odd = "".join(character for character, short in becomes.items() if len(short) != 1)
    return odd, {ord(character): short for character, short in becomes.items() if len(short) == 1}


@lru_cache(maxsize=4096)
def plain_character(character: str) -> str:
    """ASCII where there is some: without accents, of normal width; nothing for what cannot be seen."""
    if unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    parts = unicodedata.normalize("NFKD", character.translate(_PUNCTUATION))
    short = "".join(part for part in parts if not unicodedata.combining(part)).translate(_PUNCTUATION)
    return short if short and short.isascii() else character


def _unescaped(piece: str) -> str:
    """What an escape, or a character that does not become one character, stands for."""
    if len(piece) == 1:
        return plain_character(piece)
    if piece[0] == "&":
        character = html.unescape(piece)
        return plain_character(character) if len(character) == 1 else " "
    if piece[0] == "%" or piece[0] == "=":
        return chr(int(piece[1:], 16)) if piece[1] not in "\r\n" else ""
    return chr(int(piece[2:], 16)) if piece[1] == "u" else piece[1]
