"""Read text that came by mail as a person sees it: without headers, decoded, rendered.

The ticket keeps its text as it came; this is only what assessors read.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from email.message import EmailMessage
from email.policy import EmailPolicy

from models.assessment.case import Case, PastCase
from tasks.assessors.mail.encodings import NOTHING_TO_READ, unpacked
from tasks.assessors.mail.markdown import fenced, markdown_as_seen, unshielded, with_code_shielded
from tasks.assessors.mail.markup import html_as_seen, is_document
from tasks.assessors.reading.text import window
from tasks.assessors.reading.transcript import fair_share

MOST_OF_A_TEXT = 60_000  # characters of one text that are looked at
MOST_OF_A_CASE = 240_000  # likewise of all steps
MOST_PARTS = 50  # of one mail; what has more is none
MOST_OF_A_HEADER = 500  # characters; the library is slow with many parameters

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}:(?:\s|$)")
# What only a machine writes at the head of a mail; people write From and Subject too.
_TECHNICAL = re.compile(
    r"^(?:Received|Message-ID|In-Reply-To|References|Return-Path|Delivered-To|(?:ARC|DKIM)-[\w-]{1,40}|Authentication-Results"
    r"|MIME-Version|Content-(?:Type|Transfer-Encoding)|Thread-(?:Index|Topic)|X-(?:Mailer|Originating-IP|MS-[\w-]{1,60})):\s"
    r"|^Date:\s{1,5}(?:\w{3}, )?\d{1,2} \w{3} \d{4} \d\d:\d\d",
    re.I | re.M,
)
_MIME = re.compile(r"^(?:MIME-Version|Content-(?:Type|Transfer-Encoding)):\s", re.I | re.M)
_UNIX_FROM = re.compile(r"\n{0,20}>?From \S{1,200} [^\n]{1,100}\d{4}\n")
_PART = re.compile(r"^--(?=[^\s\"\\]{0,60}[A-Za-z0-9])([^\s\"\\]{6,70})[ \t]{0,5}\n(?=Content-)", re.M)
_PART_NOTE = re.compile(r"This is a (?:cryptographically signed |multi-?part )message in MIME format\.?\s*$", re.I)
_PLACEHOLDER = re.compile(r"\[(?:cid:[^\]\s]{1,200}|image: [^\]\n]{1,200})\]")


def case_as_seen(case: Case) -> Case:
    """Return the case with all its texts as a person sees them."""
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
    """Render `text` as a mail program or a page would; of a long one its first two thirds and its last third."""
    text = window(text, longest)
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    seen = "\n".join(_pieces_as_seen(_PLACEHOLDER.sub("", _without_transport(text))))
    return seen if seen.strip() or not text.strip() else NOTHING_TO_READ


def _pieces_as_seen(text: str) -> Iterator[str]:
    """Render the pieces of a text. Fenced code stays as it is, and so does code between marks."""
    for piece, is_code in fenced(html_as_seen(text) if is_document(text) else text):
        yield piece if is_code else markdown_as_seen(unshielded(html_as_seen(with_code_shielded(piece))))


def _without_transport(text: str) -> str:
    """Remove a mail's headers, parts and encodings."""
    if "Content-" in text or _TECHNICAL.search(text, 0, 20_000):
        with suppress(Exception):  # of a malformed mail the library may make anything
            text = _body_of(text) or text
    return unpacked(text)


class _Policy(EmailPolicy):
    """Parses headers of a bounded length only, so that it is cheap whatever they contain."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(list(sourcelines))
        return name, value[:MOST_OF_A_HEADER]


def _body_of(text: str) -> str | None:
    """Return subject and text of a mail, or of the parts of one without headers. None: it is no mail.

    Headers that stand alone were pasted to be looked at.
    """
    if len(re.findall(r"^Content-Type:", text, re.I | re.M)) > MOST_PARTS:
        return None
    unix = _UNIX_FROM.match(text)
    before, source = "", text[unix.end() :] if unix else text.lstrip("\n")
    if not _is_head(source):
        before, source = _forwarded(text)
    if source:
        message = _parsed(source)
        content = _content(message)
        before += str(message.get("subject", ""))
        return f"{before}\n\n{content}".strip("\n") if content.strip() else None
    part = _PART.search(text)
    if part is None:
        return None
    before = _PART_NOTE.sub("", text[: part.start()])
    kinds = re.findall(r"^Content-Type:\s{1,5}(text/\w{1,20})", text[part.start() :], re.I | re.M)
    kind = "alternative" if sorted(map(str.lower, kinds)) == ["text/html", "text/plain"] else "mixed"
    content = _content(_parsed(f'Content-Type: multipart/{kind}; boundary="{part[1]}"\n\n{text[part.start() :]}'))
    return f"{before}\n\n{content}".strip("\n")


def _is_head(text: str) -> bool:
    """Whether the first paragraph holds the headers of a mail and nothing else."""
    head = text.split("\n\n", 1)[0]
    lines = head.split("\n")
    return bool(_TECHNICAL.search(head)) and all(_HEADER.match(line) or line[:1] in (" ", "\t") for line in lines)


def _forwarded(text: str) -> tuple[str, str]:
    """Split a person's words from the whole mail below them; two empty strings if there is none."""
    found = _MIME.search(text)
    start = text.rfind("\n\n", 0, found.start()) if found else -1
    if (
        start < 0
        or not _is_head(text[start + 2 :])
        or len(_TECHNICAL.findall(text[start + 2 :].split("\n\n")[0])) < 2
    ):
        return "", ""
    before = text[:start].rstrip("\n")
    is_part = before.rsplit("\n", 1)[-1].startswith("--")
    return ("", "") if is_part else (f"{before}\n\n", text[start + 2 :])


def _parsed(source: str) -> EmailMessage:
    message = email.message_from_string(source, policy=_Policy())
    assert isinstance(message, EmailMessage)  # what this policy makes
    return message


def _content(message: EmailMessage) -> str:
    """Return the visible text of a mail: of alternatives the plain one, and every text that is no attachment."""
    kind = message.get_content_type()
    if message.is_attachment():
        return ""
    if not message.is_multipart():
        return _decoded(message) if message.get_content_maintype() == "text" else ""
    parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
    if kind == "multipart/alternative":
        parts.sort(key=lambda part: part.get_content_type() != "text/plain")
        return next((content for content in map(_content, parts) if content.strip()), "")
    if kind == "multipart/related":
        parts = parts[:1]
    subjects = [str(part.get("subject", "")) for part in parts] if kind == "message/rfc822" else [""] * len(parts)
    contents = [f"{subject}\n\n{_content(part)}" for subject, part in zip(subjects, parts, strict=True)]
    return "\n\n".join(content.strip("\n") for content in contents if content.strip())


def _decoded(part: EmailMessage) -> str:
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in (
        "base64",
        "quoted-printable",
        "x-uuencode",
    ):
        return str(part.get_payload())
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    for charset in ("utf-8", part.get_content_charset("cp1252")):  # what is no UTF-8 hardly ever passes for it
        with suppress(LookupError, ValueError):
            return octets.decode(charset)
    return octets.decode("cp1252", errors="replace")
