"""Count what assessments are worth, session by session, each figure with how many things it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from models.assessment.case import Case
from tasks.assessors.mail import case_as_seen
from tasks.assessors.reading.language import ENGLISH, foreign_language
from tasks.evaluation.measures import (
    MET,
    Rarity,
    Share,
    error_strings,
    even,
    full_text,
    letters,
    place,
    statements,
    texts_of,
    whole,
    words,
)
from tasks.evaluation.replay import Answer
from tasks.evaluation.sessions import Session

UNSOLVED = ("failed", "partial")
WORKED = "worked"
NOTHING_TRIED = "nothing tried"
NO_ACTION = ("question", "observation")
SOLVED = "probably_solved"
# Likeness from which a cause is taken to be the known one. It is lower than for steps: endings say it in a few words.
CAUSE_MET = 0.15
SAME = 0.6  # share of a statement's words that a step has, from which it is taken to tell of that step


@dataclass(frozen=True)
class Answers:
    """What one method answered for one session; None: it was not asked."""

    cut: Answer
    whole: Answer | None = None  # with the steps that tell the ending
    foreign: Answer | None = None  # with past cases of other topics

    def asked(self) -> list[Answer]:
        """Every answer that there is."""
        return [answer for answer in (self.cut, self.whole, self.foreign) if answer is not None]


@dataclass
class Figures:
    """The figures of one method. The fields that are a Share are rows of the table, named in MEASURES."""

    quotes: Share = field(default_factory=Share)
    errors: Share = field(default_factory=Share)
    attempts_right: Share = field(default_factory=Share)
    attempts_found: Share = field(default_factory=Share)
    attempts_unjudged: Share = field(default_factory=Share)
    causes_named: Share = field(default_factory=Share)
    causes_right: Share = field(default_factory=Share)
    solved_seen: Share = field(default_factory=Share)
    open_called_solved: Share = field(default_factory=Share)
    suggested: Share = field(default_factory=Share)
    taken: Share = field(default_factory=Share)
    abstained: Share = field(default_factory=Share)
    language: Share = field(default_factory=Share)
    fallbacks: Share = field(default_factory=Share)
    error_kinds: Counter[str] = field(default_factory=Counter)
    characters: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    cost: Decimal = Decimal(0)
    cached: int = 0

    def add(self, session: Session, answers: Answers, rarity: Rarity) -> None:
        """Count what was answered for one session."""
        for answer in answers.asked():
            self._add_cost(answer)
        if answers.cut.content is not None:
            self._add_content(session, answers.cut.content, rarity)
        if answers.whole is not None and answers.whole.content is not None:
            state = _state(answers.whole.content)
            if state is not None:
                self.solved_seen.add(state == SOLVED)
        if answers.foreign is not None and answers.foreign.content is not None:
            self.abstained.add(not concludes_from_past(answers.foreign.content))

    def _add_cost(self, answer: Answer) -> None:
        self.fallbacks.add(answer.error is not None)
        self.tokens.append(answer.tokens)
        self.cost += answer.cost
        self.cached += answer.is_cached
        if answer.error is None:
            self.seconds.append(answer.seconds)
        else:
            self.error_kinds[answer.error] += 1

    def _add_content(self, session: Session, content: Mapping[str, Any], rarity: Rarity) -> None:
        case, told = session.case, full_text(content)
        self.characters.append(len(told))
        self._add_quotes(case, content)
        for wanted in error_strings(whole(case)):
            self.errors.add(wanted in even(told))
        self._add_attempts(session, content["do_not_repeat"])
        self._add_cause(session, content["likely_cause"], rarity)
        self._add_suggestions(session, content["suggested_steps"], rarity)
        self.language.add(_language(case) == _language(_reply_alone(case, content)))
        state = _state(content)
        if state is not None:
            self.open_called_solved.add(state == SOLVED)

    def _add_quotes(self, case: Case, content: Mapping[str, Any]) -> None:
        seen, sent = texts_of(case_as_seen(case)), texts_of(case)
        texts = {name: letters(f"{seen.get(name, '')}\0{text}") for name, text in sent.items()}
        for item in statements(content):
            sought = letters(item.get("quote") or item["text"])
            self.quotes.add(bool(sought) and any(sought in texts.get(name, "") for name in item["evidence"]))

    def _add_attempts(self, session: Session, listed: Sequence[Mapping[str, Any]]) -> None:
        """Count by text: whatever number an attempt cites, it tells of the step that has most of its words."""
        if not session.given:
            return
        texts = {step.seq: step.text for step in session.case.steps}
        # Who files a step as a question or an observation says that nothing was tried in it.
        known = {step.seq: NOTHING_TRIED for step in session.case.steps if step.kind in NO_ACTION} | session.given
        told = [step_of(item, texts) for item in listed]
        for outcome in (known.get(seq or 0) for seq in told):
            self.attempts_unjudged.add(outcome is None)
            if outcome is not None:
                self.attempts_right.add(outcome not in (WORKED, NOTHING_TRIED))
        for seq, outcome in session.given.items():
            if outcome in UNSOLVED and seq in texts:
                self.attempts_found.add(seq in told)

    def _add_cause(self, session: Session, cause: Mapping[str, Any] | None, rarity: Rarity) -> None:
        self.causes_named.add(cause is not None)
        if cause is not None:
            known = [text for text in (session.root_cause, session.resolution) if text]
            self.causes_right.add(rarity.best(cause["text"], known) >= CAUSE_MET)

    def _add_suggestions(self, session: Session, steps: Sequence[Mapping[str, Any]], rarity: Rarity) -> None:
        self.suggested.add(bool(steps))
        for step in steps:
            self.taken.add(rarity.best(step["text"], session.ending) >= MET)


def step_of(item: Mapping[str, Any], texts: Mapping[int, str]) -> int | None:
    """Return the step of which a statement tells: the one in which its letters stand, else that with its words."""
    for said in (item.get("quote"), item["text"]):
        for seq, text in texts.items():
            if said and place(said, text):
                return seq
    own = set(words(item["text"]))
    shares = {seq: len(own & set(words(text))) / len(own) for seq, text in texts.items()} if own else {}
    best = max(shares, key=lambda seq: shares[seq], default=None)
    return best if best is not None and shares[best] >= SAME else None


def concludes_from_past(content: Mapping[str, Any]) -> bool:
    """Whether a cause or a suggestion cites a past case."""
    cause = [content["likely_cause"]] if content["likely_cause"] else []
    cited = [name for item in [*cause, *content["suggested_steps"]] for name in item["evidence"]]
    return any(name.startswith("handoff:") for name in cited)


def _state(content: Mapping[str, Any]) -> str | None:
    """The state that an assessment names: open, waiting or probably_solved. None: it names none."""
    state = content.get("state")
    return state.get("value") if isinstance(state, dict) else None


def _language(case: Case) -> str:
    return foreign_language(case) or ENGLISH


def _reply_alone(case: Case, content: Mapping[str, Any]) -> Case:
    """A case whose only text is the reply, whose language can then be told as that of a session."""
    suggested = [f"{item['text']}\n{item['why']}" for item in content["suggested_steps"]]
    return replace(case, title="", problem="\n".join([content["summary"], *suggested]), steps=())


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which this share of the values lies; None: there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
