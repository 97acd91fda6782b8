"""The sentences of a case, within bounds that no case can exceed.

All later work grows with the sentences read here, and so does the time for which one account's assessment keeps a
processor from the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.assessment.case import Case, CaseStep, steps_to_read
from tasks.assessors.reading.lines import quotes
from tasks.assessors.reading.text import LONGEST_TEXT, Sentence, sentences

CHARACTERS_READ = 60_000  # of the steps of a session, over all of them
SENTENCES_READ = 1_200  # likewise
EVEN_SHARE = (
    120_000  # divided by the number of steps: no more of one step, so that a long mail does not drown the others
)
SHORTENED_SHARE = 0.5  # below this share the assessment states how much was read


@dataclass(frozen=True)
class Transcript:
    """The telling sentences of a case. `steps` are those that were read, `spoken` the sentences of each."""

    problem: list[Sentence]
    steps: Sequence[CaseStep]
    spoken: list[list[Sentence]]
    reason: list[Sentence]
    ask: list[Sentence]
    left_out: int = 0  # steps of the session
    shortened: bool = False  # less than half of the characters of `steps` were read

    def everything(self) -> list[Sentence]:
        """Every sentence in order: problem, steps, reason, ask."""
        of_steps = [sentence for told in self.spoken for sentence in told]
        return [*self.problem, *of_steps, *self.reason, *self.ask]


def transcribe(case: Case) -> Transcript:
    """Read the case once. Costs the same for every session beyond the bounds, however long it is."""
    steps = steps_to_read(case.steps)
    sizes = [len(step.text) for step in steps]
    even = EVEN_SHARE // max(1, len(steps))
    longest = min(LONGEST_TEXT, even, fair_share(sizes, CHARACTERS_READ))
    names = _names(steps)
    problem = sentences(case.problem, "problem", names=names)
    told = [sentences(step.text, f"step:{step.seq}", longest=longest, names=names) for step in steps]
    told = [*_without_repetitions(problem, steps, told)]
    most = fair_share([len(each) for each in told], SENTENCES_READ)
    return Transcript(
        problem=problem,
        steps=steps,
        spoken=[_ends(each, most) for each in told],
        reason=sentences(case.reason, "reason"),
        ask=sentences(case.ask or "", "ask"),
        left_out=case.steps_left_out + len(case.steps) - len(steps),
        shortened=sum(min(size, longest) for size in sizes) < SHORTENED_SHARE * sum(sizes),
    )


def _names(steps: Sequence[CaseStep]) -> frozenset[str]:
    """The names of those who speak, in lower case, and their first names."""
    names = {step.author.lower() for step in steps if step.author}
    return frozenset(names | {name.split()[0] for name in names if name.strip()})


def _without_repetitions(
    problem: list[Sentence], steps: Sequence[CaseStep], told: list[list[Sentence]]
) -> Iterator[list[Sentence]]:
    """Yield the sentences of each step without those that it only quotes, whether they are marked or not."""
    known = {sentence.lower for sentence in problem}
    for step, spoken in zip(steps, told, strict=True):
        fresh = [sentence for sentence in spoken if sentence.lower not in known]
        yield fresh if len(fresh) < len(spoken) and quotes(step.text) else spoken
        known.update(sentence.lower for sentence in spoken)


def fair_share(sizes: Sequence[int], budget: int) -> int:
    """The most that each may have so that all together stay within `budget`: what the small leave goes to the large."""
    left = budget
    for place, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - place)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def _ends(told: list[Sentence], most: int) -> list[Sentence]:
    """The first two thirds and the last third of `most` sentences."""
    if len(told) <= most:
        return told
    head = most - most // 3
    return told[:head] + told[head - most :] if most > head else told[:head]
