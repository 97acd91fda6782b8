"""The timeline, with real commits, so that every entry has its own time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, update

from models import assessment
from models.assessment import Assessment
from models.transaction import maintenance, transaction
from tasks import assess
from tasks.assessors.base import AssessorError
from tests import world as worlds
from tests.world import World


@pytest.fixture
def lasting(committed: str) -> World:
    from wsgi import app

    return worlds.create(app.test_client())


def timeline(world: World, handoff_id: str) -> list[dict[str, Any]]:
    items = world.viewer.get(f"/handoffs/{handoff_id}/timeline").json["items"]
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)
    return list(items)


def newest(world: World, handoff_id: str) -> UUID:
    with transaction(world.account_id) as session:
        return assessment.generations(session, world.account_id, UUID(handoff_id))[-1].id


def test_a_timeline_tells_who_did_what_when(lasting: World) -> None:
    made = lasting.junior.hand_off("T-1")["id"]
    assess.run(lasting.account_id, newest(lasting, made))
    lasting.senior.post(f"/handoffs/{made}/claim")
    lasting.senior.post("/sessions/T-1/steps", {"kind": "action", "text": "Looked."})
    lasting.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(lasting.senior2.id), "reason": "yours"})
    lasting.senior2.post(f"/handoffs/{made}/release", {"reason": "not mine"})
    lasting.admin.post(f"/handoffs/{made}/claim")
    lasting.admin.post(f"/handoffs/{made}/resolve", {"resolution": "Done.", "root_cause": "The driver."})
    told = [(item["kind"], item["by"] and item["by"]["name"], item.get("note")) for item in timeline(lasting, made)]
    assert told == [
        ("assessment.queued", "junior of Acme", None),
        ("handoff.created", "junior of Acme", None),
        ("assessment.succeeded", None, None),
        ("handoff.ready", None, None),
        ("handoff.claimed", "senior of Acme", None),
        ("step", "senior of Acme", "Looked."),
        ("handoff.updated", "senior of Acme", None),
        ("handoff.reassigned", "senior of Acme", "yours"),
        ("handoff.released", "senior2 of Acme", "not mine"),
        ("handoff.claimed", "admin of Acme", None),
        ("handoff.resolved", "admin of Acme", "The driver."),
    ]


def test_a_timeline_tells_to_whom_a_claim_went_and_how_it_ended(lasting: World) -> None:
    made = lasting.junior.hand_off("T-1")["id"]
    lasting.senior.post(f"/handoffs/{made}/claim")
    lasting.senior.post(f"/handoffs/{made}/reassign", {"user_id": str(lasting.senior2.id), "reason": "yours"})
    lasting.senior2.post(f"/handoffs/{made}/resolve", {"resolution": "Done.", "root_cause": "The driver."})
    entries = {item["kind"]: item for item in timeline(lasting, made)}
    assert entries["handoff.reassigned"]["to"] == {"id": str(lasting.senior2.id), "name": lasting.senior2.name}
    assert entries["handoff.resolved"]["resolution"] == "Done."


def test_a_timeline_tells_questions_answers_and_what_was_retracted(lasting: World) -> None:
    made = lasting.junior.hand_off("T-1", steps=[])["id"]
    asked = {"kind": "question", "text": "Which firmware?", "to_user_id": str(lasting.junior.id)}
    lasting.senior.post("/sessions/T-1/steps", asked)
    lasting.junior.post("/sessions/T-1/steps", {"kind": "note", "text": "4.2.", "answers": 1})
    lasting.junior.post("/sessions/T-1/steps", {"kind": "note", "text": "No, 4.3.", "answers": 1})
    lasting.junior.post("/sessions/T-1/steps/2/retract")
    lasting.junior.patch("/sessions/T-1", {"client": "Contoso"})
    shown = timeline(lasting, made)
    keys = ("by", "to", "step", "step_kind", "note", "answers", "retracted")
    senior, junior = ({"id": str(who.id), "name": who.name} for who in (lasting.senior, lasting.junior))
    assert [tuple(item[key] for key in keys) for item in shown if item["kind"] == "step"] == [
        (senior, junior, 1, "question", "Which firmware?", None, False),
        (junior, None, 2, "note", "4.2.", 1, True),
        (junior, None, 3, "note", "No, 4.3.", 1, False),
    ]
    notes = [item["note"] for item in shown if item["kind"] == "handoff.updated" and item["note"]]
    assert notes == ["step 2 retracted", "client: none → Contoso"]


def test_a_timeline_tells_every_attempt_of_the_assessor_and_its_error(
    lasting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses:
        def assess(self, subject: Any, *, deadline: float) -> Any:
            raise AssessorError("rate_limited", retryable=True)

    made = lasting.junior.hand_off("T-1")["id"]
    monkeypatch.setattr(assess, "build", lambda *_: Refuses())
    for _ in range(4):
        with maintenance() as session:
            session.execute(update(Assessment).values(not_before=func.now()))
        assess.run(lasting.account_id, newest(lasting, made))
    attempts = [
        (item["kind"], item["attempt"], item["error"])
        for item in timeline(lasting, made)
        if item["kind"].startswith("assessment.") and "attempt" in item
    ]
    assert attempts == [
        ("assessment.retried", 1, "rate_limited"),
        ("assessment.retried", 2, "rate_limited"),
        ("assessment.retried", 3, "rate_limited"),
        ("assessment.fallback", 4, "rate_limited"),
    ]


def test_a_timeline_tells_that_a_withdrawal_ended_the_assessment(lasting: World) -> None:
    made = lasting.junior.hand_off("T-1")["id"]
    lasting.junior.post(f"/handoffs/{made}/withdraw")
    ended = [item for item in timeline(lasting, made) if item["kind"] == "assessment.failed"]
    assert [item["error"] for item in ended] == ["withdrawn"]


def test_who_asked_for_another_assessment_is_told(lasting: World) -> None:
    made = lasting.junior.hand_off("T-1")["id"]
    assess.run(lasting.account_id, newest(lasting, made))
    lasting.senior.post(f"/handoffs/{made}/reassess")
    asked = [item for item in timeline(lasting, made) if item["kind"] == "assessment.queued"]
    assert [item["by"]["name"] for item in asked] == ["junior of Acme", "senior of Acme"]


def test_a_step_belongs_to_the_timeline_of_the_handoff_in_whose_time_it_was_added(lasting: World) -> None:
    first = lasting.junior.hand_off("T-1")["id"]
    lasting.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "during the first"})
    lasting.junior.post(f"/handoffs/{first}/withdraw")
    second = lasting.junior.hand_off("T-1", steps=[{"kind": "note", "text": "sent with the second"}])["id"]
    lasting.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "during the second"})

    def steps(handoff_id: str) -> list[str]:
        return [item["note"] for item in timeline(lasting, handoff_id) if item["kind"] == "step"]

    assert steps(first) == ["during the first"]
    assert steps(second) == ["during the second"]
