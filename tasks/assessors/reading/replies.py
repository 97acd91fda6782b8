"""Words that mark a reply: the outcome of something tried or proposed before."""

from __future__ import annotations

import re

from tasks.assessors.reading.text import has_error, plain
from tasks.assessors.reading.wording import is_attempt, words

_REPORTS = re.compile(
    r"(?:but|and|now|then|still|however|unfortunately|it|that|this|hmm+|i get|i got|i'm getting|getting"
    r"|get|got|gives"
    r"|says|with|after)\b"
)
_OUTPUT = re.compile(
    r"(?:fatal|error|err|e): |[\w./-]{1,40}: (?:.{0,80}: )?(?:command not found|no such|not found|permission denied"
    r"|cannot|can't|unable|failed|error|invalid|unknown|unrecognized)\b"
)
_RESULT = re.compile(
    r"(?:ok(?:ay)?,? |hmm+,? |now |then |but |and |well,? |no,? |nope,? )*(?:it|that|this|which|i|we)? ?(?:just |still |only )?"
    r"(?:gives?|gave|says?|said|shows?|showed|returns?|returned|tells?|told me|fails?|failed|get|got|getting)\b"
)
_LED_IN = words(r"yes yeah yep i i've i_have we already just ok okay have did and well hmm also we've we_have")
_THAT = words("that it this so all both them already")
_DID_IT = re.compile(rf"(?:{_LED_IN},? ){{0,4}}(?:tried(?: {_THAT})*|did(?: {_THAT})+|done(?: {_THAT})*)\b")
_NOW_WHAT = re.compile(r"\b(?:now what|what now|what next|what(?: to do| do i do| should i do)? now|what's next)\b")
_ALREADY_SO = re.compile(
    r"\balready (?:is|was|are|have|has|had|did|done|do|there|tried|installed|enabled|set|on|running)\b|\b(?:is|are|was|have|has|'s|'ve) already\b"
)


def is_output(text: str) -> bool:
    """Whether it is what a command answered when it failed."""
    return bool(_OUTPUT.match(plain(text[:200])))


def says_result(text: str) -> bool:
    """Whether the sentence opens with what something answered ("it says …", "now I get …")."""
    return bool(_RESULT.match(plain(text[:80])))


def only_denies(text: str) -> bool:
    """A bare "nope": the answer to a question or a report, depending on the text before it."""
    return bool(re.fullmatch(r"\W*(?:still )?nope\W*", plain(text[:40])))


def reports(text: str) -> bool:
    """Whether the sentence continues with a result ("but now it says …")."""
    return bool(_REPORTS.match(plain(text[:60])))


def says_done(text: str) -> str | None:
    """A short "did that" or "already tried".

    Failed if it is called a try or old news, reports an error or asks what else to do; otherwise unknown.
    """
    low = plain(text[:200]).strip().replace(" ve ", "'ve ")
    helpless = bool(_NOW_WHAT.search(low))
    if len(low) > 120 or (low.endswith("?") and not helpless):
        return None
    if _DID_IT.match(low):
        return "failed" if helpless or "tried" in low or "already" in low or has_error(low) else "unknown"
    if _ALREADY_SO.search(low) or (re.search(r"\balready\b", low) and is_attempt(text)):
        return "failed"
    return None
