"""The lease of a claim: shown, kept, snoozed, and over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, update

from models import people
from models.handoff import Handoff, claims
from models.transaction import maintenance
from tests.api.test_edits import notes
from tests.api.test_moves import age_claim, body_of, days_ahead, events, in_state, return_overdue
from tests.world import World

SHOWN = ("lease_until", "snoozed_until", "snooze_reason")
REASON = "The client is away until tomorrow."


def shown(world: World, handoff_id: str) -> dict[str, Any]:
    return dict(world.viewer.get(f"/handoffs/{handoff_id}").json)


def lease_seconds(card: dict[str, Any], since: str = "claimed_at") -> float:
    return (datetime.fromisoformat(card["lease_until"]) - datetime.fromisoformat(card[since])).total_seconds()


def snooze(world: World, handoff_id: str, days: float = 1) -> dict[str, Any]:
    answer = world.senior.post(f"/handoffs/{handoff_id}/snooze", {"until": days_ahead(days), "reason": REASON})
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def step(world: World, by: str = "senior") -> None:
    getattr(world, by).post("/sessions/T-1/steps", {"kind": "note", "text": "On it."})


def end_snoozes() -> int:
    with maintenance() as session:
        return sum([claims.end_snooze(session, *each) for each in claims.ended_snoozes(session)])


def let_snooze_end(world: World, handoff_id: str) -> None:
    with maintenance() as session:
        session.execute(update(Handoff).where(Handoff.id == UUID(handoff_id)).values(snoozed_until=func.now()))


def test_a_claim_shows_until_when_it_is_held_on_cards_too(app: Flask, world: World) -> None:
    waiting = in_state(world, "ready")
    assert [shown(world, waiting)[name] for name in SHOWN] == [None] * 3
    assert lease_seconds(world.senior.post(f"/handoffs/{waiting}/claim").json) == 1800
    (row,) = world.viewer.get("/queue").json["items"]
    assert lease_seconds(row) == 1800
    arguments = ["accounts", "set", "--claim-lease-minutes", "5", str(world.account_id)]
    assert app.test_cli_runner().invoke(args=arguments).exit_code == 0
    assert lease_seconds(shown(world, waiting)) == 1800, "a lease that runs stays"
    moved = world.senior.post(f"/handoffs/{waiting}/reassign", {"user_id": str(world.senior2.id)}).json
    assert lease_seconds(moved) == 300


def test_the_claimers_first_step_ends_the_lease_and_nobody_elses_does(world: World) -> None:
    made = in_state(world, "claimed")
    step(world, "senior2")
    assert shown(world, made)["lease_until"] is not None
    step(world)
    assert shown(world, made)["lease_until"] is None


@pytest.mark.parametrize("move", ["release", "resolve", "withdraw"])
def test_no_lease_runs_after_the_end_of_a_claim(world: World, move: str) -> None:
    made = in_state(world, "claimed")
    ended = world.admin.post(f"/handoffs/{made}/{move}", body_of(world, move)).json
    assert [ended[name] for name in SHOWN] == [None] * 3


def test_keeping_begins_the_lease_anew(world: World) -> None:
    made = in_state(world, "claimed")
    age_claim(world, made, 29)
    kept = world.senior.post(f"/handoffs/{made}/keep").json
    assert lease_seconds(kept) == 1800
    assert notes(world) == ["kept"]
    age_claim(world, made, 29)
    assert return_overdue() == 0
    age_claim(world, made, 2)
    assert return_overdue() == 1


def test_keeping_changes_nothing_where_no_lease_runs(world: World) -> None:
    made = in_state(world, "claimed")
    step(world)
    before, told = shown(world, made), events(world)
    answer = world.senior.post(f"/handoffs/{made}/keep")
    assert (answer.status_code, answer.json, events(world)) == (200, before, told)


def test_a_snoozed_claim_has_no_lease_says_why_and_does_not_go_back(world: World) -> None:
    made = in_state(world, "claimed")
    card = snooze(world, made)
    assert (card["lease_until"], card["snooze_reason"]) == (None, REASON)
    (row,) = world.viewer.get("/queue").json["items"]
    assert [row[name] for name in SHOWN] == [card[name] for name in SHOWN]
    (note,) = notes(world)
    assert note is not None
    assert note.startswith("snoozed until ")
    assert note.endswith(f" UTC: {REASON}")
    with maintenance() as session:
        long_ago = {"claimed_at": func.now() - timedelta(days=1)}
        session.execute(update(Handoff).where(Handoff.id == UUID(made)).values(**long_ago))
    assert return_overdue() == 0
    assert end_snoozes() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"until": days_ahead(-1), "reason": "x"}, "until"),
        ({"until": days_ahead(30.1), "reason": "x"}, "until"),
        ({"until": "soon", "reason": "x"}, "until"),
        ({"reason": "x"}, "until"),
        ({"until": days_ahead(1)}, "reason"),
        ({"until": days_ahead(1), "reason": " "}, "reason"),
        ({"until": days_ahead(1), "reason": "x" * 501}, "reason"),
    ],
)
def test_a_snooze_has_an_end_within_thirty_days_and_a_reason(world: World, body: dict[str, Any], field: str) -> None:
    made = in_state(world, "claimed")
    answer = world.senior.post(f"/handoffs/{made}/snooze", body)
    assert (answer.status_code, list(answer.json["errors"]["json"])) == (422, [field])
    assert shown(world, made)["snoozed_until"] is None


def test_a_snooze_is_ended_early_and_the_lease_begins_anew(world: World) -> None:
    made = in_state(world, "claimed")
    snooze(world, made)
    ended = world.senior.post(f"/handoffs/{made}/unsnooze").json
    assert lease_seconds(ended) == 1800
    assert (ended["snoozed_until"], ended["snooze_reason"]) == (None, None)
    assert notes(world)[-1] == "snooze ended"


@pytest.mark.parametrize("how", ["step", "release", "reassign", "resolve", "withdraw"])
def test_what_happens_to_the_claim_ends_its_snooze(world: World, how: str) -> None:
    made = in_state(world, "claimed")
    snooze(world, made)
    if how == "step":
        step(world)
    else:
        assert world.admin.post(f"/handoffs/{made}/{how}", body_of(world, how)).status_code == 200
    after = shown(world, made)
    assert (after["snoozed_until"], after["snooze_reason"]) == (None, None)


def test_a_step_of_somebody_else_leaves_the_snooze(world: World) -> None:
    made = in_state(world, "claimed")
    snooze(world, made)
    step(world, "senior2")
    assert shown(world, made)["snooze_reason"] == REASON


@pytest.mark.parametrize("acted", [False, True])
def test_a_snooze_that_is_over_ends_by_itself_once(world: World, acted: bool) -> None:
    made = in_state(world, "claimed")
    if acted:
        step(world)
    snooze(world, made)
    let_snooze_end(world, made)
    assert (end_snoozes(), end_snoozes()) == (1, 0)
    after = shown(world, made)
    assert (after["snoozed_until"], after["snooze_reason"]) == (None, None)
    assert (after["lease_until"] is None) is acted
    assert notes(world)[-1] == "snooze is over"
    assert return_overdue() == 0


def test_a_claim_whose_lease_a_former_version_did_not_store_goes_back_all_the_same(world: World) -> None:
    made = in_state(world, "claimed")
    with maintenance() as session:
        unstored = {"lease_until": None, "claimed_at": func.now() - timedelta(minutes=29)}
        session.execute(update(Handoff).where(Handoff.id == UUID(made)).values(**unstored))
    assert return_overdue() == 0
    with maintenance() as session:
        late = {"claimed_at": func.now() - timedelta(minutes=31)}
        session.execute(update(Handoff).where(Handoff.id == UUID(made)).values(**late))
    assert return_overdue() == 1


def test_claims_of_somebody_who_leaves_keep_no_snooze(world: World) -> None:
    made = in_state(world, "claimed")
    snooze(world, made)
    people.deactivate(world.account_id, world.senior.id, by=None)
    assert [shown(world, made)[name] for name in ("status", *SHOWN)] == ["ready", None, None, None]
