"""Read hostile text: cleaning, sentences, noise, and signs that a sentence carries a fact.

Every expression is linear: no repeated group contains another repetition, and texts are cut to a window before they
are searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import sentencex

from tasks.assessors.reading.lines import (
    BANNER,
    ERROR,
    SIGN_OFF,
    SIGNATURE,
    TELLING,
    own_paragraphs,
)
from tasks.assessors.reading.lines import plain as plain
from tasks.assessors.reading.lines import unaddressed as unaddressed

DIGEST_LENGTH = 300
SENTENCES_PER_TEXT = 60
LONGEST_TEXT = 8000  # characters that are read of one text
LONGEST_LOG_LINE = 400  # characters; a longer one holds several
TELLING_WORDS = 4  # beside desk routine
CACHED = 4096  # more than the sentences of one session, which several readers ask about

# What neither PostgreSQL nor a screen can show. Tabs and line feeds stay.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_QUOTED_END = re.compile(r"(?:^|[\s(>])[\"“'‘(\[][?!.…]{1,5}[\"”'’)\]]$")  # a mark that is spoken of ends nothing
_GOES_ON = re.compile(r"(?:>|->|→|») ")  # a menu path
_NUMBER = re.compile(r"\W{0,3}(?:\d{1,3}|[a-zA-Z])[.):]{1,2}$")
_ENDED = re.compile(
    r"\b(?:works?|worked|working|fixed|solved|resolved|deployed|implemented|reopened|appear|fails?|failed|not there)\b"
)
_CALLED = re.compile(r"^\[?[\w.|`-]{1,25}\]?[:,]\s{1,9}(?=\S)")  # somebody, before a courtesy
_END_WITHIN = re.compile(r"[^\w\s,;:/\\@#=+*<>(\[{-] ")
_PROSE = re.compile(r"[A-Z](?:[\w'’,()\"-]{1,25} ){2,40}[\w'’,()\"-]{1,25}[.!?:]")
_LETTER = re.compile(r"[^\W_]")
_MEANING = re.compile(
    r"\b(?!(?:please|kindly|note|that|this|with|your|from|will|have|been|regarding|dear|team)\b)[a-z]\w{3,}"
)
_LOGGED_ERROR = re.compile(
    r"error|exception|fail|fatal|critical|panic|denied|refused|rejected|time(?:d )?-?out|abort|crash|corrupt|invalid"
    r"|can ?not|can't|could ?n[o']t|unable|unreachable|not (?:found|available|allowed|exist)|no such|missing|expired"
)

_GREETING = re.compile(
    r"(?:dear(?:'?s)?|hi|hello|hey|greetings|good (?:morning|afternoon|evening|day)|salam|to whom)\b"
    r"(?:[ ,.!-]{1,3}(?:all|team|every(?:one|body)|there|guys|folks|sirs?|madam|colleagues|support|desk|and|again|you"
    r"|good|morning|afternoon|evening|day|dear|hi|hello)\b){0,6}(?:[ ,.!-]{1,3}[\w.'@\[\]-]{1,25}){0,2}\W{0,3}$"
)
# Every alternative begins with a letter, which is much faster.
_ROUTINE_WORDS = (
    r"\b(?:ticket (?:has been|is|was) (?:assigned|created|opened)|kindly be informed|has been assigned to you"
    r"|reminders?\b|due date\b|re-?open (?:it|the ticket|this)\b|last comment|any (?:new )?updates?\b"
    r"|waiting (?:for )?(?:your|the)|awaiting (?:your|the)|do not hesitate|don't hesitate|feel free to|get back to you"
    r"|will (?:consider|close|be closing) (?:this|it|the)|to (?:consider|close) (?:this|it|the)"
    r"|consider (?:this|it|the) (?:ticket|issue|case)|consider it\b|closing (?:this|the) (?:ticket|issue|case|one)"
    r"|will (?:be )?check(?:ing)? (?:this|the)|confidential|unsubscribe from|disclaimer|intended recipient"
    r"|thanks? (?:you )?in advance|in case you need|please join|join(?:ing)? the|connect us|update you"
    r"|appreciate your (?:usual )?(?:support|assistance|help)"
    r"|for your (?:kind )?(?:attention|cooperation|patience|time|response|reply)|noted with thanks|we are working on it"
    r"|still working on|under (?:our |the )?.{0,20}investigation|duration: \d|hope (?:this|you)|trust (?:this|you)"
    r"|nice day|can any(?:one|body) (?:here )?help\b|can some(?:one|body) (?:here )?help\b)"
)
_ROUTINE = re.compile(_ROUTINE_WORDS)
# With what follows in the same clause.
_ROUTINE_CLAUSE = re.compile(
    rf"{_ROUTINE_WORDS}(?<!help)(?:(?! (?:and|but|because|since|so) )[^,.;:]){{0,80}}"
    r"(?: since (?:we|there|you) (?:did|have|do|is|was).{0,60})?"
)
_ACK = re.compile(
    r"(?:ok(?:ay)?|k|yes|yeah|yep|yup|no(?= *[,.!]|$)|np|thx|ty|thanks|thank you|sure|right|done|noted"
    r"|great|cool|lol|help|ah+|oh+"
    r"|hm+|hi|hello|hey|sorry|nm|n/m|you'?re welcome|no problem|got it|i see|attached|good|nice|:\)|:\()"
    r"(?:[ ,.!:;)(]+\w{0,15}){0,3}$"
)

_STRONG_ERROR = re.compile(
    r"\b(?:error|exception|failed|fatal|denied|refused|timed out|timeout|not found|unreachable|panic"
    r"|segfault|missing|[a-z]{2,12}[-_]\d{2,}|(?:http|status|code|event(?: id)?|errno)[ :=]{0,3}\d{3,5})\b"
    r"|0x[0-9a-f]{2,}"
    r"|[\"“‘«][^\"”’»\n]{6,160}[\"”’»]"
)
_TECHNICAL = re.compile(
    r"(?:[a-zA-Z]:\\|\\\\|/)[\w.+-]{2,60}(?:[\\/][\w.+@-]{1,60})*"  # paths
    r"|\b[\w-]{1,40}(?:\.[\w-]{1,40}){1,5}\b"  # hosts, files, versions
    r"|\b[a-zA-Z]{1,12}[-_]?\d[\w-]{0,30}\b|\b\d[\w-]{0,12}[a-zA-Z]\b"  # SRV-02, KB5034441, 32bit
    r"|\b[a-zA-Z]{2,30}[_-][a-zA-Z\d_-]{2,40}\b"  # package_names
    r"|\b[a-zA-Z]{2,10}\b",  # LDAP
    re.I,
)
_UPPER = re.compile(r"[A-Z]{2,10}$")

# Of resolutions: what names the fix, what names an act, and what is neither.
_FIX = re.compile(
    r"\b(?:(?:re)?solved|fixed|cured|repaired|corrected) (?:it |this |that |the (?:issue|problem) |now )?(?:by|with|after|when|via|in)\b"
    r"|\b(?:the |our |my )?(?:fix|solution|workaround|answer|trick|cure) (?:is|was)\b(?! (?:not|to come))"
    r"|\b(?:fixed|(?:re)?solved|cured) (?:it|this|that|the (?:issue|problem))\b|\bdid the trick\b"
)
_ACTS = (
    "add allow apply assign block change clean clear close configure connect correct create delete deploy disable downgrade"
    " enable erase exclude exempt extend export grant import increase install kill lower migrate modify move patch raise"
    " reboot reconnect recreate refresh reinstall release remove rename renew repair replace reset restart restore"
    " revert set switch toggle unblock uncheck uninstall unlock unplug update upgrade upload"
)
_ACT = re.compile(
    r"(?<!\bbe )(?<!\bbeing )(?<!\bis )(?<!\bare )\b(?:{past}|rebuilt|reset|rolled back|set (?!up by)|swapped|turned (?:on|off)|unchecked)\b"
    r"|(?:^|\b(?:please|then|and|or|to|can|should|must|could|need to|have to|try(?: to)?|,) (?:easily |also |manually |first |simply )?)(?:{now}|roll back|turn (?:on|off)"
    r"|go to|open|click|right-click|press|type|run|select|use|check)\b".format(
        now="|".join(_ACTS.split()),
        past="|".join(
            act + ("d" if act.endswith("e") else "ed")
            for act in _ACTS.split()
            if act not in ("reset", "set", "uncheck")
        ),
    )
)
_ASIDE = re.compile(
    r"(?:hi|hello|hey|dear)\b[^.]{0,30}(?:$|, (?:sorry|thank|i am|i'm|my first))|(?:i am |i'm )?sorry\b|thank|(?:i )?hope\b"
    r"|see (?:also|the|this)\b|(?:please )?(?:let (?:me|us) know|post back)|more information|welcome\b|glad\b|great\b"
    r"|as (?:discussed|agreed|per)\b|we (?:have )?(?:received|confirmed|checked|looked)\b"
)
_LINK = re.compile(r"https?://[^\s)>\]]{1,300}")


@dataclass(frozen=True)
class Sentence:
    """One sentence, word for word (only its white space is evened out), and the id of the text it is from."""

    text: str
    source: str
    position: int  # within its source, from 0

    @property
    def lower(self) -> str:
        return plain(self.text)


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text` without control characters and lone surrogates, cut to its head and its tail."""
    return _UNPRINTABLE.sub(" ", window(text, longest).replace("\r\n", "\n").replace("\r", "\n"))


def window(text: str, longest: int) -> str:
    """The first two thirds and the last third of `longest` characters: people put the news at either end."""
    if len(text) <= longest:
        return text
    head = longest * 2 // 3
    return text[:head] + "\n" + text[head - longest :]


def squeeze(text: str) -> str:
    """One line, single spaces."""
    return " ".join(text.split())


def clip(text: str, longest: int) -> str:
    """`text` on one line, cut at a word with an ellipsis when it is longer."""
    text = squeeze(_UNPRINTABLE.sub(" ", text[: longest * 4 + 100]))
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > longest // 2 else cut).rstrip(" ,;:-") + "…"


def excerpt(text: str, longest: int) -> str:
    """Like `clip`, but when the error stands late in a long line, the part that holds it."""
    low = text.lower()
    found = _STRONG_ERROR.search(low) or ERROR.search(low)
    if len(text) <= longest or found is None or found.end() < longest - 20:
        return clip(text, longest)
    start = text.rfind(" ", 0, max(1, found.start() - longest // 3)) + 1
    return "…" + clip(text[start:], longest - 1)


def sentences(
    text: str, source: str, *, longest: int = LONGEST_TEXT, names: frozenset[str] = frozenset()
) -> list[Sentence]:
    """Return the sentences of `text` with content: no greetings, signatures, quotes or thanks.

    `names` are those of the people who speak; chats put them before what is said.
    """
    return list(_sentences(text, source, longest, names))


@lru_cache(maxsize=1024)
def _sentences(text: str, source: str, longest: int, names: frozenset[str]) -> tuple[Sentence, ...]:
    told = (
        piece
        for paragraph in own_paragraphs(clean(text, longest), names)
        for piece in (_errors(paragraph.text) if paragraph.is_log else _split(paragraph.text))
    )
    return tuple(Sentence(piece, source, place) for place, piece in enumerate(islice(told, SENTENCES_PER_TEXT)))


def _split(paragraph: str) -> list[str]:
    """Return the sentences with content."""
    return [piece for piece in _cut(squeeze(paragraph)) if _LETTER.search(piece) and not is_noise(piece)]


def _cut(line: str) -> Iterator[str]:
    """Cut at the ends of sentences, but not within paths, after the number of an item or before the rest of a menu path.

    All white space has to be single spaces: of others the library takes the width for one byte.
    """
    if not _END_WITHIN.search(line):
        yield line
        return
    before = ""
    for piece in sentencex.segment("en", line):
        if before[-1:] == " " and not _is_open(before[:-1]) and not _GOES_ON.match(piece):
            yield before[:-1]
            before = ""
        before += piece
    yield before


def _is_open(before: str) -> bool:
    return bool(_NUMBER.fullmatch(before) or _QUOTED_END.search(before[-12:]))


def _errors(line: str) -> list[str]:
    """Return what is an error in a line of a log, and the prose around a log that stands in one line."""
    told = squeeze(line)
    if len(told) <= LONGEST_LOG_LINE:
        return [told] if _LOGGED_ERROR.search(told.lower()) else []
    return [piece for piece in _cut(told) if _LOGGED_ERROR.search(piece.lower()) or _PROSE.fullmatch(piece)]


@lru_cache(maxsize=CACHED)
def is_noise(sentence: str) -> bool:
    """Whether the sentence is courtesy, a signature or desk routine, and nothing else."""
    low = plain(sentence[:400]).strip(" .,!-*•")
    if len(low) < 3 or SIGNATURE.match(low):
        return True
    low = _CALLED.sub("", low)
    if _GREETING.match(low) or _ACK.match(low) or SIGN_OFF.match(low) or BANNER.match(low):
        return not TELLING.search(low) and not ERROR.search(low)
    if not _ROUTINE.search(low) or _STRONG_ERROR.search(low):
        return False
    rest = _ROUTINE_CLAUSE.sub(" ", low)
    return not _ENDED.search(rest) and len(_MEANING.findall(rest)) < TELLING_WORDS


@lru_cache(maxsize=CACHED)
def has_error(text: str) -> bool:
    """Whether the words report that something is wrong."""
    return bool(ERROR.search(text[:1000].lower()))


@lru_cache(maxsize=CACHED)
def has_error_text(text: str) -> bool:
    """Whether an error message, a code or a quotation stands in it."""
    return bool(_STRONG_ERROR.search(text[:1000].lower()))


@lru_cache(maxsize=CACHED)
def technical(text: str) -> frozenset[str]:
    """Return names to be quoted word for word: paths, hosts, versions, codes, abbreviations."""
    # No name holds a space, and a plain word is none: the others are few.
    likely = " ".join(token for token in text[:1000].split() if not token.isalpha() or token.isupper())
    found = (match.group() for match in _TECHNICAL.finditer(likely))
    return frozenset(name.lower() for name in found if not name.isalpha() or _UPPER.match(name))


def digest(text: str) -> str:
    """Return what a resolution says was done, at most DIGEST_LENGTH characters; empty if it has no content.

    It begins with the first sentence that names the fix, or else with the first that names an act; without either it
    is the beginning, without questions and pleasantries where there is anything else.
    """
    told = [sentence.text for sentence in sentences(text, "")]
    if not told:
        return fill([clip(clean(text, DIGEST_LENGTH * 4), DIGEST_LENGTH)], DIGEST_LENGTH)
    said = [piece for piece in told if not _is_aside(piece)] or told
    first = next((place for act in (_FIX, _ACT) for place, piece in enumerate(said) if act.search(plain(piece))), 0)
    return fill(said[first:], DIGEST_LENGTH)


def _is_aside(sentence: str) -> bool:
    """Whether a sentence of a resolution asks, announces, greets or only points to a page."""
    low = plain(sentence[:400])
    return low.endswith(("?", ":")) or _ASIDE.match(low) is not None or not _LINK.sub("", low).strip(" -.,;()")


def fill(parts: list[str], longest: int) -> str:
    """As many whole parts as fit, in order, ended with a full stop each; the first is cut when it must be."""
    text = ""
    for part in parts:
        part = part.rstrip(" ,;")
        ended = part if not part or part[-1] in ".!?…:。؟" else f"{part}."
        longer = f"{text} {ended}" if text else excerpt(ended, longest)
        if len(longer) > longest:
            break
        text = longer
    return text
