"""Normal forms of human text: what is visible, and when two ids are the same."""

from __future__ import annotations

import re
import unicodedata

# Letters, numbers, punctuation and symbols; a mark is visible on the character before it, the rest is invisible.
_VISIBLE = "LNPS"
# Letters by their category that nobody sees: the Hangul fillers and the blank Braille pattern.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Joiners belong to the spelling of Persian, Indic scripts and emoji.
_JOINERS = frozenset("\u200c\u200d")
_BLANKS = re.compile(r"\s+")


def is_visible(text: str) -> bool:
    """Whether a reader sees anything of it."""
    return any(unicodedata.category(character)[0] in _VISIBLE and character not in _BLANK for character in text)


def ticket_id(text: str) -> str:
    """Normalise an id: composed, trimmed, without invisible characters.

    A space stands for every run of blanks inside. The same id copied from a mail, a PDF or a Mac is the same ticket.
    """
    composed = unicodedata.normalize("NFC", text)
    seen = (character for character in composed if character.isspace() or not _is_hidden(character))
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", "".join(seen))).strip()


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co") or character in _BLANK


def reachable(ticket: str) -> bool:
    """Whether a URL can name this id: clients and proxies drop empty, `.` and `..` path segments."""
    return all(part not in ("", ".", "..") for part in ticket.split("/"))


def name(text: str) -> str | None:
    """Normalise a name for storage; None: nothing is visible, or there is a control character.

    Scripts that need joiners keep them. What turns the direction of the text around it is left out.
    """
    composed = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(character) == "Cc" for character in composed):
        return None
    kept = "".join(character for character in composed if character in _JOINERS or not _is_hidden(character))
    tidy = _BLANKS.sub(" ", kept).strip()
    return tidy if is_visible(tidy) else None
