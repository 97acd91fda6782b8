"""People, tokens and settings by API: what admins may change, what is refused, and what it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError

from api import auth
from models import account
from models.account import AGE_LIMITS, ApiToken, Role, User
from models.assessment import case
from models.database import new_id
from models.transaction import administration, maintenance, transaction
from tests.world import Person, World

NOWHERE = UUID(int=1)
AGES = (*AGE_LIMITS, "waiting_reminder_seconds", "urgent_reminder_seconds")


def added(world: World, name: str = "Noa", role: str = "engineer", **more: Any) -> dict[str, Any]:
    answer = world.admin.post("/people", {"name": name, "role": role, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def issued(world: World, person_id: str, **more: Any) -> dict[str, Any]:
    answer = world.admin.post(f"/people/{person_id}/tokens", {"name": "Laptop", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def with_token(world: World, **more: Any) -> Person:
    """Somebody new who can call the API."""
    made = added(world, **more)
    return Person(UUID(made["id"]), made["name"], issued(world, made["id"])["token"], world.admin.client)


def everybody(world: World) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in world.admin.get("/people?all=true").json["items"]}


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_new_person_gets_in_with_the_token_that_an_admin_issued(world: World) -> None:
    made = added(world, "  Noa\u200b  Lind ")
    assert made == {
        "id": made["id"],
        "name": "Noa Lind",
        "role": "engineer",
        "kind": "person",
        "created_at": made["created_at"],
        "last_seen_at": None,
        "deactivated_at": None,
        "claims": 0,
    }
    token = issued(world, made["id"])
    me = world.admin.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token['token']}"}).json
    assert (me["id"], me["name"], me["role"], me["account"]["id"]) == (
        made["id"],
        "Noa Lind",
        "engineer",
        str(world.account_id),
    )
    assert everybody(world)["Noa Lind"]["last_seen_at"] is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"name": "Noa"}, "invalid"),
        ({"name": "Noa", "role": "king"}, "invalid"),
        ({"name": "Noa", "role": "viewer", "kind": "robot"}, "invalid"),
        ({"name": "Noa", "role": "viewer", "id": str(NOWHERE)}, "invalid"),
        ({"name": "Noa", "role": "viewer", "account_id": str(NOWHERE)}, "invalid"),
        ({"name": " \u200b", "role": "viewer"}, "invalid"),
        ({"name": "a\nb", "role": "viewer"}, "name_invalid"),
        ({"name": "x" * 201, "role": "viewer"}, "invalid"),
    ],
)
def test_nobody_is_added_by_what_is_invalid(world: World, body: dict[str, Any], code: str) -> None:
    before = everybody(world)
    assert refusal(world.admin.post("/people", body)) == (422, code)
    assert everybody(world) == before


def test_admins_see_everybody_and_the_others_those_who_can_be_given_work(world: World) -> None:
    added(world, "Monitor", kind="service")
    gone = added(world, "Gone")
    world.admin.delete(f"/people/{gone['id']}")
    works = ["admin of Acme", "junior of Acme", "senior of Acme", "senior2 of Acme"]
    assert [each["name"] for each in world.viewer.get("/people").json["items"]] == works
    assert [each["name"] for each in world.admin.get("/people").json["items"]] == works
    assert list(everybody(world)) == [*works[:2], "Monitor", *works[2:], "viewer of Acme", "Gone"]
    assert set(world.senior.get("/people").json["items"][0]) == {"id", "name", "role"}
    assert refusal(world.senior.get("/people?all=true")) == (403, "forbidden")
    assert world.senior.get("/people?all=false").status_code == 200


def test_the_claims_of_each_are_counted(world: World) -> None:
    for ticket in ("T-1", "T-2"):
        world.senior.post(f"/handoffs/{world.junior.hand_off(ticket)['id']}/claim")
    done = world.junior.hand_off("T-3")["id"]
    world.senior.post(f"/handoffs/{done}/claim")
    world.senior.post(f"/handoffs/{done}/resolve", {"resolution": "x"})
    found = everybody(world)
    assert (found["senior of Acme"]["claims"], found["junior of Acme"]["claims"]) == (2, 0)


def test_a_name_and_a_role_are_changed(world: World) -> None:
    changed = world.admin.patch(f"/people/{world.senior.id}", {"name": "Sam", "role": "admin"}).json
    assert (changed["name"], changed["role"], changed["claims_returned"]) == ("Sam", "admin", 0)
    assert world.admin.patch(f"/people/{world.senior.id}").json["name"] == "Sam"
    auth.forget_verified()
    me = world.senior.get("/me").json
    assert (me["name"], me["role"]) == ("Sam", "admin")
    for body in ({"role": "king"}, {"name": "\u200b"}, {"name": None}, {"kind": "service"}, {"deleted_at": None}):
        assert world.admin.patch(f"/people/{world.senior.id}", body).status_code == 422


def test_a_new_viewers_claims_go_back_with_a_reason(world: World) -> None:
    made = world.junior.hand_off()["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    changed = world.admin.patch(f"/people/{world.senior.id}", {"role": "viewer"}).json
    assert (changed["role"], changed["claims"], changed["claims_returned"]) == ("viewer", 0, 1)
    assert world.admin.get(f"/handoffs/{made}").json["claimed_by"] is None
    auth.forget_verified()
    assert world.senior.post(f"/handoffs/{made}/claim").status_code == 403


def test_a_deactivated_person_keeps_their_name_and_their_claims_go_back(world: World) -> None:
    made = world.junior.hand_off()["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    gone = world.admin.delete(f"/people/{world.senior.id}").json
    assert (gone["claims"], gone["claims_returned"], gone["name"]) == (0, 1, "senior of Acme")
    assert gone["deactivated_at"] is not None
    auth.forget_verified()
    assert world.senior.get("/me").status_code == 401
    assert world.admin.get(f"/handoffs/{made}").json["claimed_by"] is None
    again = world.admin.delete(f"/people/{world.senior.id}").json
    assert (again["deactivated_at"], again["claims_returned"]) == (gone["deactivated_at"], 0)
    for answer in (
        world.admin.patch(f"/people/{world.senior.id}", {"role": "admin"}),
        world.admin.patch(f"/people/{world.senior.id}", {"name": "Sam"}),
        world.admin.post(f"/people/{world.senior.id}/tokens", {"name": "x"}),
    ):
        assert refusal(answer) == (409, "deactivated")


@pytest.mark.parametrize("kind", ["person", "service"])
def test_the_last_admin_who_can_sign_in_stays_one(world: World, kind: str) -> None:
    me = f"/people/{world.admin.id}"
    other = added(world, "Ada", "admin", kind=kind)["id"]
    if kind == "person":
        assert world.admin.delete(f"/people/{other}").status_code == 200
    assert refusal(world.admin.patch(me, {"role": "engineer"})) == (409, "last_admin")
    refused = world.admin.delete(me)
    assert refusal(refused) == (409, "last_admin")
    assert "--" not in refused.json["detail"]  # what the command line may do is no advice here
    assert world.admin.patch(me, {"role": "admin", "name": "Ada"}).status_code == 200
    auth.forget_verified()
    assert world.admin.get("/me").json["role"] == "admin"


def test_an_admin_among_others_may_step_down_and_is_told_so(world: World) -> None:
    added(world, "Ada", "admin")
    answer = world.admin.patch(f"/people/{world.admin.id}", {"role": "viewer"})
    assert (answer.status_code, answer.json["role"]) == (200, "viewer")
    assert refusal(world.admin.post("/people", {"name": "x", "role": "admin"})) == (403, "forbidden")


def test_a_token_is_shown_once_and_found_by_its_start(world: World) -> None:
    made = issued(world, str(world.senior.id), expires_days=7)
    secret = made.pop("token")
    days = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert (days, made["state"], made["person"]["name"]) == (timedelta(days=7), "active", "senior of Acme")
    assert secret.startswith(made["prefix"])
    assert world.admin.get(f"/tokens/{made['id']}").json == made
    listed = world.admin.get(f"/people/{world.senior.id}/tokens")
    assert listed.json["items"][0] == made
    assert secret not in listed.text


@pytest.mark.parametrize(
    ("given", "days"), [({}, 90), ({"expires_days": None}, None), ({"expires_days": 3650}, 3650)]
)
def test_a_token_ends_after_ninety_days_unless_told_otherwise(
    world: World, given: dict[str, Any], days: int | None
) -> None:
    end = issued(world, str(world.senior.id), **given)["expires_at"]
    left = end and (datetime.fromisoformat(end) - datetime.now(UTC)).total_seconds() / 86400
    assert left == (None if days is None else pytest.approx(days, abs=0.1))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "a\x07b"},
        {"name": "x", "expires_days": 0},
        {"name": "x", "expires_days": 3651},
        {"name": "x", "expires_days": "7"},
        {"name": "x", "expires_days": 1.5},
        {"name": "x", "token": "rf_mine"},
    ],
)
def test_no_token_is_issued_for_what_is_invalid(world: World, body: dict[str, Any]) -> None:
    path = f"/people/{world.senior.id}/tokens"
    before = world.admin.get(path).json
    assert world.admin.post(path, body).status_code == 422
    assert world.admin.get(path).json == before


def test_tokens_are_listed_in_pages_the_newest_first(world: World) -> None:
    person = added(world)["id"]
    made = [issued(world, person, name=f"n{number}")["id"] for number in range(5)]
    seen, page = [], ""
    while page is not None:
        answer = world.admin.get(f"/people/{person}/tokens?limit=2{page and f'&page={page}'}").json
        seen += [each["id"] for each in answer["items"]]
        page = answer["next_page"]
    assert seen == made[::-1]
    first = world.admin.get(f"/people/{person}/tokens?limit=2").json["next_page"]
    assert refusal(world.admin.get(f"/people/{world.senior.id}/tokens?limit=2&page={first}")) == (422, "page_invalid")


def test_a_revoked_token_is_refused_once_it_is_no_longer_remembered(world: World) -> None:
    person = with_token(world)
    assert person.get("/me").status_code == 200
    token = world.admin.get(f"/people/{person.id}/tokens").json["items"][0]["id"]
    gone = world.admin.delete(f"/tokens/{token}").json
    assert (gone["state"], gone["revoked_at"] is None) == ("revoked", False)
    assert world.admin.delete(f"/tokens/{token}").json == gone
    auth.forget_verified()
    assert person.get("/me").status_code == 401
    assert world.admin.get(f"/tokens/{token}").json["state"] == "revoked"


def test_the_states_of_tokens_are_told_apart(world: World) -> None:
    person = added(world)["id"]
    expired = issued(world, person)["id"]
    with maintenance() as session:
        before = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(ApiToken).where(ApiToken.id == UUID(expired)).values(expires_at=before))
    revoked = issued(world, person)["id"]
    world.admin.delete(f"/tokens/{revoked}")
    active = issued(world, person)["id"]

    def states() -> dict[str, str]:
        return {each["id"]: each["state"] for each in world.admin.get(f"/people/{person}/tokens").json["items"]}

    assert states() == {expired: "expired", revoked: "revoked", active: "active"}
    world.admin.delete(f"/people/{person}")
    assert set(states().values()) == {"deactivated"}


def test_a_service_uses_the_api_and_cannot_sign_in(world: World) -> None:
    service, person = with_token(world, name="Monitor", kind="service"), with_token(world, name="Noa")
    assert service.hand_off("T-1")["handed_off_by"]["name"] == "Monitor"
    client = world.admin.client.application.test_client()
    refused = client.post("/sign-in", data={"token": service.token})
    assert (refused.status_code, "service account" in refused.text) == (403, True)
    assert client.get("/queue").status_code == 302
    assert client.post("/sign-in", data={"token": person.token}).status_code == 303


@pytest.mark.parametrize("method", ["get", "patch"])
def test_settings_say_what_counts_and_what_it_does(world: World, method: str) -> None:
    shown = getattr(world.admin, method)("/settings").json
    assert shown["claim_lease_minutes"] | {"description": ""} == {
        "value": None,
        "effective": 30,
        "label": "Claim lease",
        "description": "",
        "unit": "minutes",
        "least": 1,
        "most": 43200,
    }
    assert (shown["language"]["value"], shown["language"]["effective"]) == (None, None)
    assert shown["model_tokens_per_day"]["effective"] == 5_000_000
    assert all(len(each["description"]) > 20 for name, each in shown.items() if name != "installation")
    assert shown["installation"]["feed_retention_days"]["value"] == 14


def test_a_warning_age_above_the_alarm_age_is_refused(app: Flask, world: World) -> None:
    for body in ({"amber_minutes": 61}, {"red_minutes": 14}, {"amber_minutes": 90, "red_minutes": 80}):
        answer = world.admin.patch("/settings", body)
        assert (answer.status_code, answer.json["code"], answer.json["field"]) == (
            422,
            "ages_crossed",
            "amber_minutes",
        )
    assert world.admin.get("/settings").json["amber_minutes"]["value"] is None
    assert world.admin.patch("/settings", {"amber_minutes": 90, "red_minutes": 120}).status_code == 200
    assert world.admin.patch("/settings", {"red_minutes": None}).json["detail"] == (
        "Warning age is above alarm age, 60 minutes."
    )
    command = ["accounts", "set", "--urgent-amber-minutes", "16", str(world.account_id)]
    ended = app.test_cli_runner().invoke(args=command)
    assert (ended.exit_code, ended.output) == (
        1,
        "Error: Urgent warning age is above urgent alarm age, 15 minutes.\n",
    )


def test_settings_are_changed_one_by_one_and_given_back(world: World, other_world: World) -> None:
    changed = world.admin.patch("/settings", {"claim_lease_minutes": 5, "language": "pt_br"}).json
    assert (changed["claim_lease_minutes"]["effective"], changed["language"]["value"]) == (5, "pt-BR")
    assert world.admin.get("/settings").json == changed
    assert other_world.admin.get("/settings").json["language"]["value"] is None
    back = world.admin.patch("/settings", {"claim_lease_minutes": None}).json
    assert (back["claim_lease_minutes"]["value"], back["claim_lease_minutes"]["effective"]) == (None, 30)
    assert back["language"]["value"] == "pt-BR"


def test_age_limits_and_reminders_are_settings_of_the_account(world: World, other_world: World) -> None:
    usual = world.admin.get("/settings").json
    assert {name: usual[name]["effective"] for name in AGES} == {
        **other_world.viewer.get("/me").json["limits"],
        "waiting_reminder_seconds": 900,
        "urgent_reminder_seconds": 300,
    }
    given = {name: 100 + n for n, name in enumerate(AGES)}
    changed = world.admin.patch("/settings", given).json
    assert {name: (changed[name]["value"], changed[name]["effective"]) for name in AGES} == {
        name: (number, number) for name, number in given.items()
    }
    assert world.viewer.get("/me").json["limits"] == {name: given[name] for name in AGE_LIMITS}
    with transaction(world.account_id) as session:
        stored = account.find_account(session, str(world.account_id))
        assert (stored.waiting_reminder_seconds, stored.urgent_reminder_seconds) == (104, 105)
    assert other_world.admin.get("/settings").json == usual
    assert world.admin.patch("/settings", dict.fromkeys(AGES)).json == usual


def test_an_account_may_use_less_than_the_installation_allows_and_never_more(world: World) -> None:
    less = world.admin.patch("/settings", {"model_tokens_per_day": 0}).json["model_tokens_per_day"]
    assert (less["value"], less["effective"]) == (0, 0)
    more = world.admin.patch("/settings", {"model_tokens_per_day": 9_000_000}).json["model_tokens_per_day"]
    assert (more["value"], more["effective"]) == (9_000_000, 5_000_000)
    made = UUID(world.junior.hand_off()["id"])
    with transaction(world.account_id) as session:
        assert case.load(session, world.account_id, made, NOWHERE).tokens_per_day == 9_000_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"claim_lease_minutes": 0}, "invalid"),
        ({"claim_lease_minutes": 43201}, "invalid"),
        ({"claim_lease_minutes": "5"}, "invalid"),
        ({"claim_lease_minutes": True}, "invalid"),
        ({"model_tokens_per_day": -1}, "invalid"),
        ({"model_tokens_per_day": 10**400}, "invalid"),
        ({"red_minutes": 0}, "invalid"),
        ({"urgent_reminder_seconds": 10**400}, "invalid"),
        ({"language": "german"}, "language_unknown"),
        ({"language": "d\x00e"}, "invalid"),
        ({"installation": {}}, "invalid"),
        ({"name": "Umbra"}, "invalid"),
    ],
)
def test_of_invalid_settings_none_is_changed(world: World, body: dict[str, Any], code: str) -> None:
    before = world.admin.get("/settings").json
    answer = world.admin.patch("/settings", {"language": "de", "claim_lease_minutes": 7, **body})
    assert refusal(answer) == (422, code)
    assert world.admin.get("/settings").json == before


ROUTES = [
    ("post", "/people"),
    ("patch", "/people/{id}"),
    ("delete", "/people/{id}"),
    ("get", "/people/{id}/tokens"),
    ("post", "/people/{id}/tokens"),
    ("get", "/settings"),
    ("patch", "/settings"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_but_an_admin_reads_or_changes_them(world: World, method: str, path: str) -> None:
    for person in (world.senior, world.viewer):
        assert refusal(getattr(person, method)(path.format(id=person.id))) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/people/{id}", "/people/{id}/tokens", "/tokens/{id}"])
def test_what_is_not_in_the_account_is_404(world: World, path: str) -> None:
    address = path.format(id=NOWHERE)
    answers = {
        "/people/{id}": [world.admin.patch(address, {"name": "x"}), world.admin.delete(address)],
        "/people/{id}/tokens": [world.admin.get(address), world.admin.post(address, {"name": "x"})],
        "/tokens/{id}": [world.admin.get(address), world.admin.delete(address)],
    }[path]
    assert [refusal(answer) for answer in answers] == [(404, "not_found")] * 2


@pytest.mark.parametrize(
    ("table", "column"), [("accounts", "id"), ("users", "account_id"), ("api_tokens", "account_id")]
)
def test_administration_of_one_account_sees_no_other(
    world: World, other_world: World, table: str, column: str
) -> None:
    with administration(world.account_id) as session:
        assert {row[0] for row in session.execute(text(f"SELECT {column} FROM {table}"))} == {world.account_id}
        assert session.execute(text(f"UPDATE {table} SET created_at = created_at")).rowcount > 0
    with maintenance() as session:
        assert len({row[0] for row in session.execute(text(f"SELECT {column} FROM {table}"))}) > 1


def test_administration_of_one_account_writes_into_no_other(world: World, other_world: World) -> None:
    row = insert(User).values(account_id=other_world.account_id, id=new_id(), name="x", role=Role.ADMIN)
    with pytest.raises(DBAPIError, match="row-level security"), administration(world.account_id) as session:
        session.execute(row)


def test_the_role_of_requests_writes_neither_people_nor_tokens_nor_settings(world: World) -> None:
    for table in ("users", "api_tokens", "accounts"):
        with pytest.raises(DBAPIError, match="permission denied"), transaction(world.account_id) as session:
            session.execute(text(f"UPDATE {table} SET created_at = created_at"))
