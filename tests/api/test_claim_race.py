"""Fifty people claim at once over real connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from sqlalchemy import select

from models import account, database
from models.account import ApiToken, Role, User
from models.feed import FeedEvent
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.world import Person, World

PEOPLE = 50


def crowd(world: World) -> list[Person]:
    """Fifty engineers of the account, each with a token."""
    made = []
    with maintenance() as session:
        for n in range(PEOPLE):
            user = User(account_id=world.account_id, id=database.new_id(), name=f"engineer {n}", role=Role.ENGINEER)
            session.add(user)
            session.flush()
            secret = f"rf_test_{user.id.hex}"
            session.add(
                ApiToken(
                    account_id=world.account_id, user_id=user.id, prefix=secret[:11], digest=account.digest(secret)
                )
            )
            made.append(Person(user.id, user.name, secret, world.junior.client.application.test_client()))
    return made


def at_once(people: list[Person], path: str, body: Any = None) -> list[Any]:
    barrier = Barrier(len(people))

    def go(person: Person) -> Any:
        person.get("/me")  # so that nobody is delayed by signing in
        barrier.wait(30)
        return person.post(path, body)

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(go, people))


def test_of_fifty_claims_at_once_one_wins_and_the_others_get_409_and_the_winners_name(committed: str) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    people = crowd(world)
    made = world.junior.hand_off("T-1")["id"]
    answers = at_once(people, f"/handoffs/{made}/claim")
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (PEOPLE - 1)
    winner = next(answer.json["claimed_by"] for answer in answers if answer.status_code == 200)
    lost = [answer.json for answer in answers if answer.status_code == 409]
    assert {each["code"] for each in lost} == {"already_claimed"}
    assert all(each["claimed_by"] == winner for each in lost)
    with transaction(world.account_id) as session:
        types = [kind.value for kind in session.scalars(select(FeedEvent.type).order_by(FeedEvent.seq))]
    assert types == ["handoff.created", "handoff.claimed"]


def test_of_twenty_handoffs_of_one_session_at_once_one_is_open_and_the_others_are_told_which(
    committed: str,
) -> None:
    from wsgi import app

    world = worlds.create(app.test_client())
    answers = at_once(crowd(world)[:20], "/handoffs", worlds.intake("T-1"))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
    opened = next(answer.json["id"] for answer in answers if answer.status_code == 202)
    assert {answer.json["handoff_id"] for answer in answers if answer.status_code == 409} == {opened}
