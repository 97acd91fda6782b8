"""The case as an assessor gets it: who handed it off, in which language its readers read, when past cases ended."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from models import account
from models.account import settings
from models.assessment import case
from models.assessment.case import Case
from models.transaction import maintenance, transaction
from tests.tasks.accepted import change, row
from tests.world import World

TICKET = {"title": "Copier CP-1F cannot scan", "problem": "Scans to e-mail end with error 2203 SMTP auth on CP-1F."}


def loaded(world: World, external_id: str = "T-2") -> Case:
    made = UUID(world.junior.hand_off(external_id, **TICKET)["id"])
    with transaction(world.account_id) as session:
        return case.load(session, world.account_id, made, UUID(int=1))


def test_who_handed_it_off_is_known_by_name(world: World) -> None:
    assert loaded(world).author == row("users", world.junior.id).name


@pytest.mark.parametrize("language", [None, "de"])
def test_the_language_of_its_readers_is_that_of_the_account(
    world: World, other_world: World, language: str | None
) -> None:
    with maintenance() as session:
        for account_id, chosen in ((world.account_id, language), (other_world.account_id, "fr")):
            found = account.find_account(session, str(account_id))
            settings.change(session, found, {"language": chosen}, by=None)
    assert loaded(world).language == language


def test_a_past_case_says_when_it_was_resolved(world: World) -> None:
    old = world.junior.hand_off("T-1", **TICKET)["id"]
    world.senior.post(f"/handoffs/{old}/claim")
    world.senior.post(f"/handoffs/{old}/resolve", {"resolution": "Set TLS 1.2."})
    change("handoffs", UUID(old), "resolved_at = now() - interval '90 days'")
    (past,) = loaded(world).past
    assert past.resolved_at is not None
    assert row("handoffs", UUID(old)).resolved_at - past.resolved_at < timedelta(seconds=1)
