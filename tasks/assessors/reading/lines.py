"""The lines of a text that its author wrote: no quotations, signatures, banners or prompts; of logs the errors.

Every expression is linear: it looks at a bounded number of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

CACHED = 4096  # texts of which lower case is remembered
LINES_READ = 400
LONGEST_HEAD = 200  # characters by which a line is judged
LEAST_LOG = 3  # lines in a row that make a log
LONGEST_NAME = 50  # characters of a line below a sign-off that may still belong to it
WIDTHS = range(60, 101)  # at which mail programs wrap lines

# "On Monday Anna wrote:" and the like in the languages of mail programs; others have to stand above a quotation.
_WROTE = re.compile(
    r"(?:on\b.{4,150}\bwrote|am\b.{4,150}\bschrieb\b.{0,80}|le\b.{4,150}\ba écrit|el\b.{4,150}\bescribió"
    r"|il\b.{4,150}\bha scritto|op\b.{4,150}\b(?:schreef|geschreven)\b.{0,80}|em\b.{4,150}\bescreveu) ?:$"
)
_SAID = re.compile(r".{1,80}\b(?:said|wrote|writes|schrieb|a écrit|escribió|ha scritto|schreef|escreveu) ?:?$")
_SHOWN = re.compile(
    r"\b(?:it|error|message|log|screen|window|dialog|system|output|which|that) (?:said|wrote|writes) ?:?$"
)
_SEPARATOR = re.compile(
    r"-{2,40} ?(?:original message|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original"
    r"|oorspronkelijk bericht)|begin forwarded message:|_{20,}$"
)
_HEADER = re.compile(
    r"\*?(?:(?P<sender>from|von|de|da|van)|(?P<other>sent|date|subject|gesendet|datum|betreff|envoyé|objet|asunto|enviado"
    r"|inviato|oggetto|verzonden|onderwerp)|to|cc|importance|an|à|para|a|aan) ?:"
)
SIGN_OFF = re.compile(
    r"(?:(?:best|kind|kindest|warm|many|with|my) ){0,2}(?:regards|thanks|thank you|br|cheers|sincerely|thx|rgds|yours"
    r"|best wishes|respectfully)\b[^.?:]{0,50}[.!,]?$"
)
SIGNATURE = re.compile(
    r"sent from my \w{2,20}(?: \w{1,20}){0,3}$|get outlook for\b|__|(?:tel|phone|mobile|fax|cell)[.:]{1,2} ?[+(\d]"
)
# Words that a report has, and no courtesy, name, team, address or number.
TELLING = re.compile(
    r"\b(?:but|however|still|persists?|works?|worked|working|fixed|solved|resolved|helped|same|no luck|fail\w{0,4}"
    r"|changed?|gone|because|did|didn't|doesn't|isn't|aren't|can't|won't|couldn't|no go|how|what|why|where|which)\b"
)
_SENTENCE = re.compile(
    r"\b(?:i|i'm|i've|we|you|is|are|was|were|be|has|have|had|do|does|can|could|will|would|please|try|tried|when|after"
    r"|not|no)\b|[?]$"
)
BANNER = re.compile(
    r"[\W_]{0,5}(?:(?:caution|warning|attention)\W{1,5}(?:external\b|(?:(?:this|the|an?) )?(?:e-?mail|message|sender)\b"
    r".{0,60}\b(?:outside|external|unknown)\b)|external (?:e-?mail|message|sender)\W{0,5}$"
    r"|this (?:e-?mail|message)\b.{0,40}\b(?:originated|was sent|came|is) from (?:outside|an external)"
    r"|(?:please )?do not (?:click|open)\b.{0,30}\b(?:links?|attachments?)\b.{0,60}\b(?:unless|sender|content)\b"
    r"|(?:please )?do not (?:reply|respond)\b.{0,15}\bto this (?:e-?mail|message|notification)"
    r"|you don't often get (?:e-?mail|messages?) from|learn why this is important"
    r"|this is an auto(?:mat\w{2,8}|-?generated)\b.{0,20}\b(?:e-?mail|message|reply|response|notification)\b"
    r"|auto(?:matic)? ?-?reply:|\W{0,9}(?:please )?(?:write|type|reply)\b.{0,30}\babove this line"
    r"|(?:please )?consider the environment|this (?:e-?mail|message)\b.{0,80}\b(?:confidential|intended|privileged)\b)"
)

# Searched in lower case, which is much faster than ignoring the case.
ERROR = re.compile(
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

_NAME = r"[^\W\d][\w.|^`-]{0,30}"
_SPEAKER = re.compile(
    r"(?P<time>[\[(]?\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]m)?[\])]?[ -]{1,10})?"
    rf"(?:(?P<sure>\[{_NAME}(?: {_NAME})?\] ?>)|< ?[@+%]?(?P<angled>{_NAME})>|(?P<bare>{_NAME}(?: {_NAME})?) ?[:,>])"
    r"\s{1,40}(?=\S)",
    re.I,
)
_ADDRESSED = re.compile(r"@\w{1,40}[:,]?\s{1,40}(?=\S)")

# With seconds, as only programs write the time.
_LOG = re.compile(
    r"[\[(<]?(?:(?:\d{4}[-/.]\d\d[-/.]\d\d|\d{1,2}[./-]\w{1,3}[./-]\d{2,4}|[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})?),?[T :]"
    r"\d\d:\d\d:\d\d|\d\d:\d\d:\d\d[.,\] ]|\d{10,13}\b| {0,9}\d{1,8}\.\d{3,9}\])"
    r"|at [\w.$<>/]{3,200}\(|Caused by: |Traceback \(|File \"[^\"]{1,200}\", line \d|\.\.\. \d{1,4} more$"
    r"|(?:[\w$]{1,60}\.){1,8}\w{0,60}(?:Exception|Error)\b|[\[(]?(?:DEBUG|INFO|NOTICE|TRACE|WARN|WARNING|ERROR|FATAL)\b"
    r"|[\w.-]{1,60} ?= ?\S{1,200}$|</[\w:-]{1,40}>|<[\w:-]{1,40}(?: [\w:-]{1,40}=|/?>$|>.{0,200}</)"
    r"|[\w@.-]{1,60}[:~/\w-]{0,60}[$#] \S|0x[0-9a-f]{6}"
)
_CODE = re.compile(r"[{}][;,]?$|^[\w-]{1,40}: ?\S{1,40}(?: \S{1,20}){0,2};$|[=(][^;]{0,200};$")
# Of a log or code without line feeds many of these stand in one line.
_LOG_MARKS = ("{", "}", "*/", "DEBUG", "INFO ", "WARN", "ERROR", "FATAL", "TRACE", "Exception")
_LOG_TIME = re.compile(r"\d\d:\d\d:\d\d[.,\]]")
MARKS_OF_A_LOG = 4
CHARACTERS_PER_MARK = 150
_ITEM = re.compile(r"(?:[-*•–+]|\d{1,3}[.):]|[a-z][.)])\s|https?://|[\w ]{1,30}: ", re.I)


class Paragraph(NamedTuple):
    """A line, with those that were wrapped after it; or one of a log, which holds no sentences."""

    text: str
    is_log: bool = False


@lru_cache(maxsize=CACHED)
def plain(text: str) -> str:
    """Lower case with straight apostrophes, for matching words only."""
    return text.lower().replace("’", "'").replace("`", "'")


def own_paragraphs(text: str, names: frozenset[str] = frozenset()) -> list[Paragraph]:
    """Return what the author of a text wrote; `names` are those of the people who speak, in lower case.

    A text that is nothing but a quotation was handed on to be read.
    """
    lines = [line.strip() for line in text.split("\n", LINES_READ)[:LINES_READ]]
    heads = _heads(lines)
    quoted = _quoted(heads)
    if any(quoted) and not any(
        len(line) > 2 and not is_quoted for line, is_quoted in zip(lines, quoted, strict=True)
    ):
        heads = [head.lstrip("> ") for head in heads]
        quoted = [_HEADER.match(head) is not None for head in heads]
    signed = _unsigned(lines, heads)
    kept = ["" if is_quoted else line.lstrip("> ") for line, is_quoted in zip(signed, quoted, strict=True)]
    return [*_paragraphs(lines, _unprompted(kept, names))]


def quotes(text: str) -> bool:
    """Whether something in the text was written before by somebody else."""
    return "\n" in text and any(_quoted(_heads([line.strip() for line in text.split("\n", LINES_READ)[:LINES_READ]])))


def _heads(lines: Sequence[str]) -> list[str]:
    return [plain(line[:LONGEST_HEAD]) for line in lines]


def _quoted(heads: Sequence[str]) -> list[bool]:
    """Whether each line is marked as quoted, or says who is quoted."""
    quoted = [head.startswith(">") for head in heads]
    for place, head in enumerate(heads):
        above = heads[place - 1] if place else ""
        if quoted[place]:
            before = place - 1 if above else place - 2
            if before >= 0 and not quoted[before]:
                _judge(heads, quoted, before, place)
        elif _SEPARATOR.match(head) or (head.endswith(":") and _WROTE.match(head)):
            quoted[place] = True
        elif head.endswith(":") and above and _WROTE.match(f"{above} {head}"):
            quoted[place - 1] = quoted[place] = True
    for start, end in _headers(heads):
        quoted[start:end] = [True] * (end - start)
    return quoted


def _judge(heads: Sequence[str], quoted: list[bool], before: int, place: int) -> None:
    """Decide by the line above it what the mark of quotation means: a person's words or, "it says:", a message shown."""
    if _SAID.match(heads[before]) and not _SHOWN.search(heads[before]):
        quoted[before] = True
    elif heads[before].endswith(":"):
        while place < len(heads) and heads[place].startswith(">"):
            quoted[place] = False
            place += 1


def _headers(heads: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where headers of a mail begin and end: lines in a row with a sender and a date or a subject."""
    found = [_HEADER.match(head) if ":" in head else None for head in heads]
    if not any(found):
        return
    start = 0
    for place in range(len(found) + 1):
        if place < len(found) and found[place]:
            continue
        kinds = {header.lastgroup for header in found[start:place] if header}
        if kinds >= {"sender", "other"}:
            yield start, place
        start = place + 1


def _unsigned(lines: Sequence[str], heads: Sequence[str]) -> Iterator[str]:
    """Yield the lines; what is a sign-off, or the name, team and number below regards is empty."""
    signed = False
    for line, head in zip(lines, heads, strict=True):
        if not line:
            yield line
        elif is_sign_off(head) or (len(line) < 4 and line.startswith("--")):
            signed = True
            yield ""
        elif signed and len(line) < LONGEST_NAME and not _reports(head):
            yield ""
        else:
            signed = False
            yield line


def _reports(head: str) -> bool:
    return any(words.search(head) for words in (TELLING, _SENTENCE, ERROR))


def is_sign_off(head: str) -> bool:
    """Whether a line in lower case is regards or thanks and tells nothing."""
    return len(head) < 60 and SIGN_OFF.match(head) is not None and not TELLING.search(head)


def _unprompted(lines: Sequence[str], names: frozenset[str]) -> list[str]:
    """Return the lines without the names that chats put before them, of the speaker and then of whom he addresses."""
    is_chat = len(lines) > 1 and sum(line.startswith("<") and _is_angled(line) for line in lines) > 1
    spoken = [unaddressed(line, names, is_chat=is_chat) if line else line for line in lines]
    return [said if said is line else unaddressed(said, names) for line, said in zip(lines, spoken, strict=True)]


def _is_angled(line: str) -> bool:
    prompt = _SPEAKER.match(line)
    return prompt is not None and prompt["angled"] is not None


def unaddressed(text: str, names: frozenset[str] = frozenset(), *, is_chat: bool = False) -> str:
    """Return the text without the name of who speaks or is spoken to in front.

    `[anna]> …` and `@anna …` are seen by their marks, `anna: …` if she is one of `names`, `<anna> …` also in a chat.
    """
    found = _ADDRESSED.match(text) if text.startswith("@") else _SPEAKER.match(text)
    if found is None:
        return text
    if found.re is _SPEAKER:
        name = found["angled"] or found["bare"]
        is_marked = name is None or (found["angled"] is not None and (is_chat or found["time"] is not None))
        if not is_marked and name.lower() not in names:
            return text
    return text[found.end() :]


def _paragraphs(lines: Sequence[str], said: Sequence[str]) -> Iterator[Paragraph]:
    """Join what is said in wrapped lines, and mark what stands in logs.

    A line is joined to the one before only if all of it is said: a name or a mark between them would be left out.
    """
    width = _wrapped_at(lines)
    joined = last = ""
    for line, told, is_log in zip(lines, said, _in_log(said), strict=True):
        if width and joined and not is_log and told == line and _continues(last, told, width):
            joined = f"{joined} {told}"
        else:
            if joined:
                yield Paragraph(joined)
            joined = "" if is_log else told
            if is_log:
                yield Paragraph(told, is_log=True)
        last = told
    if joined:
        yield Paragraph(joined)


def _in_log(lines: Sequence[str]) -> list[bool]:
    """Whether each line is one of several in a row that a program wrote, or holds many that it wrote."""
    found = [len(line) > CHARACTERS_PER_MARK and _is_many(line) for line in lines]
    if len(lines) < LEAST_LOG:
        return found
    looks = [bool(_LOG.match(line) or (line[-1:] in "{};," and _CODE.search(line))) for line in lines]
    start = 0
    for place in range(len(lines) + 1):
        if place < len(lines) and (looks[place] or not lines[place]):
            continue
        if sum(looks[start:place]) >= LEAST_LOG:
            found[start:place] = [bool(line) for line in lines[start:place]]
        start = place + 1
    return found


def _is_many(line: str) -> bool:
    marks = sum(map(line.count, _LOG_MARKS))
    if line.count(":") >= 2 * MARKS_OF_A_LOG:
        marks += len(_LOG_TIME.findall(line))
    return marks >= MARKS_OF_A_LOG and marks * CHARACTERS_PER_MARK > len(line)


def _wrapped_at(lines: Sequence[str]) -> int:
    """The width at which a text is wrapped: that of its longest line, if none is longer than a mail's. 0: it is not."""
    longest = max(map(len, lines)) if len(lines) > 1 else 0
    return longest if longest in WIDTHS else 0


def _continues(before: str, line: str, width: int) -> bool:
    """Whether the first word of a line would not have fit on the one before, which ends within a sentence."""
    if not before or not line or before[-1] in ".!?:;>" or _ITEM.match(line):
        return False
    first = line.split(" ", 1)[0]
    return len(before) + 1 + len(first) > width and (line[0].islower() or before[-1] == ",")
