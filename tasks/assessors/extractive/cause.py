"""The likely cause, as stated in the session or taken from a similar past case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.assessment.case import Case, PastCase
from tasks.assessors.reading.similarity import stems
from tasks.assessors.reading.text import CACHED, Sentence, excerpt, has_error, is_noise, plain
from tasks.assessors.reading.wording import verdict

CAUSE_LENGTH = 400

_STRONG = re.compile(
    r"\broot cause\b(?! (?:analysis|is (?:not|unknown)|unknown|investigation))|\bcaused by\b|\bturn(?:s"
    r"|ed) out\b|\bculprit\b"
    r"|\bthe (?:cause|reason)(?: \w+){0,4} (?:is|was)\b(?! not (?:clear|known|found))|\bwhich caused\b"
    r"|\bwas causing\b|\bis causing\b"
    r"|\b(?:this|it|issue|error|problem|which|that) (?:\w+ ){0,3}(?:is|was|were|has been|happen\w*"
    r"|occur\w*|fail\w*|appear\w*|came) (?:\w+ )?(?:due to|because|caused)\b"
)
_WEAK = re.compile(
    r"\bdue to\b|\bbecause(?: of)?\b|\bthe (?:actual |real |main )?(?:problem|issue) (?:is|was|seems"
    r"|might be|lies)\b(?! (?:still|solved|resolved|fixed|not|gone|that i))"
    r"|\b(?:seems?|looks?|appears?) (?:to be|like|that)\b|\b(?:is|seems|be|was) related to\b"
    r"|\bas a result of\b"
)
_DOUBT = re.compile(
    r"\b(?:"
    r"(?:find|know|obtain|trace|identify|analy[sz]e|determine|get|provide"
    r"|investigate)(?: \w+){0,6} (?:root )?cause\b"
    r"|(?:often|usually|sometimes|always|once but|as (?:told|reported)|its told)\b|pending with\b"
    r"|not (?:caused|due|because|related|the)\b|no idea\b"
    r"|unknown\b|not sure\b"
    r"|unable to (?:find|identify)|what (?:is|was|caused)|find (?:out )?(?:the )?(?:root )?cause"
    r"|once (?:we|you)"
    r"|(?:check|see|know|confirm|verify|investigate|tell|advise)(?: \w+){0,2} (?:if|whether|why)\b"
    r"|due (?:date|by)\b|ask\w* because\b"
    r"|because (?:we|i|you|they) (?:need|want|have|had|are|will|would|can|could|think|did|do|don't)"
    r"|(?:n't|not) (?:find|found|see)\b"
    r")|n't (?:caused|due|because|related|the|be)\b"
)
_FRAGMENT = re.compile(r"(?:because|due to|cause)\b|(?:i|we) (?:want|need|like|am|'m|have to)\b")
_ROUTINE = re.compile(
    r"\b(?:holiday|vacation|leave|meeting|reschedul\w*|postpon\w*|response|reply|urgent|urgency|approval"
    r"|visit|priority|sla|weekend|busy|workload|covid)\b"
)


@dataclass(frozen=True)
class Cause:
    """A stated cause. `strong` means that the words leave no other reading."""

    text: str
    evidence: tuple[str, ...]
    strong: bool


@lru_cache(maxsize=CACHED)
def strength(text: str) -> int:
    """2 when the sentence states a cause outright, 1 when it hints at one, 0 when it does neither."""
    low = plain(text[:600])
    outright = _STRONG.search(low) is not None
    if not outright and not _WEAK.search(low):
        return 0
    if low.rstrip().endswith("?") or _FRAGMENT.match(low) or is_noise(text):
        return 0
    if _DOUBT.search(low) or _ROUTINE.search(low) or len(stems(text)) < 3:
        return 0
    return 2 if outright else int(has_error(text) and verdict(text) != "worked")


def stated(spoken: Sequence[Sentence]) -> Cause | None:
    """The last of the strongest causes that the session states. None when it states none.

    The problem text counts only if it is explicit: a reporter's guess still has to be checked.
    """
    best: tuple[int, Sentence] | None = None
    for sentence in spoken:
        found = strength(sentence.text)
        if sentence.source in ("problem", "title", "reason", "ask") and found < 2:
            continue
        if found and (best is None or found >= best[0]):
            best = (found, sentence)
    if best is None:
        return None
    return Cause(excerpt(best[1].text, CAUSE_LENGTH), (best[1].source,), best[0] == 2)


def from_past(case: Case) -> Cause | None:
    """The root cause of the best conclusive past case that shares words with this one."""
    for past in sorted(case.past, key=lambda item: -item.score):
        told = (past.root_cause or "").strip()
        if past.conclusive and told and shares_topic(case, past):
            return Cause(excerpt(told, CAUSE_LENGTH), (f"handoff:{past.handoff_id}",), False)
    return None


def shares_topic(case: Case, past: PastCase) -> bool:
    """Whether both problems have meaningful words in common, regardless of the search's score.

    At least two, and in long texts, which share some by chance, a tenth of the shorter one's.
    """
    mine = stems(f"{case.title}\n{case.problem[:1500]}\n{case.reason[:300]}")
    others = stems(f"{past.title}\n{past.problem[:1900]}")
    return len(mine & others) >= max(2, min(len(mine), len(others)) / 10)
