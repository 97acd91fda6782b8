"""The search among more past cases than it compares."""

from __future__ import annotations

from uuid import uuid4

from models.assessment import case
from models.history import Line, load
from models.transaction import transaction
from tests.world import World, intake

WORDS = ("printer", "server", "login", "password", "mail", "screen", "update", "share", "network", "driver", "cable")


def _resolved(number: int, problem: str, resolution: str) -> Line:
    content = intake(f"OLD-{number}", title=f"Case {number}", problem=problem, steps=[], resolution=resolution)
    return Line(number, content)


def test_the_one_case_that_matches_is_found_among_hundreds_and_in_its_own_account_only(
    world: World, other_world: World
) -> None:
    usual = [
        _resolved(n, f"The {WORDS[n % 11]} and the {WORDS[n % 7]} fail with the {WORDS[n % 5]}.", "Restarted it.")
        for n in range(400)
    ]
    needle = _resolved(1000, "Kyocera fuser o'clock \\unit jams on envelopes, code J4409.", "Replaced the fuser.")
    with transaction(world.account_id) as session:
        load.load(session, world.account_id, [*usual, needle], by=world.admin.id)
    asked = "The Kyocera jams on envelopes at nine o'clock, code J4409 of the fuser \\unit"
    with transaction(world.account_id) as session:
        found = case.similar(session, world.account_id, asked, besides=uuid4())
    assert [past.resolution for past in found] == ["Replaced the fuser."]
    with transaction(other_world.account_id) as session:
        assert case.similar(session, other_world.account_id, asked, besides=uuid4()) == []
