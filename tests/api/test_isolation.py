"""Nothing crosses between accounts: every route, every query, and the database's policies behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from flask import Flask
from sqlalchemy import BinaryExpression, BindParameter, event, select, text, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.sql.visitors import replacement_traverse
from werkzeug.test import TestResponse

from models import account, assessment, database, feed, handoff
from models import session as sessions
from models.assessment import case, leases
from models.database import Base, migrations
from models.errors import NotFound
from models.feed import append, card
from models.handoff import (
    Actor,
    Handoff,
    claims,
    corrections,
    counts,
    listing,
    moves,
    questions,
    reading,
    search,
    timeline,
    waiting,
)
from models.handoff.conditional import values_of
from models.handoff.listing import Filter
from models.handoff.matched import matched
from models.handoff.views import View
from models.transaction import maintenance, transaction
from tasks import assess
from tests import world as worlds
from tests.servers import Servers
from tests.world import World, intake

MARK = "foreignsecretword"  # in every text of the other account

HANDOFF = "/api/v1/handoffs/<uuid:handoff_id>"
BATCH = "/api/v1/batches/<uuid:batch_id>"
PERSON = "/api/v1/people/<uuid:person_id>"
TOKEN = "/api/v1/tokens/<uuid:token_id>"

# Every route below /api, called by an admin of one account with the ids of another. A route that is not here
# fails the test. 200: a list, in which nothing of the other account may stand.
TABLE: dict[tuple[str, str], int] = {
    ("GET", HANDOFF): 404,
    ("PATCH", HANDOFF): 404,
    **{("POST", f"{HANDOFF}/{move}"): 404 for move in ("keep", "snooze", "unsnooze", "reopen", "restore", "discard")},
    ("GET", f"{HANDOFF}/assessments/<int:generation>/sent"): 404,
    ("PUT", f"{HANDOFF}/read"): 404,
    ("POST", f"{HANDOFF}/claim"): 404,
    ("POST", f"{HANDOFF}/release"): 404,
    ("POST", f"{HANDOFF}/reassign"): 404,
    ("POST", f"{HANDOFF}/resolve"): 404,
    ("POST", f"{HANDOFF}/withdraw"): 404,
    ("POST", f"{HANDOFF}/escalate"): 404,
    ("POST", f"{HANDOFF}/reassess"): 404,
    ("GET", f"{HANDOFF}/assessments"): 404,
    ("POST", f"{HANDOFF}/assessments/<int:generation>/feedback"): 404,
    ("GET", f"{HANDOFF}/timeline"): 404,
    ("GET", "/api/v1/sessions/<path:external_id>"): 404,
    ("PATCH", "/api/v1/sessions/<path:external_id>"): 404,
    ("POST", "/api/v1/sessions/<path:external_id>/steps"): 404,
    ("POST", "/api/v1/sessions/<path:external_id>/steps/<int:seq>/retract"): 404,
    ("POST", "/api/v1/handoffs"): 422,  # with a target of the other account
    ("GET", "/api/v1/handoffs"): 200,
    ("GET", "/api/v1/queue"): 200,
    ("GET", "/api/v1/queue/counts"): 200,
    ("GET", "/api/v1/feed"): 400,  # with the other account's cursor
    ("GET", "/api/v1/people"): 200,
    ("POST", "/api/v1/people"): 201,  # one's own
    ("PATCH", PERSON): 404,
    ("DELETE", PERSON): 404,
    ("POST", f"{PERSON}/tokens"): 404,
    ("GET", f"{PERSON}/tokens"): 404,
    ("GET", TOKEN): 404,
    ("DELETE", TOKEN): 404,
    ("GET", "/api/v1/settings"): 200,
    ("PATCH", "/api/v1/settings"): 200,  # one's own
    ("GET", "/api/v1/me"): 200,
    ("GET", "/api/v1/me/questions"): 200,
    ("GET", "/api/v1/analytics/escalations"): 200,
    ("GET", "/api/v1/analytics/breakdown"): 200,
    ("GET", "/api/v1/analytics/ratings"): 200,
    ("GET", "/api/v1/analytics/now"): 200,
    ("GET", "/api/v1/openapi.json"): 200,
    ("GET", "/api/v1/audit"): 200,
    ("GET", "/api/v1/batches"): 200,
    ("POST", "/api/v1/batches"): 200,  # a dry run over everything
    ("GET", BATCH): 404,
    ("GET", f"{BATCH}/items"): 404,
    ("POST", f"{BATCH}/pause"): 404,
    ("POST", f"{BATCH}/resume"): 404,
    ("POST", f"{BATCH}/cancel"): 404,
}
BODIES = {
    "reassign": {"user_id": str(UUID(int=1))},
    "resolve": {"resolution": "x"},
    "read": {"seq": 1},
    "snooze": {"until": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "reason": "x"},
    "feedback": {"rating": "helpful"},
    "steps": {"kind": "note", "text": "x"},
    "batches": {"kind": "reassess", "filter": {}, "dry_run": True},
    "people": {"name": "Noa", "role": "viewer"},
    "tokens": {"name": "x"},
}
QUERIES = {
    "escalations": "period=30d",
    "breakdown": "period=30d&by=author",
    "ratings": "period=30d",
    "people": "all=true",
}
PATCHES = {
    "sessions": {"title": "x"},
    "handoffs": {"priority": "low"},
    "people": {"name": "x"},
    "settings": {"language": "de"},
}


@dataclass
class Foreign:
    """The other account's data and cursor."""

    world: World
    handoff_id: str
    external_id: str
    cursor: str
    parked_id: str
    batch_id: str
    token_id: str

    @property
    def secrets(self) -> list[str]:
        return [
            MARK,
            self.handoff_id,
            self.parked_id,
            self.batch_id,
            self.token_id,
            str(self.world.account_id),
            str(self.world.junior.id),
        ]


@pytest.fixture
def foreign(world: World, other_world: World) -> Foreign:
    """A second account with a claimed, assessed handoff and a parked one; the first has one of its own."""
    world.junior.hand_off("T-1")
    made = other_world.junior.hand_off(f"T-{MARK}", title=MARK, problem=MARK, reason=MARK)["id"]
    with transaction(other_world.account_id) as session:
        asked = assessment.generations(session, other_world.account_id, UUID(made))[0].id
    assess.run(other_world.account_id, asked)
    other_world.senior.post(f"/handoffs/{made}/claim")
    question = {"kind": "question", "text": MARK, "to_user_id": str(other_world.admin.id)}
    other_world.senior.post(f"/sessions/T-{MARK}/steps", question)
    parked = other_world.junior.hand_off(f"P-{MARK}", intent="park", reason=MARK)["id"]
    batch = other_world.admin.post("/batches", {"kind": "reassess", "filter": {}, "note": MARK}).json["id"]
    cursor = other_world.senior.get("/queue").json["cursor"]
    token = other_world.admin.get(f"/people/{other_world.junior.id}/tokens").json["items"][0]["id"]
    return Foreign(other_world, made, f"T-{MARK}", cursor, parked, batch, token)


def rules(app: Flask) -> list[tuple[str, str]]:
    return [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def call(world: World, foreign: Foreign, method: str, rule: str) -> TestResponse:
    path = rule.removeprefix("/api/v1").replace("<uuid:handoff_id>", foreign.handoff_id)
    path = path.replace("<path:external_id>", foreign.external_id).replace("<int:generation>", "1")
    path = path.replace("<uuid:batch_id>", foreign.batch_id).replace("<int:seq>", "1")
    path = path.replace("<uuid:person_id>", str(foreign.world.junior.id)).replace("<uuid:token_id>", foreign.token_id)
    last = path.rpartition("/")[2]
    if method == "GET":
        query = f"cursor={foreign.cursor}" if last == "feed" else QUERIES.get(last, "")
        return world.admin.get(f"{path}?{query}" if query else path)
    if method == "PATCH":
        return world.admin.patch(path, PATCHES[path.split("/")[1]])
    if method == "DELETE":
        return world.admin.delete(path)
    body = intake(target_user_id=str(foreign.world.senior.id)) if last == "handoffs" else BODIES.get(last, {})
    return (world.admin.put if method == "PUT" else world.admin.post)(path, body)


def state_of(foreign: Foreign) -> Any:
    paths = (f"/handoffs/{foreign.handoff_id}/timeline", "/people?all=true", "/settings")
    return [foreign.world.admin.get(path).json for path in (*paths, f"/people/{foreign.world.junior.id}/tokens")]


def test_every_route_refuses_or_hides_what_another_account_has(
    app: Flask, world: World, foreign: Foreign, record_property: Any
) -> None:
    missing = [rule for rule in rules(app) if rule not in TABLE]
    assert missing == [], "add these routes to the table of isolation"
    before = state_of(foreign)
    wrong = []
    for method, rule in rules(app):
        answer = call(world, foreign, method, rule)
        record_property(f"{method} {rule}", answer.status_code)
        shown = [secret for secret in foreign.secrets if secret in answer.text]
        if answer.status_code != TABLE[method, rule] or shown:
            wrong.append((method, rule, answer.status_code, shown))
    assert wrong == []
    assert state_of(foreign) == before


def test_a_parked_handoff_of_another_account_is_hidden_from_admins_too(world: World, foreign: Foreign) -> None:
    assert world.admin.get(f"/handoffs/{foreign.parked_id}").status_code == 404
    assert world.admin.post(f"/handoffs/{foreign.parked_id}/escalate").status_code == 404


@pytest.mark.parametrize("field", ["claimed_by", "handed_off_by", "session", "q"])
def test_filters_naming_what_another_account_has_find_nothing(world: World, foreign: Foreign, field: str) -> None:
    values = {
        "claimed_by": foreign.world.senior.id,
        "handed_off_by": foreign.world.junior.id,
        "session": foreign.external_id,
        "q": MARK,
    }
    assert world.admin.get(f"/handoffs?{field}={values[field]}").json["items"] == []
    assert len(foreign.world.admin.get(f"/handoffs?{field}={values[field]}").json["items"]) >= 1


def test_a_page_token_of_another_account_is_refused(world: World, foreign: Foreign) -> None:
    token = foreign.world.senior.get("/queue?limit=1").json["next_page"]
    foreign.world.junior.hand_off("T-3")
    token = foreign.world.senior.get("/queue?limit=1").json["next_page"] or token
    assert world.senior.get(f"/queue?limit=1&page={token}").status_code == 422
    assert foreign.world.senior.get(f"/queue?limit=1&page={token}").status_code == 200


def test_the_same_names_and_keys_in_two_accounts_do_not_meet(world: World, foreign: Foreign) -> None:
    key = {"Idempotency-Key": "k-1"}
    theirs = foreign.world.junior.post("/handoffs", intake("SAME"), headers=key).json
    mine = world.junior.post("/handoffs", intake("SAME"), headers=key)
    assert (mine.status_code, "Idempotent-Replayed" in mine.headers) == (202, False)
    assert mine.json["id"] != theirs["id"]
    assert [each["id"] for each in world.viewer.get("/sessions/SAME").json["handoffs"]] == [mine.json["id"]]


@contextmanager
def without_the_filter() -> Iterator[None]:
    """Every ORM statement loses its `account_id = …`, as if each query had forgotten it."""

    def forget(node: Any, **_: Any) -> Any:
        sides = (node.left, node.right) if isinstance(node, BinaryExpression) else ()
        named = [getattr(side, "key", None) for side in sides if not isinstance(side, BindParameter)]
        return true() if len(sides) == 2 and named == ["account_id"] else None

    def strip(state: ORMExecuteState) -> None:
        if state.is_select or state.is_update or state.is_delete:
            state.statement = replacement_traverse(state.statement, {}, forget)

    event.listen(Session, "do_orm_execute", strip)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", strip)


def test_the_filter_is_really_removed_in_the_tests_below(world: World, foreign: Foreign) -> None:
    mine = select(Handoff.account_id).where(Handoff.account_id == world.account_id)
    with maintenance() as session:
        assert set(session.scalars(mine)) == {world.account_id}
        with without_the_filter():
            assert set(session.scalars(mine)) >= {world.account_id, foreign.world.account_id}


def test_without_the_application_filter_every_route_still_hides_other_accounts(
    app: Flask, world: World, foreign: Foreign
) -> None:
    before = state_of(foreign)
    for method, rule in rules(app):
        with without_the_filter():
            answer = call(world, foreign, method, rule)
        assert answer.status_code == TABLE[method, rule], (method, rule)
        assert not [secret for secret in foreign.secrets if secret in answer.text], (method, rule)
    assert state_of(foreign) == before


def counted(session: Session, account_id: UUID, by: UUID) -> Any:
    """Return the counts, if there are any: they are of one row with the feed's head."""
    return counts._COUNTS(session, {"account": account_id, "by": by})


def not_found(run: Any) -> Any:
    try:
        return run()
    except NotFound:
        return None


def test_every_query_finds_nothing_when_it_names_another_account(world: World, foreign: Foreign) -> None:
    """The scope is one account's, the arguments are another's: what a mixed-up query would do."""
    theirs, who = foreign.world.account_id, Actor(foreign.world.admin.id, is_admin=True)
    handoff_id = UUID(foreign.handoff_id)
    with transaction(theirs) as session:
        whole = session.get_one(Handoff, (theirs, handoff_id))
        kept = sessions.ticket(session, theirs, foreign.external_id)
        assert kept
        asked = assessment.generations(session, theirs, handoff_id)[0].id
    queries: dict[str, Any] = {
        "handoff.find": lambda s: not_found(lambda: handoff.find(s, theirs, handoff_id, seen_by=who)),
        "handoff.lock": lambda s: not_found(lambda: handoff.lock(s, theirs, handoff_id)),
        "handoff.listed": lambda s: s.scalars(listing.listed(s, theirs, Filter(), seen_by=who)).all(),
        "handoff.listed(q)": lambda s: s.scalars(listing.listed(s, theirs, Filter(q=MARK), seen_by=who)).all(),
        "handoff.page": lambda s: listing.page(s, theirs, Filter(view=View.ALL, q=MARK), seen_by=who, limit=9),
        "handoff.matched": lambda s: any(matched(s, theirs, [handoff_id], MARK).values()),
        "handoff.ticket_of": lambda s: search.ticket_of(s, theirs, foreign.external_id),
        "handoff.mark_read": lambda s: not_found(lambda: reading.mark_read(s, theirs, handoff_id, 1, by=who)),
        "handoff.counts": lambda s: counted(s, theirs, foreign.world.junior.id),
        "account.age_limits": lambda s: s.execute(select(account.Account).where(account.Account.id == theirs)).all(),
        "handoff.find_session": lambda s: not_found(
            lambda: handoff.find_session(s, theirs, foreign.external_id, seen_by=who)
        ),
        "session.ticket": lambda s: sessions.ticket(s, theirs, foreign.external_id),
        "session.steps_of": lambda s: sessions.steps_of(s, theirs, kept.id),
        "assessment.generations": lambda s: assessment.generations(s, theirs, handoff_id),
        "assessment.has_open": lambda s: assessment.has_open(s, theirs, handoff_id, 1),
        "assessment.take_lease": lambda s: leases.take(s, theirs, asked),
        "card.cards": lambda s: card.cards(s, {(theirs, handoff_id)}),
        "case.similar": lambda s: case.similar(s, theirs, MARK, besides=UUID(int=1)),
        "timeline": lambda s: timeline.timeline(s, whole),
        "account.people": lambda s: account.people(s, theirs),
        "feed.tail": lambda s: s.execute(select(feed.Feed).where(feed.Feed.account_id == theirs)).all(),
        "moves.claim": lambda s: (
            append.change_and_append(
                s, theirs, handoff_id, moves._CLAIM, values_of(theirs, handoff_id, who, None), show=False
            ).happened
        ),
        "claims.end_snooze": lambda s: claims.end_snooze(s, theirs, handoff_id),
        "claims.return_overdue_claim": lambda s: claims.return_overdue_claim(s, theirs, handoff_id),
        "waiting.remind": lambda s: waiting.remind(s, theirs, handoff_id),
        "questions.waiting_for": lambda s: questions.waiting_for(s, theirs, foreign.world.admin.id),
        "corrections.edit_session": lambda s: not_found(
            lambda: corrections.edit_session(s, theirs, foreign.external_id, {"title": "x"}, by=who)
        ),
        "moves.release_claims_of": lambda s: moves.release_claims_of(s, theirs, foreign.world.senior.id, note=MARK),
    }
    for name, query in queries.items():
        with transaction(world.account_id) as session:
            assert not query(session), name


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_an_unfiltered_select_shows_one_account_alone(world: World, foreign: Foreign, table: str) -> None:
    column = "id" if table == "accounts" else "account_id"
    if column not in Base.metadata.tables[table].columns:
        assert table == "feed_control"  # the installation's, not an account's
        return
    if table in ("api_tokens", "logins", "past_cases", "vocabularies"):  # no request reads them
        with pytest.raises(DBAPIError, match="permission denied"), transaction(world.account_id) as session:
            session.execute(text(f"SELECT {column} FROM {table}"))
        return
    with transaction(world.account_id) as session:
        seen = {row[0] for row in session.execute(text(f"SELECT {column} FROM {table}"))}
    assert seen <= {world.account_id}


def test_without_a_scope_the_app_role_sees_nothing(world: World, foreign: Foreign) -> None:
    with transaction(world.account_id) as session:
        session.execute(text("SELECT set_config('app.account_id', '', true)"))
        for table in ("handoffs", "sessions", "users", "accounts", "feed_events"):
            assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


def test_a_write_into_another_account_is_refused_by_the_database(world: World, foreign: Foreign) -> None:
    with transaction(world.account_id) as session:
        assert session.execute(text("UPDATE handoffs SET reason = reason")).rowcount == 1
    into = text("INSERT INTO sessions (account_id, id, external_id, title, problem) VALUES (:a, :i, 'x', 'x', 'x')")
    with pytest.raises(DBAPIError, match="row-level security"), transaction(world.account_id) as session:
        session.execute(into, {"a": foreign.world.account_id, "i": database.new_id()})


@pytest.fixture
def owner(servers: Servers, committed: str) -> Iterator[Any]:
    connection = psycopg2.connect(servers.postgres.url(committed).replace("postgresql+psycopg2", "postgresql"))
    yield connection.cursor()
    connection.close()


def test_every_table_of_accounts_has_forced_policies(owner: Any) -> None:
    owner.execute("""
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'public'
        WHERE c.relkind IN ('r', 'p') AND (c.relname = 'accounts' OR EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'account_id'))
    """)
    forced = dict(owner.fetchall())
    owned = {name for name, table in Base.metadata.tables.items() if "account_id" in table.columns}
    assert set(forced) == owned | {"accounts"}
    assert [name for name, has in forced.items() if not has] == []


def test_every_policy_of_the_app_role_is_the_scope_and_nothing_wider(servers: Servers, owner: Any) -> None:
    owner.execute("SELECT tablename, roles::text[], policyname, qual, with_check FROM pg_policies")
    policies = owner.fetchall()
    assert not [policy for policy in policies if "public" in policy[1]]
    of_app = [policy for policy in policies if servers.roles.app in policy[1]]
    scoped = {name for name, *_ in of_app}
    granted = "SELECT DISTINCT table_name FROM information_schema.role_table_grants WHERE grantee = %s"
    owner.execute(granted, [servers.roles.app])
    readable = {name for (name,) in owner.fetchall()}
    # A view of the owner's that does not run as its reader would show every account.
    owner.execute("SELECT relname FROM pg_class WHERE relkind = 'v' AND 'security_invoker=true' = ANY (reloptions)")
    views = {name for (name,) in owner.fetchall()}
    assert readable == scoped | views | {"feed_control"}
    for name, _, _, qual, check in of_app:
        column = "id" if name == "accounts" else "account_id"
        expected = f"({column} = (NULLIF(current_setting('app.account_id'::text, true), ''::text))::uuid)"
        assert (qual, check) == (expected, expected), name


def test_the_services_login_reads_nothing_before_it_has_a_scope(servers: Servers, committed: str, app: Flask) -> None:
    worlds.create(app.test_client()).junior.hand_off("T-1")
    connection = psycopg2.connect(servers.service_url(committed).replace("postgresql+psycopg2", "postgresql"))
    connection.autocommit = True
    cursor = connection.cursor()
    for table in Base.metadata.tables:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"SELECT * FROM {table}")
    connection.close()


def test_migrations_run_as_the_owner_and_the_service_cannot_change_a_table(servers: Servers, committed: str) -> None:
    assert migrations.expected_revision() is not None
    with pytest.raises(DBAPIError, match="must be owner"), maintenance() as session:
        session.execute(text("ALTER TABLE handoffs DISABLE ROW LEVEL SECURITY"))
