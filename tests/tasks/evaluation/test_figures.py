"""What is counted of an assessment, and what is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tasks.evaluation.figures import Answers, Figures, percentile
from tasks.evaluation.measures import Rarity
from tasks.evaluation.replay import Answer
from tasks.evaluation.sessions import Session
from tests.tasks.evaluation.lines import session, step

FAILED = "Removed the saved password from the vault."
PARTIAL = "Set the clock of the laptop by hand."
WORKED = "Pinged the mail gateway from the laptop."
ASKED = "Does the webmail ask for the password too?"
SILENT = "Looked at the sign-in log of the tenant."
STEPS = [
    step(FAILED, "failed"),
    step(WORKED, "worked"),
    step(PARTIAL, "partial"),
    step(ASKED, kind="question"),
    step(SILENT),
    step("Moved the mailbox.", "worked"),
]


def content(**more: Any) -> dict[str, Any]:
    return {
        "summary": "Outlook asks for the password.",
        "what_we_know": [],
        "do_not_repeat": [],
        "likely_cause": None,
        "suggested_steps": [],
        "questions": [],
        **more,
    }


def item(text: str, *evidence: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "evidence": list(evidence), "why": "", **more}


def counted(subject: Session | None = None, *, whole: Any = None, foreign: Any = None, **said: Any) -> Figures:
    figures = Figures()
    answers = Answers(
        Answer(content(**said)),
        None if whole is None else Answer(content(**whole)),
        None if foreign is None else Answer(content(**foreign)),
    )
    figures.add(subject or session(*STEPS), answers, Rarity(["a", "b"], least=1))
    return figures


@pytest.mark.parametrize(
    ("fact", "is_found"),
    [
        (item(FAILED, "step:1"), True),
        (item("removed the SAVED\n password…", "step:1"), True),
        (item("Somebody cleared the vault.", "step:1", quote="the saved password"), True),
        (item(FAILED, "step:1", quote="invented words"), False),
        (item(FAILED, "step:2"), False),
        (item(FAILED, "step:2", "step:1"), True),
        (item(FAILED), False),
        (item("…", "step:1"), False),
        (item("Stuck.", "reason"), True),
    ],
)
def test_a_quote_stands_in_a_text_that_is_cited(fact: dict[str, Any], is_found: bool) -> None:
    assert str(counted(what_we_know=[fact]).quotes) == f"{is_found:.2f} of 1"
    assert str(counted(likely_cause=fact).quotes) == f"{is_found:.2f} of 1"


def test_error_strings_are_looked_for_in_all_that_is_said() -> None:
    subject = session(problem="It stops with error 0x80070005 at the drive. The log says ORA-12541.")
    said = counted(subject, suggested_steps=[item("Search for 0x80070005.")])
    assert (said.errors.right, said.errors.all) == (1, 3)


def test_attempts_are_counted_by_text_whatever_step_they_cite() -> None:
    listed = [item(FAILED, "step:5"), item("the clock of the laptop was set by hand", "step:1")]
    found = counted(do_not_repeat=[{**each, "outcome": "failed"} for each in listed])
    assert str(found.attempts_right) == "1.00 of 2"
    assert str(found.attempts_found) == "1.00 of 2"


@pytest.mark.parametrize(
    ("text", "right", "unjudged"),
    [
        (FAILED, "1.00 of 1", "0.00 of 1"),
        (WORKED, "0.00 of 1", "0.00 of 1"),
        (ASKED, "0.00 of 1", "0.00 of 1"),
        (SILENT, "none", "1.00 of 1"),
        ("Nothing of the kind was ever written.", "none", "1.00 of 1"),
    ],
)
def test_an_attempt_is_right_by_what_the_author_of_its_step_gave(text: str, right: str, unjudged: str) -> None:
    found = counted(do_not_repeat=[item(text, "step:1", outcome="failed")])
    assert (str(found.attempts_right), str(found.attempts_unjudged)) == (right, unjudged)


def test_without_given_outcomes_nothing_is_said_of_attempts() -> None:
    found = counted(session(SILENT), do_not_repeat=[item(SILENT, "step:1", outcome="failed")])
    assert {str(found.attempts_right), str(found.attempts_found), str(found.attempts_unjudged)} == {"none"}


def test_a_cause_is_right_by_the_words_of_the_known_one() -> None:
    subject = session(SILENT, root_cause="The certificate of the gateway had expired.")
    right = counted(subject, likely_cause=item("An expired certificate of the gateway", "step:1"))
    wrong = counted(subject, likely_cause=item("Somebody changed their keyboard layout", "step:1"))
    assert (str(right.causes_right), str(wrong.causes_right)) == ("1.00 of 1", "0.00 of 1")
    assert (str(counted(subject).causes_named), str(counted(subject).causes_right)) == ("0.00 of 1", "none")


def test_a_suggestion_was_taken_if_the_ending_tells_of_it() -> None:
    steps = [item("Move the mailbox to the new server"), item("Buy another keyboard")]
    found = counted(suggested_steps=steps)
    assert (str(found.taken), str(found.suggested)) == ("0.50 of 2", "1.00 of 1")


def test_the_state_is_counted_on_both_sides_of_the_cut_and_may_be_absent() -> None:
    solved, open_one = {"state": {"value": "probably_solved"}}, {"state": {"value": "open"}}
    assert str(counted(whole=solved, **open_one).solved_seen) == "1.00 of 1"
    assert str(counted(whole=open_one, **open_one).solved_seen) == "0.00 of 1"
    assert str(counted(**open_one).open_called_solved) == "0.00 of 1"
    assert str(counted(**solved).open_called_solved) == "1.00 of 1"
    without = counted(whole={})
    assert (str(without.solved_seen), str(without.open_called_solved)) == ("none", "none")


def test_nothing_may_be_concluded_from_foreign_past_cases() -> None:
    cited = item("Renew it", "handoff:00000000-0000-0000-0000-000000000000")
    assert str(counted(foreign={}).abstained) == "1.00 of 1"
    assert str(counted(foreign={"likely_cause": cited}).abstained) == "0.00 of 1"
    assert str(counted(foreign={"suggested_steps": [cited]}).abstained) == "0.00 of 1"
    assert str(counted(foreign={"what_we_know": [cited]}).abstained) == "1.00 of 1"
    assert str(counted().abstained) == "none"


GERMAN = "Seit dem Umzug in den dritten Stock fehlt mir das Laufwerk, alle anderen Laufwerke sind noch vorhanden."
ENGLISH = "Since they moved to the third floor the drive is missing, while all of the other drives are still there."


def test_the_language_of_a_reply_is_compared_with_that_of_the_session() -> None:
    german = session(GERMAN, title="Laufwerk fehlt", problem=GERMAN)
    assert str(counted(german, summary=GERMAN).language) == "1.00 of 1"
    assert str(counted(german, summary=ENGLISH).language) == "0.00 of 1"
    assert str(counted(session(ENGLISH, problem=ENGLISH), summary=ENGLISH).language) == "1.00 of 1"


def test_what_failed_counts_as_a_fallback_and_costs_what_it_cost() -> None:
    figures = Figures()
    failed = Answer(None, "truncated", tokens_in=100, tokens_out=20, cost=Decimal("0.5"))
    figures.add(session(*STEPS), Answers(failed), Rarity([]))
    assert str(figures.fallbacks) == "1.00 of 1"
    assert dict(figures.error_kinds) == {"truncated": 1}
    assert (figures.tokens, figures.cost, figures.seconds) == ([120], Decimal("0.5"), [])
    assert str(figures.quotes) == "none"


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 3.0
    assert percentile([float(n) for n in range(100)], 0.95) == 95.0
