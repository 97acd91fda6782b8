"""Measure the search for similar past cases: on real tickets, in a real database, against a stated rule.

python -m tests.benchmarks.retrieval [FILE …]     quality, on tickets in the shape of tickets.jsonl
python -m tests.benchmarks.retrieval --speed N    milliseconds with N past cases in one account

Words alone, and words with the meaning by the model of EMBEDDINGS: by default the one of the development packages.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from deploy.local import minilm
from models import account
from models import session as sessions
from models.account import Role
from models.assessment import case, vocabulary
from models.assessment.vectors import Meaning, pack
from models.database import new_id
from models.database.executor import Session
from models.handoff import search
from models.session import SentStep, StepKind
from models.settings import settings
from models.transaction import maintenance, transaction
from tasks.embed import embed_some
from tasks.embeddings import Embedder, build
from tasks.embeddings.calibration import calibrate
from tests import real_data
from tests import servers as private
from tests.benchmarks import rows
from tests.benchmarks.measures import words
from tests.benchmarks.rows import Row
from tests.conftest import environment

AFTERWARDS = ("internal_problem", "internal_investigation", "resolution")
ALIKE = 0.15  # cosine of what was written afterwards, from which two tickets count as alike
LABELS = ("category", "sub_category1", "sub_category2", "business_service")
HISTORY, QUERIES = 2000, 400  # of the labelled tickets, taken at random
THRESHOLDS = (0.15, 0.2, 0.25, 0.27, 0.3, 0.36, 0.4, 0.45, 0.5, 0.55)
SHOWN = 5
DESKS = ("desk_forum.jsonl", "desk_seamonkey.jsonl")
IN_USE = {"words": case.LEAST_SCORE, "mixed": case.LEAST_MIXED}


@dataclass(frozen=True)
class Past:
    """One text of the benchmark. `steps` are searched too, as in production."""

    key: str
    title: str
    problem: str
    steps: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        return f"{self.title}\n{self.problem}"


@dataclass
class Result:
    """The cases found for the queries: [(score, is it relevant), …] each, the best first."""

    found: list[list[tuple[float, bool]]] = field(default_factory=list)

    def hits(self, least: float) -> float:
        """The share of queries with a relevant case among the first five at or above the score."""
        return _share(any(right for score, right in one if score >= least) for one in self.found)

    def mrr(self, least: float) -> float:
        ranks = [[right for score, right in one if score >= least] for one in self.found]
        return sum(1 / (rank.index(True) + 1) for rank in ranks if True in rank) / max(1, len(ranks))

    def precision(self, least: float) -> float:
        return _share(right for one in self.found for score, right in one if score >= least)

    def silence(self, least: float) -> float:
        """The share of queries to which nothing is shown."""
        return _share(not any(score >= least for score, _ in one) for one in self.found)

    def halves(self) -> tuple[Result, Result]:
        return Result(self.found[::2]), Result(self.found[1::2])


def _share(values: Iterator[bool] | Sequence[bool]) -> float:
    told = list(values)
    return sum(told) / len(told) if told else 0.0


_RESOLVED = """
    INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, handed_off_by_id,
        returns, overdue, generation, resolution, search)
    VALUES (%(account)s, %(id)s, %(session)s, 'escalate', 'resolved', 1, 'normal', 'Out of ideas.', %(by)s,
        0, false, 0, 'Solved.', array_to_tsvector(ARRAY[%(lexeme)s])
            || setweight(to_tsvector('english', %(title)s), 'A') || to_tsvector('english', %(text)s))
"""


class Desk:
    """An account whose past cases are searched, by words and with a model."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.embedder = embedder
        with maintenance() as session:
            self.account_id = account.create_account(session, "Benchmark").id
            self.user_id = account.create_user(session, self.account_id, "Somebody", Role.ENGINEER).id

    def resolve(self, pasts: Sequence[Past]) -> dict[UUID, str]:
        """Store these as resolved; returns the key of each handoff."""
        ids = {new_id(): past for past in pasts}
        with transaction(self.account_id) as session:
            for handoff_id, past in ids.items():
                self._add(session, handoff_id, past)
        return {handoff_id: past.key for handoff_id, past in ids.items()}

    def _add(self, session: Session, handoff_id: UUID, past: Past) -> None:
        steps = tuple(SentStep(StepKind.NOTE, text) for text in past.steps)
        details = {"external_id": str(handoff_id), "title": past.title[:200], "problem": past.problem}
        kept = sessions.store(session, self.account_id, details)
        resolved = {
            "account": self.account_id,
            "id": handoff_id,
            "session": kept.id,
            "by": self.user_id,
            **search.document_values(self.account_id, kept, steps, []),
        }
        session.send(_RESOLVED, resolved)

    def settle(self) -> None:
        """Do what the workers do after a while: count the words, embed the cases."""
        with maintenance() as session:
            vocabulary.count(session, self.account_id)
        while self.embedder and embed_some(self.embedder, account_id=self.account_id):
            pass

    def similar(self, asked: str) -> dict[str, list[tuple[float, UUID]]]:
        """Return what an assessor would get without the threshold, by words alone and mixed."""
        found = {"words": self._similar(asked, None)}
        if self.embedder:
            (vector,) = self.embedder.embed([asked[: case.SEARCHED_CHARS]])
            found["mixed"] = self._similar(asked, Meaning(self.embedder.name, pack(vector)))
        return found

    def _similar(self, asked: str, meaning: Meaning | None) -> list[tuple[float, UUID]]:
        with transaction(self.account_id) as session:
            found = case.similar(session, self.account_id, asked, besides=self.account_id, meaning=meaning, least=0.0)
        return [(past.score, past.handoff_id) for past in found]


class Results(dict[str, Result]):
    """Results of each way to search."""

    def add(self, found: dict[str, list[tuple[float, UUID]]], known: dict[UUID, str], right: Collection[str]) -> None:
        """Add what a query has found; `known` has the keys of the past cases, `right` those that are relevant."""
        for way, cases in found.items():
            judged = [(score, known.get(past) in right) for score, past in cases]
            self.setdefault(way, Result()).found.append(judged)


def of_ticket(row: Row) -> Past:
    """A ticket as it stood before anybody wrote how it ended."""
    told = rows.to_case(row)
    return Past(row["id"], told.title, told.problem, tuple(step.text for step in told.steps))


def of_chat(row: Row) -> Past:
    told = rows.to_case(row)
    return Past(row["id"], told.title, told.problem)


class Afterwards:
    """Which tickets are alike by what their desk wrote afterwards, which no search has seen."""

    def __init__(self, tickets: Sequence[Row]) -> None:
        self.told = {row["id"]: self._words(row) for row in tickets}
        told = [each for each in self.told.values() if each]
        spread = Counter(word for each in told for word in each)
        self.weight = {word: math.log(len(told) / count) for word, count in spread.items()}

    @staticmethod
    def _words(row: Row) -> set[str]:
        text = " ".join(row.get(name) or "" for name in AFTERWARDS)
        # Masked names (ph_…) are the same in every ticket and distinguish nothing.
        return {re.sub(r"(?:ing|ed|es|s)$", "", w) for w in words(text) if len(w) > 2 and not w.startswith("ph_")}

    def alike(self, one: str, two: str) -> bool:
        first, second = self.told[one], self.told[two]
        norm = math.sqrt(self._square(first) * self._square(second))
        return len(first & second) >= 2 and norm > 0 and self._square(first & second) / norm >= ALIKE

    def _square(self, told: set[str]) -> float:
        return float(sum(self.weight[word] ** 2 for word in told))


def rolling(tickets: Sequence[Row], desk: Desk) -> tuple[Results, float]:
    """Every ticket in the order of time asks for the resolved ones before it; and the hit rate of chance."""
    judge, results = Afterwards(tickets), Results()
    known: dict[UUID, str] = {}
    chance: list[float] = []
    for row in sorted(tickets, key=lambda row: row.get("opened_at") or ""):
        right = [key for key in known.values() if judge.alike(row["id"], key)]
        if right:
            results.add(desk.similar(of_ticket(row).asked), known, right)
            chance.append(_by_chance(len(right), len(known)))
        if row.get("resolution"):
            known |= desk.resolve([of_ticket(row)])
            desk.settle()
    return results, sum(chance) / max(1, len(chance))


def labelled(tickets: Sequence[Row], desk: Desk) -> tuple[Results, float]:
    """Tickets of a second desk: relevant is what its people filed under the same four labels."""
    chosen = random.Random(2).sample(list(tickets), min(len(tickets), HISTORY + QUERIES))
    label = {row["id"]: tuple(row[name] for name in LABELS) for row in chosen}
    history, queries = chosen[:HISTORY], chosen[HISTORY:]
    results = Results()
    known = desk.resolve([Past(row["id"], (row["title"] or "")[:200], row["body"]) for row in history])
    desk.settle()
    sizes = Counter(label[row["id"]] for row in history)
    queries = [row for row in queries if sizes[label[row["id"]]]]
    for row in queries:
        found = desk.similar(f"{row['title'] or ''}\n{row['body']}")
        results.add(found, known, [key for key in known.values() if label[key] == label[row["id"]]])
    chance = [_by_chance(sizes[label[row["id"]]], len(history)) for row in queries]
    return results, sum(chance) / max(1, len(chance))


def linked(name: str, desk: Desk) -> tuple[Results, float]:
    """Cases in the order of time, some of which ask for those before: relevant is what people have linked."""
    with real_data.opened(name) as lines:
        told = sorted(map(json.loads, lines), key=lambda row: row["at"])
    results, known, waiting = Results(), dict[UUID, str](), list[Past]()
    chance: list[float] = []
    for row in told:
        past = Past(row["key"], row["title"][:200], row["problem"])
        if row["ask"] and row["right"]:
            known |= desk.resolve(waiting)
            waiting.clear()
            desk.settle()
            results.add(desk.similar(past.asked), known, row["right"])
            chance.append(_by_chance(len(row["right"]), max(1, len(known))))
        if row["keep"]:
            waiting.append(past)
    desk.resolve(waiting)
    desk.settle()
    return results, sum(chance) / max(1, len(chance))


def _by_chance(right: int, size: int) -> float:
    return 1 - math.prod(1 - right / size for _ in range(SHOWN))


def foreign(desk: Desk, chats: Sequence[Row]) -> Results:
    """Search this desk for chats about something else: everything found is wrong."""
    results = Results()
    for row in chats:
        results.add(desk.similar(of_chat(row).asked), {}, ())
    return results


HEAD = ("threshold", "hit rate@5", "MRR", "right among shown", "nothing shown", "nothing shown to another topic")


def table(result: Result, other: Result) -> str:
    rows = [_figures(f"{least:.2f}", result, other, least) for least in (0.0, *THRESHOLDS)]
    return _markdown([HEAD, *rows])


def _figures(name: str, result: Result, other: Result, least: float) -> tuple[str, ...]:
    figures = [result.hits(least), result.mrr(least), result.precision(least), result.silence(least)]
    return (name, *(f"{figure:.2f}" for figure in [*figures, other.silence(least)]))


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *others))


def calibrated(other: Result) -> tuple[float, float]:
    """The least score at which 19 of 20 foreign queries of one half get nothing; and what the other half gets."""
    one, two = other.halves()
    steps = [step / 100 for step in range(5, 60)]
    least = next((step for step in steps if one.silence(step) >= 0.95), steps[-1])
    return least, two.silence(least)


def quality(paths: Sequence[str], embedder: Embedder | None) -> None:
    folder = real_data.folder()
    chats = rows.load([folder / "sessions_irc.jsonl"]) if (folder / "sessions_irc.jsonl").exists() else []
    chats = random.Random(1).sample(chats, min(300, len(chats)))
    summary = [("desk", "searched by", "threshold", *HEAD[1:])]
    for path in paths or [str(folder / "tickets.jsonl")]:
        tickets = [row for row in rows.load([path]) if rows.is_ticket(row)]
        if not any(row.get("resolution") for row in tickets):
            print(f"\n{Path(path).name}: no resolved tickets, so there is nothing to find")
            continue
        desk = Desk(embedder)
        summary += report(Path(path).name, desk, *rolling(tickets, desk), foreign(desk, chats))
    if not paths:
        summary += _other_desks(folder, chats, embedder)
    print(f"\nAt the thresholds in use:\n\n{_markdown(summary)}")


def _other_desks(folder: Path, chats: Sequence[Row], embedder: Embedder | None) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    name = "tickets_it_labelled.jsonl"
    if (folder / name).exists():
        desk = Desk(embedder)
        found += report(name, desk, *labelled(rows.load([folder / name]), desk), foreign(desk, chats))
    for name in DESKS:
        if (folder / f"{name}.gz").exists():
            desk = Desk(embedder)
            found += report(name, desk, *linked(name, desk), foreign(desk, chats))
    return found


def report(name: str, desk: Desk, results: Results, chance: float, other: Results) -> list[tuple[str, ...]]:
    """Print one desk's tables; returns its lines of the summary, at the thresholds in use and at calibrated ones."""
    summary = []
    for way, result in results.items():
        least = IN_USE[way]
        print(f"\n{name}, {way}: {len(result.found)} queries, hit rate@5 by chance {chance:.2f}")
        print(f"\n{table(result, other[way])}\n")
        for half, found in zip(("even", "odd"), result.halves(), strict=True):
            print(f"hit rate@5 of the {half} queries at {least}: {found.hits(least):.2f}")
        quiet, silence = calibrated(other[way])
        print(f"calibrated on one half of the chats: {quiet:.2f}; the other half is shown nothing in {silence:.2f}")
        summary.append((name, way, *_figures(f"{least:.2f}", result, other[way], least)))
    if desk.embedder and "mixed" in results:
        own = calibrate(desk.embedder, desk.account_id).least
        figures = _figures(f"{own:.2f}", results["mixed"], other["mixed"], own)
        summary.append((name, "mixed, `flask similar calibrate`", *figures))
    return summary


def cost(embedder: Embedder, texts: Sequence[str], before: int) -> None:
    """Print how long a text takes alone and among others, and how much memory the process has taken since."""
    spent = sorted(_milliseconds(lambda text=text: embedder.embed([text])) for text in texts)
    together = _milliseconds(lambda: embedder.embed(texts)) / len(texts)
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    print(
        f"\n{embedder.name}: {len(texts)} texts, median {spent[len(spent) // 2]:.0f} ms, p95"
        f" {spent[len(spent) * 19 // 20]:.0f} ms; together {together:.0f} ms each; {grown:.0f} MiB more than without"
    )


def speed(count: int, embedder: Embedder | None) -> None:
    """Repeat real texts up to this number, then run real queries, by words alone and mixed."""
    folder = real_data.folder()
    brief = rows.load([folder / "tickets_it_labelled.jsonl"])
    short = [Past("", (row["title"] or row["body"])[:200], row["body"]) for row in brief]
    long = [of_ticket(row) for row in rows.load([folder / name for name in rows.DEFAULT_FILES])]
    texts = short + long
    random.Random(1).shuffle(texts)
    desk = Desk(embedder)
    for start in range(0, count, 1000):
        desk.resolve([texts[place % len(texts)] for place in range(start, min(count, start + 1000))])
    started = time.monotonic()
    desk.settle()
    if embedder:
        print(f"embedded at {count / (time.monotonic() - started):.1f} a second, one processor")
    queries = random.Random(2).sample(texts, 300)
    for way in ("words", "mixed") if embedder else ("words",):
        # Without the time of the vector itself, which is that of `cost`.
        meanings = [_meaning(embedder, past) if way == "mixed" else None for past in queries]
        spent = sorted(
            _milliseconds(lambda past=past, meaning=meaning: desk._similar(past.asked, meaning))
            for past, meaning in zip(queries, meanings, strict=True)
        )
        print(
            f"{count} past cases, {len(queries)} queries, {way}: median {spent[150]:.1f} ms, p95 {spent[285]:.1f} ms"
        )


def _meaning(embedder: Embedder | None, past: Past) -> Meaning | None:
    return embedder and Meaning(embedder.name, pack(embedder.embed([past.asked[: case.SEARCHED_CHARS]])[0]))


def _milliseconds(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


@contextmanager
def database() -> Iterator[None]:
    """Private servers, migrated, and a model, for the length of the run."""
    with tempfile.TemporaryDirectory(prefix="retrieval-") as folder:
        servers = private.start(Path(folder))
        own = minilm.link(Path(folder, "minilm"))
        model = {"EMBEDDINGS": os.environ.get("EMBEDDINGS") or (f"onnx:{own}" if own else "off")}
        try:
            owner = {"DATABASE_URL": servers.postgres.url(private.TEMPLATE)}
            with environment(servers.environment(private.TEMPLATE) | owner):
                private.migrate_template(servers)
            with environment(servers.environment(servers.create_database()) | model):
                yield
        finally:
            servers.postgres.stop()
            servers.redis.stop()


def main(arguments: Sequence[str]) -> int:
    """Exit status 0; this measures, it does not judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--speed", type=int, metavar="N")
    chosen = parser.parse_args(arguments)
    with database():
        before = psutil.Process().memory_info().rss
        embedder = build(settings())
        if chosen.speed:
            speed(chosen.speed, embedder)
        else:
            quality(chosen.files, embedder)
        if embedder:
            tickets = rows.load([real_data.folder() / "tickets.jsonl"])
            cost(embedder, [of_ticket(row).asked[: case.SEARCHED_CHARS] for row in tickets][:200], before)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
