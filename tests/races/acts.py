"""Every write that can meet another one on the same handoff, session or person, as a plain function.

A new kind of write belongs into ACTS; the tests beside this file then run it against all others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from deploy.production import database
from models import account, batch, feed, handoff, history, people
from models import session as sessions
from models.account import Caller, CallerChangedError, Role
from models.account import settings as of_account
from models.assessment import Lane, State, feedback, leases, next_due, unfinished, vectors
from models.assessment.feedback import Rating
from models.assessment.leases import Lease
from models.assessment.result import Result
from models.assessment.vectors import PastText
from models.batch import work
from models.database import dump_json, new_id
from models.handoff import (
    Actor,
    assessing,
    claims,
    corrections,
    edits,
    idempotency,
    intake,
    moves,
    parked,
    questions,
    reading,
    reopening,
    waiting,
)
from models.handoff.assessing import complete
from models.handoff.intake import Intake
from models.history import Line
from models.history import load as history_load
from models.session import SentStep, StepKind
from models.transaction import (
    administration,
    append_and_represent,
    append_now,
    maintenance,
    maintenance_message,
    one_message,
    only_while,
    transaction,
)
from tests import world as worlds
from tests.world import Person, World

CASES = 50 if os.environ.get("PROOFS") == "long" else 12  # of each pair


@dataclass(frozen=True)
class Case:
    """One session with an open and a parked handoff, the assessment of the open one, and a batch over it."""

    name: str
    session: UUID
    handoff: UUID
    parked: UUID
    asked: UUID
    batch: UUID

    @property
    def ids(self) -> list[str]:
        """Its row of the table `scene`."""
        return [str(each) for each in (self.session, self.handoff, self.parked, self.asked, self.batch)]


@dataclass
class Scene:
    """An account with its people, and the cases that writes meet in."""

    world: World
    owner_url: str
    cases: list[Case] = field(default_factory=list)
    counter: Any = field(default_factory=lambda: count(1))
    pairs: Any = field(default_factory=lambda: count(1))
    pair: int = 0

    @property
    def account(self) -> UUID:
        return self.world.account_id

    def people(self, side: int) -> tuple[Person, Person]:
        """The people who act on this side and on the other."""
        both = (self.world.senior, self.world.senior2)
        return both[side], both[1 - side]

    @property
    def admin(self) -> Actor:
        return Actor(self.world.admin.id, is_admin=True)

    def lease(self, case: Case) -> Lease:
        """The lease of a case's assessment, as `reset` leaves it where it is running."""
        return Lease(self.account, case.asked, case.handoff, 1, Lane.INTERACTIVE, 1, 1, 0, 60.0)


def build(world: World, owner_url: str, cases: int = CASES) -> Scene:
    """Hand sessions off, and note the ids in a table of the database for `reset`."""
    scene = Scene(world, owner_url)
    for n in range(cases):
        name = f"T-{n:03d}"
        with transaction(world.account_id) as session:
            made, asked = intake.accept(session, world.account_id, Intake.of(worlds.intake(name)), by=world.junior.id)
            row = sessions.ticket(session, world.account_id, name)
        with transaction(world.account_id) as session:
            body = worlds.intake(name, intent="park")
            parked, _ = intake.accept(session, world.account_id, Intake.of(body), by=world.junior.id)
        assert asked
        assert row
        scene.cases.append(Case(name, row.id, made, parked, asked, new_id()))
    with closing(database.connect(owner_url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scene (n int, session uuid, handoff uuid, parked uuid, asked uuid, batch uuid)")
        for n, case in enumerate(scene.cases):
            cursor.execute("INSERT INTO scene VALUES (%s, %s, %s, %s, %s, %s)", [n, *case.ids])
    return scene


# What acts need to find, for the cases with even and with odd numbers: a status and the state of the assessment.
_RESET = """
    DELETE FROM assessment_feedback; DELETE FROM handoff_reads; DELETE FROM imported_handoffs;
    DELETE FROM past_case_vectors; DELETE FROM past_cases;
    DELETE FROM batch_items; DELETE FROM batches; DELETE FROM idempotency_keys;
    DELETE FROM assessments WHERE id NOT IN (SELECT asked FROM scene);
    DELETE FROM handoffs WHERE id NOT IN (SELECT handoff FROM scene UNION SELECT parked FROM scene);
    UPDATE handoffs SET status = 'parked', intent = 'park', generation = 0, escalated_at = NULL, session_id = session
    FROM scene WHERE id = parked;
    DELETE FROM session_steps WHERE seq > 2 OR session_id NOT IN (SELECT session FROM scene);
    UPDATE session_steps SET retracted_at = NULL, retracted_by_id = NULL;
    DELETE FROM sessions WHERE id NOT IN (SELECT session FROM scene);
    UPDATE sessions SET steps_count = 2 WHERE steps_count > 2;
    INSERT INTO sessions (account_id, id, external_id, title, problem, steps_count, draft_of)
    SELECT account_id, gen_random_uuid(), external_id, title, problem, 1, parked
    FROM sessions JOIN scene ON id = session;
    INSERT INTO session_steps (account_id, session_id, seq, kind, text, added_by_id)
    SELECT account_id, id, 1, 'note', 'A thought.', %(claimer)s FROM sessions WHERE draft_of IS NOT NULL;
    UPDATE handoffs AS h SET session_id = draft.id FROM sessions AS draft WHERE draft.draft_of = h.id;
    UPDATE handoffs SET status = CASE s.status WHEN 'snoozed' THEN 'claimed' ELSE s.status END,
        generation = 1, shown_generation = NULL, ready_at = NULL, overdue = false,
        claimed_by_id = CASE WHEN s.status NOT IN ('pending', 'ready') THEN %(claimer)s::uuid END,
        resolved_at = NULL, closed_by_id = NULL, closed_at = now(), waiting_since = now() - interval '1 day',
        reminders = 0, snoozed_until = CASE WHEN s.status = 'snoozed' THEN now() - interval '1 minute' END,
        snooze_reason = NULL, lease_until = now() - interval '1 hour', first_action_at = NULL,
        claimed_at = CASE WHEN s.status IN ('claimed', 'snoozed') THEN now() - interval '1 day' END,
        target_id = NULL
    FROM (SELECT handoff, CASE WHEN n %% 2 = 0 THEN %(even_status)s ELSE %(odd_status)s END AS status FROM scene) AS s
    WHERE id = s.handoff;
    UPDATE assessments SET state = CASE s.state WHEN 'expired' THEN 'running' ELSE s.state END,
        content = CASE WHEN s.state = 'succeeded' THEN '{}'::jsonb END, error_kind = NULL, attempt_log = '[]',
        attempts = CASE WHEN s.state = 'queued' THEN 0 ELSE 1 END, not_before = now() - interval '1 hour',
        deadline_at = now() + interval '1 hour',
        lease_until = CASE s.state WHEN 'expired' THEN now() - interval '1 hour'
            WHEN 'running' THEN now() + interval '1 hour' END
    FROM (SELECT asked, CASE WHEN n %% 2 = 0 THEN %(even_state)s ELSE %(odd_state)s END AS state FROM scene) AS s
    WHERE id = s.asked;
    INSERT INTO batches (account_id, id, kind, filter, identity, state, total, cursor, done, succeeded, fallback,
        failed, skipped, tokens_in, tokens_out, cost, rate_done)
    SELECT %(account)s, batch, 'reassess', '{}', batch::text, 'running', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM scene;
    INSERT INTO batch_items (account_id, batch_id, position, handoff_id, state)
    SELECT %(account)s, batch, 1, handoff, 'waiting' FROM scene;
    INSERT INTO idempotency_keys (account_id, user_id, key, request_hash, created_at)
    SELECT %(account)s, %(claimer)s, 'aged ' || n, '', now() - interval '30 days' FROM scene;
"""


@dataclass(frozen=True)
class Act:
    """A write: what it does for one case, and what it needs to find so that it is not simply refused."""

    run: Callable[[Scene, Case, int], Any]
    status: str = "ready"
    state: str = "succeeded"

    @property
    def name(self) -> str:
        return self.run.__name__

    def carry_out(self, scene: Scene, case: Case, side: int) -> None:
        """Act as a request of a person, who is refused without access, or outside a request."""
        if self.run not in REQUESTS:
            return self.run(scene, case, side)
        person = scene.people(side)[0]
        caller = Caller(scene.account, "", person.id, person.name, Role.ENGINEER, token_id=person.id)
        with suppress(CallerChangedError), only_while(caller):
            self.run(scene, case, side)


def reset(scene: Scene, even: Act, odd: Act) -> None:
    """Bring every case into the state that one of the two acts needs."""
    scene.pair = next(scene.pairs)
    values = {
        "account": str(scene.account),
        "claimer": str(scene.world.senior.id),
        "even_status": even.status,
        "odd_status": odd.status,
        "even_state": even.state,
        "odd_state": odd.state,
    }
    with closing(database.connect(scene.owner_url)) as connection, connection.cursor() as cursor:
        cursor.execute(_RESET, values)


def claim(scene: Scene, case: Case, side: int) -> None:
    moves.claim(scene.account, case.handoff, by=Actor(scene.people(side)[0].id))


def release(scene: Scene, case: Case, side: int) -> None:
    moves.release(scene.account, case.handoff, by=scene.admin)


def reassign(scene: Scene, case: Case, side: int) -> None:
    moves.reassign(scene.account, case.handoff, by=scene.admin, to=scene.people(side)[1].id)


def resolve(scene: Scene, case: Case, side: int) -> None:
    moves.resolve(scene.account, case.handoff, by=scene.admin, resolution="Removed the driver.")


def withdraw(scene: Scene, case: Case, side: int) -> None:
    moves.withdraw(scene.account, case.handoff, by=Actor(scene.world.junior.id))


def edit(scene: Scene, case: Case, side: int) -> None:
    changes = {"target_id": scene.people(side)[1].id, "ask": f"ask {next(scene.counter)}"}
    edits.edit(scene.account, case.handoff, by=scene.admin, changes=changes)


def snooze(scene: Scene, case: Case, side: int) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    claims.snooze(scene.account, case.handoff, by=scene.admin, until=until, reason="The client is away.")


def end_snooze(scene: Scene, case: Case, side: int) -> None:
    with maintenance() as session:
        claims.end_snooze(session, scene.account, case.handoff)


def keep(scene: Scene, case: Case, side: int) -> None:
    claims.keep(scene.account, case.handoff, by=Actor(scene.world.senior.id))


def reopen(scene: Scene, case: Case, side: int) -> None:
    reopening.reopen(scene.account, case.handoff, by=scene.admin)


def store_vector(scene: Scene, case: Case, side: int) -> None:
    past = [PastText(scene.account, each.handoff, "", "") for each in (case, scene.cases[0])]
    with maintenance() as session:
        vectors.store(session, "made-up", [(each, b"\x01") for each in dict.fromkeys(past)])


def restore(scene: Scene, case: Case, side: int) -> None:
    with transaction(scene.account) as session:
        reopening.restore(session, scene.account, case.handoff, by=scene.admin)


def discard(scene: Scene, case: Case, side: int) -> None:
    parked.discard(scene.account, case.parked, by=Actor(scene.world.junior.id))


def remind(scene: Scene, case: Case, side: int) -> None:
    with maintenance() as session:
        waiting.remind(session, scene.account, case.handoff)


def escalate(scene: Scene, case: Case, side: int) -> None:
    with transaction(scene.account) as session:
        parked.escalate(session, scene.account, case.parked, by=Actor(scene.world.junior.id))
        append_and_represent(session, scene.account, case.parked)


def reassess(scene: Scene, case: Case, side: int) -> None:
    with transaction(scene.account) as session:
        assessing.reassess(session, scene.account, case.handoff, by=scene.admin)


def step(scene: Scene, case: Case, side: int) -> None:
    by, body = scene.people(side)[0].id, SentStep(StepKind.NOTE, f"note {next(scene.counter)}")
    with transaction(scene.account) as session:
        row = handoff.find_session(session, scene.account, case.name, seen_by=Actor(by), locked=True)
        sessions.append_step(session, row, body, by=by)
        edits.note_steps(session, scene.account, row.id, [body], by=by)
        append_now(session)


def step_of_draft(scene: Scene, case: Case, side: int) -> None:
    author, body = scene.world.junior.id, SentStep(StepKind.NOTE, f"note {next(scene.counter)}")
    with transaction(scene.account) as session:
        row = handoff.find_session(
            session, scene.account, case.name, seen_by=Actor(author), handoff_id=case.parked, locked=True
        )
        sessions.append_step(session, row, body, by=author)
        edits.note_steps(session, scene.account, row.id, [body], by=author)


def question_and_answer(scene: Scene, case: Case, side: int) -> None:
    me, other = scene.people(side)
    asked = SentStep(StepKind.QUESTION, f"question {next(scene.counter)}", to_user_id=other.id)
    with transaction(scene.account) as session:
        questions.refuse_unfit_addressees(session, [asked])
        row = handoff.find_session(session, scene.account, case.name, seen_by=Actor(me.id), locked=True)
        seq = sessions.append_step(session, row, asked, by=me.id).seq
        answer = SentStep(StepKind.NOTE, f"answer {next(scene.counter)}", answers=seq)
        sessions.append_step(session, row, answer, by=me.id)
        edits.note_steps(session, scene.account, row.id, [asked, answer], by=me.id)
        append_now(session)


def edit_session(scene: Scene, case: Case, side: int, handoff_id: UUID | None = None) -> None:
    changes = {"title": f"title {next(scene.counter)}", "client": None}
    with transaction(scene.account) as session:
        corrections.edit_session(session, scene.account, case.name, changes, by=scene.admin, handoff_id=handoff_id)


def edit_draft(scene: Scene, case: Case, side: int) -> None:
    edit_session(scene, case, side, handoff_id=case.parked)


def retract(scene: Scene, case: Case, side: int) -> None:
    with transaction(scene.account) as session:
        row = handoff.find_session(session, scene.account, case.name, seen_by=scene.admin, locked=True)
        corrections.retract(session, scene.account, row, 1, by=scene.admin)


def rate(scene: Scene, case: Case, side: int) -> None:
    by = scene.people(side)[0].id
    with transaction(scene.account) as session:
        feedback.give(session, scene.account, case.handoff, 1, by=by, rating=Rating.HELPFUL, comment=None)


def mark_read(scene: Scene, case: Case, side: int) -> None:
    with one_message(scene.account) as message:
        reading.mark_read(message, scene.account, case.handoff, 1, by=Actor(scene.people(side)[0].id))


def hand_off(scene: Scene, case: Case, side: int, intent: str = "escalate") -> None:
    steps = [{"kind": "note", "text": f"note {next(scene.counter)}"}]
    body = worlds.intake(case.name, intent=intent, steps=steps)
    with transaction(scene.account) as session:
        made, _ = intake.accept(session, scene.account, Intake.of(body), by=scene.people(side)[0].id)
        append_and_represent(session, scene.account, made)


def park(scene: Scene, case: Case, side: int) -> None:
    hand_off(scene, case, side, intent="park")


def hand_off_with_key(scene: Scene, case: Case, side: int) -> None:
    by, key = scene.world.junior.id, f"{scene.pair} {case.name}"
    with transaction(scene.account) as session:
        if idempotency.begin(session, scene.account, by, key, "hash") is None:
            target = {"target_user_id": scene.people(side)[1].id}
            made, _ = intake.accept(session, scene.account, Intake.of(worlds.intake(case.name) | target), by=by)
            append_and_represent(session, scene.account, made)
            idempotency.remember(session, scene.account, by, key, dump_json({"id": str(made)}))


def drive(scene: Scene, case: Case, side: int) -> None:
    with transaction(scene.account) as session:
        work.drive(session, scene.account, case.batch, share=1, paced=None)


def pause(scene: Scene, case: Case, side: int) -> None:
    with transaction(scene.account) as session:
        batch.pause(session, scene.account, case.batch, by=None)


def take(scene: Scene, case: Case, side: int) -> None:
    with maintenance_message() as message:
        next_due.take(message, Lane.INTERACTIVE)


def finish(scene: Scene, case: Case, side: int) -> None:
    complete(scene.lease(case), Result(State.SUCCEEDED, content={"summary": "It prints again."}, source="m"))


def put_back(scene: Scene, case: Case, side: int) -> None:
    with one_message(scene.account) as message:
        leases.put_back(message, scene.lease(case), delay_seconds=0, error="timeout")


def renew(scene: Scene, case: Case, side: int) -> None:
    with maintenance() as session:
        leases.renew(session, [scene.lease(each) for each in scene.cases])


def fall_back(scene: Scene, case: Case, side: int) -> None:
    with one_message(scene.account) as message:
        lease = leases.take(message, scene.account, case.asked, late=True)
    if lease:
        complete(lease, Result(State.FALLBACK, content={"summary": "It printed."}, source="extractive"))


def requeue(scene: Scene, case: Case, side: int) -> None:
    with maintenance() as session:
        unfinished.requeue_expired(session)
    with maintenance() as session:
        unfinished.due_by_lane(session, most=100)


def return_claim(scene: Scene, case: Case, side: int) -> None:
    with maintenance() as session:
        claims.return_overdue_claim(session, scene.account, case.handoff)


def lose_access(scene: Scene, case: Case, side: int) -> None:
    """Make the senior a viewer and then an engineer again; in between their claims go back and their writes fail."""
    people.change(scene.account, scene.world.senior.id, role=Role.VIEWER, by=None)
    people.change(scene.account, scene.world.senior.id, role=Role.ENGINEER, by=None)


def administer(scene: Scene, case: Case, side: int) -> None:
    """Change what an admin may change about somebody who is at work, and how their account works."""
    who = scene.world.senior
    token, _, _ = people.issue_token(scene.account, who.id, name="Laptop", expires_in=None, by=None)
    people.change(scene.account, who.id, name=who.name, by=None)
    people.revoke_token(scene.account, token.id, by=None)
    with administration(scene.account) as session:
        found = account.find_account(session, str(scene.account))
        minutes = next(scene.counter) % 1000 + 1000
        of_account.change(session, found, {"claim_lease_minutes": minutes}, by=None)


def prune(scene: Scene, case: Case, side: int) -> None:
    with maintenance() as session:
        idempotency.prune(session)
    with transaction(scene.account) as session:
        feed.prune(session, scene.account, keep=timedelta(days=1), most=10, chunk=10)


def load(scene: Scene, case: Case, side: int) -> None:
    neighbour = scene.cases[scene.cases.index(case) - 1]
    lines = [
        Line(n, worlds.intake(each.name, steps=[]) | {"id": f"L-{next(scene.counter)}", "resolution": "Fixed."})
        for n, each in enumerate((case, neighbour)[:: 1 if side else -1], start=1)
    ]
    with transaction(scene.account) as session:
        history_load.load(session, scene.account, lines, by=scene.world.admin.id)
        history.remember_lines(session, scene.account, "digest", 1)


# Those of somebody on either side; in others an admin or the author acts, whose access nobody touches here.
REQUESTS = (claim, step, question_and_answer, rate, mark_read, hand_off, park)

ACTS = (
    Act(claim),
    Act(release, status="claimed"),
    Act(reassign, status="claimed"),
    Act(resolve, status="claimed"),
    Act(withdraw),
    Act(edit),
    Act(snooze, status="claimed"),
    Act(end_snooze, status="snoozed"),
    Act(keep, status="claimed"),
    Act(reopen, status="resolved"),
    Act(store_vector, status="resolved"),
    Act(restore, status="withdrawn"),
    Act(discard, status="resolved"),
    Act(remind),
    Act(escalate, status="resolved"),
    Act(reassess),
    Act(step, status="claimed"),
    Act(step_of_draft, status="resolved"),
    Act(question_and_answer, status="claimed"),
    Act(edit_session, status="claimed"),
    Act(edit_draft, status="resolved"),
    Act(retract, status="claimed"),
    Act(rate),
    Act(mark_read),
    Act(hand_off, status="resolved"),
    Act(park),
    Act(hand_off_with_key, status="resolved"),
    Act(drive),
    Act(pause),
    Act(take, status="pending", state="queued"),
    Act(finish, status="pending", state="running"),
    Act(put_back, status="pending", state="running"),
    Act(renew, status="pending", state="running"),
    Act(fall_back, status="pending", state="expired"),
    Act(requeue, status="pending", state="expired"),
    Act(return_claim, status="claimed"),
    Act(lose_access, status="claimed"),
    Act(administer, status="claimed"),
    Act(prune),
    Act(load),
)
