"""Play the stories of the demo: the moves of people in the order of their times, which are then set to the past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from api.cli.demo.stories import BEGINNINGS, ENDS, STEPS, Line, Story, length
from api.cli.history_lines import SCHEMA as HISTORY
from api.schemas import IntakeSchema, StepSchema
from models import batch, handoff, history
from models import session as sessions
from models.account import Account, User
from models.assessment import Lane, feedback, vocabulary
from models.assessment.feedback import Rating
from models.batch.selection import Selection
from models.database.executor import Session
from models.handoff import Actor, Handoff, Status, claims, edits, intake, moves, parked, reading
from models.handoff.intake import Intake
from models.history import backdate, load
from models.history.backdate import Moment
from models.session import SentStep
from models.transaction import maintenance, one_message, transaction
from tasks import assess
from tasks import batch as batches
from tasks.wake import wake

LEASE = timedelta(minutes=30)  # of claims; one story has a lease that runs out
AGE_OF_PENDING = timedelta(minutes=2)  # what is younger waits for the workers
NOTE = "Everything that is open, by the assessor of this installation"

People = Mapping[str, User]  # by first name, in lower case


def fill(account_id: UUID, people: People, stories: Sequence[Story]) -> dict[str, int]:
    """Fill an account of its own with these stories; returns how many handoffs have each status.

    Imported ones become past cases at once. The others are played: handed off, assessed, taken, worked on and
    resolved by the same verbs as ever. Workers assess the newest, and then, in a batch, everything that is open.
    """
    now = datetime.now(UTC)
    with maintenance() as session:
        session.get_one(Account, account_id).claim_lease_seconds = round(LEASE.total_seconds())
    _import(account_id, people, [story for story in stories if story.imported], now)
    player = _Player(account_id, people, now)
    player.play([story for story in stories if not story.imported])
    with maintenance() as session:
        vocabulary.count(session, account_id)
    wake(Lane.INTERACTIVE, player.left_to_workers)
    with transaction(account_id) as session:
        wanted = Selection(status=(Status.READY, Status.CLAIMED))
        batch.create(session, account_id, wanted, by=people["ada"].id, note=NOTE)
        counted = _counted(session, account_id)
    batches.kick()
    return counted


def _counted(session: Session, account_id: UUID) -> dict[str, int]:
    rows = session.execute(
        select(Handoff.status, func.count()).where(Handoff.account_id == account_id).group_by(Handoff.status)
    )
    found: dict[Status, int] = Counter(dict(rows.all()))
    return {status.value: found[status] for status in Status if found[status]}


def _import(account_id: UUID, people: People, stories: Sequence[Story], now: datetime) -> None:
    lines = [
        history.Line(number, HISTORY.load(_imported(story, people, now))) for number, story in enumerate(stories, 1)
    ]
    with transaction(account_id) as session:
        load.load(session, account_id, lines, by=people["ada"].id)


def _imported(story: Story, people: People, now: datetime) -> dict[str, Any]:
    """Return the line of history that says the same: what was done, and how it ended."""
    begun = next(line for line in story.lines if line.verb in BEGINNINGS)
    end = next(line for line in story.lines if line.verb == "resolves")
    steps = [_step(line, now, author=people[line.who].name) for line in story.lines if line.is_step]
    return {
        **_body(story, begun, steps, people, now),
        "created_at": (now - begun.ago).isoformat(),
        "resolution": end.text,
        "root_cause": end.extra,
        "resolved_at": (now - end.ago).isoformat(),
    }


def _body(story: Story, begun: Line, steps: list[dict[str, Any]], people: People, now: datetime) -> dict[str, Any]:
    """Return the body of POST /handoffs. `begun` says how urgent it is, and for whom: “urgent for sam”."""
    words = begun.how.split()
    target = people[words[words.index("for") + 1]].id if "for" in words else None
    return {
        "intent": begun.verb.removesuffix("s"),
        "priority": words[0] if words and words[0] != "for" else "normal",
        "reason": begun.text,
        "ask": begun.extra,
        "target_user_id": target and str(target),
        "session": {
            "external_id": story.ticket,
            "title": story.title,
            "problem": story.problem,
            "client": story.client,
            "asset": story.asset,
            "category": story.category,
            "opened_at": (now - story.lines[0].ago).isoformat(),
            "steps": steps,
        },
    }


def _step(line: Line, now: datetime, *, author: str | None = None) -> dict[str, Any]:
    kind, outcome = STEPS[line.verb]
    at = (now - line.ago).isoformat()
    return {"kind": kind, "outcome": outcome, "text": line.text, "at": at, "author": author}


def _database_time() -> datetime:
    """Return the time by the clock that stamps the rows; this machine's may run at another pace."""
    with maintenance() as session:
        return backdate.now(session)


class _Player:
    """Makes the moves of all stories in the order of their times, and remembers when it made each."""

    def __init__(self, account_id: UUID, people: People, now: datetime) -> None:
        self.account_id = account_id
        self.people = people
        self.now = now
        self.left_to_workers = 0
        self._moments: list[Moment] = []
        self._handoffs: dict[str, UUID] = {}  # parked or open, by ticket
        self._asked: dict[tuple[str, str], int] = {}  # the question to a person that waits, by ticket
        self._before: dict[str, list[Line]] = {}  # steps of a ticket that nobody has handed off yet

    def play(self, stories: Sequence[Story]) -> None:
        """Play them all."""
        lines = [(line, story) for story in stories for line in story.lines]
        for line, story in sorted(lines, key=lambda each: each[0].ago, reverse=True):
            if line.is_step and story.ticket not in self._handoffs:
                self._before.setdefault(story.ticket, []).append(line)
            else:
                self._remember(line)
                self._move(line, story)
        with maintenance() as session:
            backdate.backdate(session, self.account_id, self._moments)

    def _remember(self, line: Line) -> None:
        began, at = _database_time(), self.now - line.ago
        if self._moments:
            last = self._moments[-1]
            at = max(at, last.at + (began - last.began))  # of two at the same time one is the first
        self._moments.append(Moment(began, at))

    def _move(self, line: Line, story: Story) -> None:
        if line.is_step:
            return self._add_step(line, story)
        if line.verb in BEGINNINGS and story.ticket not in self._handoffs:
            return self._hand_off(line, story)
        handoff_id, by = self._handoffs[story.ticket], self._actor(line.who)
        how = partial(getattr(self, f"_{line.verb}"), handoff_id, line)
        how() if by is None else how(by)
        if line.verb in ENDS:
            del self._handoffs[story.ticket]
        return None

    def _actor(self, who: str) -> Actor | None:
        return None if who == "service" else Actor(self.people[who].id)

    def _hand_off(self, line: Line, story: Story) -> None:
        steps = [self._known_step(each, author=line.who) for each in self._before.pop(story.ticket, [])]
        body = IntakeSchema().load(_body(story, line, steps, self.people, self.now))
        with transaction(self.account_id) as session:
            made, asked = intake.accept(session, self.account_id, Intake.of(body), by=self.people[line.who].id)
        self._handoffs[story.ticket] = made
        self._assess(line, asked)

    def _known_step(self, line: Line, *, author: str) -> dict[str, Any]:
        return _step(line, self.now, author=None if line.who == author else self.people[line.who].name)

    def _assess(self, line: Line, asked: UUID | None) -> None:
        """Write what workers would have written by now; what is new is left to them."""
        if asked is not None and line.ago > AGE_OF_PENDING:
            assess.write_offline(self.account_id, asked)
        else:
            self.left_to_workers += asked is not None

    def _add_step(self, line: Line, story: Story) -> None:
        by = self.people[line.who].id
        body = _step(line, self.now)
        if line.verb == "asks":
            body["to_user_id"] = str(self.people[line.how].id)
        elif line.verb == "answers":
            body["answers"] = self._asked.pop((story.ticket, line.who))
        step = SentStep.of(StepSchema().load(body))
        with transaction(self.account_id) as session:
            stored = handoff.find_session(session, self.account_id, story.ticket, seen_by=Actor(by), locked=True)
            seq = sessions.append_step(session, stored, step, by=by).seq
            edits.note_steps(session, self.account_id, stored.id, [step], by=by)
        if line.verb == "asks":
            self._asked[story.ticket, line.how] = seq

    def _escalates(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        with transaction(self.account_id) as session:
            asked = parked.escalate(session, self.account_id, handoff_id, by=by)
        self._assess(line, asked)

    def _takes(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        self._reads(handoff_id, line, by)
        moves.claim(self.account_id, handoff_id, by=by)

    def _reads(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        with transaction(self.account_id) as session:
            seen = handoff.find(session, self.account_id, handoff_id, seen_by=by).seq
        with one_message(self.account_id) as message:
            reading.mark_read(message, self.account_id, handoff_id, seen or 0, by=by)

    def _snoozes(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        until = self.now + length(line.how)
        claims.snooze(self.account_id, handoff_id, by=by, until=until, reason=line.text)

    def _discards(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        parked.discard(self.account_id, handoff_id, by=by)

    def _releases(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        moves.release(self.account_id, handoff_id, by=by, reason=line.text)

    def _gives(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        to = self.people[line.how.removeprefix("to ")].id
        moves.reassign(self.account_id, handoff_id, by=by, to=to, reason=line.text)

    def _resolves(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        moves.resolve(self.account_id, handoff_id, by=by, resolution=line.text, root_cause=line.extra)

    def _withdraws(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        moves.withdraw(self.account_id, handoff_id, by=by)

    def _rates(self, handoff_id: UUID, line: Line, by: Actor) -> None:
        with transaction(self.account_id) as session:
            shown = handoff.find(session, self.account_id, handoff_id, seen_by=by).shown_generation
            rating, comment = Rating(line.how), line.text or None
            feedback.give(
                session,
                self.account_id,
                handoff_id,
                shown or 1,
                by=self.people[line.who].id,
                rating=rating,
                comment=comment,
            )

    def _lapses(self, handoff_id: UUID, line: Line) -> None:
        with maintenance() as session:  # so that the claim is as old as its story says
            backdate.backdate_handoff(session, self.account_id, handoff_id, self._moments)
        with transaction(self.account_id) as session:
            claims.return_overdue_claim(session, self.account_id, handoff_id)
