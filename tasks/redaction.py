"""Pure: personal data and secrets become placeholders before a text leaves, and come back in the reply.

Every pattern is linear: it either starts only where the preceding character cannot belong to the same run,
or repeats a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

_PLACEHOLDER = re.compile(r"\[(?:email|phone|ip|card|secret|text)-\d{1,6}\]")

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL
)

_KEY_SHAPES = re.compile(
    r"""(?<![\w-])(?:
        (?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![\w-])
      | gh[pousr]_\w{20,} | github_pat_\w{20,} | glpat-[\w-]{16,}
      | xox[abeprs]-[\w-]{10,}
      | (?:sk|pk|rk)-[\w-]{16,} | (?:sk|pk|rk)_(?:live|test)_\w{10,}
      | AIza[\w-]{30,}
      | eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?
    )""",
    re.VERBOSE,
)

_URL_LOGIN = re.compile(r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)")

_AUTHORIZATION = re.compile(
    r"(?i)\b(?:bearer\s{1,3}(?=\S{0,200}\d)"
    r"|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic|token|apikey)\s{1,3})"
    r"(?P<value>[\w.~+/=-]{12,})"
)

_LABEL = r"""(?i:password|(?<!no)passwd|passphrase|passcode
      |passwort|kennwort|contraseña|wachtwoord|mot\ de\ passe
      |secret|api[-_ ]?key|access[-_ ]?key|account[-_ ]?key|private[-_ ]?key|auth[-_ ]?key|credential
      |(?<![a-z])(?:token|pass|pwd|pw|pin|senha|psk))"""
_VALUE = r"""(?P<value>"[^"\n]{1,200}"|'[^'\n]{1,200}'|[^\s"']\S+)"""

# What follows "password:" in ordinary speech about passwords; hiding it would hide the problem itself.
_PROSE = r"""(?!(?i:not|is|was|has|had|does|did|can|the|a|an|and|or|for|to|in|on
      |reset|expir\w+|changed?|wrong|incorrect|invalid|required|unknown|none|null|n/a|yes|no|true|false|failed|locked|missing|\*+)(?![^\s.,;]))"""

# "password: hunter2", "DB_PASSWORD=hunter2", {"api_key": "…"}
_LABELLED = re.compile(rf"""{_LABEL}["']?\s{{0,3}}(?::=|=>|[:=])\s{{0,3}}{_PROSE}{_VALUE}""", re.VERBOSE)

# "the password for the router is Summer2024!": only with a digit, for "the password is wrong" is no secret.
_SPOKEN = re.compile(
    rf"""{_LABEL}(?:\s{{1,3}}[^\W\d]{{1,20}}){{0,4}}?\s{{1,3}}(?i:is|was|ist|est|es)\s{{1,3}}
    (?=\S{{0,100}}\d)(?P<value>\S{{4,}})""",
    re.VERBOSE,
)

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+'-]+@(?:[\w-]{1,63}\.){1,10}[^\W\d_]{2,24}(?![\w-])")

_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])")

_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_BEFORE_VERSION = re.compile(r"(?i)(?:\bv|\bver|version|build|firmware|release|driver|agent|update)[ .:=(]{0,3}$")

# In one piece or in the groups printed on cards; a year beside a date is neither.
_CARD = re.compile(
    r"(?<![\w.-])(?:[2-6]\d{3}(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}"
    r"|3\d{3}(?P<space>[ -]?)\d{6}(?P=space)\d{5})(?![\w-]|\.\d)"
)

_TIME_ZONE = r"(?!(?:0\d|1[0-4])[0-5]\d\s{1,3}\d{4}\b)"
_PHONE = re.compile(
    rf"""(?<![\w.+:/-])(?:
        (?:\+|00){_TIME_ZONE}[1-9](?:[ ().-]{{0,2}}\d){{7,14}}
      | (?:1[ .-])?(?:\(\d{{3}}\)[ ]?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}
      | \(?0\d{{2,4}}\)?[ /-]\d{{3,8}}(?:[ -]\d{{2,4}}){{0,3}}
    )(?![\w:]|[.-]\d)""",
    re.VERBOSE,
)
_SPOKEN_PHONE = re.compile(
    r"(?i)\b(?:tel|phone|telephone|mobile|cell|fax|whatsapp|call (?:me|him|her|us|back) (?:at|on))"
    r"(?: ?(?:no|nr|number))?[ .:#=]{1,4}(?P<value>\(?\d(?:[ ().-]{0,2}\d){5,14})(?!\w)"
)

# Whether what a pattern found is what it looks like.
Check = Callable[[re.Match[str]], bool]


class Redaction:
    """The placeholders of one case: a value always gets the same one. Not for sharing between threads."""

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._value_of: dict[str, str] = {}
        self._name_of: dict[tuple[str, str], str] = {}

    def hide(self, text: str) -> str:
        """The text with every personal datum and secret replaced by a placeholder such as [email-1]."""
        if not self._enabled:
            return text
        for kind, pattern, counts in _RULES:
            text = pattern.sub(partial(self._replace, kind, counts), text)
        return text

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

    def _replace(self, kind: str, counts: Check, match: re.Match[str]) -> str:
        if not counts(match):
            return match[0]
        group = "value" if "value" in match.re.groupindex else 0
        value = _trimmed(match[group])
        if kind != "text" and _PLACEHOLDER.search(value):
            return match[0]
        start = match.start(group) - match.start() + match[group].index(value)
        return match[0][:start] + self._name(kind, value) + match[0][start + len(value) :]

    def _name(self, kind: str, value: str) -> str:
        known = self._name_of.get((kind, value))
        if known is None:
            number = 1 + sum(1 for other, _ in self._name_of if other == kind)
            known = self._name_of[kind, value] = f"[{kind}-{number}]"
            self._value_of[known] = value
        return known


def _trimmed(value: str) -> str:
    """The value without the quotes around it or the punctuation after it."""
    if len(value) > 2 and value[0] in "\"'" and value[-1] == value[0]:
        return value[1:-1]
    return value.rstrip(".,;\"'") or value


def _always(match: re.Match[str]) -> bool:
    return True


def _is_ipv4(match: re.Match[str]) -> bool:
    """An address of some machine: no version number, no netmask, not loopback, not 0.0.0.0."""
    try:
        address = IPv4Address(match[0])
    except AddressValueError:
        return False
    if address.is_loopback or address.is_unspecified or match[0].startswith("255."):
        return False
    return not _BEFORE_VERSION.search(match.string[max(0, match.start() - 14) : match.start()])


def _is_ipv6(match: re.Match[str]) -> bool:
    """An IPv6 address by the rules; times of day and MAC addresses are not, nor is a::b in a program."""
    if not any(character.isdigit() for character in match[0]):
        return False
    try:
        address = IPv6Address(match[0])
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _is_card(match: re.Match[str]) -> bool:
    """Luhn's check, ISO/IEC 7812-1."""
    digits = [int(character) for character in reversed(match[0]) if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _rules() -> Iterator[tuple[str, re.Pattern[str], Check]]:
    # A ticket that already holds "[email-1]" must not be given somebody's address on the way back.
    yield "text", _PLACEHOLDER, _always
    for secret in (_PRIVATE_KEY, _KEY_SHAPES, _URL_LOGIN, _AUTHORIZATION, _LABELLED, _SPOKEN):
        yield "secret", secret, _always
    yield "email", _EMAIL, _always
    yield "ip", _IPV6, _is_ipv6
    yield "ip", _IPV4, _is_ipv4
    yield "card", _CARD, _is_card
    yield "phone", _PHONE, _always
    yield "phone", _SPOKEN_PHONE, _always


_RULES = tuple(_rules())
