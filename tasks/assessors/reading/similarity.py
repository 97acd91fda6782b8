"""Compare phrases: do two of them name the same action?"""

from __future__ import annotations

import re
from functools import lru_cache

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
_SAME = {
    "reboot": "restart",
    "cycl": "restart",
    "bounc": "restart",
    "uninstall": "remov",
    "delet": "remov",
    "purg": "remov",
    "rollback": "revert",
    "upgrad": "updat",
    "patch": "updat",
    "swap": "replac",
    "empti": "clear",
    "flush": "clear",
    "wip": "clear",
    "deactivat": "disabl",
    "activat": "enabl",
    "verifi": "check",
    "inspect": "check",
    "look": "check",
    "review": "check",
    "examin": "check",
    "confirm": "check",
}
# An action word decides what is done to the thing; two phrases that share only the thing are two steps.
_ACTIONS = listed(
    "restart reinstall install remov revert updat replac clear disabl enabl check reset recreat"
    " rebuild add chang edit set run start stop renew extend move copi switch import export test"
    " compar downgrad unplug reseat repair configur open clos block unblock delet ping reconnect"
    " rejoin rescan regenerat reimport redeploy deploy roll"
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ied", "ies", "ed", "es", "s", "e")


@lru_cache(maxsize=CACHED)
def stem(word: str) -> str:
    """A crude stem: enough to see that "restarted" and "restarting" are one word."""
    if len(word) < 4 or _DIGIT.search(word):
        return word
    for ending in _ENDINGS if word.endswith(_ENDINGS) else ():
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + ("i" if ending in ("ied", "ies") else "")
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    if len(word) > 3 and word.endswith("y"):
        word = word[:-1] + "i"
    return _SAME.get(word, word)


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
