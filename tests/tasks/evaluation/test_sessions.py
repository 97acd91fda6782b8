"""Sessions are cut before what tells their ending, and not earlier."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.evaluation.measures import Rarity
from tasks.evaluation.sessions import FOREIGN_COUNT, draw, foreign_to, of_line
from tests.tasks.evaluation.lines import FIX, HANDED_OFF, line, session, step

BEFORE, AFTER = HANDED_OFF - timedelta(hours=1), HANDED_OFF + timedelta(hours=1)
FAILED = step("Restarted Outlook, it asks again.", "failed")


@pytest.mark.parametrize(
    ("steps", "left", "more"),
    [
        ([], 0, {}),
        ([FAILED, FAILED], 2, {}),
        ([FAILED, step("Moved it.", "worked"), "Closed."], 1, {}),
        # What worked for a while was not the end.
        ([step("Cleared the cache.", "worked"), FAILED, step("Moved it.", "worked")], 2, {}),
        ([FAILED, f"So we did it: {FIX}", "Closed."], 1, {}),
        ([FAILED, "mailbox moved to the new server, certificate renewed too", "Closed."], 1, {}),
        ([FAILED, "Is the mailbox still on the old server?", FAILED], 3, {}),
        ([FAILED, "It works again, thank you!"], 1, {}),
        ([FAILED, "It still does not work again."], 2, {}),
        ([FAILED, "Has it been solved?"], 2, {}),
        # Thanks count at the end alone: what comes after them was another problem.
        (["It works now.", FAILED, FAILED, FAILED], 4, {}),
        ([step("a", at=BEFORE), step("b", at=AFTER), step("c")], 1, {"created_at": HANDED_OFF}),
        # The time of a ticket, and not of a handoff, is before every step and says nothing.
        ([step("a", at=AFTER), step("b", at=AFTER)], 2, {"created_at": HANDED_OFF}),
        ([FAILED, "Replaced the toner. Then it was fine."], 1, {"resolution": "Replaced the toner."}),
        ([FAILED, "Then it was fine."], 2, {"resolution": "!!"}),
    ],
)
def test_the_ending_begins_with_what_tells_it(steps: list[Any], left: int, more: dict[str, Any]) -> None:
    found = session(*steps, **more)
    assert len(found.case.steps) == left
    assert len(found.whole.steps) == len(steps)
    assert list(found.later) == [each["text"] if isinstance(each, dict) else each for each in steps[left:]]


def test_outcomes_are_held_back_unless_they_are_to_be_kept() -> None:
    steps = [FAILED, step("Checked the gateway."), step("Half of it.", "partial")]
    found = of_line(line(*steps))
    assert found is not None
    assert [each.outcome for each in (*found.case.steps, *found.whole.steps)] == [None] * 6
    assert found.given == {1: "failed", 3: "partial"}
    kept = of_line(line(*steps), keep_outcomes=True)
    assert kept is not None
    assert [each.outcome for each in kept.case.steps] == ["failed", None, "partial"]


def test_a_line_without_a_resolution_is_no_session() -> None:
    assert of_line(line(FAILED, resolution=None)) is None


def test_a_long_session_is_read_as_in_use() -> None:
    found = session(*(f"Looked at page {number}." for number in range(400)))
    assert len(found.case.steps) < 400
    assert found.case.steps_count == 400


def test_a_session_has_the_same_id_in_every_run_and_another_one_another() -> None:
    assert session(FAILED).id == session("x").id
    assert session(FAILED, id="L2").id != session(FAILED).id


def test_a_draw_does_not_depend_on_the_order_of_the_file() -> None:
    sessions = [session(id=f"L{number}") for number in range(20)]
    drawn = [each.id for each in draw(sessions, 5, seed=1)]
    assert [each.id for each in draw(sessions[::-1], 5, seed=1)] == drawn
    assert [each.id for each in draw(sessions, 5, seed=2)] != drawn
    assert [each.id for each in draw(sessions, 9, seed=1)][:5] == drawn


def test_past_cases_of_other_topics_are_neither_the_session_nor_like_it_nor_of_its_category() -> None:
    mails = [session(id=f"M{number}", category="Mail") for number in range(3)]
    same = [session(id="S")]
    others = [
        session(
            id=f"O{n}",
            title=f"copier jam {n}",
            problem=f"Paper{n} stuck in tray{n}",
            resolution=f"Cleaned roller{n}",
            category="Mail" if n == 0 else None,
        )
        for n in range(9)
    ]
    sessions = [*mails, *same, *others]
    rarity = Rarity((" ".join(each.topic) for each in sessions), least=1)
    found = {str(past.handoff_id) for past in foreign_to(sessions, rarity, seed=0)(mails[0])}
    assert len(found) == FOREIGN_COUNT
    assert found <= {each.id for each in others[1:]}


def test_a_session_without_words_is_not_foreign_to_itself() -> None:
    alone = session(title="…", problem="?!", resolution="!!")
    assert foreign_to([alone], Rarity([], least=1), seed=0)(alone) == ()
