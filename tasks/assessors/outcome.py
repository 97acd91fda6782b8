"""What was tried in a session and how it ended, read from the words when nobody said it outright."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from models.case import Case, CaseStep
from tasks.assessors.similarity import repeats
from tasks.assessors.text import Sentence, clip, is_noise, plain, sentences, unaddressed

REPLY_WINDOW = 8  # steps within which a report is taken to answer a suggestion
CHARACTERS_READ = 150_000  # of a whole session; shared evenly among its steps
LEAST_READ = 300  # of one step
LONGEST_VERDICT = 600  # of one sentence: a report stands near its start or end

_NOT = r"(?:n'?t|n;t| not|not| never)"
_FAILED = re.compile(
    rf"\b(?:did|does|do|is|was|has|have|had|would|will|could|can|are|were|wo|ca)(?:n'?t|n;t| ?not| never)"
    r"(?: \w+){0,2} (?:help|work|fix|solve|resolve|change|make (?:any|a|much) difference|improve|matter)\w*"
    r"|\b(?:dident|didint|dosent|dosn'?t|doesnot|didnot)(?: \w+){0,2} (?:help|work|fix|solve|resolve|change)\w*"
    r"|\b(?:no|without|zero)(?: \w+)? (?:luck|change|difference|effect|joy|improvement|success|dice|avail|result|results)\b"
    r"|\b(?:neither|none)(?: \w+){0,4} (?:help|work|fix|solve|chang)\w*|\bto no avail\b|\bin vain\b|\bno go\b|\bnope\b|\bunsuccessful|\bunsuccessfully|\bmade (?:it|things) worse"
    r"|\bstill(?: \w+){0,4} (?:fail\w*|broken|same|not|no|can'?t|cannot|cant|error\w*|happen\w*|exist\w*|facing|getting|gets|there"
    r"|persist\w*|slow|crash\w*|offline|down|open|issue|problem|appear\w*|present|occur\w*|nothing|stuck|missing|unable|wrong|reported"
    r"|have|has|having|see|doesn'?t|don'?t|isn'?t|won'?t|didn'?t|reproduc\w*|showing|shows|says|locked|blank|black)\b"
    r"|\bstill$|^same(?: \w+)?(?: here)?$|\b(?:the|with|get|got|gets|gives|gave|and|but|,) same (?:\w+ ){0,2}?(?:error|issue|problem|result|thing|message|behaviou?r|symptoms?|story|again)"
    r"|^same (?:\w+ ){0,2}?(?:error|issue|problem|result|thing|message|behaviou?r|symptoms?|story|again)"
    r"|\b(?:issue|problem|error|it|same|symptoms?)(?: \w+){0,2} (?:persist\w*|remain\w*|continu\w*|reappear\w*|recur\w*|returned|came back|is back|comes back)\b"
    r"|\b(?:but|then)(?: \w+)? (?:came|comes|come) back\b|\bhappen\w* again\b|\bfail(?:s|ed)? again\b|\bagain (?:the )?same\b|\bnothing (?:changed|happens|happened|works|worked|helps|helped|yet)\b"
    r"|\b(?:not|isn'?t|aren'?t|wasn'?t) (?:\w+ )?(?:working|fixed|solved|resolved|helping|helpful|better|any better|successful)\b"
    r"|\b(?:it|that|this|restart|reinstall\w*|update|upgrade|install\w*|attempt|rollback|deploy\w*|which) (?:also |just |then )?fail(?:ed|s)\b"
    r"|\bcommand not found\b|\bno such (?:file|package|command)\b|\bcould not be able\b|\brolled back automatically\b|\buseless\b"
)
_WORKED = re.compile(
    r"\b(?:works|worked|fixed|solved|resolved|did the trick|did it|success|successful|successfully|sorted|succeeded|helped)\b"
    r"|\b(?:is|are|was|it'?s|now|its|started|back|running|all) (?:now )?(?:working|functioning|operational|back (?:up|online|to normal)|fine|normal|up and running|gone|ok|okay)\b"
    r"|\b(?:no longer|no more|without)(?: \w+){0,2} (?:error\w*|issue\w*|problem\w*|fail\w*|happen\w*|occur\w*|crash\w*|appear\w*|any)\b"
    r"|\bwoo ?hoo\b|\bback (?:up|online|to normal)\b|\bconnected now\b"
)
_PARTIAL = re.compile(
    r"\bpartial(?:ly)?\b|\bpartly\b|\bsomewhat\b|\b(?:a (?:bit|little)|slightly|much|somewhat|little) (?:better|faster|improved)\b"
    r"|\bbetter,? but\b|\bhelped (?:a (?:bit|little)|for|briefly|temporarily|some)|\btemporar(?:y|ily)\b|\bintermittent(?:ly)?\b"
    r"|\bworks? (?:only|sometimes|for (?:some|a|one|about))\b|\bworked (?:only|once|for (?:a|an|about|some|one|two|\d))"
    r"|\bfor (?:a while|an hour|a few (?:minutes|hours|days)|some time|\d+ (?:minutes|hours|days)),? (?:then|but|and then|until)\b"
    r"|\bonly (?:some|half|one|a few|part)\b|\bimproved but\b|\bas a workaround\b|\bworkaround\b|\bsome (?:users|of them|machines|pcs) still\b"
)
# Before a word of success: it did not happen (yet), or not here.
_UNREAL = re.compile(
    r"(?:n'?t|\bnot|\bno|\bnever|\bnone|\bhardly|\bwithout|\bif|\bhope\w*|\bshould|\bshall|\bwould|\bwill|\bmust|\bmay|\bmight"
    r"|\bcould|\bcan|\bto be|\bto get|\bget|\buntil|\btill|\bonce|\bwhen|\bneeds?|\bnobody|\bunless|\bplease|\bpls|\bhow|\bused to"
    r"|\bbefore|\bto|\bwhether|\balways|\busually|\bdoes|\bit all|\bwhat|\bhow it|\bonly|\bthere is a|\bwas|\bpreviously)"
    r"(?: \w+){0,2}$"
)
_FORMERLY = re.compile(
    r"\w+(?: \w+){0,3}? (?:before|previously|until|till|yesterday|last (?:week|month|night)|earlier|in the past)\b"
)
_CLAUSE = re.compile(r"(?:[,;] (?:then|but|and|so)? ?|,? \b(?:but then|and then|but|then)\b )")
_HYPOTHETICAL = re.compile(
    r"^(?:if|when|once|unless|until|in case|hope|let me know|let us know|please|kindly)\b"
)
_WAITING = re.compile(
    r"\bstill (?:\w+ ){0,3}(?:waiting|pending|investigating|under|working on|checking|on hold|in progress|trying|looking|need)\b"
)
_TRIED_IT = re.compile(
    r"^(?:(?:yes|yeah|yep|i|i've|i have|we|already|just|ok|okay|have|did|and|well|hmm|also|we've|we have|as (?:requested|advised|suggested)),? ){0,4}"
    r"(?:tried(?: (?:that|it|this|all|both|them|already))*|did(?: (?:that|it|this|so|already|both|them))+|done(?: (?:that|it|this|so|already))*)\b"
)
_PAST = (
    "tried|attempted|restarted|rebooted|reinstalled|installed|uninstalled|removed|replaced|updated|upgraded|reset|cleared|disabled|enabled"
    "|changed|swapped|ran|flushed|deleted|recreated|re-created|rebuilt|reseated|rolled back|reverted|applied|configured|cleaned|reconnected"
    "|switched|moved|unplugged|power[- ]cycled|re-?added|re-?imported|repaired|turned (?:off|on)|added|edited|followed|rescanned|purged"
    "|downgraded|reconfigured|reconfigured|renewed|extended|regenerated|redeployed|deployed|copied|unblocked|increased|decreased|dropped"
    "|re-?registered|rejoined|re-?enabled|re-?sent|resent|modified|executed|downloaded|formatted|mounted|killed|stopped|started|set|logged (?:off|out)"
    "|recompiled|compiled|tested with|checked|verified|imported|exported|migrated|shared|performed|created|booted|typed|entered|upped|lowered"
)
_ATTEMPT = re.compile(
    rf"(?:^|\b(?:i|we|they|he|she|user|customer|client|team|have|has|had|'ve|ve|been|was|were|and|then|also|already|just|after|by|both|so|but|successfully|manually|only) |, |; |: |- )"
    rf"(?:already |also |just |even |now |then |successfully |only |manually )?(?:{_PAST})\b"
    r"|\b(?:tried|trying|after|by) (?:\w+ ){0,2}?\w{3,}ing\b|^(?:removing|reinstalling|restarting|rebooting|changing|running|disabling|enabling|updating|clearing|replacing) \w+"
)
_NOT_DONE = re.compile(
    r"\b(?:not|n't|never|haven't|hasn't|will|should|can|could|would|please|kindly|must|to be|need to|needs to|going to|want to|let me|before|if|when|who|which) (?:\w+ )?(?:be |been |have )?$"
)
_ASIDE = re.compile(
    r"\b(?:please|kindly|pls|just|maybe|perhaps|then|so|first|ok|okay|well|and|also|now|next|or|hi|hey|dear|ah|hmm|sorry|simply),? "
)
_OFFER = re.compile(
    r"^(?:you (?:can|could|should|may|might|need to|have to|must|want to|ought to)|can you|could you|would you|i(?:'d| would)(?: suggest| recommend| try)?(?: to| that you)?"
    r"|i (?:suggest|recommend|think you should|advise)(?: to| that you| you(?: to)?)?|let'?s|we (?:need to|should|can|could)|what (?:about|if you)|how about|have you (?:already )?tried|did you try|try to"
    r"|it is recommended to|we recommend(?: to)?|the (?:next|first) thing (?:i'd do )?is|you'?ll (?:need|have) to|all you (?:need|have) to do is|make sure (?:you|to|that))\b"
)
_IMPERATIVE = re.compile(
    r"(?:try|run|type|use|using|check|install\w{0,3}|remov\w{1,3}|restart\w{0,3}|reboot\w{0,3}|edit|open|add|set|go to|do|make sure|ensure|verify|enabl\w{1,3}|disabl\w{1,3}|change"
    r"|updat\w{1,3}|upgrad\w{1,3}|delete|ping|look|reinstall\w{0,3}|clear|press|boot|reset|test|execute|download|configure|replace|compare|start|stop|switch|plug|unplug"
    r"|recreate|rebuild|roll ?back|revert|modprobe|sudo|gksudo|apt-get|aptitude|dpkg|mount|export|import|click|select|create|copy|move|put|turn|login|log|connect|unify|increase|clean|regenerate|rerun|re-run|retry|read|see)\b"
)
_NOT_A_STEP = re.compile(
    r"(?:us|me|note|advi[cs]e|find|be informed|confirm|update us|provide|share|let|join|close|contact|send|refer|see (?:the )?(?:attached|below)|check (?:and|it|this)(?: \w+)?$|check your end)\b"
)


@dataclass(frozen=True)
class Attempt:
    """Something done or proposed: where it stands, and what came of it (None: nobody did it yet)."""

    text: str
    outcome: str | None  # worked | failed | partial | unknown
    evidence: tuple[str, ...]
    author: str | None = None
    at: int = 0  # index of the step; -1 for the problem text


@dataclass
class Reading:
    """Everything tried and proposed in a session, in order."""

    attempts: list[Attempt] = field(default_factory=list)
    proposals: list[Attempt] = field(default_factory=list)  # never taken up


@lru_cache(maxsize=20_000)
def verdict(text: str) -> str | None:
    """How the words say an attempt ended: worked, failed, partial, or None when they do not say.

    The last report counts; success followed by failure in one sentence is partial.
    """
    low = plain(text)
    low = (
        low
        if len(low) <= LONGEST_VERDICT
        else low[: LONGEST_VERDICT // 2] + " " + low[-LONGEST_VERDICT // 2 :]
    )
    low = low.strip(" .!,;:-*").replace("not only", "")
    if _HYPOTHETICAL.match(low) or low.endswith("?"):
        return None
    failures = [] if _WAITING.search(low) else [found.start() for found in _FAILED.finditer(low)]
    successes = [found.start() for found in _WORKED.finditer(low) if _is_real(low, found.start())]
    if _PARTIAL.search(low) and (failures or successes or "workaround" not in low):
        return "partial"
    if not failures:
        return "worked" if successes else None
    if not successes:
        return "failed"
    return "worked" if max(successes) > max(failures) else "partial"


def _is_real(low: str, start: int) -> bool:
    if _FORMERLY.match(low[start:]):
        return False
    before = low[max(0, start - 40) : start].rsplit(",", 1)[-1].rsplit(" but ", 1)[-1].rstrip()
    return not _UNREAL.search(before)


@lru_cache(maxsize=20_000)
def is_attempt(text: str) -> bool:
    """Whether the sentence tells of something that was done, not of something to do."""
    low = plain(text[:500])
    if low.rstrip().endswith("?"):
        return False
    return any(not _NOT_DONE.search(low[: found.start() + 1]) for found in _ATTEMPT.finditer(low))


@lru_cache(maxsize=20_000)
def is_proposal(text: str) -> bool:
    """Whether the sentence tells someone to try something."""
    low = plain(text[:300]).lstrip(" -*•\"'(0123456789.)")
    low = _ASIDE.sub("", low[:60]) + low[60:]
    offer = _OFFER.match(low)
    rest = low[offer.end() :].lstrip() if offer else low
    rest = _ASIDE.sub("", rest[:40]) + rest[40:]
    if _NOT_A_STEP.match(rest) or len(rest.split()) < 2:
        return False
    if offer and offer.group().startswith(("have you", "did you try", "what", "how", "make sure")):
        return True
    return bool(_IMPERATIVE.match(rest)) and not (low.rstrip().endswith("?") and not offer)


@lru_cache(maxsize=20_000)
def clauses(text: str) -> tuple[str, ...]:
    """The parts of a sentence that tells of two attempts with different ends; else the sentence whole."""
    parts = [part.strip() for part in _CLAUSE.split(text[:1000]) if part.strip()]
    if len(parts) < 2 or len(text) > 1000:
        return (text,)
    ends = [verdict(part) for part in parts]
    told = {
        end for end, part in zip(ends, parts, strict=True) if end and (is_attempt(part) or end == "worked")
    }
    return tuple(parts) if len(told) > 1 and is_attempt(parts[0]) else (text,)


def read(case: Case) -> Reading:
    """Follow the session once and tell what was tried, how it ended, and what is still open."""
    reading = Reading()
    for sentence in sentences(case.problem, "problem"):
        _read_sentence(reading, sentence, None, -1)
    for index, step in enumerate(case.steps):
        if step.outcome in ("worked", "failed", "partial"):
            reading.attempts.append(_stated(step, index))
            continue
        spoken = list(step_sentences(case, step))
        for sentence in spoken:
            _read_sentence(reading, sentence, step, index)
        if not spoken or not any(is_attempt(s.text) or is_proposal(s.text) for s in spoken):
            _read_reply(reading, step, index)
    _drop_taken_up(reading)
    return reading


def outcomes(case: Case) -> list[Attempt]:
    """The attempts of the session whose end is known or asked for, in order."""
    return read(case).attempts


def step_sentences(case: Case, step: CaseStep) -> Iterator[Sentence]:
    """The telling sentences of one step, within this session's reading budget."""
    longest = max(LEAST_READ, CHARACTERS_READ // max(1, len(case.steps)))
    yield from sentences(step.text, f"step:{step.seq}", longest=min(8000, longest))


def _stated(step: CaseStep, index: int) -> Attempt:
    """A step whose author gave its outcome: the sentence that tells what was done."""
    spoken = [sentence.text for sentence in sentences(step.text, "", longest=2000)]
    told = next((text for text in spoken if is_attempt(text) or is_proposal(text)), None)
    text = told or (spoken[0] if spoken else clip(step.text, 300) or "(no text)")
    return Attempt(text, step.outcome, (f"step:{step.seq}",), step.author, index)


def _read_sentence(reading: Reading, sentence: Sentence, step: CaseStep | None, index: int) -> None:
    author = step.author if step else None
    parts = clauses(sentence.text)
    if len(parts) > 1:
        for part in parts:
            _read_sentence(reading, replace(sentence, text=part), step, index)
        return
    ended = verdict(sentence.text)
    if is_attempt(sentence.text) and not is_noise(sentence.text):
        reading.attempts.append(Attempt(sentence.text, ended, (sentence.source,), author, index))
    elif step is not None and is_proposal(sentence.text):
        reading.proposals.append(Attempt(sentence.text, None, (sentence.source,), author, index))
    elif ended is not None:
        _settle(reading, ended, sentence.source, author, index)


def _read_reply(reading: Reading, step: CaseStep, index: int) -> None:
    """A short answer such as "tried that" or "nope, same" has no telling sentence of its own."""
    short = unaddressed(step.text[:200]).strip()
    low = plain(short)
    if len(low) > 120 or low.endswith("?"):
        return
    ended = verdict(low)
    if ended is None and _TRIED_IT.match(low):
        ended = "failed" if "tried" in low or "already" in low else "unknown"
    if ended is not None:
        _settle(reading, ended, f"step:{step.seq}", step.author, index)


def _settle(reading: Reading, ended: str, source: str, author: str | None, index: int) -> None:
    """Give the report `ended` to the last thing it can be about: an own attempt or another's proposal."""
    own = _last(reading.attempts, index, lambda a: a.outcome in (None, "unknown"))
    offered = _last(reading.proposals, index, lambda a: author is None or a.author != author)
    if offered is not None and (own is None or offered.at > own.at):
        reading.proposals.remove(offered)
        reading.attempts.append(_ended(offered, ended, source))
    elif own is not None:
        # "Neither helped" speaks of everything that the same text tells of.
        together = [a for a in reading.attempts if a.at == own.at and a.outcome in (None, "unknown")]
        for attempt in together:
            reading.attempts[reading.attempts.index(attempt)] = _ended(attempt, ended, source)


def _last(items: list[Attempt], index: int, fits: object) -> Attempt | None:
    for item in reversed(items[-20:]):
        if index - item.at <= REPLY_WINDOW and callable(fits) and fits(item):
            return item
    return None


def _ended(attempt: Attempt, ended: str, source: str) -> Attempt:
    evidence = tuple(dict.fromkeys((*attempt.evidence, source)))
    return replace(attempt, outcome=ended, evidence=evidence)


def _drop_taken_up(reading: Reading) -> None:
    """A proposal that somebody acted on in other words is open no longer."""
    done = [attempt.text for attempt in reading.attempts]
    reading.proposals = [
        p for p in reading.proposals[-40:] if not any(repeats(p.text, text) for text in done)
    ]
