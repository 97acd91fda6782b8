"""Read hostile text: cleaning, sentences, noise, and signs that a sentence carries a fact.

Every expression is linear: no repeated group contains another repetition, and texts are cut to a window before they
are searched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

DIGEST_LENGTH = 300
SENTENCES_PER_TEXT = 60
LONGEST_TEXT = 8000  # characters that are read of one text
CACHED = 4096  # more than the sentences of one session, which several readers ask about

# What neither PostgreSQL nor a screen can show. Tabs and line feeds stay.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？؟।])[\"'”’)\]]?\s+")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|approx|mr|mrs|ms|dr|st|fig|ver|v|dept)|\b\w|^\d{1,2})\.$")
_ADDRESSED = re.compile(r"^(?:@\w{1,40}[:,]?|\w{1,25}[:,])\s+(?=\S)")
_NICK = re.compile(r"^(?:@|\w*\d\w*[:,])")

_GREETING = re.compile(
    r"(?:dear|dears|hi|hello|hey|greetings|good (?:morning|afternoon|evening|day)|salam|to whom)\b.{0,40}$"
)
_SIGN_OFF = re.compile(
    r"(?:(?:best|kind|kindest|warm|many|with|my) )?(?:regards|thanks|thank you|br|cheers|sincerely|thx"
    r"|rgds|yours"
    r"|best wishes|respectfully)\b[^.?:]{0,50}[.!,]?$"
)
_SIGNATURE = re.compile(r"(?:--|__|sent from my|get outlook|tel[.:]|phone:|mobile:)")
_QUOTED = re.compile(r"(?:>|from:|sent:|to:|cc:|subject:|on .{4,80} wrote:$|-{3,} ?original message)")
_BOILERPLATE = re.compile(
    r"\b(?:ticket (?:has been|is|was) (?:assigned|created|opened)|kindly be informed|has been assigned to you"
    r"|reminders?\b|due date\b|re-?open (?:it|the|this)\b|last comment|any (?:new )?updates?\b"
    r"|a?waiting (?:for )?(?:your|the)"
    r"|(?:do not|don't) hesitate|feel free to|get back to you|will (?:consider|close) (?:this|it|the)"
    r"|consider (?:this|it|the) (?:ticket|issue|case)|confidential|unsubscribe|disclaimer|intended recipient"
    r"|thanks? (?:you )?in advance|in case you need|please join|join(?:ing)? the|connect us|update you"
    r"|close (?:this|the) ticket"
    r"|appreciate your (?:usual )?(?:support|assistance|help)|for your (?:kind )?(?:attention|cooperation"
    r"|patience|time)"
    r"|noted with thanks|we are working on it|still working on|under (?:our |the )?.{0,20}investigation"
    r"|can (?:any|some)(?:one|body) (?:here )?help|duration: \d|(?:hope|trust) (?:this"
    r"|you)|nice day)|^help\b.{0,12}$"
)
_PERSISTS = re.compile(r"\bstill (?:the )?(?:same|not|fail\w*|exist\w*|error)")
_ACK = re.compile(
    r"(?:ok(?:ay)?|k|yes|yeah|yep|yup|no(?= *[,.!]|$)|np|thx|ty|thanks|thank you|sure|right|done|noted"
    r"|great|cool|lol|ah+|oh+"
    r"|hm+|hi|hello|hey|sorry|nm|n/m|you'?re welcome|no problem|got it|i see|attached|good|nice|:\)|:\()"
    r"(?:[ ,.!:;)(]+\w{0,15}){0,3}$"
)

# Both are searched in lower case, which is much faster than ignoring the case.
_ERROR = re.compile(
    r"\b(?:error|errors|exception|fail|fails|failed|failing|failure|fatal|denied|refused|rejected|timeout"
    r"|timed out"
    r"|time-out|can ?not|can'?t|could ?n[o']?t|unable|invalid|missing|crash|crashes|crashed|crashing"
    r"|corrupt(?:ed)?|unreachable"
    r"|expired|not (?:found|working|loading|responding|able|available|running|receiv\w{1,4}|appear\w{0,4})"
    r"|does ?n[o']?t|is ?n[o']?t|did ?n[o']?t|won'?t|does not|did not|stuck|hangs?|hung|frozen|freezes"
    r"|slow|down|offline|broken"
    r"|panic|segfault|warning|blocked|lost|loss|duplicate[ds]?|wrong|incorrect|vulnerabilit\w{1,4}"
    r"|no (?:response|signal|sound)"
    r"|bug|issue|problem)\b|0x[0-9a-f]{2,}|\b(?:http|status|code|event(?: id)?|errno)[ :=]{0,3}\d{3,5}\b"
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


@lru_cache(maxsize=CACHED)
def plain(text: str) -> str:
    """Lower case with straight apostrophes, for matching words only."""
    return text.lower().replace("’", "'").replace("`", "'")


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
    found = _STRONG_ERROR.search(low) or _ERROR.search(low)
    if len(text) <= longest or found is None or found.end() < longest - 20:
        return clip(text, longest)
    start = text.rfind(" ", 0, max(1, found.start() - longest // 3)) + 1
    return "…" + clip(text[start:], longest - 1)


def sentences(text: str, source: str, *, longest: int = LONGEST_TEXT) -> list[Sentence]:
    """Return the sentences of `text` with content: no greetings, signatures, quotes or thanks."""
    return list(_sentences(text, source, longest))


@lru_cache(maxsize=1024)
def _sentences(text: str, source: str, longest: int) -> tuple[Sentence, ...]:
    pieces = (piece for paragraph in _paragraphs(clean(text, longest)) for piece in _split(paragraph))
    told = (piece for piece in pieces if not is_noise(piece))
    return tuple(Sentence(piece, source, place) for place, piece in enumerate(islice(told, SENTENCES_PER_TEXT)))


def _paragraphs(text: str) -> list[str]:
    """Lines, with hard-wrapped ones joined, without quoted text and what follows a sign-off."""
    joined: list[str] = []
    signed = broken = False
    last = ""
    for raw in text.split("\n")[:400]:
        line = raw.strip()
        low = plain(line[:200])
        if len(line) < 3 or _QUOTED.match(low):
            broken = True
            continue
        if _SIGN_OFF.match(low) and len(line) < 60:
            signed = broken = True
            continue
        if signed and len(line) < 50 and not _ERROR.search(low):
            continue  # the name, the team and the number under the regards
        if joined and not broken and _is_wrapped(last, line):
            joined[-1] = f"{joined[-1]} {line}"
        else:
            joined.append(line)
        signed, broken, last = False, False, line
    return joined


def _is_wrapped(before: str, line: str) -> bool:
    return 60 <= len(before) <= 80 and before[-1].isalnum() and line[0].islower()


def _split(paragraph: str) -> list[str]:
    """Cut at sentence ends, but not after an abbreviation or an initial."""
    pieces: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        so_far = paragraph[start : end.start()]
        if _ABBREVIATION.search(so_far[-12:].lower()) or len(so_far) < 4:
            continue
        pieces.append(squeeze(paragraph[start : end.end()]))
        start = end.end()
    pieces.append(squeeze(paragraph[start:]))
    return [piece for piece in map(unaddressed, pieces) if any(char.isalnum() for char in piece)]


def unaddressed(text: str) -> str:
    """Without the name of the person spoken to in front (`user_2: …`, `@anna …`)."""
    found = _ADDRESSED.match(text[:60])
    return text[found.end() :] if found and _NICK.match(text) else text


@lru_cache(maxsize=CACHED)
def is_noise(sentence: str) -> bool:
    """Whether the sentence is courtesy, a signature or desk routine."""
    low = plain(sentence[:400]).strip(" .,!-*•")
    if len(low) < 3 or _GREETING.match(low) or _ACK.match(low):
        return True
    if _SIGN_OFF.match(low) or _SIGNATURE.match(low):
        return True
    return bool(_BOILERPLATE.search(low)) and not _STRONG_ERROR.search(low) and not _PERSISTS.search(low)


@lru_cache(maxsize=CACHED)
def has_error(text: str) -> bool:
    """Whether the words report that something is wrong."""
    return bool(_ERROR.search(text[:1000].lower()))


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
