"""Questions to a person: asked, answered, listed, counted, and found again when a history is sent once more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from models import people
from tests.world import STEPS, Person, World, intake

SEQ = len(STEPS) + 1  # of the first step after those that were handed off


def ask(world: World, by: Person, to: Person, text: str = "Which firmware?", external_id: str = "T-1") -> int:
    body = {"kind": "question", "text": text, "to_user_id": str(to.id)}
    answer = by.post(f"/sessions/{external_id}/steps", body)
    assert answer.status_code == 201, answer.text
    return int(answer.json["seq"])


def reply(by: Person, seq: int, external_id: str = "T-1") -> int:
    answer = by.post(f"/sessions/{external_id}/steps", {"kind": "note", "text": "4.2.", "answers": seq})
    assert answer.status_code == 201, answer.text
    return int(answer.json["seq"])


def asked(person: Person) -> list[tuple[str, int]]:
    found = person.get("/me/questions").json
    assert found["next_page"] is None
    return [(item["session"]["external_id"], item["step"]) for item in found["items"]]


def waiting(world: World, handoff_id: str) -> int:
    """The number on the handoff, which its card in the queue and in the feed repeat."""
    shown = int(world.viewer.get(f"/handoffs/{handoff_id}").json["questions_open"])
    for row in world.viewer.get("/queue").json["items"]:
        assert row["id"] != handoff_id or row["questions_open"] == shown
    return shown


def texts(world: World, external_id: str = "T-1") -> list[tuple[str, int | None]]:
    steps = world.viewer.get(f"/sessions/{external_id}").json["steps"]
    assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
    return [(step["text"], step["answers"]) for step in steps]


def test_a_question_names_whom_it_is_for_and_is_listed_for_them_alone(world: World) -> None:
    made = world.junior.hand_off("T-1")
    body = {"kind": "question", "text": "Which firmware?", "to_user_id": str(world.junior.id)}
    sent = world.senior.post("/sessions/T-1/steps", body).json
    assert sent["to"] == {"id": str(world.junior.id), "name": world.junior.name}
    assert (sent["answers"], sent["retracted_at"], sent["retracted_by"]) == (None, None, None)
    assert world.viewer.get("/sessions/T-1").json["steps"][-1] == sent
    (item,) = world.junior.get("/me/questions").json["items"]
    assert item == {
        "handoff_id": made["id"],
        "session": {"external_id": "T-1", "title": made["session"]["title"]},
        "step": SEQ,
        "text": "Which firmware?",
        "asked_by": {"id": str(world.senior.id), "name": world.senior.name},
        "at": sent["added_at"],
    }
    for other in (world.senior, world.senior2, world.admin, world.viewer):
        assert asked(other) == []


def test_a_question_is_open_until_a_step_answers_it(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    first = ask(world, world.senior, world.junior)
    second = ask(world, world.senior, world.junior, "Since when?")
    assert asked(world.junior) == [("T-1", first), ("T-1", second)]
    assert waiting(world, made) == 2
    reply(world.junior, first)
    assert asked(world.junior) == [("T-1", second)]
    assert waiting(world, made) == 1
    reply(world.senior2, second)  # anybody may know the answer
    assert (asked(world.junior), waiting(world, made)) == ([], 0)


def test_a_question_to_nobody_waits_for_nobody(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    sent = world.senior.post("/sessions/T-1/steps", {"kind": "question", "text": "Is it plugged in?"}).json
    assert (sent["to"], waiting(world, made)) == (None, 0)
    assert reply(world.junior, sent["seq"]) == SEQ + 1


def test_a_retracted_answer_leaves_the_question_open_and_a_retracted_question_closes_it(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    question = ask(world, world.senior, world.junior)
    answer = reply(world.junior, question)
    world.junior.post(f"/sessions/T-1/steps/{answer}/retract")
    assert (asked(world.junior), waiting(world, made)) == ([("T-1", question)], 1)
    world.senior.post(f"/sessions/T-1/steps/{question}/retract")
    assert (asked(world.junior), waiting(world, made)) == ([], 0)


@pytest.mark.parametrize("end", ["resolve", "withdraw"])
def test_a_question_ends_with_its_handoff(world: World, end: str) -> None:
    made = world.junior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    ask(world, world.senior, world.junior)
    who, body = (world.senior, {"resolution": "Done."}) if end == "resolve" else (world.junior, {})
    closed = who.post(f"/handoffs/{made}/{end}", body).json
    assert closed["questions_open"] == 0
    assert (asked(world.junior), waiting(world, made)) == ([], 0)


def test_the_questions_of_a_ticket_come_back_with_its_next_handoff(world: World) -> None:
    first = world.junior.hand_off("T-1")["id"]
    question = ask(world, world.senior, world.senior2)
    world.junior.post(f"/handoffs/{first}/withdraw")
    second = world.junior.hand_off("T-1")
    assert second["questions_open"] == 1
    assert world.senior2.get("/me/questions").json["items"][0]["handoff_id"] == second["id"]
    assert asked(world.senior2) == [("T-1", question)]


@pytest.mark.parametrize("who", ["viewer", "stranger", "foreigner", "leaver"])
def test_a_question_to_who_cannot_work_here_is_422_by_step_and_by_handoff(
    world: World, other_world: World, who: str
) -> None:
    world.junior.hand_off("T-1")
    people.deactivate(world.account_id, world.senior2.id, by=None)
    others = {"viewer": world.viewer.id, "foreigner": other_world.senior.id, "leaver": world.senior2.id}
    step = {"kind": "question", "text": "Why?", "to_user_id": str(others.get(who, UUID(int=7)))}
    refused = world.senior.post("/sessions/T-1/steps", step)
    assert (refused.status_code, refused.json["code"]) == (422, "user_unknown")
    refused = world.senior.post("/handoffs", body("T-2", [step]))
    assert (refused.status_code, refused.json["code"]) == (422, "user_unknown")
    assert texts(world) == [(step["text"], None) for step in STEPS]
    assert world.admin.get("/sessions/T-2").status_code == 404


def body(external_id: str, steps: list[Any], **more: Any) -> dict[str, Any]:
    return intake(external_id, steps=steps, **more)


@pytest.mark.parametrize("kind", ["action", "observation", "note"])
def test_only_a_question_has_an_addressee(world: World, kind: str) -> None:
    world.junior.hand_off("T-1")
    step = {"kind": kind, "text": "x", "to_user_id": str(world.junior.id)}
    refused = world.senior.post("/sessions/T-1/steps", step)
    assert (refused.status_code, list(refused.json["errors"]["json"])) == (422, ["to_user_id"])
    refused = world.senior.post("/handoffs", body("T-2", [step]))
    assert refused.json["errors"]["json"]["session"]["steps"]["0"] == {
        "to_user_id": ["Only a question is for somebody."]
    }


@pytest.mark.parametrize("answers", [0, -1, 1, 2, SEQ + 1, SEQ + 2, 2**31 - 1, 2**31, 10**30, True, "1", 1.5])
def test_an_answer_to_what_is_no_earlier_question_is_422(world: World, answers: Any) -> None:
    world.junior.hand_off("T-1")
    ask(world, world.senior, world.junior)
    refused = world.junior.post("/sessions/T-1/steps", {"kind": "note", "text": "x", "answers": answers})
    assert refused.status_code == 422
    assert len(texts(world)) == SEQ


def test_an_answer_names_a_question_of_its_own_session(world: World) -> None:
    world.junior.hand_off("T-1")
    world.junior.hand_off("T-2", steps=[{"kind": "note", "text": "x"}])
    question = ask(world, world.senior, world.junior)
    refused = world.junior.post("/sessions/T-2/steps", {"kind": "note", "text": "x", "answers": question})
    assert (refused.status_code, refused.json["code"], refused.json["answers"]) == (422, "question_unknown", question)


def conversation(world: World) -> list[dict[str, Any]]:
    return [
        {"kind": "note", "text": "Called."},
        {"kind": "question", "text": "Which firmware?", "to_user_id": str(world.senior.id)},
        {"kind": "note", "text": "4.2.", "answers": 2},
    ]


def test_a_handoff_may_be_sent_with_questions_and_their_answers(world: World) -> None:
    steps = [*conversation(world), {"kind": "question", "text": "And now?", "to_user_id": str(world.senior.id)}]
    made = world.junior.hand_off("T-1", steps=steps)
    assert made["questions_open"] == 1
    assert asked(world.senior) == [("T-1", 4)]
    assert texts(world) == [("Called.", None), ("Which firmware?", None), ("4.2.", 2), ("And now?", None)]


@pytest.mark.parametrize("answers", [1, 3, 4, 99])
def test_a_handoff_with_an_answer_to_no_earlier_question_is_422(world: World, answers: int) -> None:
    steps = conversation(world)
    steps[2]["answers"] = answers
    refused = world.junior.post("/handoffs", body("T-1", [*steps, {"kind": "question", "text": "Later?"}]))
    assert (refused.status_code, refused.json["code"]) == (422, "question_unknown")


def again(world: World, handoff_id: str, steps: list[Any]) -> dict[str, Any]:
    world.junior.post(f"/handoffs/{handoff_id}/withdraw")
    return world.junior.hand_off("T-1", steps=steps)


def test_a_history_that_is_sent_again_adds_no_question_and_no_answer_twice(world: World) -> None:
    made = world.junior.hand_off("T-1", steps=conversation(world))["id"]
    before = texts(world)
    made = again(world, made, conversation(world))["id"]
    assert texts(world) == before
    # A client that does not know of the two fields sends the same steps.
    plain = [{key: step[key] for key in ("kind", "text")} for step in conversation(world)]
    again(world, made, plain)
    assert texts(world) == before


def test_answers_of_a_history_go_by_its_own_numbers(world: World) -> None:
    """What was added here stands between what was sent before and what is sent now."""
    made = world.junior.hand_off("T-1", steps=conversation(world)[:1])["id"]
    world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "Looked."})
    world.senior.post("/sessions/T-1/steps", {"kind": "question", "text": "Since when?"})
    made = again(world, made, conversation(world))["id"]
    expected = [("Called.", None), ("Looked.", None), ("Since when?", None), ("Which firmware?", None), ("4.2.", 4)]
    assert texts(world) == expected
    again(world, made, conversation(world))
    assert texts(world) == expected


def test_a_client_that_sends_new_steps_alone_answers_by_the_number_in_the_session(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    question = ask(world, world.senior, world.junior)
    again(world, made, [{"kind": "note", "text": "4.2.", "answers": question}])
    assert texts(world)[-1] == ("4.2.", question)
    assert asked(world.junior) == []


def test_the_same_words_answer_two_questions(world: World) -> None:
    made = world.junior.hand_off("T-1", steps=[{"kind": "question", "text": text} for text in ("One?", "Two?")])["id"]
    reply(world.junior, 1)
    made = again(world, made, [{"kind": "note", "text": "4.2.", "answers": 2}])["id"]
    assert texts(world)[2:] == [("4.2.", 1), ("4.2.", 2)]
    again(world, made, [{"kind": "note", "text": "4.2.", "answers": answers} for answers in (2, 1)])
    assert texts(world)[2:] == [("4.2.", 1), ("4.2.", 2)]


def test_a_draft_moves_into_the_ticket_with_what_it_asks_and_answers(world: World) -> None:
    made = world.senior.hand_off("T-1")["id"]
    world.senior.post(f"/handoffs/{made}/withdraw")
    parked = world.junior.hand_off("T-1", intent="park", steps=conversation(world))
    later = {"kind": "question", "text": "And now?", "to_user_id": str(world.senior2.id)}
    assert world.junior.post(f"/sessions/T-1/steps?handoff={parked['id']}", later).status_code == 201
    assert parked["questions_open"] == 0
    assert asked(world.senior2) == asked(world.senior) == []  # nobody else knows of a draft
    escalated = world.junior.post(f"/handoffs/{parked['id']}/escalate").json
    assert escalated["questions_open"] == 1
    assert asked(world.senior2) == [("T-1", 6)]
    assert texts(world)[2:] == [("Called.", None), ("Which firmware?", None), ("4.2.", 4), ("And now?", None)]


def test_a_draft_that_the_ticket_has_in_part_answers_the_tickets_questions(world: World) -> None:
    made = world.junior.hand_off("T-1", steps=[*STEPS, *conversation(world)[1:2]])["id"]
    world.junior.post(f"/handoffs/{made}/withdraw")
    parked = world.junior.hand_off("T-1", intent="park", steps=conversation(world))["id"]
    world.junior.post(f"/handoffs/{parked}/escalate")
    assert texts(world)[2:] == [("Which firmware?", None), ("Called.", None), ("4.2.", 3)]


def test_the_first_answer_by_the_claimer_is_a_first_action(world: World) -> None:
    question = {"kind": "question", "text": "Why?", "to_user_id": str(world.senior.id)}
    made = world.junior.hand_off("T-1", steps=[question])["id"]
    world.senior.post(f"/handoffs/{made}/claim")
    reply(world.senior, 1)
    assert world.senior.get(f"/handoffs/{made}").json["first_action_at"] is not None


def test_whoever_is_asked_and_leaves_stays_named(world: World) -> None:
    made = world.junior.hand_off("T-1")["id"]
    ask(world, world.senior, world.senior2)
    people.deactivate(world.account_id, world.senior2.id, by=None)
    assert world.viewer.get("/sessions/T-1").json["steps"][-1]["to"]["name"] == world.senior2.name
    assert waiting(world, made) == 1


def test_at_most_200_questions_are_listed(world: World) -> None:
    steps = [{"kind": "question", "text": f"{n}?", "to_user_id": str(world.senior.id)} for n in range(201)]
    world.junior.hand_off("T-1", steps=steps)
    assert asked(world.senior) == [("T-1", seq) for seq in range(1, 201)]
