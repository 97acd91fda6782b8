"""The content's schema, and the verification."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from models.assessment.case import Case
from tasks.assessors.content import QUOTE_LENGTH, DraftSchema, verify
from tests.tasks.assessors.cases import PAST_ID, PRINTER, case, past, step

EVERY_KEY = {
    "state",
    "summary",
    "what_we_know",
    "do_not_repeat",
    "likely_cause",
    "suggested_steps",
    "confidence",
    "similar",
    "questions",
}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "state": {"value": "open", "evidence": []},
        "summary": "Printing fails with 0x00000709.",
        "what_we_know": [{"text": "All of Accounting is affected.", "evidence": ["problem"]}],
        "do_not_repeat": [],
        "likely_cause": {"text": "An update", "evidence": ["step:4"]},
        "suggested_steps": [],
        "confidence": "medium",
        "questions": [],
        **changes,
    }


def verified(of: Case = PRINTER, **changes: Any) -> dict[str, Any]:
    return verify(content(**changes), of).content


def test_verified_content_is_valid_by_the_full_schema_and_has_exactly_its_keys() -> None:
    result = verified()
    assert set(result) == EVERY_KEY
    assert DraftSchema().load(result) == result


@pytest.mark.parametrize(
    "changes",
    [
        {"summary": "x" * 601},
        {"summary": "  "},
        {"summary": "a\x00b"},
        {"summary": "a\ud800b"},
        {"summary": None},
        {"confidence": "certain"},
        {"invented": 1},
        {"what_we_know": [{"text": "x", "evidence": ["problem"]}] * 13},
        {"what_we_know": [{"text": "x"}]},
        {"what_we_know": [{"text": "x", "evidence": ["problem"], "note": "y"}]},
        {"what_we_know": [{"text": "x" * 501, "evidence": []}]},
        {"what_we_know": [{"text": "x", "evidence": ["e" * 81]}]},
        {"do_not_repeat": [{"text": "x", "outcome": "worked", "evidence": []}]},
        {"questions": ["?"] * 9},
        {"likely_cause": "an update"},
        {"state": "open"},
        {"state": None},
        {"state": {"value": "solved", "evidence": []}},
        {"state": {"value": "open"}},
        {"state": {"value": "open", "evidence": ["problem"] * 11}},
    ],
)
def test_content_out_of_shape_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DraftSchema().load({**content(**changes), "similar": []})


def test_a_missing_key_is_refused() -> None:
    whole = content(similar=[])
    for key in EVERY_KEY:
        with pytest.raises(ValidationError):
            DraftSchema().load({name: value for name, value in whole.items() if name != key})


def test_unknown_evidence_is_dropped_and_counted() -> None:
    facts = [{"text": "x", "evidence": ["step:1", "step:99", "handoff:1", "step:1"]}]
    result = verify(content(what_we_know=facts), PRINTER)
    assert result.content["what_we_know"] == [{"text": "x", "evidence": ["step:1"]}]
    assert result.dropped_evidence == 2


def test_facts_and_attempts_without_evidence_are_dropped_and_counted() -> None:
    facts = [{"text": "invented", "evidence": []}, {"text": "also", "evidence": ["step:77"]}]
    tried = [{"text": "invented", "outcome": "failed", "evidence": ["step:78"]}]
    result = verify(content(what_we_know=facts, do_not_repeat=tried), PRINTER)
    assert result.content["what_we_know"] == []
    assert result.content["do_not_repeat"] == []
    assert result.dropped_statements == 3


def test_a_cause_without_surviving_evidence_becomes_null_and_confidence_low() -> None:
    result = verified(likely_cause={"text": "Sun spots", "evidence": ["step:99"]}, confidence="high")
    assert result["likely_cause"] is None
    assert result["confidence"] == "low"


def test_no_cause_at_all_leaves_the_confidence_alone() -> None:
    assert verified(likely_cause=None)["confidence"] == "medium"


@pytest.mark.parametrize("value", ["waiting", "probably_solved"])
def test_a_state_that_nothing_shows_is_open(value: str) -> None:
    result = verify(content(state={"value": value, "evidence": ["step:99"]}), PRINTER)
    assert result.content["state"] == {"value": "open", "evidence": []}
    assert result.dropped_evidence == 1


@pytest.mark.parametrize("value", ["open", "waiting", "probably_solved"])
def test_a_state_keeps_the_ids_that_exist(value: str) -> None:
    state = verified(state={"value": value, "evidence": ["step:77", "step:4", "step:4"]})["state"]
    assert state == {"value": value, "evidence": ["step:4"]}


SOLVED = {"value": "probably_solved", "evidence": ["step:3", "step:4"]}


def attempt(outcome: str, *evidence: str) -> dict[str, Any]:
    return {"text": "Removed KB5034441", "outcome": outcome, "evidence": list(evidence)}


@pytest.mark.parametrize(
    ("tried", "stays"),
    [
        (attempt("failed", "step:4"), False),
        (attempt("failed", "step:3", "step:4"), False),
        (attempt("failed", "step:2"), True),
        (attempt("failed", "step:2", "step:4"), True),
        (attempt("partial", "step:4"), True),
    ],
)
def test_what_shows_that_it_works_is_not_called_failed(tried: dict[str, Any], stays: bool) -> None:
    assert verified(state=SOLVED, do_not_repeat=[tried])["do_not_repeat"] == [tried][: int(stays)]
    waiting = {**SOLVED, "value": "waiting"}
    assert verified(state=waiting, do_not_repeat=[tried])["do_not_repeat"] == [tried]


@pytest.mark.parametrize(
    ("evidence", "stays"), [(["step:4"], False), (["step:2", "step:4"], True), (["step:1"], True), ([], True)]
)
def test_what_shows_that_it_works_is_not_suggested_as_open(evidence: list[str], stays: bool) -> None:
    step = {**suggestion("Remove KB5034441 from one client"), "evidence": evidence}
    assert verified(state=SOLVED, suggested_steps=[step])["suggested_steps"] == [step][: int(stays)]
    assert verified(suggested_steps=[step])["suggested_steps"] == [step]


def test_a_suggestion_of_the_fix_does_not_come_back_as_a_failure() -> None:
    state = {"value": "probably_solved", "evidence": ["step:1"]}
    result = verified(state=state, suggested_steps=[suggestion("Restart the print spooler")])
    assert result["suggested_steps"] == result["do_not_repeat"] == []


QUOTING = [
    ("step:1", "Restarted the print spooler on PRN-01"),
    ("step:1", "RESTARTED the\n print\tspooler"),
    ("step:1", "“Restarted the print spooler”"),
    ("step:1", "No change..."),
    ("problem", "all users in Accounting get error 0x00000709"),
    ("title", "Printer HP-4050"),
    ("ask", "safe"),
    ("step:9", "it’s “always” offline"),
    ("step:9", "don't print"),
]
APOSTROPHES = case(*PRINTER.steps, step(9, 'They say: it\'s "always" offline… and don’t print.'))


@pytest.mark.parametrize(("evidence", "quote"), QUOTING)
def test_a_quote_is_found_whatever_its_white_space_case_and_marks(evidence: str, quote: str) -> None:
    of = APOSTROPHES if evidence == "step:9" else PRINTER
    fact = {"text": "x", "quote": quote, "evidence": [evidence]}
    assert verified(of, what_we_know=[fact])["what_we_know"] == [fact]


@pytest.mark.parametrize(
    ("evidence", "quote"),
    [
        (["step:2"], "Restarted the print spooler"),
        (["step:1"], "Restarted the spooler"),
        (["step:1"], "Restarted the print spooler and rebooted"),
        (["step:1"], "..."),
        (["problem"], "PRN-01. No change."),
        (["step:99"], "Restarted the print spooler"),
        ([f"handoff:{PAST_ID}"], "renewed the certificate Outlook"),
    ],
)
def test_a_statement_whose_quote_stands_in_nothing_that_it_cites_is_dropped(evidence: list[str], quote: str) -> None:
    of = case(*PRINTER.steps, past=(past("Renewed the certificate"),))
    said = {"text": "x", "quote": quote, "evidence": evidence}
    result = verify(
        content(
            what_we_know=[said],
            do_not_repeat=[{**said, "outcome": "unknown"}],
            likely_cause=said,
            suggested_steps=[{**said, "why": "y"}],
            confidence="high",
        ),
        of,
    )
    left = result.content
    assert left["what_we_know"] == left["do_not_repeat"] == left["suggested_steps"] == []
    assert (left["likely_cause"], left["confidence"]) == (None, "low")
    assert result.dropped_statements == 3


def test_one_of_the_cited_texts_is_enough_and_each_field_of_a_past_case_counts() -> None:
    of = case(*PRINTER.steps, past=(past("Renewed the certificate", cause="It had expired"),))
    for quote in ("renewed the certificate", "it had expired", "Outlook error 0x800CCC0E"):
        said = {"text": "x", "quote": quote, "evidence": ["step:1", f"handoff:{PAST_ID}"]}
        assert verified(of, likely_cause=said)["likely_cause"] == said


def test_a_suggestion_that_quotes_and_repeats_a_failure_quotes_that_failure() -> None:
    step = suggestion("Restart the print spooler") | {"quote": "Try to remove KB5034441"}
    (moved,) = verified(suggested_steps=[step])["do_not_repeat"]
    assert moved["evidence"] == ["step:1"]
    assert moved["quote"] in PRINTER.steps[0].text


def test_a_quote_that_grew_when_placeholders_were_put_back_is_cut() -> None:
    long = "word " * 60
    fact = {"text": "x", "quote": long, "evidence": ["step:1"]}
    result = verified(case(long), what_we_know=[fact])
    assert len(result["what_we_know"][0]["quote"]) <= QUOTE_LENGTH
    assert DraftSchema().load(result) == result


def suggestion(text: str) -> dict[str, Any]:
    return {"text": text, "why": "it may help", "evidence": ["step:4"]}


def test_a_suggestion_that_repeats_a_failed_step_moves_to_do_not_repeat() -> None:
    result = verify(content(suggested_steps=[suggestion("Restart the print spooler")]), PRINTER)
    assert result.content["suggested_steps"] == []
    assert result.moved_steps == 1
    assert result.content["do_not_repeat"] == [
        {"text": "Restart the print spooler", "outcome": "failed", "evidence": ["step:1"]}
    ]


def test_a_suggestion_that_repeats_a_listed_attempt_goes_without_a_second_entry() -> None:
    tried = [{"text": "Flushing the DNS cache", "outcome": "failed", "evidence": ["step:1"]}]
    result = verified(do_not_repeat=tried, suggested_steps=[suggestion("Flush the DNS cache")])
    assert result["suggested_steps"] == []
    assert result["do_not_repeat"] == tried


@pytest.mark.parametrize(
    "text",
    [
        "Restart the print spooler on PRN-02",
        "Check the print spooler log",
        "Roll back the driver to 6.2.0",
        "Open a ticket with HP",
        "Ask whether anybody prints while the spooler is under load",
    ],
)
def test_a_suggestion_about_something_else_stays(text: str) -> None:
    assert verified(suggested_steps=[suggestion(text)])["suggested_steps"] == [suggestion(text)]


def test_what_worked_may_be_suggested_again() -> None:
    worked = case(step(1, "Restarted the print spooler", outcome="worked"))
    facts: dict[str, Any] = {"what_we_know": [], "likely_cause": None}
    steps = [{**suggestion("Restart the print spooler"), "evidence": ["step:1"]}]
    assert verified(worked, suggested_steps=steps, **facts)["suggested_steps"] == steps


def test_similar_is_the_servers_own_list_best_first() -> None:
    both = (past("Replaced the cable.", score=0.4), past("Hi,\nrenewed the certificate.\nRegards", score=0.9))
    found = verified(case(past=both), what_we_know=[], similar=[{"handoff_id": "made up"}])["similar"]
    assert [(item["digest"], item["score"]) for item in found] == [
        ("renewed the certificate.", 0.9),
        ("Replaced the cable.", 0.4),
    ]
    assert {item["handoff_id"] for item in found} == {str(PAST_ID)}


def test_without_past_cases_nothing_is_similar() -> None:
    assert verified()["similar"] == []


def test_verified_content_stays_within_its_bounds() -> None:
    steps = [step(n, f"Replaced part{n} of the machine", outcome="failed") for n in range(1, 21)]
    tried = [{"text": f"t{n}", "outcome": "unknown", "evidence": [f"step:{n}"]} for n in range(1, 13)]
    again = [{**suggestion(f"Replace part{n} of the machine"), "evidence": []} for n in range(1, 9)]
    result = verified(case(*steps), do_not_repeat=tried, suggested_steps=again)
    assert DraftSchema().load(result) == result
    assert len(result["do_not_repeat"]) == 12
