"""Sessions whose endings are known, cut before them."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from models.assessment.case import Case, CaseStep, PastCase, steps_to_read
from models.history import Line
from models.session import Outcome
from tasks.evaluation.measures import Rarity, letters, place, whole, words

NOBODY = UUID(int=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST_WORDS = 3  # of a resolution that is looked for by its words, and of a step that repeats one
LONG_WORD = 4  # letters
TOLD = 0.6  # share of a resolution's words from which a step tells it
REPEATED = 0.8  # share of a step's words from which it repeats the resolution
CLOSING_STEPS = 2  # at the end, among which thanks for a solution are looked for

FOREIGN = 0.1  # likeness below which two sessions are of different topics
FOREIGN_COUNT = 5
FOREIGN_SCORE = 0.9  # as if the search had taken them for the same case
LOOKED_AT = 200  # sessions, in the search for foreign ones

_SOLVED = re.compile(
    r"\b(?:work(?:s|ing|ed)?(?: fine| well| perfectly)? (?:now|again)|now (?:it )?works"
    r"|(?:fixed|solved|resolved)\b|did the trick|did it)",
    re.I,
)
_DENIED = re.compile(r"\b(?:not|no|never|still|isn't|doesn't|didn't|hasn't|if|until)\b|\?", re.I)


@dataclass(frozen=True)
class Session:
    """A session and its ending. `whole` has every step, `case` those before the ending."""

    case: Case
    whole: Case
    resolution: str
    root_cause: str | None
    given: dict[int, str]  # outcomes that the authors of steps gave, by step, before the cut
    later: tuple[str, ...]  # texts of the steps that were cut off
    category: str | None = None

    @property
    def id(self) -> str:
        """The id of the handoff, which is the same in every run."""
        return str(self.case.handoff_id)

    @property
    def ending(self) -> list[str]:
        """Every text that was written when the case was over or nearly so."""
        return [*self.later, self.resolution, *([self.root_cause] if self.root_cause else [])]

    @cached_property
    def topic(self) -> frozenset[str]:
        """The words by which two sessions are compared."""
        return frozenset(words(f"{whole(self.whole)}\n{self.resolution}"))

    def as_past(self, score: float) -> PastCase:
        """The session as a later one may cite it."""
        case = self.whole
        return PastCase(
            case.handoff_id, case.title, case.problem, self.resolution, self.root_cause or None, score=score
        )


def of_line(line: Line, *, keep_outcomes: bool = False) -> Session | None:
    """Build the session of a line of history; None: its ending is not known.

    The outcomes of its steps are held back, unless they are to be kept: attempts are counted against them.
    """
    if not line.is_resolved:
        return None
    sent, resolution = line.intake.session, line.content["resolution"]
    steps = [
        CaseStep(seq, step.kind, step.text, step.outcome, step.at, step.author)
        for seq, step in enumerate(sent.steps, 1)
        if step.retracted_at is None
    ]
    end = find_end(steps, resolution, line.content.get("created_at"))
    shown = steps if keep_outcomes else [replace(step, outcome=None) for step in steps]
    frame = Case(
        account_id=NOBODY,
        handoff_id=line.handoff_id(EPOCH),
        assessment_id=NOBODY,
        title=sent.title,
        problem=sent.problem,
        reason=line.intake.reason,
        ask=line.intake.ask,
        category=sent.category,
        client=sent.client,
        asset=sent.asset,
    )
    return Session(
        case=_with_steps(frame, shown[:end]),
        whole=_with_steps(frame, shown),
        resolution=resolution,
        root_cause=line.content.get("root_cause"),
        given={step.seq: str(step.outcome) for step in steps[:end] if step.outcome},
        later=tuple(step.text for step in steps[end:]),
        category=sent.category,
    )


def _with_steps(frame: Case, steps: Sequence[CaseStep]) -> Case:
    read = steps_to_read(steps)
    return replace(frame, steps=read, steps_left_out=len(steps) - len(read))


def find_end(steps: Sequence[CaseStep], resolution: str, handed_off: datetime | None) -> int:
    """Return the index of the first step of the ending; their number if no step tells it.

    These tell it: what was written after the handoff, the last thing that worked, what says as much as the
    resolution, and thanks for a solution at the end.
    """
    after = [n for n, step in enumerate(steps) if handed_off and step.at and step.at > handed_off]
    worked = [n for n, step in enumerate(steps) if step.outcome == Outcome.WORKED]
    telling = [n for n, step in enumerate(steps) if _tells(step.text, resolution)]
    closing = [n for n in range(max(0, len(steps) - CLOSING_STEPS), len(steps)) if _confirms(steps[n].text)]
    if after[:1] == [0]:
        after = []  # a handoff before the first step is the time of the ticket, which says nothing
    return min([len(steps), *after[:1], *worked[-1:], *telling[:1], *closing[:1]])


def _tells(text: str, resolution: str) -> bool:
    wanted, said = _long_words(resolution), _long_words(text)
    if len(wanted) < LEAST_WORDS:
        return bool(letters(resolution)) and place(resolution, text) is not None
    shared = len(wanted & said)
    return shared / len(wanted) >= TOLD or (len(said) >= LEAST_WORDS and shared / len(said) >= REPEATED)


def _long_words(text: str) -> set[str]:
    return {word for word in words(text) if len(word) >= LONG_WORD}


def _confirms(text: str) -> bool:
    return bool(_SOLVED.search(text)) and not _DENIED.search(text)


def draw(sessions: Sequence[Session], count: int, seed: int) -> list[Session]:
    """Draw so many sessions. The same seed draws the same ones, wherever they stand among the others."""
    return sorted(sessions, key=lambda session: hashlib.sha256(f"{seed}\0{session.id}".encode()).digest())[:count]


def foreign_to(sessions: Sequence[Session], rarity: Rarity, seed: int) -> Callable[[Session], tuple[PastCase, ...]]:
    """Return what finds past cases of other topics for a session, at most FOREIGN_COUNT of them."""

    def find(session: Session) -> tuple[PastCase, ...]:
        chooser = random.Random(f"{seed}{session.id}")
        looked_at = chooser.sample(sessions, min(LOOKED_AT, len(sessions)))
        found = (other for other in looked_at if _is_foreign(session, other, rarity))
        return tuple(other.as_past(FOREIGN_SCORE) for other, _ in zip(found, range(FOREIGN_COUNT), strict=False))

    return find


def _is_foreign(one: Session, two: Session, rarity: Rarity) -> bool:
    if one.category and two.category and one.category == two.category:
        return False
    return one.id != two.id and rarity.alike(one.topic, two.topic) < FOREIGN
