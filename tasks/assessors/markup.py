"""HTML and Markdown as a person sees them: what is hidden is left out, what is shown stays in its order.

The text of a ticket is no document: a path, a placeholder or a line of code may look like mark-up. So a fragment of
HTML is taken for one only by the elements that mails are made of, and whatever is not known stays as it stands.
Every expression here is linear: each looks no further than a bounded number of characters.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


# What mails are made of. One of them, used as an element is used, makes a text HTML; one of the weak ones only where no
# element of another language is used.
_CARRIERS = _names(
    "blockquote body br center div em font h1 h2 h3 h4 h5 h6 hr html img li ol p span strong tbody td th tr ul"
)
_WEAK_CARRIERS = _names(
    "a abbr article b big code del dl head i ins kbd mark pre s script section small strike style sub sup table tt u"
)
_KNOWN = (
    _CARRIERS
    | _WEAK_CARRIERS
    | _names(
        "abbr acronym address applet area article aside audio base basefont bdi bdo big button canvas caption cite col"
        " colgroup data datalist dd del details dfn dialog dir dt embed fieldset figcaption figure footer form frame"
        " frameset header hgroup iframe input ins kbd label legend link main map mark marquee menu meta meter nav nobr"
        " noframes noscript object optgroup option output param picture progress q rp rt ruby samp search section select"
        " slot source strike sub summary sup svg template textarea tfoot thead time title track tt var video wbr"
    )
)
_VOID = _names("area base br col embed frame hr img input link meta param source track wbr")
_BLOCKS = _names(
    "address article aside blockquote body br caption center dd details div dl dt fieldset figcaption figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol option p pre section summary table tbody tfoot thead tr"
    " ul"
)
_PARAGRAPHS = _names("p h1 h2 h3 h4 h5 h6 pre table")
_CELLS = frozenset(("td", "th"))
_HIDDEN = _names("head style script template title noframes iframe object svg datalist audio video canvas")
# Nothing closes these; another element has to be closed somewhere, to carry attributes or, of these, to come twice.
_NEVER_CLOSED = _names("br hr img")
_OFTEN_OPEN = _names("li p td th tr")
# Which elements end a hidden one that was left open.
_ENDED_BY = {
    "p": _BLOCKS,
    "td": _names("td th tr tbody"),
    "th": _names("td th tr tbody"),
    "tr": _names("tr tbody"),
}

_TOKEN = re.compile(
    r"<![A-Za-z\[][^<>]{0,1000}>"
    r"|<\?[A-Za-z][^<>]{0,1000}>"
    r"|<(?P<closes>/?)(?P<name>[A-Za-z][A-Za-z0-9]{0,20}(?:[:-][A-Za-z0-9-]{1,30})?)"
    r"(?P<attributes>\s(?:[^<>\"']|\"[^\"<]{0,2000}\"|'[^'<]{0,2000}'){0,2000})?/?>"
)
_DOCUMENT = re.compile(r"<!doctype html|<html[\s>]|<body[\s>]|xmlns:[ovwx]=[\"']?urn:schemas-microsoft-com", re.I)
_INVISIBLE = re.compile(
    r"display\s{0,5}:\s{0,5}none|visibility\s{0,5}:\s{0,5}hidden|mso-hide\s{0,5}:\s{0,5}all"
    r"|(?:^|[\s;\"'])(?:font-size|max-height)\s{0,5}:\s{0,5}0(?:px|pt|em|%)?\s{0,5}(?:[;!\"']|$)"
    r"|(?:^|\s)hidden(?:\s|=|/|$)|aria-hidden\s{0,5}=\s{0,5}[\"']?true",
    re.I,
)
_OFFICE = re.compile(r"(?:o|v|w|x|m|st1):")  # what Word and Outlook add
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_SPACES = re.compile(r"[ \t\u00a0\u200b]{1,1000}")
_EMPTY_LINES = re.compile(r"\n{3,1000}")


@dataclass
class _Page:
    """What is seen so far, and what is open around it."""

    seen: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)  # the open elements from the outermost hidden one on
    preformatted: int = 0
    keeps_lines: bool = False  # a plain text with a few inline elements

    def text(self, raw: str) -> None:
        if self.hidden or not raw:
            return
        told = html.unescape(raw)
        shown = told if self.preformatted else _SPACES.sub(" ", told if self.keeps_lines else told.replace("\n", " "))
        if shown.strip() or not (self.seen and self.seen[-1].endswith("\n")):
            self.seen.append(shown)

    def element(self, name: str, attributes: str, *, closes: bool) -> None:
        if self.hidden and not closes and name in _ENDED_BY.get(self.hidden[0], ()):
            self.hidden.clear()
        if self.hidden:
            self._inside_hidden(name, closes=closes)
        elif not closes and name not in _VOID and (name in _HIDDEN or _INVISIBLE.search(attributes)):
            self.hidden.append(name)
        else:
            self._shown(name, closes=closes)

    def _inside_hidden(self, name: str, *, closes: bool) -> None:
        if not closes:
            if name == self.hidden[0]:
                self.hidden.append(name)
        elif name == self.hidden[0]:
            self.hidden.pop()
        elif name in ("body", "html") or (name == "table" and self.hidden[0] in ("td", "tr")):
            self.hidden.clear()  # closed around it: it was left open

    def _shown(self, name: str, *, closes: bool) -> None:
        if name == "pre":
            self.preformatted = max(0, self.preformatted + (-1 if closes else 1))
        if name in _BLOCKS:
            if name == "br" or not (self.seen and self.seen[-1].endswith("\n")):
                self.seen.append("\n")
            if name == "li" and not closes:
                self.seen.append("- ")
            elif name in _PARAGRAPHS and not closes:
                self.seen.append("\n")
        elif name in _CELLS:
            self.seen.append(" ")


def html_as_seen(text: str) -> str:
    """What a browser shows of HTML; a text that is none comes back as it is, but for its entities."""
    if "<" not in text:
        return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text
    is_document = _DOCUMENT.search(text) is not None
    whole, text = text, _without_comments(text)
    elements = _elements(text)
    if not is_document and not _are_html(elements, text):
        return whole
    page, end = _Page(keeps_lines=not is_document and not elements & _BLOCKS), 0
    for token in _TOKEN.finditer(text):
        name = (token["name"] or "").lower()
        if name and not is_document and name not in elements & _KNOWN and not _OFFICE.match(name):
            continue
        page.text(text[end : token.start()])
        end = token.end()
        if name:
            page.element(name, token["attributes"] or "", closes=bool(token["closes"]))
    page.text(text[end:])
    return _tidy("".join(page.seen))


def _without_comments(text: str) -> str:
    pieces, end = [], 0
    while (start := text.find("<!--", end)) >= 0 and (closed := text.find("-->", start)) >= 0:
        pieces.append(text[end:start])
        end = closed + len("-->")
    return "".join([*pieces, text[end:]])


def _elements(text: str) -> frozenset[str]:
    """The names that are used as elements here, in lower case, whether HTML has them or not."""
    closed, attributed = set(), set()
    opened: Counter[str] = Counter()
    for token in _TOKEN.finditer(text):
        name = (token["name"] or "").lower()
        if token["closes"]:
            closed.add(name)
            continue
        opened[name] += 1
        if "=" in (token["attributes"] or ""):
            attributed.add(name)
    first = _TOKEN.match(text.lstrip()[:2000])
    if first and (first["name"] or "").lower() in _CARRIERS:
        return frozenset(closed | opened.keys())
    is_within = bool(opened.keys() & {"table", "ul", "ol"})
    repeated = {name for name in _OFTEN_OPEN if opened[name] > 1 or (is_within and name != "p")}
    return frozenset((opened.keys() & (closed | attributed | repeated | _NEVER_CLOSED)) | (closed & _KNOWN))


def _are_html(elements: frozenset[str], text: str) -> bool:
    if text.lstrip().startswith("<?xml"):
        return False
    foreign = {name for name in elements - _KNOWN if not _OFFICE.match(name)}
    return bool(elements & _CARRIERS) or (bool(elements & _WEAK_CARRIERS) and not foreign)


def _tidy(text: str) -> str:
    lines = (line.strip(" ") if "\t" not in line else line.rstrip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


_MARKS = re.compile(r"\*\*|__|\]\(|`|~~|^ {0,3}#{1,6} |^ {0,3}\|.{0,1000}\||^ {0,3}\[[^\]\n]{1,80}\]: ", re.M)
_FENCE = re.compile(r" {0,3}(```|~~~)[\w+-]{0,30}\s{0,10}$")
_RULE = re.compile(r" {0,3}\|?(?:\s{0,20}:?-{2,100}:?\s{0,20}\|){1,100}(?:\s{0,20}:?-{2,100}:?\s{0,20})?$")
_ROW = re.compile(r" {0,3}\|(.{0,4000})\|\s{0,20}$")
_HEADING = re.compile(r" {0,3}(#{1,6}) +(\S.{0,400}?)(?: +#{1,6})?\s{0,20}$")
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,80}\]: {1,4}<?(?:https?|mailto|ftp)[^\s>]{1,2000}>?.{0,200}$")
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\]\([^()\n]{0,2000}\)")
_LINK = re.compile(
    r"\[([^\[\]\n]{1,300})\]\(<?(?:https?:|mailto:|ftp:|tel:|/|#|\.)[^()\n]{0,1000}(?:\([^()\n]{0,200}\))?[^()\n]{0,500}\)"
)
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]{1,500})\1(?!`)")
_STRONG = re.compile(r"(?<![\w*/\\])\*\*(?=[^\s*])([^*\n]{1,500})(?<=[^\s*])\*\*(?![\w*/\\])")
_STRONG_LINE = re.compile(r"(?<![\w_./\\])__(?=[^\s_])([^_\n]{0,400}\s[^_\n]{0,400})(?<=[^\s_])__(?![\w_./\\(])")
_STRUCK = re.compile(r"(?<![\w~/])~~(?=\S)([^~\n]{1,500})(?<=\S)~~(?![\w~/])")
_EMPHASIS = re.compile(r"(?<![\w*/\\.])\*(?=[^\s*./])([^*\n]{1,300})(?<=[^\s*./])\*(?![\w*/\\.])")


def markdown_as_seen(text: str) -> str:
    """What a page shows of Markdown. Code keeps its characters; only the marks around it go."""
    if not _MARKS.search(text):
        return text
    return "\n".join(_lines(text))


def _lines(text: str) -> Iterator[str]:
    fence = ""
    headings = len(re.findall(r"^ {0,3}#{1,6} +\S", text, re.M))
    has_table = any(map(_RULE.match, text.split("\n")))
    for line in text.split("\n"):
        opened = _FENCE.match(line)
        if opened and fence in ("", opened[1]):
            fence = "" if fence else opened[1]
        elif fence:
            yield line
        elif (has_table and _RULE.match(line)) or _DEFINITION.match(line):
            continue
        elif has_table and (row := _ROW.match(line)):
            yield _inline("  ".join(cell.strip() for cell in row[1].split("|")))
        elif (heading := _HEADING.match(line)) and (
            len(heading[1]) > 1 or (headings > 1 and heading[2][0].isupper())
        ):
            yield _inline(heading[2])
        else:
            yield _inline(line)


def _inline(line: str) -> str:
    """A line without the marks of links and emphasis; what stands in code marks is left alone."""
    if "`" not in line:
        return _unmarked(line)
    pieces, end = [], 0
    for code in _CODE.finditer(line):
        pieces += [_unmarked(line[end : code.start()]), code[2].strip()]
        end = code.end()
    return "".join([*pieces, _unmarked(line[end:])])


def _unmarked(line: str) -> str:
    if "[" in line:
        line = _LINK.sub(r"\1", _IMAGE.sub("", line))
    for mark in (_STRONG, _STRONG_LINE, _STRUCK, _EMPHASIS):
        line = mark.sub(r"\1", line)
    return line
