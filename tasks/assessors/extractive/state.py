"""Where the case stands at the end of the session: open, waiting for somebody, or probably solved."""

from __future__ import annotations

from collections.abc import Sequence

from models.assessment.result import CaseState, Standing
from tasks.assessors.extractive.questions import says_what_it_asks
from tasks.assessors.reading.acts import Judged

MARGIN = 0.6  # log-odds above the cut from which on a sentence shows that the problem is over
OTHERS_MARGIN = 1.2  # the same, of a sentence of somebody else than who has the problem
DENIAL = 0.5  # by which a failure must exceed its cut to take a success before it back
LAST_SENTENCES = 3  # among which a question makes the case a waiting one


def standing(judged: Sequence[Judged]) -> CaseState:
    """Return the state with the text that shows it. Success counts unless a failure is reported after it."""
    for each in reversed(judged):
        if each.step < 0:
            break
        scores = each.scores
        if each.is_asker is not False and scores.failed >= DENIAL > scores.solved:
            break
        if scores.solved >= (OTHERS_MARGIN if each.is_asker is False else MARGIN):
            return {"value": Standing.PROBABLY_SOLVED.value, "evidence": [each.sentence.source]}
    later: set[str | None] = set()
    for each in reversed([each for each in judged if each.scores.courtesy < 0][-LAST_SENTENCES:]):
        answered = bool(later - {each.author})
        if each.step >= 0 and says_what_it_asks(each) and not answered:
            return {"value": Standing.WAITING.value, "evidence": [each.sentence.source]}
        later.add(each.author)
    return {"value": Standing.OPEN.value, "evidence": []}
