"""Compare phrases: do two of them name the same action?"""

from __future__ import annotations

import re
from functools import lru_cache

from Stemmer import Stemmer

CACHED = 4096  # texts whose words are remembered

_WORD = re.compile(r"[a-z0-9][\w.+#-]{0,60}[\w+#]|[a-z0-9]")
_SENTENCE = re.compile(r"[.!?\n;]+(?:\s|$)")
_DIGIT = re.compile(r"\d")


def listed(text: str) -> frozenset[str]:
    """The space-separated words of a word list."""
    return frozenset(text.split())


_STOP = listed(
    "a an the to of in on at by for from with and or but so then than that this these those it its is"
    " are was were be been being has have had do does did done i we you he she they me us my our your"
    " his her their them please kindly pls try tried trying again also just now once more not no if"
    " any all as after before into up out off over again could can should would will may might must"
    " user client customer ask let need needs have there here via same using use used help helped"
    " work works worked still issue problem error fix fixed step first next maybe"
)
_STEMMER = Stemmer("english", 0)  # without its own cache, which is no safe place for several threads


def _stemmed(words: str) -> frozenset[str]:
    return frozenset(_STEMMER.stemWords(words.split()))


# One word for actions that are the same.
_SAME = {
    stem: common
    for common, words in {
        "restart": "reboot cycle bounce",
        "remov": "uninstall delete purge",
        "revert": "rollback",
        "updat": "upgrade patch",
        "replac": "swap",
        "clear": "empty flush wipe",
        "disabl": "deactivate",
        "enabl": "activate",
        "check": "verify inspect look review examine confirm",
    }.items()
    for stem in _stemmed(words)
}
# An action word decides what is done to the thing; two phrases that share only the thing are two steps.
_ACTIONS = _stemmed(
    "restart reinstall install remove revert update replace clear disable enable check reset recreate rebuild add change"
    " edit set run start stop renew extend move copy switch import export test compare downgrade unplug reseat repair"
    " configure open close block unblock delete ping reconnect rejoin rescan regenerate reimport redeploy deploy roll"
)


@lru_cache(maxsize=CACHED)
def stem(word: str) -> str:
    """Return the stem, the same for "restarted", "restarting" and "rebooted". What holds a digit is a name and stays."""
    if _DIGIT.search(word):
        return word
    stemmed = _STEMMER.stemWord(word)
    return _SAME.get(stemmed, stemmed)


@lru_cache(maxsize=CACHED)
def stems(text: str) -> frozenset[str]:
    """The stems of the words in `text` that carry meaning."""
    return frozenset(map(stem, set(_WORD.findall(text[:2000].lower())) - _STOP))


@lru_cache(maxsize=CACHED)
def _clauses(text: str) -> tuple[frozenset[str], ...]:
    parts = [stems(part) for part in _SENTENCE.split(text[:2000])[:20]]
    return tuple(part for part in parts if part) or (frozenset(),)


def overlap(text: str, other: str) -> float:
    """The share of the meaningful words of `text` that `other` has too, 0..1."""
    mine = stems(text)
    return len(mine & stems(other)) / len(mine) if mine else 0.0


def repeats(proposal: str, tried: str) -> bool:
    """Whether `proposal` asks for an action that `tried` reports.

    Three quarters of its words must stand in one sentence of `tried`, its action must be the same, and it
    may name no machine, version or number of its own: the same step elsewhere is another step.
    """
    mine = stems(proposal)
    return bool(mine) and any(_same_step(mine, clause) for clause in _clauses(tried))


def _same_step(mine: frozenset[str], clause: frozenset[str]) -> bool:
    shared = mine & clause
    if len(shared) < min(2, len(mine)) or len(shared) / len(mine) < 0.7:
        return False
    if any(char.isdigit() for word in mine - clause for char in word):
        return False
    actions, done = mine & _ACTIONS, clause & _ACTIONS
    return not actions or not done or actions <= done or len(actions & done) / len(actions) > 0.5
