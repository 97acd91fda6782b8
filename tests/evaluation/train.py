"""Train the model that reads sentences, on the labels: make train.

Writes tasks/assessors/reading/acts.tsv. Held-out sessions are not looked at. Each question is a logistic regression
of its own, fitted twice: with all features that three sentences have, then with the weightiest. The score above which
an answer is yes is decided on sessions that the fit did not see (cross-validation): at the precision of AIMS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from models.assessment.case import Case
from tasks.assessors.mail import case_as_seen
from tasks.assessors.reading import acts
from tasks.assessors.reading.acts import Scores, context, spoken_by
from tasks.assessors.reading.features import words_of
from tasks.assessors.reading.transcript import transcribe
from tasks.evaluation.measures import place
from tests.evaluation import notes
from tests.evaluation.labelled import SOURCES, Session, sessions

# Of the sentences for which a question is answered yes, the share for which that is right.
AIMS = Scores(
    worth=0.7,
    attempt=0.75,
    report=0.7,
    failed=0.65,
    worked=0.6,
    proposal=0.8,
    question=0.8,
    cause=0.6,
    solved=0.5,
    symptom=0.7,
    courtesy=0.75,
)
# What the publishers of the texts put in the place of names: nothing may be learnt of that.
MASK = re.compile(r"\b(?:ph_\w+|user_\d+)|\[(?:user|email|ip|mac|number)\]", re.I)
MASKED = "something"
MOST_FEATURES = 14_000
LEAST_SENTENCES = 3  # that have a feature
STRENGTH = 0.03  # of the fit; less means smaller weights
FOLDS = 4
LEAST_ANSWERS = 20  # by which a precision is believed


@dataclass(frozen=True)
class Example:
    """A sentence to learn from: the session, its features, and the answers."""

    session: str
    features: dict[str, bool]
    answers: tuple[bool, ...]


def answers(session: Session, numbers: Sequence[int]) -> tuple[bool, ...]:
    """The right answers to the questions of Scores about a sentence, by the numbers of the labelled ones in it."""
    covered = [session.sentences[number - 1] for number in numbers]
    codes = {each.act for each in covered}
    kinds = {code[0] for code in codes}
    actions = {attempt.action for attempt in session.attempts if attempt.outcome != "worked"}
    # An outcome counts in the sentence that states it, not in the one that describes the deed.
    failures = {attempt.result for attempt in session.attempts if attempt.outcome in ("failed", "partial")}
    successes = {attempt.result for attempt in session.attempts if attempt.outcome == "worked"}
    happy = codes & {"C", "O+", "R+"}
    late = session.state == "solved" and any(number >= (session.shown_by or 0) for number in numbers)
    right = {
        "worth": any(each.is_worth_it for each in covered),
        "attempt": bool(codes & {"R-", "R~", "R?"}) or not actions.isdisjoint(numbers),
        "report": "R" in kinds,
        "failed": bool(codes & {"O-", "O~"}) or not failures.isdisjoint(numbers),
        "worked": bool(codes & {"C", "O+"}) or not successes.isdisjoint(numbers),
        "proposal": "P" in kinds,
        "question": "Q" in kinds,
        "cause": "D" in kinds,
        "solved": (late and bool(happy)) or (session.state == "solved" and session.shown_by in numbers),
        "symptom": "S" in kinds,
        "courtesy": kinds <= {"X"},
    }
    return tuple(right[name] for name in Scores._fields)


def examples(session: Session, case: Case, asker_of: acts.Model | None, *, named: bool) -> list[Example]:
    """Each sentence of a session; `asker_of` tells who has the problem, None leaves the speakers out."""
    seen = case_as_seen(case)
    if not named:
        seen = replace(seen, steps=tuple(replace(step, author=None) for step in seen.steps))
    transcript = transcribe(seen)
    spoken = acts.sentences_of(transcript)
    texts = {"problem": (0, case.problem), **{f"step:{step.seq}": (step.seq, step.text) for step in case.steps}}
    first = session.sentences[0].step
    judged = acts.judge(transcript, asker_of) if asker_of else []
    found: list[Example] = []
    words = [words_of(MASK.sub(MASKED, sentence.text)) for sentence, _, _ in spoken]
    for at, parts in enumerate(context([step for _, step, _ in spoken], words)):
        sentence = spoken[at][0]
        step, text = texts[sentence.source]
        where = place(sentence.text, text)
        numbers = session.covered(step if (step or first == 0) else 1, *where) if where else []
        if not numbers:
            continue
        asks = judged[at].is_asker if judged else None
        named_parts = [*parts, *(spoken_by(words[at], asks) if judged else [])]
        features = {f"{part}\t{name}": True for part, names in named_parts for name in names}
        found.append(Example(session.id, features, answers(session, numbers)))
    return found


def fits(matrix: csr_matrix, right: NDArray[np.bool_]) -> list[LogisticRegression]:
    """One fit for each question, several at a time."""
    matrix.sum_duplicates()  # otherwise each thread would do that to the matrix of all
    return Parallel(n_jobs=-1, prefer="threads")(delayed(fit)(matrix, column) for column in right.T)


def fit(matrix: csr_matrix, right: NDArray[np.bool_]) -> LogisticRegression:
    """Fit the answers to one question."""
    return LogisticRegression(C=STRENGTH, solver="liblinear", tol=0.01).fit(matrix, right)


def cut_at(scores: NDArray[np.float64], right: NDArray[np.bool_], aim: float) -> float:
    """Return the lowest score from which on the share of right ones is at least `aim`."""
    order = scores.argsort()[::-1]
    shares = right[order].cumsum() / np.arange(1, len(order) + 1)
    good = [at for at in range(LEAST_ANSWERS - 1, len(order)) if shares[at] >= aim]
    return float(scores[order[good[-1] if good else LEAST_ANSWERS - 1]])


def train(found: Sequence[Example], *, folds: int = FOLDS) -> acts.Model:
    """Fit the weights and find the cuts."""
    vectorizer = DictVectorizer(dtype=np.float64)
    matrix = vectorizer.fit_transform([example.features for example in found]).tocsr()
    names = vectorizer.get_feature_names_out()
    right = np.array([example.answers for example in found], bool)
    often = np.asarray(matrix.sum(axis=0)).ravel()
    common = np.flatnonzero(often >= LEAST_SENTENCES)
    matrix, often = matrix[:, common], often[common]
    first = np.array([fitted.coef_.ravel() for fitted in fits(matrix, right)])
    weighty = np.argsort(-(abs(first).max(axis=0) * often**0.5))[:MOST_FEATURES]
    matrix, names = matrix[:, weighty], names[common][weighty]
    groups = [example.session for example in found]
    unseen = np.zeros(right.shape)
    for learnt, others in GroupKFold(folds).split(matrix, right, groups):
        for column, fitted in enumerate(fits(matrix[learnt], right[learnt])):
            unseen[others, column] = fitted.decision_function(matrix[others])
    models = fits(matrix, right)
    cuts = tuple(cut_at(*pair) for pair in zip(unseen.T, right.T, AIMS, strict=True))
    for name, scores, truth, cut in zip(Scores._fields, unseen.T, right.T, cuts, strict=True):
        yes = scores >= cut
        print(f"| {name} | {truth[yes].mean():.2f} of {yes.sum()} | {yes[truth].mean():.2f} of {truth.sum()} |")
    rows: dict[str, dict[str, int]] = {}
    for row, name in enumerate(names, acts.NOTHING + 1):
        part, _, feature = name.partition("\t")
        rows.setdefault(part, {})[feature] = row
    nothing = np.zeros((1, right.shape[1]))
    weights = np.vstack([nothing, np.array([model.coef_[0] for model in models]).T])
    bias = np.array([model.intercept_[0] for model in models])
    return acts.Model(rows, _whole(weights), _whole(bias), _whole(np.array(cuts)))


def _whole(log_odds: NDArray[np.float64]) -> acts.Table:
    """Log-odds in whole hundredths."""
    return np.rint(log_odds * acts.SCALE).astype(np.int32)


def write(model: acts.Model) -> None:
    """Store the weights as text, sorted, in whole hundredths."""

    def row(part: str, name: str, numbers: Iterable[int]) -> str:
        return "\t".join([part, name, *(str(number) if number else "" for number in numbers)])

    lines = ["\t".join(["read of", "feature", *Scores._fields])]
    lines += [row("constant", "bias", model.bias), row("constant", "cut", model.cut)]
    lines += [
        row(part, name, model.weights[number])
        for part, rows in sorted(model.rows.items())
        for name, number in sorted(rows.items())
        if model.weights[number].any()
    ]
    acts.WEIGHTS.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Train on the sessions that are not held out: first without speakers, then with those that this model tells."""
    pairs = [pair for source in SOURCES for pair in sessions(source) if not pair[0].is_held_out]
    pairs += notes.sessions()
    print(f"{len(pairs)} sessions\n\n| question | right of those answered yes | found |\n| --- | --- | --- |")
    unnamed = [each for session, case in pairs for each in examples(session, case, None, named=False)]
    first = train(unnamed)
    print()
    named = [each for session, case in pairs for each in examples(session, case, first, named=True)]
    write(train([*named, *unnamed]))


if __name__ == "__main__":
    main()
