"""Decode what mail packs text into, wherever it stands: encoded words, base64, uuencode, quoted-printable.

Data that decodes to no text, such as a picture or a key, is replaced by a mark. Every expression is linear: it looks
at a bounded number of characters.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header

NOTHING_TO_READ = "[…]"
SURELY_PACKED = 120  # characters; of less, what unpacks to no text is a name or a checksum and stays

_WORD = r"=\?[\w-]{2,40}(?:\*[\w-]{1,20})?\?[bBqQ]\?[!->@-~]{0,400}\?="
# A character may be split between two words, so that neighbours are decoded together.
_ENCODED_WORDS = re.compile(rf"{_WORD}(?:\s{{0,10}}{_WORD}){{0,100}}")
_BASE64 = re.compile(
    r"(?:^[A-Za-z0-9+/]{40,100}[ \t]{0,4}\n){1,2000}(?:^[A-Za-z0-9+/]{1,100}={0,2}[ \t]{0,4}$)?"
    r"|^[A-Za-z0-9+/]{24,100}={0,2}[ \t]{0,4}$"
    r"|(?<![\w+/=.-])[A-Za-z0-9+/]{200,20000}={0,2}(?![\w+/=])",
    re.M,
)
_RUN = re.compile(r"[A-Za-z0-9+/]{24}")  # the least that the expression above looks for
_HEX = re.compile(r"[0-9a-fA-F\s]+")
# Keys, certificates and signatures (RFC 7468, RFC 4880); their labels stay.
_ARMOUR = re.compile(r"^(-----BEGIN [A-Z0-9 ]{3,40}-----\n)(?:[^-\n].{0,200}\n|\n){1,2000}(?=-----END )", re.M)
_UUENCODED = re.compile(r"^begin [0-7]{3,4} \S.{0,200}\n((?:[!-`].{0,90}\n){1,2000}?)end$", re.M)
_SOFT_BREAK = re.compile(r"^(?=.{0,76}\s.).{50,76}=[ \t]{0,4}$", re.M)
_NOT_QUOTED = re.compile(r"=(?![0-9A-Fa-f]{2}|[ \t]{0,4}$)", re.M)  # an equals sign that quoted-printable has not
_OCTETS = re.compile(r"(?:=[89A-F][0-9A-F]){2,200}|=3D|=20$", re.M)
_LATIN = re.compile(r"(?<=[a-z])=[C-F][0-9A-F](?=[a-z]|=[C-F][0-9A-F])|(?<=\s)=[C-F][0-9A-F](?=[a-z]{2})")


def unpacked(text: str) -> str:
    """Decode everything in the text that a mail program would decode."""
    if "=?" in text:
        text = _ENCODED_WORDS.sub(_words, text)
    if "-----BEGIN " in text:
        text = _ARMOUR.sub(rf"\1{NOTHING_TO_READ}\n", text)
    if "begin " in text:
        text = _UUENCODED.sub(_uuencoded, text)
    if _RUN.search(text):
        text = _BASE64.sub(_block, text)
    return _unquoted(text) if "=" in text else text


def text_of(octets: bytes) -> str | None:
    """Decode as UTF-8 or, if nearly all bytes are ASCII, as Windows-1252. None: it is no text."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        foreign = sum(octet >= 0x80 for octet in octets)
        if foreign * 5 > len(octets):
            return None
        text = octets.decode("cp1252", errors="ignore")
    shown = "\n\r\t\u00ad\u200b\u200c\u200d\ufeff\u00a0"
    return text if all(character.isprintable() or character in shown for character in text) else None


def _words(found: re.Match[str]) -> str:
    try:
        return str(make_header(decode_header(re.sub(r"\s+", " ", found[0]).replace("?==?", "?= =?"))))
    except (HeaderParseError, LookupError, ValueError):
        return found[0]


def _uuencoded(found: re.Match[str]) -> str:
    octets = b""
    for line in found[1].splitlines():
        with suppress(binascii.Error):
            octets += binascii.a2b_uu(line)
    return text_of(octets) or NOTHING_TO_READ


def _block(found: re.Match[str]) -> str:
    packed = re.sub(r"\s", "", found[0])
    if _HEX.fullmatch(packed):
        return found[0]
    try:
        octets = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        return found[0]
    told = text_of(octets)
    if len(packed) < SURELY_PACKED and not (told and " " in told and len(packed) % 4 == 0):
        return found[0]
    end = "\n" if found[0].endswith("\n") else ""
    return f"{told or NOTHING_TO_READ}{end}"


def _unquoted(text: str) -> str:
    """Decode quoted-printable paragraph by paragraph, since a person may have written above or below it.

    A command may hold `=20`, so lines have to be wrapped as that encoding wraps them. Otherwise only what spells
    characters beyond ASCII is decoded, and what then is part of it.
    """
    if _SOFT_BREAK.search(text):
        whole = not _NOT_QUOTED.search(text)
        paragraphs = text.split("\n\n")
        return "\n\n".join(_paragraph(each) if whole or _SOFT_BREAK.search(each) else each for each in paragraphs)
    if any(found[0][1] in "89ABCDEF" and text_of(_octets(found[0])) for found in _OCTETS.finditer(text)):
        return _OCTETS.sub(lambda found: text_of(_octets(found[0])) or found[0], text)
    if len(_LATIN.findall(text)) > 1 and not _NOT_QUOTED.search(text):
        return _octets(text).decode("cp1252", errors="ignore")
    return text


def _paragraph(text: str) -> str:
    if "=" not in text or _NOT_QUOTED.search(text):
        return text
    return text_of(_octets(text)) or text


def _octets(text: str) -> bytes:
    return quopri.decodestring(text.encode(errors="replace"))
