"""Find the score from which an account shows past cases with a model: questions that mean nothing shall find nothing.

Nobody has labelled an account's past cases. So questions are drawn from its own words, each word from anywhere: they
sound like the desk and are about nothing. What the best past case scores for three of four of them counts as chance;
real questions about other things score less than these (docs/measurements/assessment.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from uuid import UUID

from models.assessment import case, vectors
from models.assessment.case import SEARCHED_CHARS
from models.assessment.vectors import Meaning, PastText, pack
from models.errors import Conflict
from models.transaction import maintenance, transaction
from tasks.embeddings import Embedder

LEAST_CASES = 50
SAMPLE = 500  # past cases from which the words are drawn
QUESTIONS = 200
SILENT = 0.75  # of the questions
TITLE_WORDS, PROBLEM_WORDS = 6, 40


@dataclass(frozen=True)
class Calibration:
    """The score found, and the one in use before it."""

    least: float
    before: float


def calibrate(embedder: Embedder, account_id: UUID) -> Calibration:
    """Find this account's threshold for the model and set it. The same past cases always give the same one.

    Conflict if it has too few past cases, or some without a vector.
    """
    with maintenance() as session:
        without = vectors.count_missing(session, embedder.name, account_id=account_id)
        texts = vectors.sample(session, account_id, longest=SEARCHED_CHARS, most=SAMPLE)
        before = vectors.threshold(session, account_id, embedder.name)
    if len(texts) < LEAST_CASES:
        raise Conflict("too_few_cases", f"{len(texts)} past cases; it takes {LEAST_CASES} to tell what is chance.")
    if without:
        raise Conflict("not_embedded", f"{without} past cases have no vector yet; run: flask similar embed")
    asked = _questions(texts, Random(account_id.int))
    best = sorted(_best(embedder, account_id, question) for question in asked)
    least = round(best[int(SILENT * (len(best) - 1))] + 0.005, 2)
    with maintenance() as session:
        vectors.set_threshold(session, account_id, embedder.name, least)
    return Calibration(least, case.LEAST_MIXED if before is None else before)


def _questions(texts: list[PastText], chance: Random) -> list[str]:
    words = [word for past in texts for word in f"{past.title} {past.problem}".split()]
    return [
        f"{' '.join(chance.choices(words, k=TITLE_WORDS))}\n{' '.join(chance.choices(words, k=PROBLEM_WORDS))}"
        for _ in range(QUESTIONS)
    ]


def _best(embedder: Embedder, account_id: UUID, question: str) -> float:
    """Return the score of the best past case, 0 if none has a word in common."""
    meaning = Meaning(embedder.name, pack(embedder.embed([question])[0]))
    with transaction(account_id) as session:
        found = case.similar(session, account_id, question, besides=account_id, meaning=meaning, most=1, least=0.0)
    return found[0].score if found else 0.0
