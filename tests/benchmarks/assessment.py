"""Fidelity of the extractive assessor on real sessions, against simple baselines.

python -m tests.benchmarks.assessment [FILE …]   (default: the tickets and chats of REAL_DATA_DIR)
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.assessment.case import Case
from tasks.assessors.extractive import Extractive
from tasks.assessors.mail import case_as_seen
from tasks.evaluation.figures import concludes_from_past
from tasks.evaluation.measures import Said, error_strings, full_text, lines_of, mean, texts_of, whole
from tests import real_data
from tests.benchmarks import foresight, measures, rows
from tests.benchmarks.rows import Row

SUMMARY = 600
LONG = 3000  # characters of a session that nobody reads in ten seconds
SEED = 20220102
EVERYTHING = "the whole session"
ABOUT_FIFTY = range(45, 56)


@dataclass
class Output:
    """The output of one method for one case."""

    text: str
    claims: list[Said]  # what it offers as an attempt that failed


@dataclass
class Score:
    """One line of the table, filled case by case."""

    errors: list[float | None] = field(default_factory=list)
    names: list[float | None] = field(default_factory=list)
    problem: list[float | None] = field(default_factory=list)
    courtesy: list[float | None] = field(default_factory=list)
    length: list[float | None] = field(default_factory=list)


def first(case: Case, longest: int) -> Output:
    return _spoken(case, lines_of(case), longest)


def last(case: Case, longest: int) -> Output:
    return _spoken(case, list(reversed(lines_of(case))), longest if longest > SUMMARY else SUMMARY, most=1)


def scattered(case: Case, longest: int) -> Output:
    pieces = lines_of(case)
    random.Random(f"{SEED}{case.handoff_id}").shuffle(pieces)
    return _spoken(case, pieces, longest)


def _spoken(case: Case, pieces: list[Said], longest: int, most: int | None = None) -> Output:
    if most is not None and pieces:
        pieces = [said for said in lines_of(case) if said.sources == pieces[0].sources]
    taken: list[Said] = []
    room = longest
    for said in pieces:
        if room <= 0:
            break
        taken.append(Said(said.text[:room], said.sources))
        room -= len(said.text) + 1
    return Output("\n".join(said.text for said in taken), taken)


def everything(case: Case, longest: int) -> Output:
    """The whole session: no text of it can hold more."""
    return _spoken(case, [Said(case.title, ("title",)), *lines_of(case)], 10_000_000)


def brief(content: dict[str, Any]) -> Output:
    return Output(content["summary"], _failed(content))


def full(content: dict[str, Any]) -> Output:
    return Output(full_text(content), _failed(content))


def _failed(content: dict[str, Any]) -> list[Said]:
    return [Said(item["text"], tuple(item["evidence"])) for item in content["do_not_repeat"]]


def judge(score: Score, row: Row, case: Case, output: Output) -> None:
    text = whole(case)
    score.errors.append(measures.kept(error_strings(text), output.text))
    score.names.append(measures.kept(measures.product_names(text), output.text))
    score.problem.append(measures.recall(row.get("internal_problem"), output.text))
    score.courtesy.append(float(measures.has_courtesy(output.text)))
    score.length.append(float(len(output.text)))


@dataclass
class Evidence:
    """The support of the statements by the texts they cite."""

    statements: int = 0
    spans: int = 0
    supported: int = 0
    dropped: int = 0
    causes: int = 0
    seconds: list[float] = field(default_factory=list)  # of a processor, so that a busy machine does not count
    seconds_of_fifty: list[float] = field(default_factory=list)  # the same of sessions of about fifty steps

    def add(self, content: dict[str, Any], case: Case) -> None:
        texts = texts_of(case_as_seen(case))
        for said in measures.statements(content):
            self.statements += 1
            self.spans += measures.is_span(said, texts)
            self.supported += measures.is_supported(said, texts)
        self.causes += content["likely_cause"] is not None


def abstention(cases: Sequence[Row], foreign: Sequence[Row], score: float) -> float | None:
    """The share of cases in which past cases of another topic (found at `score`) conclude nothing."""
    if not foreign:
        return None
    chooser = random.Random(SEED)
    told: list[float] = []
    for row in cases:
        past = tuple(rows.to_past(other, score) for other in chooser.sample(foreign, min(5, len(foreign))))
        content = Extractive().assess(rows.to_case(row, past), deadline=0).content
        told.append(float(not concludes_from_past(content)))
    return mean(told)


def run(data: Sequence[Row]) -> tuple[dict[str, Score], Evidence]:
    """Every method over every case."""
    evidence = Evidence()
    scores: dict[str, Score] = {}
    for row in data:
        case = rows.to_case(row)
        content = _timed(case, evidence)
        for name, output in _outputs(case, content).items():
            judge(scores.setdefault(name, Score()), row, case, output)
    return scores, evidence


def _timed(case: Case, evidence: Evidence) -> dict[str, Any]:
    started = time.process_time()
    draft = Extractive().assess(case, deadline=0)
    evidence.seconds.append(time.process_time() - started)
    if len(case.steps) in ABOUT_FIFTY:
        evidence.seconds_of_fifty.append(evidence.seconds[-1])
    evidence.dropped += draft.dropped_evidence
    evidence.add(draft.content, case)
    return draft.content


def _outputs(case: Case, content: dict[str, Any]) -> dict[str, Output]:
    assessment = full(content)
    size = len(assessment.text)
    methods: dict[str, Callable[[Case, int], Output]] = {"first": first, "random": scattered}
    return {
        "summary": brief(content),
        "first 600": first(case, SUMMARY),
        "last message": last(case, SUMMARY),
        "random 600": scattered(case, SUMMARY),
        "assessment": assessment,
        **{f"{name}, same length": method(case, size) for name, method in methods.items()},
        EVERYTHING: everything(case, size),
    }


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value <= 1 else f"{value:.0f}"


def table(scores: dict[str, Score]) -> str:
    head = [
        "method",
        "error strings kept",
        "product names kept",
        "reference problem",
        "with courtesies",
        "characters",
    ]
    lines = [head, ["---"] * len(head)]
    for name, score in scores.items():
        averages = (score.errors, score.names, score.problem, score.courtesy, score.length)
        lines.append([name, *(_cell(mean(values)) for values in averages)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def duel(scores: dict[str, Score]) -> str:
    """Count where the summary has more, or fewer, words of the reference problem than the session's start."""
    pairs = list(zip(scores["summary"].problem, scores["first 600"].problem, strict=True))
    told = [(one, two) for one, two in pairs if one is not None and two is not None]
    if not told:
        return "no reference problems"
    more, less = sum(one > two for one, two in told), sum(one < two for one, two in told)
    return f"reference problems: {len(told)}; the summary says more than the first 600 in {more}, less in {less}"


def _spread(seconds: Sequence[float]) -> str:
    told = sorted(second * 1000 for second in seconds)
    if not told:
        return "none"
    middle, late = told[len(told) // 2], told[int(len(told) * 0.95)]
    return f"median {middle:.1f} ms, p95 {late:.1f} ms, slowest {told[-1]:.1f} ms"


def report(name: str, data: Sequence[Row], foreign: Sequence[Row]) -> None:
    """Print one source's table and its evidence line."""
    scores, evidence = run(data)
    print(f"\n{name}: {len(data)} sessions\n\n{table(scores)}\n")
    print(f"{duel(scores)}\n")
    unseen = [row for row in data if rows.is_held_out(row)]
    if unseen:
        half = run(unseen)[0]
        print(f"the {len(unseen)} of them held out of the last change\n\n{table(half)}\n\n{duel(half)}\n")
    long = [row for row in data if len(whole(rows.to_case(row))) >= LONG]
    if long:
        print(f"of these {len(long)} with at least {LONG} characters\n\n{table(run(long)[0])}\n")
    if evidence.statements:
        spans, supported = evidence.spans / evidence.statements, evidence.supported / evidence.statements
        print(
            f"evidence: {evidence.statements} statements, {spans:.3f} word for word in the cited text,"
            f" {supported:.3f} by words, {evidence.dropped} ids dropped; a cause is named in"
            f" {evidence.causes / len(data):.2f} of the sessions"
        )
    print(f"processor time: {_spread(evidence.seconds)}; about fifty steps: {_spread(evidence.seconds_of_fifty)}")
    _, queries = rows.split_by_time(data) if rows.is_ticket(data[0]) else ([], list(data)[:200])
    shares = [(score, abstention(queries, foreign, score)) for score in (0.3, 0.9)]
    told = ", ".join(f"{_cell(share)} at score {score}" for score, share in shares)
    foreseen = foresight.run(data)
    print(f"\nsuggested at half-time, {len(foreseen['last lines'].best)} sessions\n\n{foresight.table(foreseen)}\n")
    print(f"abstention: 1.00 by construction without history; with past cases of another topic {told}")


def main(paths: Sequence[str]) -> int:
    """Score each file. Exit status 0; this measures, it does not judge."""
    files = list(paths) or [str(real_data.folder() / name) for name in rows.DEFAULT_FILES]
    loaded = {path: rows.load([path]) for path in files}
    standard = rows.load([real_data.folder() / rows.DEFAULT_FILES[1]])
    for path, data in loaded.items():
        others = [row for other, held in loaded.items() if other != path for row in held]
        resolved = [row for row in others if row.get("resolution")] or others or standard
        report(Path(path).name, data, resolved)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
