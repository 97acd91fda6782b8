"""Pure: decide whether a value is a secret. Values come folded, in their original case."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from tasks.assessors.model.redaction.words import is_speech

# Hides nothing: asterisks, a variable, a field to fill in.
_STAND_IN = re.compile(r"[\W_]*|[*•●x.]+|<[^<>]*>|\$?\{+[^{}]*\}+|%\w+%|\$\w+|\[[^\[\]]*\]|[^\W\d]+:")

# A date, a time, an amount with its unit, an error code, a version, a path, a GUID, an update, a product.
_ORDINARY = re.compile(
    r"""\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.* | \d{1,2}:\d{2}.*
      | \d+(?:[.,]\d+)?(?:[a-z]{1,3}|%|min|sec|secs|mins|hours?|days?|weeks?|months?|years?|chars?|digits?|bits?|times|st|nd|rd|th)?
      | 0x[0-9a-f]+ | v?\d+(?:\.\d+)+ | (?:[a-z]:)?[\\/].* | (?:hk\w+|\.{1,2})[\\/].*
      | [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} | kb\d+
      | (?:windows|office|server|exchange|outlook|sharepoint|sql|ubuntu|debian|centos|chrome|firefox|laserjet|iphone
         |word|excel|access|project|visio|adobe|acrobat|sage|datev|netzwerk|computer|laptop|client|desktop|printer
         |drucker|port|vlan|raum|room|usb|rev|level|step|schritt|etape|paso)-?\d{1,5}\w{0,4}
      | https?://.* | \w+://.*""",
    re.VERBOSE | re.IGNORECASE,
)
# A ticket or a machine.
_NUMBERED = re.compile(r"[A-Z]{2,5}-?\d{1,9}|[a-z]{1,5}-\d{1,6}")
_NO_CODE = re.compile(r"0x[0-9a-fA-F]+|[kK][bB]\d+|\d{4}-\d{2}-\d{2}.*")
_NO_KEY = re.compile(
    r"[\\]|^s-1-\d|\.(?:exe|dll|log|txt|docx?|xlsx?|pdf|png|jpe?g|conf|cfg|ini|json|xml|pem|crt|key|db)$",
    re.IGNORECASE,
)
_INNER_SYMBOL = re.compile(r"[A-Za-z0-9][!@#$%^&*+=?~_][A-Za-z0-9!@#$%^&*+=?~_]")
_CAMEL = re.compile(r"[a-z][A-Z]")
_QUOTES = "\"'`"


def trimmed(value: str) -> str:
    """The value without the quotes around it or the punctuation after it."""
    if len(value) > 2 and value[0] in _QUOTES and value[-1] == value[0]:
        return value[1:-1]
    while value and (value[-1] in ".,;\"'`>" or (value[-1] in ")]}" and _OPENING[value[-1]] not in value)):
        value = value[:-1]
    return value


_OPENING = {")": "(", "]": "[", "}": "{"}


def anything(_: str) -> bool:
    return True


def is_written(value: str) -> bool:
    """After "password:" stands the password, unless it is speech or a stand-in for one. Quotes leave no doubt."""
    if len(value) > 2 and value[0] in _QUOTES:
        return True
    return not (_STAND_IN.fullmatch(value) or is_speech(value.lower()))


def is_argument(value: str) -> bool:
    """What stands behind an option of a command, and is neither the next option nor an expression."""
    return not value.startswith(("-", "(")) and is_written(value)


def is_likely(value: str) -> bool:
    """In a sentence: a digit, a symbol inside or mixed case make the difference to an ordinary word; so do quotes."""
    bare = trimmed(value).rstrip("!?:")
    if len(bare) < 4 or not is_written(bare) or _ORDINARY.fullmatch(bare):
        return False
    quoted = value[0] in _QUOTES and " " not in bare
    return quoted or any(map(str.isdigit, bare)) or bool(_INNER_SYMBOL.search(value) or _CAMEL.search(bare))


def is_number(value: str) -> bool:
    """A number of four digits or more, as some people's passwords are."""
    return value.isdigit() and 4 <= len(value) <= 12


def is_strong(value: str) -> bool:
    """With little around it that announces a password: letters and digits, and no name of a machine."""
    if len(value) < 6 or not is_likely(value) or _NUMBERED.fullmatch(value):
        return False
    has_digit, has_letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    mixed = value.lower() != value and value.upper() != value
    return has_digit and has_letter and (mixed or bool(_INNER_SYMBOL.search(value)) or "-" not in value)


def is_half_of_a_pair(value: str) -> bool:
    """The password after a user's name: as is_strong, or letters around a symbol."""
    return is_strong(value) or (is_likely(value) and bool(_INNER_SYMBOL.search(value)) and not value.isdigit())


def is_code(value: str) -> bool:
    """Digits, or letters and digits, at least four in all; no error code, date or time."""
    if _NO_CODE.fullmatch(value):
        return False
    return sum(map(str.isalnum, value)) >= 4 or (value.isdigit() and len(value) == 3)


def is_random(value: str) -> bool:
    """Letters and digits as a generator mixes them, or letters of both cases without the shape of a word."""
    has_digit, has_letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    return (has_digit and has_letter) or bool(_CAMEL.search(value)) or (has_digit and len(value) >= 8)


def is_key(value: str) -> bool:
    """Behind a word as common as "key" or "session": random, and no path, GUID, version, ticket or file."""
    return (
        is_random(value)
        and not (_ORDINARY.fullmatch(value) or _NUMBERED.fullmatch(value))
        and not _NO_KEY.search(value)
    )


def is_phrase(value: str) -> bool:
    """Several words in a row that are a secret together."""
    return sum(map(is_speech, value.split()[:3])) < 2


def is_ipv4(value: str) -> bool:
    """An address of some machine: no netmask, not loopback, not 0.0.0.0."""
    try:
        address = IPv4Address(value.replace("[", "").replace("]", ""))
    except AddressValueError:
        return False
    return not (address.is_loopback or value.startswith(("255.", "0.")))


def is_ipv6(value: str) -> bool:
    """An IPv6 address by the rules; times of day and MAC addresses are not, nor is a::b in a program."""
    if not any(map(str.isdigit, value)):
        return False
    try:
        address = IPv6Address(value)
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def is_card(value: str) -> bool:
    """Luhn's check, ISO/IEC 7812-1."""
    digits = [int(character) for character in reversed(value) if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def is_iban(value: str) -> bool:
    """The remainder by 97 of ISO 13616."""
    compact = value.replace(" ", "").upper()
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def is_phone(value: str) -> bool:
    """Enough digits for a number with its area code: a range of room numbers has fewer."""
    return sum(map(str.isdigit, value)) >= 9
