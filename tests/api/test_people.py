"""People and their tokens: who gets access, for how long, and how it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from api import auth
from models import account, database, people
from models.account import ApiToken, Role, User
from models.transaction import maintenance, transaction
from tests.world import Person, World, intake


def delete(world: World, person: Person) -> None:
    """Delete somebody and let 30 seconds pass: nothing is believed for that long."""
    people.deactivate(world.account_id, person.id, by=None)
    auth.forget_verified()


def status(world: World, secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    return world.junior.client.get("/api/v1/me", headers=headers).status_code


def issued(world: World, person: Person, expires_in: timedelta | None = None) -> tuple[UUID, str]:
    with maintenance() as session:
        token, secret = account.issue_token(session, world.account_id, person.id, expires_in=expires_in)
        return token.id, secret


def test_me_tells_user_role_and_account(world: World) -> None:
    assert world.senior.get("/me").json == {
        "id": str(world.senior.id),
        "name": "senior of Acme",
        "role": "engineer",
        "account": {"id": str(world.account_id), "name": "Acme"},
        "limits": {"amber_minutes": 15, "red_minutes": 60, "urgent_amber_minutes": 5, "urgent_red_minutes": 15},
    }


def test_an_account_has_age_limits_of_its_own(world: World, other_world: World) -> None:
    with maintenance() as session:
        mine = session.get_one(account.Account, world.account_id)
        mine.red_minutes, mine.urgent_amber_minutes = 90, 2
    limits = {"amber_minutes": 15, "red_minutes": 90, "urgent_amber_minutes": 2, "urgent_red_minutes": 15}
    assert world.viewer.get("/me").json["limits"] == limits
    assert other_world.viewer.get("/me").json["limits"]["red_minutes"] == 60


def test_a_token_is_believed_for_less_than_the_thirty_seconds_that_are_promised() -> None:
    known = auth.CachedCaller(None, None, 100.0, is_stored=True)  # type: ignore[arg-type]
    until = [auth._verified.ttu("", known, 110.0) for _ in range(200)]
    assert 100 < min(until) < max(until) < 130
    assert max(until) <= 100 + max(auth.BELIEVED_SECONDS)


def test_a_deleted_user_loses_access(world: World) -> None:
    assert world.senior.get("/me").status_code == 200
    delete(world, world.senior)
    assert world.senior.get("/me").status_code == 401


def test_a_deleted_user_disappears_from_the_targets(world: World) -> None:
    delete(world, world.senior)
    assert str(world.senior.id) not in {person["id"] for person in world.viewer.get("/people").json["items"]}
    answer = world.junior.post("/handoffs", intake(target_user_id=str(world.senior.id)))
    assert (answer.status_code, answer.json["code"]) == (422, "user_unknown")
    made = world.junior.hand_off("T-1")["id"]
    world.senior2.post(f"/handoffs/{made}/claim")
    answer = world.senior2.post(f"/handoffs/{made}/reassign", {"user_id": str(world.senior.id)})
    assert (answer.status_code, answer.json["code"]) == (422, "user_unknown")


def test_what_was_meant_for_a_deleted_user_is_for_everybody(world: World) -> None:
    made = world.junior.hand_off("T-1", target_user_id=str(world.senior.id))["id"]
    assert world.senior2.post(f"/handoffs/{made}/claim").json["code"] == "targeted"
    delete(world, world.senior)
    assert world.senior2.post(f"/handoffs/{made}/claim").status_code == 200


def test_a_deleted_users_name_stays_readable(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    delete(world, world.junior)
    assert world.senior.get(f"/handoffs/{made}").json["handed_off_by"]["name"] == "junior of Acme"


def test_people_are_the_accounts_engineers_and_admins(world: World, other_world: World) -> None:
    found = world.viewer.get("/people").json["items"]
    assert [(person["name"], person["role"]) for person in found] == [
        ("admin of Acme", "admin"),
        ("junior of Acme", "engineer"),
        ("senior of Acme", "engineer"),
        ("senior2 of Acme", "engineer"),
    ]


def test_a_token_is_stored_as_a_digest_of_256_random_bits(world: World) -> None:
    token_id, secret = issued(world, world.senior)
    assert len(secret.removeprefix("rf_")) >= 43  # 32 bytes in base64
    with maintenance() as session:
        row = session.scalars(select(ApiToken).where(ApiToken.id == token_id)).one()
    assert row.digest == account.digest(secret)
    assert row.prefix == secret[: len(row.prefix)]
    assert len(row.prefix) < 12
    assert secret not in str(vars(row))


def test_an_expired_token_is_refused(world: World) -> None:
    _, secret = issued(world, world.senior, timedelta(days=1))
    assert status(world, secret) == 200
    auth.forget_verified()
    with maintenance() as session:
        session.execute(update(ApiToken).values(expires_at=func.now()))
    assert status(world, secret) == 401


def test_a_token_expires_on_time_even_while_it_is_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = issued(world, world.senior, timedelta(seconds=5))
    assert status(world, secret) == 200

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=6)

    monkeypatch.setattr(auth, "datetime", Later)
    assert status(world, secret) == 401


def test_a_revoked_token_is_refused_and_others_of_the_person_are_not(world: World) -> None:
    token_id, secret = issued(world, world.senior)
    assert status(world, secret) == 200
    with maintenance() as session:
        assert account.revoke_token(session, token_id) is True
    with maintenance() as session:
        assert account.revoke_token(session, token_id) is False
    auth.forget_verified()
    assert status(world, secret) == 401
    assert world.senior.get("/me").status_code == 200


def test_last_use_is_written_at_most_once_a_minute(world: World) -> None:
    token_id, secret = issued(world, world.senior)

    def use(seconds_ago: int) -> bool:
        """Return whether a use is stored if the one before was this long ago."""
        before = func.now() - timedelta(seconds=seconds_ago)
        with maintenance() as session:
            session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=before))
        auth.forget_verified()
        assert status(world, secret) == 200
        with maintenance() as session:
            fresh = select(ApiToken.last_used_at == func.now()).where(ApiToken.id == token_id)
            return bool(session.scalar(fresh))

    assert use(61)
    assert not use(59)


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("post", "/handoffs", "engineer"),
        ("post", "/handoffs/{id}/claim", "engineer"),
        ("post", "/sessions/T-1/steps", "engineer"),
        ("post", "/sessions/T-1/steps/1/retract", "engineer"),
        ("patch", "/sessions/T-1", "engineer"),
        ("get", "/me/questions", "viewer"),
        ("get", "/handoffs/{id}", "viewer"),
        ("get", "/queue", "viewer"),
        ("get", "/queue/counts", "viewer"),
    ],
)
def test_scopes_go_by_role(world: World, method: str, path: str, role: str) -> None:
    made = world.junior.hand_off("T-1")["id"]
    call = getattr(world.viewer, method)
    refused = call(path.format(id=made)).status_code == 403
    assert refused == (role == "engineer")


def test_every_route_asks_for_a_role_or_is_known_to_be_open(app: Flask) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    api = {rule.rule for rule in rules if auth.required_role(app.view_functions[rule.endpoint]) is None}
    assert api == {"/api/v1/openapi.json"}


def test_a_name_of_another_account_is_not_found(world: World, other_world: World) -> None:
    with transaction(world.account_id) as session:
        assert session.get(User, (other_world.account_id, other_world.senior.id)) is None
        assert {user.id for user in account.people(session, other_world.account_id)} == set()


def test_a_role_change_reaches_the_caller(world: World) -> None:
    with maintenance() as session:
        session.execute(update(User).where(User.id == world.senior.id).values(role=Role.VIEWER))
    auth.forget_verified()
    assert world.senior.post("/handoffs", intake()).status_code == 403


def test_ids_are_made_by_the_server_and_ordered_by_time() -> None:
    made = [database.new_id() for _ in range(100)]
    assert made == sorted(made)
