"""A person without access writes nothing, even if the web process still remembers their token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from api import auth
from deploy.production import database
from models import account, people
from models.account import ApiToken, Caller, CallerChangedError, Role
from models.database.conflicts import CONFLICTS
from models.errors import Conflict
from models.transaction import maintenance, only_while, transaction
from tests import world as worlds
from tests.attack.test_routes import routes
from tests.conftest import environment
from tests.servers import Servers
from tests.stack import wait_for
from tests.world import Person, World

numbers = count(1)


@dataclass
class Place:
    """An account in a database of its own, whose commits are real."""

    world: World
    app: Flask
    owner_url: str

    def person(self, role: Role = Role.ADMIN) -> Person:
        """Somebody new, whom the process remembers."""
        name = f"leaver {next(numbers)}"
        with maintenance() as session:
            made = account.create_user(session, self.world.account_id, name, role)
            _, secret = account.issue_token(session, self.world.account_id, made.id)
        new = Person(made.id, name, secret, self.world.admin.client)
        assert new.get("/me").status_code == 200
        return new

    def ask(self, query: str) -> list[Any]:
        """Rows, as the database's owner sees them."""
        with closing(database.connect(self.owner_url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def written(self) -> list[Any]:
        """Return the content of every table that people write into."""
        tables = ["handoffs", "session_steps", "sessions", "batches", "assessments", "assessment_feedback"]
        tokens = "SELECT account_id, id, name, digest, expires_at, revoked_at FROM api_tokens ORDER BY 1, 2"
        tables += ["handoff_reads", "feed_events", "users", "accounts", "audit"]
        read = (f"SELECT * FROM {table} ORDER BY 1, 2, 3" for table in tables)
        return [self.ask(query) for query in (*read, tokens)]


@pytest.fixture(scope="module")
def place(servers: Servers) -> Iterator[Place]:
    name = servers.create_database()
    try:
        with environment(servers.environment(name)):
            from wsgi import app

            yield Place(worlds.create(app.test_client()), app, servers.postgres.url(name))
    finally:
        servers.drop_database(name)


def open_one(place: Place, **more: Any) -> str:
    return f"/handoffs/{place.world.junior.hand_off(f'T-{next(numbers)}', **more)['id']}"


def claimed(place: Place, by: Person) -> str:
    path = open_one(place)
    assert by.post(f"{path}/claim").status_code == 200
    return path


def parked(place: Place, by: Person) -> str:
    return f"/handoffs/{by.hand_off(f'T-{next(numbers)}', intent='park')['id']}"


def with_step(place: Place) -> str:
    ticket = f"T-{next(numbers)}"
    place.world.junior.hand_off(ticket)
    return f"/sessions/{ticket}/steps"


BATCH = {"kind": "reassess", "filter": {"status": ["pending"]}}


def batch(place: Place, state: str = "") -> str:
    """A batch of its own; two with one filter would be one."""
    open_one(place)
    body = {"kind": "reassess", "filter": {"status": ["pending"], "limit": next(numbers)}}
    path = f"/batches/{place.world.admin.post('/batches', body).json['id']}"
    assert not state or place.world.admin.post(f"{path}/{state}").status_code == 200
    return path


def snoozed(place: Place, by: Person) -> str:
    path = claimed(place, by)
    assert by.post(f"{path}/snooze", SNOOZE).status_code == 200
    return path


def closed(place: Place, by: Person, how: str) -> str:
    path = claimed(place, by)
    body = {"resolution": "Removed the driver."} if how == "resolve" else {}
    assert by.post(f"{path}/{how}", body).status_code == 200
    return path


def somebody(place: Place) -> str:
    return f"/people/{place.person(Role.ENGINEER).id}"


def token(place: Place) -> str:
    made = place.world.admin.post(f"{somebody(place)}/tokens", {"name": "x"}).json
    return f"/tokens/{made['id']}"


SNOOZE = {"until": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "reason": "The client is away."}

# A write of every route that would succeed: its path and its body. POST, unless a method is named.
Make = Callable[[Place, Person], tuple[str, Any]]
WRITES: dict[str, Make] = {
    "/handoffs": lambda place, _: ("/handoffs", worlds.intake(f"T-{next(numbers)}")),
    "PATCH /handoffs/<uuid:handoff_id>": lambda place, _: (open_one(place), {"priority": "urgent"}),
    "/handoffs/<uuid:handoff_id>/keep": lambda place, who: (f"{claimed(place, who)}/keep", {}),
    "/handoffs/<uuid:handoff_id>/snooze": lambda place, who: (f"{claimed(place, who)}/snooze", SNOOZE),
    "/handoffs/<uuid:handoff_id>/unsnooze": lambda place, who: (f"{snoozed(place, who)}/unsnooze", {}),
    "/handoffs/<uuid:handoff_id>/reopen": lambda place, who: (f"{closed(place, who, 'resolve')}/reopen", {}),
    "/handoffs/<uuid:handoff_id>/restore": lambda place, who: (f"{closed(place, who, 'withdraw')}/restore", {}),
    "/handoffs/<uuid:handoff_id>/discard": lambda place, who: (f"{parked(place, who)}/discard", {}),
    "/handoffs/<uuid:handoff_id>/claim": lambda place, _: (f"{open_one(place)}/claim", {}),
    "/handoffs/<uuid:handoff_id>/release": lambda place, who: (f"{claimed(place, who)}/release", {}),
    "/handoffs/<uuid:handoff_id>/reassign": lambda place, who: (
        f"{claimed(place, who)}/reassign",
        {"user_id": str(place.world.senior.id)},
    ),
    "/handoffs/<uuid:handoff_id>/resolve": lambda place, who: (
        f"{claimed(place, who)}/resolve",
        {"resolution": "Removed the driver."},
    ),
    "/handoffs/<uuid:handoff_id>/withdraw": lambda place, _: (f"{open_one(place)}/withdraw", {}),
    "/handoffs/<uuid:handoff_id>/escalate": lambda place, who: (f"{parked(place, who)}/escalate", {}),
    "PUT /handoffs/<uuid:handoff_id>/read": lambda place, _: (f"{open_one(place)}/read", {"seq": 1}),
    "/handoffs/<uuid:handoff_id>/reassess": lambda place, _: (f"{open_one(place)}/reassess", {}),
    "/handoffs/<uuid:handoff_id>/assessments/<int:generation>/feedback": lambda place, _: (
        f"{open_one(place)}/assessments/1/feedback",
        {"rating": "helpful"},
    ),
    "/sessions/<path:external_id>/steps": lambda place, _: (with_step(place), {"kind": "note", "text": "x"}),
    "PATCH /sessions/<path:external_id>": lambda place, _: (
        with_step(place).removesuffix("/steps"),
        {"title": "Printer offline"},
    ),
    "/sessions/<path:external_id>/steps/<int:seq>/retract": lambda place, _: (f"{with_step(place)}/1/retract", {}),
    "/batches": lambda place, _: ("/batches", BATCH),
    "/batches/<uuid:batch_id>/pause": lambda place, _: (f"{batch(place)}/pause", {}),
    "/batches/<uuid:batch_id>/resume": lambda place, _: (f"{batch(place, 'pause')}/resume", {}),
    "/batches/<uuid:batch_id>/cancel": lambda place, _: (f"{batch(place)}/cancel", {}),
    "/people": lambda _, __: ("/people", {"name": "Noa", "role": "engineer"}),
    "PATCH /people/<uuid:person_id>": lambda place, _: (somebody(place), {"name": "Noa"}),
    "DELETE /people/<uuid:person_id>": lambda place, _: (somebody(place), {}),
    "/people/<uuid:person_id>/tokens": lambda place, _: (f"{somebody(place)}/tokens", {"name": "Laptop"}),
    "DELETE /tokens/<uuid:token_id>": lambda place, _: (token(place), {}),
    "PATCH /settings": lambda _, __: ("/settings", {"claim_lease_minutes": next(numbers)}),
}


FOR_VIEWERS = {"PUT /handoffs/<uuid:handoff_id>/read"}


def write(who: Person, route: str, path: str, body: Any) -> TestResponse:
    method, separator, _ = route.partition(" ")
    return who._call(method.lower() if separator else "post", path, json=body)


def delete(who: Person, place: Place) -> None:
    with maintenance() as session:  # by itself, so that claims stay for the write to find
        session.get_one(account.User, (place.world.account_id, who.id)).deleted_at = account.func.now()


def revoke(who: Person, place: Place) -> None:
    with maintenance() as session:
        session.execute(update(ApiToken).where(ApiToken.user_id == who.id).values(revoked_at=account.func.now()))


def let_expire(who: Person, place: Place) -> None:
    with maintenance() as session:
        session.execute(update(ApiToken).where(ApiToken.user_id == who.id).values(expires_at=account.func.now()))


def demote(who: Person, place: Place) -> None:
    with maintenance() as session:
        session.get_one(account.User, (place.world.account_id, who.id)).role = Role.VIEWER


CHANGES = {"deleted": (delete, 401), "revoked": (revoke, 401), "expired": (let_expire, 401), "demoted": (demote, 403)}


def test_there_is_a_write_for_every_route_that_writes(place: Place) -> None:
    writing = {
        f"{'' if method == 'POST' else method + ' '}{rule.rule.removeprefix('/api/v1')}"
        for method, rule in routes(place.app)
        if method != "GET"
    }
    assert set(WRITES) == writing


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("route", WRITES)
def test_nothing_is_written_by_who_has_changed(place: Place, route: str, change: str) -> None:
    who = place.person()
    path, body = WRITES[route](place, who)
    make, status = CHANGES[change]
    make(who, place)
    before = place.written()
    if route in FOR_VIEWERS and change == "demoted":
        assert write(who, route, path, body).status_code == 200
        return
    assert write(who, route, path, body).status_code == status
    assert place.written() == before


@pytest.mark.parametrize("route", WRITES)
def test_the_same_is_written_by_who_has_not(place: Place, route: str) -> None:
    who = place.person()
    path, body = WRITES[route](place, who)
    assert write(who, route, path, body).status_code in (200, 201, 202), route


# What an admin does by API, and what the one it is done to may still do, although the process remembers them.
BY_API: dict[str, tuple[Callable[[Person, Person], Any], int]] = {
    "deactivated": (lambda admin, who: admin.delete(f"/people/{who.id}"), 401),
    "demoted": (lambda admin, who: admin.patch(f"/people/{who.id}", {"role": "viewer"}), 403),
    "revoked": (
        lambda admin, who: admin.delete(f"/tokens/{admin.get(f'/people/{who.id}/tokens').json['items'][0]['id']}"),
        401,
    ),
}


@pytest.mark.parametrize("change", BY_API)
def test_nothing_is_written_by_who_was_changed_by_an_admin(place: Place, change: str) -> None:
    who, path = place.person(), open_one(place)
    act, status = BY_API[change]
    assert act(place.world.admin, who).status_code == 200
    before = place.written()
    assert who.post(f"{path}/claim").status_code == status
    assert place.written() == before


@pytest.mark.parametrize("change", ["revoked", "deactivated"])
def test_a_browser_is_signed_out_by_an_admin(place: Place, change: str) -> None:
    who, browser = place.person(), place.app.test_client()
    assert browser.post("/sign-in", data={"token": who.token}).status_code == 303
    assert browser.get("/queue").status_code == 200
    BY_API[change][0](place.world.admin, who)
    assert browser.get("/queue").status_code == 302


def test_who_may_do_more_now_need_not_wait(place: Place) -> None:
    who = place.person(Role.ENGINEER)
    people.change(place.world.account_id, who.id, role=Role.ADMIN, by=None)
    assert who.post(f"{claimed(place, place.world.senior)}/release").status_code == 200


def test_a_caller_without_a_token_of_ours_is_held_to_their_person(place: Place) -> None:
    """As one who came with a JWT."""
    who = place.person(Role.ENGINEER)
    caller = Caller(place.world.account_id, "", who.id, who.name, Role.ENGINEER, token_id=who.id)
    with only_while(caller), transaction(place.world.account_id) as session:
        assert session.scalar(account.select(account.func.may_work(who.id)))
    people.deactivate(place.world.account_id, who.id, by=None)
    with pytest.raises(CallerChangedError), only_while(caller), transaction(place.world.account_id) as session:
        session.scalar(account.select(1))


def test_nothing_is_claimed_by_or_given_to_somebody_who_leaves_at_that_moment(place: Place) -> None:
    left = []
    for n in range(40):
        who = place.person(Role.ENGINEER)
        path = claimed(place, place.world.senior) if n % 2 else open_one(place)
        barrier = threading.Barrier(2)

        def leave(who: Person = who, barrier: threading.Barrier = barrier, n: int = n) -> None:
            barrier.wait(30)
            if n % 4 < 2:
                people.deactivate(place.world.account_id, who.id, by=None)
            else:
                people.change(place.world.account_id, who.id, role=Role.VIEWER, by=None)

        thread = threading.Thread(target=leave)
        thread.start()
        barrier.wait(30)
        if n % 2:
            answer = place.world.senior.post(f"{path}/reassign", {"user_id": str(who.id)})
            assert answer.status_code in (200, 422), answer.text
        else:
            assert who.post(f"{path}/claim").status_code in (200, 401, 403)
        thread.join()
        shown = place.world.admin.get(path).json
        if shown["claimed_by"] and shown["claimed_by"]["id"] == str(who.id):
            left.append(path)
    assert left == []


def test_a_deletion_waits_for_what_its_person_is_writing(place: Place) -> None:
    """And so finds the claim that it has to give back."""
    who = place.person(Role.ENGINEER)
    path = claimed(place, who)
    with transaction(place.world.account_id) as session:
        assert session.scalar(account.select(account.func.may_work(who.id)))
        thread = threading.Thread(
            target=people.deactivate, args=(place.world.account_id, who.id), kwargs={"by": None}
        )
        thread.start()
        wait_for(lambda: place.ask("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), "it to wait")
    thread.join()
    shown = place.world.admin.get(path).json
    assert (shown["status"], shown["claimed_by"]) == ("pending" if shown["status"] == "pending" else "ready", None)


def test_two_admins_cannot_delete_one_another(servers: Servers) -> None:
    name = servers.create_database()
    try:
        with environment(servers.environment(name)):
            outcomes = [both_leave() for _ in range(10)]
        assert all(sorted(each) == ["deleted", "last_admin"] for each in outcomes), outcomes
    finally:
        servers.drop_database(name)


TAKES: dict[str, Callable[[Person, Person], Any]] = {
    "demote": lambda admin, other: admin.patch(f"/people/{other.id}", {"role": "viewer"}),
    "deactivate": lambda admin, other: admin.delete(f"/people/{other.id}"),
}


@pytest.mark.parametrize("take", TAKES)
def test_two_admins_who_take_each_others_access_leave_one(place: Place, take: str) -> None:
    """The second is no admin any more when it is their turn; and neither waits for the other at the same time."""
    deadlocks = CONFLICTS._value.get()
    for _ in range(10):
        both = two_admins(place.app)
        outcomes = at_once(*(partial(TAKES[take], both[n], both[1 - n]) for n in range(2)))
        assert outcomes == [200, 403 if take == "demote" else 401]
        auth.forget_verified()
        assert min(each.get("/settings").status_code for each in both) == 200
    assert CONFLICTS._value.get() == deadlocks


@pytest.mark.parametrize("take", TAKES)
def test_of_two_admins_who_step_down_at_once_one_stays(place: Place, take: str) -> None:
    for _ in range(10):
        both = two_admins(place.app)
        assert at_once(*(partial(TAKES[take], each, each) for each in both)) == [200, 409]


def two_admins(app: Flask) -> list[Person]:
    """The only admins of a new account, whom the process remembers."""
    world = worlds.create(app.test_client(), f"Twin {next(numbers)}")
    assert world.admin.patch(f"/people/{world.senior.id}", {"role": "admin"}).status_code == 200
    both = [Person(each.id, each.name, each.token, app.test_client()) for each in (world.admin, world.senior)]
    assert [each.get("/settings").status_code for each in both] == [200, 200]
    return both


def at_once(*acts: Callable[[], Any]) -> list[int]:
    """Run these at the same moment and return the statuses of their answers, sorted."""
    barrier, outcomes = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        barrier.wait(30)
        outcomes.append(act().status_code)

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def both_leave() -> list[str]:
    """Let two admins delete each other at the same moment, and return the outcome."""
    with maintenance() as session:
        within = account.create_account(session, f"Twin {next(numbers)}")
        both = [account.create_user(session, within.id, f"admin {n}", Role.ADMIN).id for n in range(2)]
    barrier, outcomes = threading.Barrier(2), []

    def leave(who: UUID) -> None:
        barrier.wait(30)
        try:
            people.deactivate(within.id, who, by=None)
            outcomes.append("deleted")
        except Conflict as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=leave, args=[who]) for who in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
