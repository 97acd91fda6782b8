"""The vocabulary of troubleshooting: actions, proposals and outcomes.

The lists are English. Text in another language matches nothing and is taken as plain statements. Every expression is
linear: no repeated group contains another unbounded repetition.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tasks.assessors.reading.text import CACHED, plain

LONGEST_VERDICT = 600  # characters of one sentence: a report is near its start or end


def one_of(*patterns: str) -> re.Pattern[str]:
    """One expression that matches any of `patterns`."""
    return re.compile("|".join(patterns))


def at_word(*patterns: str) -> re.Pattern[str]:
    """The same for patterns that all begin at a word: that is looked for once, which makes the search fast."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})")


def words(text: str) -> str:
    """A group that matches any of the space-separated words (an underscore stands for a space)."""
    return "(?:" + "|".join(text.replace("_", " ") if "_" in text else text for text in text.split()) + ")"


_HELPS = words("help work fix solve resolve change improve matter make_any make_a_diff make_much")
_STILL = words(
    r"fail\w* broken same not no can'?t cannot cant error\w* happen\w* exist\w* facing getting gets get there"
    r" persist\w* slow crash\w* offline down open issue problem appear\w* present occur\w* nothing stuck"
    r" missing"
    r" unable wrong reported have has having see doesn'?t don'?t dont isn'?t won'?t didn'?t reproduc\w*"
    r" showing shows"
    r" says locked blank black"
)
_SAME = words(r"error issue problem result results thing message behaviou?r symptom symptoms story again")
_LUCK = words("luck chance change difference effect joy improvement success dice avail result results")
_FAILED = at_word(
    rf"(?:did|does|do|is|was|has|have|had|would|will|could|can|are|were|wo|ca)(?:n'?t| ?not| never)"
    rf"(?: \w+){{0,2}} {_HELPS}\w*",
    rf"(?:dident|didint|dosent|dosn'?t|doesnot|didnot)(?: \w+){{0,2}} {_HELPS}\w*",
    rf"(?:no|without|zero)(?: \w+)? {_LUCK}\b",
    rf"(?:neither|none)(?: \w+){{0,4}} {_HELPS}\w*",
    r"to no avail\b|in vain\b|no go\b|nope\b|unsuccessful(?:ly)?\b|made (?:it|things) worse",
    r"went (?:\w+ )?wrong\b|unable to (?:reproduce|replicate|simulate)\b",
    rf"still(?: \w+){{0,4}} {_STILL}\b|still$|^same(?: \w+)?(?: here)?$",
    r"still (?:\w+ )?(?:hang|drop|freez|loop|prompt|disconnect|flicker|reboot|restart|bounc|repeat|tim)\w*",
    r"(?:and|but|result|results|,) (?:is |was |it'?s |are )?(?:still )?(?:the )?same\b",
    rf"(?:the|with|get|got|gets|gives|gave|and|but|,) same (?:\w+ ){{0,2}}?{_SAME}",
    rf"^same (?:\w+ ){{0,2}}?{_SAME}",
    r"(?:issue|problem|error|it|same|symptoms?)(?: \w+){0,2}"
    r" (?:persist\w*|remain\w*|continu\w*|reappear\w*|recur\w*|returned|came back|is back|comes back)\b",
    r"happen\w* again\b|fail(?:s|ed)? again\b|again (?:the )?same\b|(?:but|then)(?: \w+)? (?:came"
    r"|comes) back\b",
    r"nothing (?:changed|changes|happens|happened|works|worked|helps|helped|yet)\b",
    r"(?:not|isn'?t|aren'?t|wasn'?t) (?:\w+ )?(?:working|fixed|solved|resolved|helping|helpful"
    r"|(?:any )?better)\b",
    r"(?:it|that|this|restart|reinstall\w*|update|upgrade|install\w*|attempt|rollback|deploy\w*|which)"
    r" (?:also |just |then )?fail(?:ed|s)\b",
    rf"(?:no|none of the|neither)(?: \w+){{0,4}} {words('works worked working helps helped work')} ?(?:either|$)",
    r"command not found\b|no such (?:file|package|command)\b|rolled back automatically\b",
)
_NEW_TROUBLE = re.compile(
    r"\b(?:different|new) error\b|\b(?:get|got|gives|with|now|but) (?:a |an )?(?:different|another|new) (?:error|issue|problem)\b"
)
_WORKED = one_of(
    r"\b(?:works|worked|fixed|solved|resolved|did the trick|did it|success|successes|successful|successfully|sorted"
    r"|succeeded|helped)\b",
    r"\b(?:is|are|was|it'?s|now|its|started|back|running|all) (?:now )?(?:working|functioning|operational"
    r"|back (?:up|online|to normal)|fine|normal|up and running|gone|ok|okay)\b",
    r"\b(?:no longer|no more|without)(?: \w+){0,2} (?:error\w*|issue\w*|problem\w*|fail\w*|happen\w*|occur\w*"
    r"|crash\w*|appear\w*)\b",
    r"\bwoo ?hoo\b|\bback (?:up|online|to normal)\b|\bconnected now\b",
)
_PARTIAL = one_of(
    r"\bpartial(?:ly)?\b|\bpartly\b|\bsomewhat\b|\bbetter,? but\b|\bimproved but\b",
    r"\b(?:a (?:bit|little)|slightly|much|little) (?:better|faster|improved)\b",
    r"\bhelped (?:a (?:bit|little)|for|briefly|temporarily|some)|\btemporar(?:y|ily)\b"
    r"|\bintermittent(?:ly)?\b",
    r"\bworks? (?:only|sometimes|for (?:some|a|one|about))\b",
    r"\bworked (?:only|once|for (?:a|an|about|some|one|two|\d))",
    r"\bfor (?:a while|an hour|a few (?:minutes|hours|days)|some time|\d+ (?:minutes|hours|days)),?"
    r" (?:then|but|and then|until)\b",
    r"\bonly (?:some|half|one|a few|part)\b|\bworkaround\b|\bsome (?:users|of them|machines|pcs) still\b",
)
# Before a word of failure: something to be avoided.
_WISHED = re.compile(
    r"\b(?:ensure|make sure|making sure|so that|in order|prevents?|avoids?|maybe|perhaps|probably)\b[^,;]{0,60}$"
)
# Before a word of success: it did not happen, not yet, or not here.
_UNREAL = re.compile(
    r"(?:n't|\b(?:dont|cant|wont|isnt|doesnt|didnt|wasnt|couldnt|wouldnt|hasnt|havent|not|no|never|none|hardly|without|if|hope\w*|should|shall|would|will|must|may|might"
    r"|could|can"
    r"|to be|to get|get|until|till|once|when|needs?|nobody|unless|please|pls|how|used to|before|to|whether"
    r"|always|usually|does|it all|what|only|there is a|was|previously))(?: \w+){0,2}$"
)
_IF = re.compile(r"\b(?:if|whether|in case|unless)\b(?: \w+){0,6} ?$")
_FORMERLY = re.compile(
    r"\w+(?: \w+){0,3}? (?:before|previously|until|till|yesterday|last (?:week|month|night)|earlier"
    r"|in the past)\b"
)
_HYPOTHETICAL = re.compile(
    r"(?:if|when|once|unless|until|in case|hope|let me know|let us know|(?:please|kindly|pls) (?!note"
    r"|not |be |find))\b"
)
_WAITING = re.compile(
    r"\bstill (?:\w+ ){0,3}(?:waiting|pending|investigating|under|working on|checking|on hold|in progress"
    r"|trying"
    r"|looking|need)\b"
)
_CLAUSE = re.compile(r"(?:[,;] (?:then|but|and|so)? ?|,? \b(?:but then|and then|but|then)\b )")

_PAST = words(
    "tried attempted restarted rebooted reinstalled re-installed installed uninstalled removed replaced"
    " updated"
    " upgraded reset cleared disabled enabled changed swapped ran flushed deleted recreated re-created"
    " rebuilt"
    " reseated rolled_back reverted applied configured cleaned reconnected switched moved unplugged"
    " power[-_]cycled"
    " re-?added re-?imported repaired turned_(?:off|on) added edited followed rescanned purged downgraded"
    " reconfigured renewed extended regenerated redeployed deployed copied unblocked increased decreased"
    " dropped"
    " re-?registered rejoined re-?enabled re-?sent modified executed downloaded formatted mounted killed"
    " stopped started set logged_(?:off|out) recompiled compiled imported exported migrated"
    " created booted typed entered lowered googled searched selected chose plugged"
)
_WHO = words(
    "i we they he she user customer client team have has had '?ve been was were and then also already"
    " just after"
    " by both so but successfully manually only"
)
_ATTEMPT = one_of(
    rf"(?:^|\b{_WHO} |, |; |: |- )(?:already |also |just |even |now |then |successfully |only "
    rf"|manually )?{_PAST}\b",
    r"\b(?:tried|attempted)\b|\b(?:trying|after|by) (?:\w+ ){0,2}?(?!check|invest|review|meet|talk|disc"
    r"|receiv|gett|bein|hav|morn|click|view|login|someth|noth|anyth|everyth)\w{3,}ing\b",
    r"\bwith (?:\w+ ){1,4}?(?:disabled|enabled|removed|installed|unplugged|disconnected|turned off"
    r"|turned on)\b",
    r"^(?:removing|reinstalling|restarting|rebooting|changing|running|disabling|enabling|updating|clearing"
    r"|replacing) \w+",
)
# The deed as a noun: "the restart did not help".
_FELL_SHORT = re.compile(
    r"\b(?:reboot|restart|(?:re-?)?install|updat|upgrad|reset|rollback|replac|downgrad|format|remov|disabl|enabl|chang|clear"
    rf"|delet|flush|rebuild|recreat|workaround)\w*[^.;!?]{{0,90}}? (?:did|does|do|has|have)(?:n'?t| not)(?: \w+){{0,2}}"
    rf" {_HELPS}"
)
_NOT_DONE = re.compile(
    r"(?:n't|\b(?:not|never|nothing|nobody|will|should|can|could|would|please|kindly|must|to be|need to"
    r"|needs to|going to|want to|be done by"
    r"|let me|before|if|when|who|which|(?:what|all) (?:i|we)(?: have|'ve)?)) (?:\w+ )?(?:be |been |have |has )?(?:been )?$"
)
_ORDER = re.compile(
    r"(?:please|kindly|pls) (?!note|not |be |find)|(?:we|i) was hoping\b|(?:if|when|once|unless|shall"
    r"|should)\b"
    r"|(?:have|has|did|had) (?:you|he|she|they|any\w+)\b"
)
_TRIED = re.compile(r"\b(?:tried|attempted|trying)\b")
_LOOKED = re.compile(
    r"(?:(?:i|we|i've|we've|have|just|also|already) ){0,3}(?:checked|verified|confirmed|looked|inspected"
    r"|reviewed|asked|called"
    r"|found|noticed|saw|observed)\b"
)
_TRIED_BUT = re.compile(
    r"\b(?:tried|attempted)\b(?! to (?:reach|call|contact|explain)).{3,300}\b(?:but|unfortunately|however)\b"
)
_PLAINLY_DONE = re.compile(rf"(?:(?:i|we|i've|we've|have|just|also|already|then) ){{0,3}}{_PAST}\b")
_BAD_RESULT = one_of(
    r"(?:\b(?:but|and|now|then|it|which|that|however|i|we)\b|,|\.\.)\W{1,3}(?:\w+\W{1,3}){0,4}?"
    r"(?:error\w*|wrong|unable|denied|hangs?|core dump\w*|is not|stuck|nothing|no longer"
    r"|still(?! (?:\w+ )?(?:to|need|under|test\w*|wait\w*|pend\w*)\b))\b",
    r"\b(?:could ?n'?o?t|can ?n'?o?t|cannot|can'?t|crash(?:es|ed)|fail(?:s|ed)|refus(?:es|ed)|freezes"
    r"|isn'?t|doesn'?t"
    r"|does not|(?:it|that|this|they|which) (?:didn'?t|did not)|won'?t|don'?t (?:work|show|see|get"
    r"|load|start|boot|help))\b",
)
_ASKING = re.compile(
    r"(?:have|has|did|do|does|is|are|was|can|could|what|why|how|which|when|where|who|should|would|will"
    r"|any|may)\b"
)
_SHORT_QUESTION = re.compile(r"\W*(?:any|what|how|why|ideas?|suggestions?|help|please|pls|anyone|is there)\b")
_GENERAL = re.compile(
    r"\b(?:afaik|as far as i know|many people|most people)\b|^(?:are|r|do|can|will|did|have) (?:you|u)\b"
)
_OTHERS = re.compile(
    r"\b(?:some(?:one|body)|others?|people|me too|i also|having|who)\b.{0,30}\bsame (?:issue|problem|error)"
)

_WHENEVER = re.compile(
    r"\b(?:when(?:ever)?|if|every ?time|'?cause|because|,) (?:i|we) (?:try (?:to )?\w+|type|run|execute|enter|launch|(?:re)?boot|restart"
    r"|(?:re)?install)\b"
    r"|\b(?:is|are|'s|'re) (?:\w+ )?(?:installed|enabled|disabled|set|checked|unmuted|up to date|updated|configured|selected"
    r"|connected|plugged in|loaded)\b(?=.{0,80}(?:\bstill\b|\bbut\b))"
    r"|^[\"'`][^\"'`]{4,80}[\"'`] (?:gives|returns|says|fails|shows|throws)\b"
)


def _without_question(low: str) -> str:
    """Without a question hung onto a statement: "tried it but no luck, any ideas?" is a report."""
    low = low.rstrip()
    if not low.endswith("?"):
        return low
    cut = max(low.rfind(mark) for mark in (", ", " - ", "; ", ". ", ".. "))
    told, asked = low[: max(cut, 0)], low[max(cut, 0) :]
    hung = len(told.split()) >= 4 and (_SHORT_QUESTION.match(asked) or len(asked.split()) <= 3)
    return told if hung and not _ASKING.match(told) else low


@lru_cache(maxsize=CACHED)
def verdict(text: str) -> str | None:
    """Return the outcome that the words report: worked, failed, partial, or None if they report none.

    Failure followed by success counts as success; success followed by failure as partial.
    """
    low = plain(text)
    low = _without_question(low)
    if len(low) > LONGEST_VERDICT:
        low = low[: LONGEST_VERDICT // 2] + " " + low[-LONGEST_VERDICT // 2 :]
    low = low.strip(" .!,;:-*").replace("not only", "")
    if _HYPOTHETICAL.match(low) or low.endswith("?"):
        return None
    failures = [found.span() for found in _FAILED.finditer(low) if _is_told(low[: found.start()][-70:])]
    if failures and (_WAITING.search(low) or _OTHERS.search(low) or _GENERAL.search(low)):
        failures = []
    positive = [found.start() for found in _WORKED.finditer(low) if _is_real(low, found.start())]
    # "No other player works" is one report, not two.
    successes = [at for at in positive if not any(start <= at < end for start, end in failures)]
    if (failures or successes) and _PARTIAL.search(low):
        return "partial"
    if not failures:
        return "worked" if successes else "partial" if _NEW_TROUBLE.search(low) else None
    if not successes:
        return "failed"
    return "worked" if max(successes) > max(failures)[0] else "partial"


def _is_told(before: str) -> bool:
    """Whether a failure after these words happened, and is neither a condition nor a wish."""
    return not _IF.search(before[-60:]) and not _WISHED.search(before)


def _is_real(low: str, start: int) -> bool:
    if _FORMERLY.match(low[start : start + 80]):
        return False
    before = low[max(0, start - 40) : start].rsplit(",", 1)[-1].rsplit(" but ", 1)[-1].rstrip()
    return not _UNREAL.search(before)


@lru_cache(maxsize=CACHED)
def attempt_end(text: str) -> int | None:
    """Return where the words about something done (not to be done) end, or None if there are none."""
    low = _without_question(plain(text[:500]))
    if low.endswith("?") or _ORDER.match(low):
        return None
    done = (found for found in _ATTEMPT.finditer(low) if _is_done(_before(low, found.end())))
    fell_short = _FELL_SHORT.search(low)
    return next((found.end() for found in done), fell_short.end() if fell_short else None)


def _is_done(before: str) -> bool:
    return not _NOT_DONE.search(before) and not _IF.search(before[-60:].rstrip())


def _before(low: str, end: int) -> str:
    """What stands before the word that ends at `end`, with the space between."""
    return low[: low.rfind(" ", 0, end) + 1]


def is_attempt(text: str) -> bool:
    """Whether the sentence reports something that was done."""
    return attempt_end(text) is not None


@lru_cache(maxsize=CACHED)
def attempt_outcome(text: str) -> str | None:
    """Return the outcome that the sentence reports of its own attempt; a bad result beside it is a failure."""
    ended, done = verdict(text), attempt_end(text)
    if ended is None and _TRIED_BUT.search(plain(text[:500])):
        return "failed"
    if ended is None and done is not None and _went_badly(plain(text[done : done + 300])):
        return "failed"
    return ended


def _went_badly(low: str) -> bool:
    found = _BAD_RESULT.search(low)
    return found is not None and not _WISHED.search(low[: found.start()][-70:])


def only_looked(text: str) -> bool:
    """Whether the sentence opens with an inspection: that finds something out and solves nothing."""
    return bool(_LOOKED.match(plain(text[:60])))


def says_plainly_done(text: str) -> bool:
    """Whether the sentence opens with the deed ("Restarted …", "I have cleared …", "We tried …")."""
    return bool(_PLAINLY_DONE.match(plain(text[:100])))


def says_tried(text: str) -> bool:
    """Whether it is called a try: people say so of what did not solve their problem."""
    return bool(_TRIED.search(plain(text[:500])))


def fails_when(text: str) -> bool:
    """Whether it reports, in the present tense, a command or a setting that does not work."""
    low = _without_question(plain(text[:500]))
    if low.endswith("?"):
        return False
    found = _WHENEVER.search(low)
    return found is not None and _went_badly(low[found.end() :][:200])


@lru_cache(maxsize=CACHED)
def clauses(text: str) -> tuple[str, ...]:
    """Return the parts of a sentence with two attempts of different outcomes, or else the whole sentence."""
    parts = [part.strip() for part in _CLAUSE.split(text[:1000]) if part.strip()]
    if len(parts) < 2 or len(text) > 1000 or not is_attempt(parts[0]):
        return (text,)
    ends = [verdict(part) for part in parts]
    told = {end for end, part in zip(ends, parts, strict=True) if end and (is_attempt(part) or end == "worked")}
    return tuple(parts) if len(told) > 1 else (text,)
