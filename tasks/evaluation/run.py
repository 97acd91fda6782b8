"""One evaluation: every method over the drawn sessions, counted as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from models.assessment.case import PastCase
from tasks.assessors.extractive import Extractive
from tasks.evaluation.baselines import baselines
from tasks.evaluation.figures import Answers, Figures
from tasks.evaluation.judge import Judge
from tasks.evaluation.judgments import Item, items_of
from tasks.evaluation.measures import Rarity, whole
from tasks.evaluation.replay import OFFLINE, Replayed, Stop
from tasks.evaluation.sessions import Session, draw, foreign_to


@dataclass
class Evaluation:
    """The methods, the sessions they are measured on, and the figures so far."""

    sessions: Sequence[Session]
    chosen: Replayed
    seed: int = 0
    only_cut: bool = False  # one replay of each session
    judge: Judge | None = None
    figures: dict[str, Figures] = field(init=False)
    items: list[Item] = field(default_factory=list)
    done: int = 0
    stopped: str | None = None  # why not all sessions were replayed

    def __post_init__(self) -> None:
        self.figures = {method.name: Figures() for method in self.methods}

    @cached_property
    def methods(self) -> list[Replayed]:
        """The chosen assessor, the offline one beside it, and the baselines."""
        offline = [replace(self.chosen, name=OFFLINE, assessor=Extractive(), cache=None)]
        lines = [replace(self.chosen, name=each.name, assessor=each, cache=None) for each in baselines(self.seed)]
        return [self.chosen, *(offline if self.chosen.name != OFFLINE else []), *lines]

    @property
    def judged(self) -> set[str]:
        """The names of the methods whose assessments are judged: not the baselines."""
        return {self.chosen.name, OFFLINE}

    @cached_property
    def rarity(self) -> Rarity:
        """How rare words are in these sessions."""
        return Rarity((f"{whole(session.whole)}\n{session.resolution}" for session in self.sessions), least=1)

    @cached_property
    def foreign(self) -> Callable[[Session], tuple[PastCase, ...]]:
        """What finds past cases of other topics."""
        return foreign_to(self.sessions, self.rarity, self.seed)

    def run(self, count: int) -> Iterator[int]:
        """Replay so many sessions and yield how many were done after each. `stopped` says why there were fewer.

        A session counts for every method or for none, also when this is interrupted.
        """
        for session in draw(self.sessions, count, self.seed):
            try:
                answers = [(method, self._answers(method, session)) for method in self.methods]
                self._judge(session, answers)
            except Stop as stop:
                self.stopped = str(stop)
                return
            for method, answer in answers:
                self.figures[method.name].add(session, answer, self.rarity)
            self.done += 1
            yield self.done
            self.stopped = self.chosen.hopeless or (self.judge.hopeless if self.judge else None)
            if self.stopped:
                return

    def _answers(self, method: Replayed, session: Session) -> Answers:
        cut = method.ask(session.case)
        if self.only_cut or cut.content is None:
            return Answers(cut)
        past = self.foreign(session)
        return Answers(
            cut,
            method.ask(session.whole) if session.later else None,
            method.ask(replace(session.case, past=past)) if past else None,
        )

    def _judge(self, session: Session, answers: Sequence[tuple[Replayed, Answers]]) -> None:
        for method, answer in answers:
            content = answer.cut.content
            if content is None or method.name not in self.judged:
                continue
            items = items_of(session.id, method.name, content)
            self.items += items
            if self.judge is not None:
                self.judge.judge(session.case, content, items)
