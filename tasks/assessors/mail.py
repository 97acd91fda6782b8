"""What a person sees of a text that mail has brought: without its headers, unpacked from its encodings, as a page.

The ticket keeps its text as it came; this is what assessors read of it.
"""

from __future__ import annotations

import base64
import binascii
import email
import quopri
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import EmailPolicy

from models.case import Case, PastCase
from tasks.assessors.markup import html_as_seen, markdown_as_seen
from tasks.assessors.text import window
from tasks.assessors.transcript import fair_share

MOST_OF_A_TEXT = 60_000  # characters of one text that are looked at
MOST_OF_A_CASE = 240_000  # likewise of all steps
MOST_PARTS = 50  # of one mail; what has more is none
MOST_OF_A_HEADER = 500  # characters; the library takes long over one with many parameters
NOTHING_TO_READ = "[…]"

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}:(?:\s|$)")
# What only a machine writes at the head of a mail; people write From and Subject too.
_TECHNICAL = re.compile(
    r"^(?:Received|Message-ID|MIME-Version|Content-(?:Type|Transfer-Encoding)|Return-Path|DKIM-Signature|Delivered-To):\s",
    re.I | re.M,
)
_PART = re.compile(r"^--([^\s-][^\s]{5,69})[ \t]{0,5}\n(?=Content-)", re.M)
_ENCODED_WORD = re.compile(r"=\?[\w-]{2,40}(?:\*[\w-]{1,20})?\?[bBqQ]\?[!->@-~]{0,400}\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s{1,10}(?==\?[\w-]{2,40}\?[bBqQ]\?)")
_SOFT_BREAK = re.compile(r"^(?=.{0,76}\s.).{50,76}=[ \t]{0,4}$", re.M)
_OCTETS = re.compile(r"=[C-F][0-9A-F]=[89AB][0-9A-F]")
_BASE64 = re.compile(
    r"(?:^[A-Za-z0-9+/]{40,100}[ \t]{0,4}\n){2,2000}(?:^[A-Za-z0-9+/]{1,100}={0,2}[ \t]{0,4}$)?"
    r"|(?<![\w+/=.-])[A-Za-z0-9+/]{200,20000}={0,2}(?![\w+/=])",
    re.M,
)
_PLACEHOLDER = re.compile(r"\[(?:cid:[^\]\s]{1,200}|image: [^\]\n]{1,200})\]")


def case_as_seen(case: Case) -> Case:
    """The case with all its texts as a person sees them."""
    longest = min(MOST_OF_A_TEXT, fair_share([len(step.text) for step in case.steps], MOST_OF_A_CASE))
    return replace(
        case,
        title=as_seen(case.title),
        problem=as_seen(case.problem),
        reason=as_seen(case.reason),
        ask=case.ask and as_seen(case.ask),
        steps=tuple(replace(step, text=as_seen(step.text, longest)) for step in case.steps),
        past=tuple(map(_past_as_seen, case.past)),
    )


def _past_as_seen(past: PastCase) -> PastCase:
    return replace(
        past,
        title=as_seen(past.title),
        problem=as_seen(past.problem),
        resolution=as_seen(past.resolution),
        root_cause=past.root_cause and as_seen(past.root_cause),
    )


def as_seen(text: str, longest: int = MOST_OF_A_TEXT) -> str:
    """What a mail program or a page would show of `text`; of a long one its first two thirds and its last third."""
    text = window(text, longest)
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    seen = markdown_as_seen(html_as_seen(_PLACEHOLDER.sub("", _unpacked(text))))
    return seen if seen.strip() or not text.strip() else NOTHING_TO_READ


def _unpacked(text: str) -> str:
    """Without a mail's headers, parts and encodings."""
    if "Content-" in text or _TECHNICAL.search(text, 0, 20_000):
        with suppress(Exception):  # of a malformed mail the library may make anything
            text = _body_of(text) or text
    if "=?" in text:
        text = _ENCODED_WORD.sub(_word, _BETWEEN_WORDS.sub("", text))
    text = _BASE64.sub(_block, text)
    if "=" in text and (_SOFT_BREAK.search(text) or _OCTETS.search(text)):
        text = _text_of(quopri.decodestring(text.encode(errors="replace"))) or text
    return text


class _Policy(EmailPolicy):
    """Headers of a bounded length, so that reading them is cheap whatever stands in them."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(list(sourcelines))
        return name, value[:MOST_OF_A_HEADER]


def _body_of(text: str) -> str | None:
    """The subject and the text of a mail, or of the parts of one whose headers are missing. None: it is no mail."""
    head = text.lstrip("\n").split("\n\n", 1)[0]
    lines = head.split("\n")
    is_mail = _TECHNICAL.search(head) and all(_HEADER.match(line) or line[:1] in " \t" for line in lines)
    part = None if is_mail or len(_PART.findall(text)) > MOST_PARTS else _PART.search(text)
    if is_mail:
        message = email.message_from_string(text.lstrip("\n"), policy=_Policy())
        before = str(message.get("subject", ""))
    elif part:
        header = f'Content-Type: multipart/mixed; boundary="{part[1]}"\n\n'
        message = email.message_from_string(header + text[part.start() :], policy=_Policy())
        before = text[: part.start()]
    else:
        return None
    assert isinstance(message, EmailMessage)  # what this policy makes
    return f"{before}\n\n{_content(message)}".strip("\n")


def _content(message: EmailMessage) -> str:
    """What is shown of a mail: the first text of its alternatives, and every further text that is no attachment."""
    shown = message.get_body(("plain", "html"))
    parts = [part for part in message.walk() if part.get_content_maintype() == "text" and not part.is_attachment()]
    chosen = [shown] if shown is not None else parts
    return "\n\n".join(_decoded(part) for part in chosen if isinstance(part, EmailMessage))


def _decoded(part: EmailMessage) -> str:
    if str(part.get("Content-Transfer-Encoding", "")).lower() not in ("base64", "quoted-printable", "x-uuencode"):
        return str(part.get_payload())
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # an unknown character set, or bytes that are not of it
        octets = part.get_payload(decode=True)
        return (_text_of(octets) or "") if isinstance(octets, bytes) else ""


def _word(found: re.Match[str]) -> str:
    try:
        return str(make_header(decode_header(found[0])))
    except (HeaderParseError, LookupError, ValueError):
        return found[0]


def _block(found: re.Match[str]) -> str:
    """The text that is packed in base64; of anything else, a picture or a key, nobody sees more than that it is there."""
    packed = re.sub(r"\s", "", found[0])
    try:
        unpacked = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        return found[0]
    return f"{_text_of(unpacked) or NOTHING_TO_READ}\n"


def _text_of(octets: bytes) -> str | None:
    """The text that these bytes are, or None."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return (
        text
        if all(
            character.isprintable() or character in "\n\r\t\u00ad\u200b\u200c\u200d\ufeff\u00a0" for character in text
        )
        else None
    )
