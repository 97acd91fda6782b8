"""One column of everything that happened: steps, questions, claims, reasons, assessments and the end, day by day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from api.case import words
from api.case.summary import retracted
from api.case.words import Clock, moment
from api.labels import LABELS
from models.handoff import OPEN
from models.session import Outcome, StepKind

FOLDED_BEYOND = 20  # steps
WORTH_FOLDING = 4  # fewer take no more room than what says that they are folded
TAIL = 10  # the last ones, which stay open

Row = Mapping[str, Any]

# What somebody did, after their name. What is not here says nothing to a reader.
MOVES = {
    "handoff.created": "handed it off",
    "handoff.claimed": "took it",
    "handoff.released": "put it back into the queue",
    "handoff.reassigned": "gave it to",
    "handoff.resolved": "resolved it",
    "handoff.withdrawn": "withdrew it",
    "handoff.reopened": "opened it again",
    "handoff.restored": "brought it back",
    "handoff.discarded": "discarded it",
}
UPDATES = {
    "kept": "kept the claim",
    "snooze ended": "waits no longer",
    "snooze is over": "The time of waiting is over",
}
SNOOZED = re.compile(r"snoozed until (?P<until>\d{4}-\d\d-\d\d \d\d:\d\d) UTC: (?P<reason>.*)", re.DOTALL)
RETRACTED = re.compile(r"step (?P<seq>\d+) retracted")
LAPSED = "claim lease ran out"


@dataclass(frozen=True)
class Entry:
    """One line of the column. A step has a `step`; a move has `words` and perhaps a `note`, its reason."""

    id: str
    at: str
    who: str
    kind: str  # step | move | assessment
    words: str = ""
    note: str = ""
    fixed: str = ""  # the resolution of an earlier handoff
    about: str = ""  # what the note is, if it is not a reason
    step: Row | None = None
    kind_label: str = ""
    outcome_label: str = ""
    is_later: bool = False
    is_open: bool = True
    may_retract: bool = False
    is_asked: bool = False  # a question to somebody that waits for an answer
    answered_by: int | None = None  # the number of the step that answers it
    by_person: bool = False
    order: tuple[datetime, int, int] | tuple[()] = ()


@dataclass(frozen=True)
class Group:
    """Entries that follow each other on one day; `fold` is what a folded group is called."""

    entries: list[Entry]
    fold: str | None


@dataclass(frozen=True)
class Day:
    """A day with what happened on it."""

    key: str
    name: str
    groups: list[Group]


@dataclass(frozen=True)
class History:
    """The whole column, and how much of it the filters would show."""

    days: list[Day]
    steps: int
    failed: int
    by_people: int
    tail: int  # the number of the first step of the open end
    last_move: str  # what was done last, in words


def history(
    handoff: Row,
    steps: Sequence[Row],
    timelines: Iterable[tuple[Row, Sequence[Row]]],
    clock: Clock,
    *,
    cited: set[int],
    viewer: Row,
    tail: int | None = None,
) -> History:
    """Build the column from a session's steps and the timelines of its handoffs, each with its handoff.

    `tail` keeps open at least the steps from that number on, so that nothing folds away under a reader when more
    arrive.
    """
    begin = max(1, len(steps) - TAIL + 1)
    begin = min(begin, tail) if tail else begin
    entries = [*_steps(handoff, steps, cited, begin, viewer)]
    for owner, rows in timelines:
        entries += _moves(owner, rows, clock, is_this=owner["id"] == handoff["id"])
    entries.sort(key=lambda entry: entry.order)
    return History(
        list(_days(entries, clock)),
        len(steps),
        sum(step["outcome"] == Outcome.FAILED for step in steps),
        sum(entry.by_person for entry in entries),
        begin,
        next((f"{each.who} {each.words}".strip() for each in reversed(entries) if each.kind == "move"), ""),
    )


def _steps(handoff: Row, steps: Sequence[Row], cited: set[int], begin: int, viewer: Row) -> Iterator[Entry]:
    answers = {step.get("answers"): step["seq"] for step in reversed(steps) if not retracted(step)}
    is_open = handoff["status"] in OPEN
    for step in steps:
        seq = step["seq"]
        asks = is_open and step.get("to") is not None and seq not in answers and not retracted(step)
        stays_open = seq == 1 or seq >= begin or seq in cited or asks
        yield Entry(
            f"step-{seq}",
            step["at"],
            step["author"] or "",
            "step",
            step=step,
            kind_label=LABELS[StepKind][StepKind(step["kind"])],
            outcome_label=LABELS[Outcome][Outcome(step["outcome"])] if step["outcome"] else "",
            is_later=moment(step["added_at"]) > moment(handoff["created_at"]),
            is_open=stays_open or len(steps) <= FOLDED_BEYOND,
            may_retract=_may_retract(step, viewer),
            is_asked=asks,
            answered_by=answers.get(seq),
            order=(moment(step["added_at"]), 0, seq),
        )


def _may_retract(step: Row, viewer: Row) -> bool:
    """Whether this reader may take the step back."""
    own = step["added_by"]["id"] == viewer["id"] or viewer["is_admin"]
    return own and viewer["may_write"] and not retracted(step)


def _moves(owner: Row, rows: Sequence[Row], clock: Clock, *, is_this: bool) -> Iterator[Entry]:
    claimer = ""
    for number, row in enumerate(rows):
        made = _move(row, claimer, clock)
        claimer = _claimer_after(row, claimer)
        if made is None:
            continue
        # What the summary shows is not shown again.
        if row["kind"] == "handoff.created" and (not is_this or owner["ask"]):
            made = replace(made, note=owner["reason"])
        if row["kind"] == "handoff.resolved" and not is_this:
            made = replace(made, fixed=row.get("resolution") or "")
        name = f"event-{row['seq']}" if "seq" in row else f"assessment-{owner['id'][-6:]}-{number}"
        yield replace(made, id=name, order=(moment(row["at"]), 1, number))


def _claimer_after(row: Row, before: str) -> str:
    """Return who has the claim after an event."""
    person = {"handoff.claimed": row["by"], "handoff.reassigned": row.get("to")}.get(row["kind"])
    return person["name"] if person else before


def _move(row: Row, claimer: str, clock: Clock) -> Entry | None:
    kind, who, note = row["kind"], (row["by"] or {}).get("name") or "", row.get("note") or ""
    made = Entry("", row["at"], who, "move", note=note, by_person=bool(who))
    if kind.startswith("assessment."):
        return _assessment(made, row)
    if kind == "handoff.updated":
        return _updated(made, note, clock) if note else None  # a step stands here itself
    if kind == "handoff.released" and not who:
        return _returned(made, note, claimer)
    if kind == "handoff.reassigned":
        return replace(made, words=f"{MOVES[kind]} {(row.get('to') or {}).get('name') or 'somebody else'}")
    if kind == "handoff.resolved":
        return replace(made, words=MOVES[kind], about="Root cause" if note else "")
    return replace(made, words=MOVES[kind]) if kind in MOVES else None


def _returned(made: Entry, note: str, claimer: str) -> Entry:
    """Say why the service has put it back."""
    if note != LAPSED:
        return replace(made, words="It went back into the queue")
    whose = f"The claim of {claimer} lapsed" if claimer else "The claim lapsed"
    return replace(made, words=whose, note="Nothing had happened in time.")


def _updated(made: Entry, note: str, clock: Clock) -> Entry:
    """Say what changed; the note of an update is in the words of the API."""
    if snoozed := SNOOZED.fullmatch(note):
        until = clock.moment(f"{snoozed['until'].replace(' ', 'T')}:00+00:00")
        return replace(made, words=f"waits until {until}", note=snoozed["reason"])
    if retracted := RETRACTED.fullmatch(note):
        return replace(made, words=f"retracted step {retracted['seq']}", note="")
    return replace(made, words=UPDATES.get(note, f"changed {note}"), note="")


def _assessment(made: Entry, row: Row) -> Entry | None:
    what, generation = row["kind"].removeprefix("assessment."), row["generation"]
    if what == "queued":
        return replace(made, words="asked for a new assessment") if made.who and generation > 1 else None
    if what in ("succeeded", "fallback"):
        written = f"Assessment {generation} was written {words.source(row.get('source'))}".rstrip()
        return replace(made, kind="assessment", words=written, note="", who="", by_person=False)
    if what == "failed":
        return replace(made, kind="assessment", words=f"Assessment {generation} failed", note="", who="")
    return None


def _days(entries: Sequence[Entry], clock: Clock) -> Iterator[Day]:
    """Yield the days. What was noted later of an earlier day stands where it was noted, so that days only go on."""
    latest = date.min
    dated = []
    for entry in entries:
        latest = max(latest, clock.at(entry.at).date())
        dated.append((latest, entry))
    for day, of_day in groupby(dated, key=lambda pair: pair[0]):
        groups = groupby((entry for _, entry in of_day), key=lambda entry: entry.is_open)
        yield Day(day.isoformat(), clock.day(day), [_group(list(group), is_open) for is_open, group in groups])


def _group(entries: list[Entry], is_open: bool) -> Group:
    if is_open or len(entries) < WORTH_FOLDING:
        return Group(entries, None)
    numbers = [entry.step["seq"] for entry in entries if entry.step]
    count = words.plural(len(numbers), "more step")
    return Group(entries, f"{count}: {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{count}: {numbers[0]}")
