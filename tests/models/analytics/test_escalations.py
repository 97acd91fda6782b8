"""The metrics against a reference computed from real event logs, and their edge cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from models import analytics
from models.assessment import Assessment, State
from models.database import new_id
from models.handoff import TIMES, Handoff, Intent, Priority, Status
from models.session import TroubleshootingSession
from models.transaction import transaction
from tests import real_data
from tests.world import World

LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def store(world: World, rows: Sequence[dict[str, Any]]) -> None:
    """Handoffs with times of their own, all of one session; `state` is that of their assessment."""
    common = {
        "account_id": world.account_id,
        "intent": Intent.ESCALATE,
        "status": Status.RESOLVED,
        "priority": Priority.NORMAL,
        "reason": "x",
        "handed_off_by_id": world.junior.id,
        "claimed_by_id": world.senior.id,
        **dict.fromkeys(TIMES),
        **{"version": 1, "returns": 0, "overdue": False, "generation": 1},
    }
    kept = new_id()
    ticket = {"account_id": world.account_id, "id": kept, "external_id": str(kept), "title": "x", "problem": "x"}
    made = [common | row | {"id": new_id(), "session_id": kept} for row in rows]
    states = [(row["id"], row.pop("state")) for row in made if "state" in row]
    with transaction(world.account_id) as session:
        session.execute(insert(TroubleshootingSession).values(ticket))
        session.execute(insert(Handoff).values(search=text("''::tsvector")), made)
        for handoff_id, state in states:
            session.add(
                Assessment(
                    account_id=world.account_id,
                    handoff_id=handoff_id,
                    generation=1,
                    state=state,
                    content={},
                    deadline_at=NOON,
                )
            )


def measured(world: World, since: datetime = LONG_AGO, until: datetime = FAR_OFF) -> dict[str, Any]:
    with transaction(world.account_id) as session:
        return analytics.escalations(session, world.account_id, since=since, until=until)


def quantile(values: Iterable[float], share: float) -> float:
    """Linear interpolation between the closest ranks, written down once more without SQL."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def test_the_queue_waits_of_bpi_2013_have_the_references_percentiles_to_the_second(world: World) -> None:
    reference = json.loads((real_data.folder() / "analytics_reference.json").read_text())["bpi2013"]
    expected = reference["queued_to_next_accepted_s"]
    rows = []
    with real_data.opened("incident_cases_bpi2013.jsonl") as lines:
        for case in map(json.loads, lines):
            opened = datetime.fromisoformat(case["opened_at"])
            waits = case["queue_waits_s"]
            rows += [{"created_at": opened, "claimed_at": opened + timedelta(seconds=wait)} for wait in waits]
    store(world, rows)
    found = measured(world)
    assert (found["n_handoffs"], found["n_claimed"]) == (expected["n"], expected["n"])
    assert found["time_to_claim"]["p50"] == pytest.approx(expected["p50"], abs=0.5)
    assert found["time_to_claim"]["p95"] == pytest.approx(expected["p95"], abs=0.5)
    assert found["time_to_claim"]["avg"] == pytest.approx(expected["mean"], abs=0.5)


def test_the_pick_ups_of_servicenow_replayed_by_their_own_clock_have_the_same_percentiles(world: World) -> None:
    incidents: dict[str, list[dict[str, Any]]] = {}
    with real_data.opened("incident_events_servicenow.jsonl") as lines:
        for line in map(json.loads, lines):
            incidents.setdefault(line["incident_id"], []).append(line)
    rows, waits = [], []
    for history in incidents.values():
        opened = datetime.fromisoformat(history[0]["at"]).replace(tzinfo=UTC)
        active = next((event["at"] for event in history if event["state"] == "Active"), None)
        taken = None if active is None else datetime.fromisoformat(active).replace(tzinfo=UTC)
        rows.append({"created_at": opened, "claimed_at": taken, "first_action_at": taken})
        if taken is not None:
            waits.append((taken - opened).total_seconds())
    store(world, rows)
    found = measured(world)
    assert (found["n_handoffs"], found["n_claimed"]) == (len(incidents), len(waits))
    assert found["time_to_claim"]["p50"] == pytest.approx(quantile(waits, 0.5), abs=0.5)
    assert found["time_to_claim"]["p95"] == pytest.approx(quantile(waits, 0.95), abs=0.5)
    assert sum(day["n_handoffs"] for day in found["by_day"]) == len(incidents)


def test_each_time_has_its_own_start_and_end(world: World) -> None:
    after = [NOON + timedelta(seconds=seconds) for seconds in (10, 100, 160)]
    store(world, [{"created_at": NOON, "ready_at": after[0], "claimed_at": after[1], "first_action_at": after[2]}])
    found = measured(world)
    assert [found[name]["p50"] for name in analytics.TIMES] == [10, 100, 60]


def test_one_that_was_parked_counts_from_its_escalation(world: World) -> None:
    long_before = NOON - timedelta(days=200)
    store(world, [{"created_at": long_before, "escalated_at": NOON, "claimed_at": NOON + timedelta(seconds=30)}])
    assert measured(world, NOON - timedelta(days=1), FAR_OFF)["time_to_claim"]["p50"] == 30
    assert measured(world, long_before, NOON)["n_handoffs"] == 0


def test_one_that_is_still_parked_is_not_counted(world: World) -> None:
    store(world, [{"created_at": NOON, "status": Status.PARKED}])
    assert measured(world)["n_handoffs"] == 0


def test_what_would_be_negative_counts_as_zero(world: World) -> None:
    before = NOON - timedelta(minutes=1)
    store(world, [{"created_at": NOON, "ready_at": before, "claimed_at": before, "first_action_at": before}])
    found = measured(world)
    assert [found[name]["avg"] for name in analytics.TIMES] == [0, 0, 0]


def test_unclaimed_ones_and_those_without_action_are_left_out_and_counted_apart(world: World) -> None:
    claimed = {"created_at": NOON, "claimed_at": NOON + timedelta(seconds=60)}
    acted = claimed | {"first_action_at": NOON + timedelta(seconds=90)}
    store(world, [{"created_at": NOON}, claimed, acted])
    found = measured(world)
    assert [found[name] for name in ("n_handoffs", "n_ready", "n_claimed", "n_with_action")] == [3, 0, 2, 1]
    assert found["time_to_ready"] == {"avg": None, "p50": None, "p95": None}
    assert found["time_to_claim"]["avg"] == 60
    assert found["time_to_first_action"]["avg"] == 30


def test_the_metrics_are_split_by_assessment_state_and_by_day_with_the_empty_days(world: World) -> None:
    def row(days: int, seconds: int, state: State) -> dict[str, Any]:
        began = NOON + timedelta(days=days)
        return {"created_at": began, "ready_at": began + timedelta(seconds=seconds), "state": state}

    store(world, [row(0, 10, State.SUCCEEDED), row(0, 30, State.FALLBACK), row(2, 50, State.SUCCEEDED)])
    found = measured(world, NOON, NOON + timedelta(days=3))
    states = {each["assessment_state"]: each for each in found["by_assessment_state"]}
    assert {name: each["time_to_ready"]["p50"] for name, each in states.items()} == {"succeeded": 30, "fallback": 30}
    assert [(each["day"], each["n_handoffs"], each["time_to_ready"]["p50"]) for each in found["by_day"]] == [
        ("2026-05-04", 2, 20),
        ("2026-05-05", 0, None),
        ("2026-05-06", 1, 50),
        ("2026-05-07", 0, None),
    ]


def test_another_accounts_handoffs_are_not_counted(world: World, other_world: World) -> None:
    store(other_world, [{"created_at": NOON}])
    assert measured(world)["n_handoffs"] == 0


def test_the_route_answers_the_contracts_names(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "x"})
    answer = world.senior.get("/analytics/escalations?period=7d")
    assert answer.status_code == 200
    body = answer.json
    assert [body[name] for name in ("n_handoffs", "n_ready", "n_claimed", "n_with_action")] == [1, 0, 1, 1]
    assert all(set(body[name]) == {"avg", "p50", "p95"} for name in analytics.TIMES)
    assert len(body["by_day"]) == 8
    assert [each["assessment_state"] for each in body["by_assessment_state"]] == ["queued"]
    assert "saving" not in answer.text
    assert "created_at" in body["metric_definition"]


@pytest.mark.parametrize("query", ["", "?period=", "?period=1d", "?period=7D", "?period=7d&x=1"])
def test_other_periods_are_422(world: World, query: str) -> None:
    assert world.senior.get(f"/analytics/escalations{query}").status_code == 422


def test_viewers_may_not_see_the_metrics(world: World) -> None:
    assert world.viewer.get("/analytics/escalations?period=7d").status_code == 403


def test_imported_history_counts_and_has_no_times(world: World) -> None:
    store(world, [{"created_at": NOON, "ready_at": NOON + timedelta(seconds=n)} for n in (4, 6)])
    with transaction(world.account_id) as session:
        session.execute(
            text("""
                INSERT INTO imported_handoffs (account_id, handoff_id, key)
                SELECT account_id, id, 'x' FROM handoffs WHERE ready_at = :ready
            """),
            {"ready": NOON + timedelta(seconds=4)},
        )
    found = measured(world)
    assert (found["n_handoffs"], found["n_ready"]) == (2, 1)
    assert found["time_to_ready"]["p50"] == 6


def test_the_metrics_of_each_value_are_those_of_its_handoffs(world: World) -> None:
    def row(minutes: int | None, **more: Any) -> dict[str, Any]:
        claimed = None if minutes is None else NOON + timedelta(minutes=minutes)
        return {"created_at": NOON, "claimed_at": claimed, **more}

    urgent = {"priority": Priority.URGENT, "claimed_by_id": world.senior2.id}
    store(world, [row(1, **urgent), row(3, **urgent), row(10), row(None, claimed_by_id=None)])
    span = {"since": NOON, "until": NOON + timedelta(days=1)}
    with transaction(world.account_id) as session:
        by = {each: analytics.breakdown(session, world.account_id, each, **span) for each in analytics.Attribute}
    found = {
        attribute: [(item["name"], item["n_handoffs"], item["time_to_claim"]["p50"]) for item in items]
        for attribute, items in by.items()
    }
    assert found == {
        "priority": [("normal", 2, 600.0), ("urgent", 2, 120.0)],
        "client": [(None, 4, 180.0)],
        "claimer": [(world.senior2.name, 2, 120.0), (world.senior.name, 1, 600.0), (None, 1, None)],
        "author": [(world.junior.name, 4, 180.0)],
    }


def test_what_is_open_now_is_counted_by_priority(world: World) -> None:
    first = world.junior.hand_off("T-1", priority="urgent")
    world.junior.hand_off("T-2", priority="urgent")
    for name, step in (("T-3", None), ("T-4", {"kind": "note", "text": "On it."})):
        taken = world.junior.hand_off(name)["id"]
        world.senior.post(f"/handoffs/{taken}/claim")
        if step:
            world.senior.post(f"/sessions/{name}/steps", step)
    world.junior.hand_off("T-5", intent="park")
    items = world.senior.get("/analytics/now").json["items"]
    assert [tuple(item.values()) for item in items] == [
        ("urgent", 2, first["created_at"], 0, 0),
        ("high", 0, None, 0, 0),
        ("normal", 0, None, 2, 1),
        ("low", 0, None, 0, 0),
    ]


def test_ratings_are_counted_by_assessor(world: World) -> None:
    store(world, [{"created_at": NOON, "state": State.SUCCEEDED}])
    made = world.senior.get("/handoffs").json["items"][0]["id"]
    for person, rating in ((world.senior, "helpful"), (world.senior2, "wrong"), (world.senior2, "helpful")):
        person.post(f"/handoffs/{made}/assessments/1/feedback", {"rating": rating})
    answer = world.senior.get("/analytics/ratings?period=7d").json
    assert answer == {
        "period": "7d",
        "items": [{"source": None, "helpful": 2, "wrong": 0, "incomplete": 0}],
    }


@pytest.mark.parametrize("path", ["breakdown?period=7d&by=author", "ratings?period=7d", "now"])
def test_viewers_see_none_of_the_figures(world: World, path: str) -> None:
    assert world.viewer.get(f"/analytics/{path}").status_code == 403


@pytest.mark.parametrize("query", ["period=7d", "period=7d&by=colour", "period=8d&by=client", "by=client"])
def test_a_breakdown_that_cannot_be_is_refused(world: World, query: str) -> None:
    assert world.senior.get(f"/analytics/breakdown?{query}").status_code == 422
