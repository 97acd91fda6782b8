"""E-mail addresses, IP addresses, bank and card numbers, phone numbers."""

from __future__ import annotations

from tasks.assessors.model.redaction.rule import Rule
from tasks.assessors.model.redaction.values import is_card, is_iban, is_ipv4, is_ipv6, is_phone

_DOMAIN = r"(?:[\w-]{1,63}\.){1,10}(?:[^\W\d_]{2,24}|xn--[\w-]{2,59})(?![\w-])"

EMAIL = (
    Rule("address", rf"(?<![\w.%+'-])'*+(?P<value>[\w.%+'-]++@{_DOMAIN})", "eva@example.org", hints=("@",)),
    Rule(
        "address, spelled out",
        r"(?<![\w.%+-])(?P<value>[\w.%+-]{1,64}+\s?(?:\(at\)|\[at\]|\{at\}|<at>|\(a\))\s?"
        r"(?:[\w-]{1,63}\s?(?:\.|\(dot\)|\[dot\]|\[\.\])\s?){1,6}[^\W\d_]{2,24})(?![\w-])",
        "eva (at) example.org",
        hints=("(at)", "[at]", "{at}", "<at>", "(a)"),
    ),
)

_VERSION = r"v?\d{1,5}(?:\.\d{1,6}){3,5}"
_PRODUCT = (
    r"(?:\bv|\b(?:ver|version|versie|versione|build|firmware|fw|release|driver|treiber|agent|update|updated|upgraded?"
    r"|patch|hotfix|bios|uefi|fortios|junos|esxi|os|rev|revision|software|package|dll|sdk|runtime|plugin|addon|microcode"
    r"|chrome|chromium|firefox|edge|opera|safari|acrobat|reader|java|jre|jdk|zoom|teams|anydesk|teamviewer|anyconnect"
    r"|forticlient|globalprotect|adobe|flash|silverlight)\b)"
)

# Looks like an address and counts versions of a program: stays, and is no address for the rules that follow.
VERSION = (
    Rule(
        "number of a version",
        rf"{_PRODUCT}(?:[ ](?:from|to|von|auf|is|ist|dc|de|a|vers))?[ .:=(]{{0,3}}"
        rf"(?P<value>{_VERSION}(?:[ ]?(?:to|->|>|auf|-|/|,|and|und|a|vers|y|et)[ ]?{_VERSION}){{0,3}})",
        "firmware 7.4.1.2 to 7.4.1.9",
    ),
    Rule(
        "number before the word version",
        rf"(?<![\w.])(?P<value>{_VERSION})[ ](?:firmware|version|build|release|driver|treiber|update|patch)\b",
        "the 7.4.1.2 firmware",
        hints=("firmware", "version", "build", "release", "driver", "treiber", "update", "patch"),
    ),
)

IP = (
    Rule(
        "IPv6",
        r"(?<![\w:.])[0-9a-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])",
        "2001:db8::5",
        hints=(":",),
        check=is_ipv6,
    ),
    Rule("IPv4", r"(?<![\w.])\d{1,3}(?:\[?\.\]?\d{1,3}){3}(?!\w|\.\d)", "10.1.2.3", hints=(".",), check=is_ipv4),
)

IBAN = (
    Rule(
        "IBAN",
        r"(?<![\w-])[a-z]{2}\d{2}(?:[ ]?[a-z0-9]{4}){2,7}(?:[ ]?[a-z0-9]{1,3})?(?![\w-])",
        "GB29 NWBK 6016 1331 9268 19",
        check=is_iban,
    ),
)

CARD = (
    # In one piece or in the groups printed on cards; a year beside a date is neither.
    Rule(
        "card",
        r"(?<![\w.-])(?:[2-6]\d{3}(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}"
        r"|3\d{3}(?P<space>[ -]?)\d{6}(?P=space)\d{5})(?![\w-]|\.\d)",
        "4111 1111 1111 1111",
        check=is_card,
    ),
)

_TIME_ZONE = r"(?!(?:0\d|1[0-4])[0-5]\d\s{1,3}\d{4}\b)"
_NO_TAIL = r"(?![\w:]|[.-]\d)"
_PHONE_WORDS = (
    r"(?:tel(?:ef?on\w{0,2}|efoonnummer)?|phone|telephone|mobile?|mobil(?:nummer)?|movil|cell(?:ulare)?|fax|whatsapp|handy(?:nummer)?"
    r"|telefon\w{0,7}|rufnummer|ruckrufnummer|durchwahl|portable|telemovel|gsm|sms|ring|dial|text"
    r"|(?:call|reach|ring|phone|text)[ ](?:me|him|her|us|them|back)?[ ]?(?:back[ ])?(?:at|on)?"
    r"|unter|(?:rufen|anrufen|erreichbar)[ ](?:unter|auf)|(?:llam\w{1,5}|appel\w{1,4}|chiam\w{1,5}|ligu?\w{1,3}|bel)[ ](?:al|au|le|il|para|op|o)?)"
)

PHONE = (
    Rule(
        "international number",
        rf"(?<![\w.+:/-])(?:\+|00){_TIME_ZONE}[1-9](?:[ ().-]{{0,2}}\d){{7,14}}{_NO_TAIL}",
        "+49 (0)30 1234567",
        hints=("+", "00"),
    ),
    Rule(
        "international number in a link or with slashes",
        rf"(?<![\w.+-])\+{_TIME_ZONE}[1-9](?:[ ()./-]{{0,3}}\d){{7,14}}{_NO_TAIL}",
        "tel:+49 89 / 1234567",
        hints=("+",),
    ),
    Rule(
        "North American number",
        rf"(?<![\w.+:/-])(?:1[ .-])?(?:\(\d{{3}}\)[ ]?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}{_NO_TAIL}",
        "(415) 555-0132",
    ),
    Rule(
        "number with its area code",
        rf"(?<![\w.+:/-])(?:\(?0\d{{1,4}}\)?(?:[ ]?[/-][ ]?|[ ])\d{{2,8}}(?:[ -]\d{{2,4}}){{0,4}}"
        rf"|0\d(?:[ .-]\d\d){{4}}|0(?:7\d{{9}}|1[567]\d{{8,9}}|[67]\d{{8}})){_NO_TAIL}",
        "030/1234567",
        hints=("0",),
        check=is_phone,
    ),
    Rule(
        "number that is announced",
        rf"(?<![a-z]){_PHONE_WORDS}(?:[ ]?(?:no|nr|number|nummer|num|numero))?[ .:#=]{{1,4}}"
        r"(?P<value>\(?\d(?:[ ().-]{0,2}\d){5,14})(?!\w)",
        "Phone: 5550100",
    ),
)
