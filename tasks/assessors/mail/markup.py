"""HTML as a person sees it: hidden parts are left out, visible parts keep their order.

The text of a ticket is no document: a path, a placeholder or a line of code may look like mark-up. So a fragment
counts as HTML only if it uses the elements that mails are made of, and unknown tags stay as they are. Every
expression is linear: it looks at a bounded number of characters.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


# What mails are made of: one of them, used as an element is used, makes a text HTML.
_CARRIERS = _names(
    "blockquote body br center div em font h1 h2 h3 h4 h5 h6 hr html img li o:p ol p span strong svg tbody td th tr"
    " ul"
)
# Any other makes it HTML only where no element of another language is used; these, which others have too, never do.
_OF_OTHERS_TOO = _names(
    "address area base col command data embed input label legend link map menu meta object option output param source"
    " template time title track xml"
)
_KNOWN = (
    _CARRIERS
    | _OF_OTHERS_TOO
    | _names(
        "a abbr acronym applet article aside audio b basefont bdi bdo big blink button canvas caption cite code colgroup"
        " datalist dd del details dfn dialog dir dl dt fieldset figcaption figure footer form frame frameset head header"
        " hgroup i iframe ins kbd main mark marquee meter nav nobr noframes noscript optgroup picture pre progress q rb rp"
        " rt rtc ruby s samp script search section select slot small strike style sub summary sup table textarea tfoot"
        " thead tt u var video wbr"
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
_HIDDEN = _names("head style script template title noframes iframe object svg datalist audio video canvas xml")
_RAW = _names("style script title noframes iframe")  # their own end is the only mark-up in them
_OFFICE = re.compile(r"(?:o|w|v|m|x|st1):")  # Word's own elements
# What ends an element that was left open: the start of one of these, unless one of those holds it.
_IMPLIED_ENDS = {
    "p": (_BLOCKS - {"br"}, frozenset[str]()),
    "li": (_names("li"), _names("ul ol")),
    "td": (_names("td th tr"), _names("table")),
    "th": (_names("td th tr"), _names("table")),
    "tr": (_names("tr"), _names("table")),
    "dd": (_names("dd dt"), _names("dl")),
    "dt": (_names("dd dt"), _names("dl")),
    "option": (_names("option"), frozenset[str]()),
}
# Nothing closes these; another element has to be closed somewhere, to carry attributes or, of these, to come twice.
_NEVER_CLOSED = _names("br hr img")
_OFTEN_OPEN = _names("li p td th tr")

_TOKEN = re.compile(
    r"<![A-Za-z\[][^<>]{0,1000}>"
    r"|<\?[A-Za-z][^<>]{0,1000}>"
    r"|<(?P<closes>/?)(?P<name>[A-Za-z][A-Za-z0-9]{0,20}(?:[:-][A-Za-z0-9-]{1,30})?)"
    r"(?P<attributes>\s(?:[^<>\"']|\"[^\"<]{0,60000}\"|'[^'<]{0,60000}'){0,2000})?/?>"
)
_DOCUMENT = re.compile(r"<!doctype html|<html[\s>]|<body[\s>]|xmlns:[ovwx]=[\"']?urn:schemas-microsoft-com", re.I)
_INVISIBLE = re.compile(
    r"display\s{0,5}:\s{0,5}none|visibility\s{0,5}:\s{0,5}hidden|mso-hide\s{0,5}:\s{0,5}all"
    r"|(?:^|[\s;\"'])(?:font-size|max-height)\s{0,5}:\s{0,5}0(?:px|pt|em|%)?\s{0,5}(?:[;!\"']|$)"
    r"|(?:^|\s)hidden(?:\s|=|/|$)|aria-hidden\s{0,5}=\s{0,5}[\"']?true",
    re.I,
)
DEEPEST_MARK = 5  # of quotations within quotations; marks for each level would make a text much longer than it came
_QUOTE_BEGINS, _QUOTE_ENDS = "\ufdd2", "\ufdd3"  # noncharacters, which no text holds
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_SPACES = re.compile(r"[ \t\u00a0\u200b]{1,1000}")
_EMPTY_LINES = re.compile(r"\n{3,1000}")


@dataclass
class _Page:
    """The visible text so far, and the elements open around it."""

    seen: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)  # the open elements from the outermost hidden one on
    inside: Counter[str] = field(default_factory=Counter)  # the same, counted
    collapses: bool = True  # whether a line feed is only a space
    preformatted: int = 0

    def text(self, raw: str) -> None:
        if self.hidden or not raw:
            return
        told = html.unescape(raw).replace(_QUOTE_BEGINS, "").replace(_QUOTE_ENDS, "")
        if self.collapses and not self.preformatted:
            told = told.replace("\n", " ")
        shown = told if self.preformatted else _SPACES.sub(" ", told)
        if shown.strip() or not (self.seen and self.seen[-1].endswith("\n")):
            self.seen.append(shown)

    def element(self, name: str, attributes: str, *, closes: bool) -> None:
        if self.hidden and not self._is_over(name, closes=closes):
            self._inside_hidden(name, closes=closes)
        elif not closes and name not in _VOID and (name in _HIDDEN or _INVISIBLE.search(attributes)):
            self._hide(name)
        else:
            self._shown(name, closes=closes)

    def _hide(self, name: str) -> None:
        self.hidden.append(name)
        self.inside[name] += 1

    def _is_over(self, name: str, *, closes: bool) -> bool:
        """Whether this tag ends the hidden element, which was left open."""
        outermost = self.hidden[0]
        if outermost in _RAW:
            return False
        if closes:
            over = not self.inside[name] and (name in _BLOCKS or name in _CELLS)
        else:
            ends, holders = _IMPLIED_ENDS.get(outermost, (frozenset(), frozenset()))
            over = name in ends and not any(self.inside[holder] for holder in holders)
        if over:
            self.hidden.clear()
            self.inside.clear()
        return over

    def _inside_hidden(self, name: str, *, closes: bool) -> None:
        if self.hidden[0] in _RAW:
            if closes and name == self.hidden[0]:
                self.hidden.clear()
                self.inside.clear()
        elif not closes:
            if name not in _VOID:
                self._hide(name)
        elif self.inside[name]:
            left = ""
            while left != name:
                left = self.hidden.pop()
                self.inside[left] -= 1

    def _shown(self, name: str, *, closes: bool) -> None:
        if name == "pre":
            self.preformatted = max(0, self.preformatted + (-1 if closes else 1))
        if name == "blockquote":
            self.seen.append("\n" + (_QUOTE_ENDS if closes else _QUOTE_BEGINS) + "\n")
        elif name in _BLOCKS:
            if name == "br" or not (self.seen and self.seen[-1].endswith("\n")):
                self.seen.append("\n")
            if name == "li" and not closes:
                self.seen.append("- ")
            elif name in _PARAGRAPHS and not closes:
                self.seen.append("\n")
        elif name in _CELLS:
            self.seen.append(" ")


def is_document(text: str) -> bool:
    """Whether the text as a whole is an HTML page."""
    return "<" in text and _DOCUMENT.search(text) is not None


def html_as_seen(text: str) -> str:
    """Render HTML like a browser; other text is returned unchanged, except for its entities."""
    if "<" not in text:
        return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text
    is_page = is_document(text)
    whole, text = text, _without_comments(text)
    elements, pairs = _elements(text)
    if not is_page and not _are_a_mails(elements, text):
        return whole if elements - _KNOWN else text
    known = frozenset(name for name in elements if name in _KNOWN or _OFFICE.match(name)) | pairs
    page, end = _Page(collapses=is_page or bool(known & (_BLOCKS - {"br"}))), 0
    for token in _TOKEN.finditer(text):
        name = (token["name"] or "").lower()
        if name and not is_page and name not in known:
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
        closed += len("-->")
        is_quoted = text[start - 1 : start] == text[closed : closed + 1] and text[closed : closed + 1] in ("'", '"')
        pieces.append(text[end : closed if is_quoted else start])
        end = closed
    return "".join([*pieces, text[end:]])


def _elements(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the lower-case names used as elements here, known to HTML or not.

    Then those that are both opened and closed: a browser shows what is in them, whatever they are called.
    """
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
    if len(opened) + len(closed) == 1 and _is_mention(text):
        return frozenset(), frozenset()
    pairs = frozenset(opened.keys() & closed)
    first = _TOKEN.match(text.lstrip()[:2000])
    if first and (first["name"] or "").lower() in _CARRIERS:
        return frozenset(closed | opened.keys()), pairs
    is_within = bool(opened.keys() & {"table", "ul", "ol"})
    repeated = {name for name in _OFTEN_OPEN if opened[name] > 1 or (is_within and name != "p")}
    used = (opened.keys() & (closed | attributed | repeated | _NEVER_CLOSED)) | (closed & _KNOWN)
    return frozenset(used), pairs


def _is_mention(text: str) -> bool:
    """Whether the only element of a text is mentioned rather than used: it opens or closes nothing else."""
    tokens = [token for token in _TOKEN.finditer(text) if token["name"]]
    if len(tokens) != 1 or tokens[0]["name"].lower() in ("br", "hr", "img"):
        return False
    before, after = text[: tokens[0].start()].strip(), text[tokens[0].end() :]
    if tokens[0]["closes"]:
        return bool(after.strip())  # at the end of a text it is what is left of a quotation
    return bool(before) or after[:1].isspace()


def _are_a_mails(elements: frozenset[str], text: str) -> bool:
    if text.lstrip().startswith("<?xml"):
        return False
    return bool(elements & _CARRIERS) or (
        bool(elements & (_KNOWN - _OF_OTHERS_TOO)) and all(name in _KNOWN or _OFFICE.match(name) for name in elements)
    )


def _tidy(text: str) -> str:
    lines = (line.strip(" ") if "\t" not in line else line.rstrip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(_quoted(lines))).strip("\n")


def _quoted(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines with those between the signs of a quotation marked as mails in plain text mark them."""
    depth = 0
    for line in lines:
        if line in (_QUOTE_BEGINS, _QUOTE_ENDS):
            depth = max(0, depth + (1 if line == _QUOTE_BEGINS else -1))
        elif line or not depth:
            yield f"{'>' * min(depth, DEEPEST_MARK)} {line}" if depth else line
