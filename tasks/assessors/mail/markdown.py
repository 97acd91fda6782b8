"""Markdown as a person sees it. Code keeps its characters; only the marks around it go.

Every expression is linear: it looks at a bounded number of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARKS = re.compile(
    r"\*\*|__|(?<![\w./\\])_\w[^_\n]{0,300}\s[^_\n]{0,300}_(?!\w)|\]\(|`|~~|^ {0,3}#{1,6} |^[ |:]{0,4}-{2,100}[-\s|:]{0,200}$|^ {0,3}\[[^\]\n]{1,80}\]: ",
    re.M,
)
_ANY_MARK = re.compile(r"[*_`~#|]|--|\](?:\(|: )")  # without one of these nothing is marked, which is quick to see
_FENCE = re.compile(r"^ {0,3}(`{3,10}|~{3,10})([\w+-]{0,30})[ \t]{0,10}$", re.M)
_RULE = re.compile(r" {0,3}\|?(?:\s{0,20}:?-{2,100}:?\s{0,20}\|){1,100}(?:\s{0,20}:?-{2,100}:?\s{0,20})?$")
_HEADING = re.compile(r" {0,3}(#{1,6}) +(\S.{0,400}?)(?: +#{1,6})?\s{0,20}$")
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,80}\]: {1,4}<?(?:https?|mailto|ftp)[^\s>]{1,2000}>?.{0,200}$")
_DEFINITIONS = re.compile(_DEFINITION.pattern, re.M)
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\]\([^()\n]{0,2000}\)")
_LINK = re.compile(
    r"(?<![\w\])])\[([^\[\]\n]{0,300})\]\((?=[^()\s]{0,200}[/.:#])<?[^()\s]{1,1000}(?:\([^()\n]{0,200}\))?[^()\n]{0,500}\)"
)
_REFERENCE = re.compile(r"(?<![\w\])])\[([^\[\]\n]{1,300})\] ?\[([^\[\]\n]{0,80})\]")
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]{1,500})\1(?!`)")
_STRONGEST = re.compile(r"(?<![\w*/\\])\*{3}(?=[^\s*])([^*\n]{1,500})(?<=[^\s*])\*{3}(?![\w*/\\])")
_STRONG = re.compile(r"(?<![\w*/\\])\*\*(?=[^\s*])([^*\n]{1,500})(?<=[^\s*])\*\*(?![\w*/\\])")
_STRONG_LINE = re.compile(r"(?<![\w_./\\])__(?=[^\s_])([^_\n]{0,400}\s[^_\n]{0,400})(?<=[^\s_])__(?![\w_./\\(])")
_EMPHASIS_LINE = re.compile(r"(?<![\w./\\])_(?=[^\s_])([^_\n]{0,300}\s[^_\n]{0,300})(?<=[^\s_])_(?![\w/\\(]|\.\w)")
_STRUCK = re.compile(r"(?<![\w~/])~~(?=\S)([^~\n]{1,500})(?<=\S)~~(?![\w~/])")
_EMPHASIS = re.compile(r"(?<![\w*/\\.])\*(?=[^\s*./])([^*\n]{1,300})(?<=[^\s*./])\*(?![\w*/\\.])")


_SHIELDS = str.maketrans("<&", "\ufdd0\ufdd1")  # noncharacters, which no text holds
_UNSHIELDS = str.maketrans("\ufdd0\ufdd1", "<&")


def fenced(text: str) -> Iterator[tuple[str, bool]]:
    """Split a text into pieces, each with whether it stood in fences. An unclosed fence extends to the end."""
    end, opened = 0, None
    for fence in _FENCE.finditer(text) if "```" in text or "~~~" in text else ():
        if opened is None:
            opened = fence
        elif fence[1].startswith(opened[1]) and not fence[2]:
            yield from ((piece, False) for piece in [text[end : max(end, opened.start() - 1)]] if piece)
            yield text[opened.end() + 1 : fence.start() - 1], True
            end, opened = fence.end() + 1, None
    if opened and text[opened.end() :].strip():
        yield from ((piece, False) for piece in [text[end : max(end, opened.start() - 1)]] if piece)
        yield text[opened.end() + 1 :], True
    else:
        yield from ((piece, False) for piece in [text[end:]] if piece)


def with_code_shielded(text: str) -> str:
    """Protect text in code marks from being read as HTML, until `unshielded`."""
    return _CODE.sub(lambda code: code[0].translate(_SHIELDS), text) if "`" in text else text


def unshielded(text: str) -> str:
    """Undo with_code_shielded()."""
    return text.translate(_UNSHIELDS) if "`" in text else text


def markdown_as_seen(text: str) -> str:
    """Render Markdown without fences."""
    if not _ANY_MARK.search(text) or not _MARKS.search(text):
        return text
    return "\n".join(_lines(text))


def _lines(text: str) -> Iterator[str]:
    headings = len(re.findall(r"^ {0,3}#{1,6} +\S", text, re.M))
    has_references = _DEFINITIONS.search(text) is not None
    lines = text.split("\n")
    is_row = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        line = _REFERENCE.sub(r"\1", line) if has_references else line
        is_row = "|" in line and (is_row or _RULE.match(following) is not None)
        if (is_row and _RULE.match(line)) or _DEFINITION.match(line):
            continue
        elif is_row:
            yield _inline("  ".join(cell.strip() for cell in line.strip().strip("|").split("|")))
        elif (heading := _HEADING.match(line)) and (
            len(heading[1]) > 1 or (headings > 1 and heading[2][0].isupper())
        ):
            yield _inline(heading[2])
        else:
            yield _inline(line)


def _inline(line: str) -> str:
    """Remove the marks of links and emphasis from a line, but not within code marks."""
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
    for mark in (_STRONGEST, _STRONG, _STRONG_LINE, _STRUCK, _EMPHASIS, _EMPHASIS_LINE, _STRONG):
        line = mark.sub(r"\1", line)
    return line
