"""Words that mark a proposal."""

from __future__ import annotations

import re
from functools import lru_cache

from tasks.assessors.reading.text import CACHED, plain

_ASIDE = re.compile(
    r"\b(?:please|kindly|pls|just|maybe|perhaps|then|so|first|ok|okay|well|and|also|now|next|or|hi|hey"
    r"|dear|ah|hmm"
    r"|sorry|simply),? "
)
_OFFER = re.compile(
    r"(?:you (?:can|could|should|may|might|need to|have to|must|want to|ought to)|can you|could you|would you"
    r"|i(?:'d| would)(?: suggest| recommend| try)?(?: to| that you)?|make sure (?:you|to|that)|try to"
    r"|i (?:suggest|recommend|think you should|advise)(?: to| that you| you(?: to)?)?|let'?s"
    r"|we (?:need to|should|can|could)|(?:and )?(?:what|how) (?:about|if you)|does it work if you|how about|have you (?:already )?tried"
    r"|did you try"
    r"|it is recommended to|we recommend(?: to)?|the (?:next|first) thing (?:i'd do )?is|you'?ll (?:need"
    r"|have) to"
    r"|all you (?:need|have) to do is)\b"
)
_FREE_OFFER = re.compile(r"(?:have you|did you|what|how|make sure|.*\btry\b)")
_IMPERATIVE = re.compile(
    r"(?:try|run|type|use|using|check|install\w{0,3}|remov\w{1,3}|restart\w{0,3}|reboot\w{0,3}|edit|open"
    r"|add|set"
    r"|go to|do|make sure|ensure|verify|enabl\w{1,3}|disabl\w{1,3}|change|updat\w{1,3}|upgrad\w{1,3}"
    r"|delete|ping|look"
    r"|reinstall\w{0,3}|clear|press|boot|reset|test|execute|download|configure|replace|compare|start|stop"
    r"|switch"
    r"|plug|unplug|recreate|rebuild|re-?generate|roll ?back|revert|modprobe|sudo|gksudo|apt-get|aptitude"
    r"|dpkg|mount"
    r"|export|import|click|select|create|copy|move|put|turn|login|log|connect|unify|increase|clean|rerun"
    r"|re-run|retry"
    r"|read|see)\b"
)
_COMMAND = re.compile(
    r"(?:^|[`'\":>;&(|]\s?|\b(?:run|type|do|with|try|execute|use) )(?:(?:sudo|gksudo|apt-get|aptitude"
    r"|dpkg|modprobe|chmod|chown|systemctl|service|netsh|ipconfig|ifconfig|sfc"
    r"|gpupdate|chkdsk|dism|ping|nslookup|dig|mount|fsck|lspci|lsusb|dmesg|grep) [\w/.-]|\b(?:get|set"
    r"|restart|test)-[a-z])"
)
_TOLD_BAD = re.compile(
    r"\b(?:failed|not permitted|has been (?:solved|resolved|fixed)|is (?:solved|resolved|fixed)|bad idea"
    r"|not recommended)\b"
)
_NOT_A_STEP = re.compile(
    r"(?:us|me|note|advi[cs]e|find|be informed|confirm|update us|provide|share|let|join|close|contact"
    r"|send|refer"
    r"|see (?:the )?(?:attached|below)|check (?:and|it|this|if|whether|the (?:attached|last|below|same)|with (?:priority|the|your|us|him|them))\b"
    r"|check your end|inform|arrange|have|give|post|update (?:if|on|me|the (?:status|ticket|case))"
    r"|consider|be|feel|wait"
    r"|keep|make sure to (?:inform|have|let|keep)|do (?:it|so|that|the needful)|try (?:it|them|this|that"
    r"|again)$)\b"
)
_TO_LOOK = re.compile(
    r"\b(?:output|pastebin|paste|grep|logs?|see (?:if|what|whether)|check|look|look(?:ing)? (?:at|for)|what (?:does|do)|send"
    r"|provide|screenshot|verify|confirm|tell me|show)\b"
)
_SHOWS = re.compile(r"\b(?:gives|gave|says|said|shows|showed|returns|returned|reports|tells)\b")
_TIME = re.compile(r"\b\d{1,2}:\d\d\b|\b\d{1,2} ?(?:am|pm)\b|\btomorrow\b|\btoday\b|\bnext week\b")
_ADVICE = re.compile(
    r"(?<!if )(?<!wish )\byou(?:'ll)? (?:\w+ )?(?:need to|have to|want to|can(?! see| find)|could)\b|\b(?:should|must)\b(?!(?: not"
    r"|n't)? be\b)"
    r"|\b(?:use|set|try)\b|https?://|\bfind (?:the )?(?:below|attached)\b"
)


def asks_to_look(text: str) -> bool:
    """Whether a proposal only wants to see something: an error is then the answer, not a failure."""
    return bool(_TO_LOOK.search(plain(text[:300])))


@lru_cache(maxsize=CACHED)
def is_proposal(text: str) -> bool:
    """Whether the sentence asks somebody to try something."""
    low = plain(text[:300]).lstrip(" -*•\"'(0123456789.)")
    if _NOT_A_STEP.match(_ASIDE.sub("", low[:60])):
        return False
    asks = low.rstrip().endswith("?")
    starts = [low, *low.split(", ")[1:3]]
    return any(_tells_to(start, asks) for start in starts)


def _tells_to(low: str, asks: bool) -> bool:
    low = _ASIDE.sub("", low[:60]) + low[60:]
    offer = _OFFER.match(low)
    rest = low[offer.end() :].lstrip() if offer else low
    rest = _ASIDE.sub("", rest[:40]) + rest[40:]
    if _NOT_A_STEP.match(rest) or len(rest.split()) < 2:
        return False
    if offer and not _TIME.search(rest) and _FREE_OFFER.match(offer.group()):
        return True
    if asks and not offer:
        return rest.startswith("try ")
    if _TOLD_BAD.search(rest) or _TIME.search(rest):
        return False
    return bool(_IMPERATIVE.match(rest)) or bool(_COMMAND.search(low) and not _SHOWS.search(low))


def may_be_advice(text: str) -> bool:
    """A weaker sign than `is_proposal`: words that steer, or a link."""
    return bool(_ADVICE.search(plain(text[:500])))
