"""Attempts and their outcomes, read from conversations of several people."""

from __future__ import annotations

import time

import pytest

from models.assessment.case import CaseStep
from tasks.assessors.content import verify
from tasks.assessors.extractive import Extractive
from tasks.assessors.reading.outcomes import outcomes, read
from tasks.assessors.reading.text import excerpt, technical
from tasks.assessors.reading.transcript import transcribe
from tests.tasks.assessors.cases import PRINTER, case, step


def talk(*said: tuple[str, str]) -> tuple[CaseStep, ...]:
    """Steps of (author, text)."""
    return tuple(step(seq, text, author=author) for seq, (author, text) in enumerate(said, 1))


def failed(*said: tuple[str, str]) -> list[tuple[str, tuple[str, ...]]]:
    return [(a.text, a.evidence) for a in outcomes(case(*talk(*said))) if a.outcome == "failed"]


OFFER = ("Ben", "Try sudo modprobe prism2_usb on the laptop.")


@pytest.mark.parametrize("answer", ["same thing", "no luck with that", "still the same error", "that did not help"])
def test_an_answer_that_tells_of_trouble_fails_the_proposal(answer: str) -> None:
    assert failed(OFFER, ("Ana", answer)) == [(OFFER[1], ("step:1", "step:2"))]


@pytest.mark.parametrize(
    "said",
    [
        [("Ben", "Run sudo dmesg and look for the last line."), ("Ana", "it says error 5 on line 3")],
        [OFFER, ("Ana", "ok")],
        [OFFER, ("Ana", "does it say anything about an error?")],
        [OFFER, ("Cleo", "Ana, is that your own laptop?"), ("Ana", "nope")],
        [OFFER, ("Ana", "are you still there")],
    ],
)
def test_an_answer_about_something_else_fails_nothing(said: list[tuple[str, str]]) -> None:
    assert failed(*said) == []


def test_an_answer_is_what_the_other_person_says_next() -> None:
    later = (("Ben", "the network card needs it"), ("Ana", "no luck with that"))
    assert failed(OFFER, *later) == [(OFFER[1], ("step:1", "step:3"))]
    others = [(f"Guest{n}", f"by the way the weather is nice {n}") for n in range(3)]
    assert failed(OFFER, *others, ("Ana", "no luck with that")) == []


@pytest.mark.parametrize(
    "text",
    [
        "I rebooted it twice and it did not help.",
        "Installing the driver from the software sources, without any special archive, didn't work.",
        "Everything is enabled and set to the highest volume, but it still doesn't record.",
        "I have tried three guides, no success so far, any hints?",
    ],
)
def test_an_attempt_is_seen_however_it_is_told(text: str) -> None:
    assert failed(("Ana", text)) == [(text, ("step:1",))]


@pytest.mark.parametrize(
    "text",
    [
        "We have deployed a change to ensure that the sensitive data does not leak.",
        "However, if the table was changed in such a way, it does not start.",
        "This can be done by trying to compile the procedure, which does not need a restart.",
        "The reason I chose it when I installed the system, does that not make it more difficult?",
    ],
)
def test_what_did_not_happen_is_no_failed_attempt(text: str) -> None:
    assert failed(("Ana", text)) == []


def test_the_verification_needs_no_second_reading_of_the_case() -> None:
    content = Extractive().assess(PRINTER, deadline=0).content
    again = verify(content, PRINTER, attempts=read(transcribe(PRINTER)).attempts)
    assert again == verify(content, PRINTER)
    suggestion = {"text": "Restart the print spooler", "why": "It may help.", "evidence": ["step:1"]}
    repeated = {**content, "suggested_steps": [suggestion], "do_not_repeat": []}
    assert verify(repeated, PRINTER, attempts=[]).moved_steps == 0
    assert verify(repeated, PRINTER).moved_steps == 1


def test_the_problem_s_own_question_and_a_telling_finding_stand_in_the_summary() -> None:
    told = talk(("Ana", "The kernel log says: sdb: unable to read partition table, error -5."))
    asked = case(*told, title="", problem="How can I mount a disk that is not seen by the kernel?", ask=None)
    summary = Extractive().assess(asked, deadline=time.monotonic() + 1).content["summary"]
    assert "How can I mount a disk" in summary
    assert "unable to read partition table" in summary


def test_what_failed_stands_in_the_summary_and_wishes_do_not() -> None:
    said = talk(
        ("Ana", "I restarted the spooler on PRN-02 but it did not help."), ("Ben", "Warm wishes from the whole desk.")
    )
    summary = Extractive().assess(case(*said), deadline=0).content["summary"]
    assert "1 attempt failed (I restarted the spooler on PRN-02 but it did not help)." in summary
    assert "wishes" not in summary


def test_names_are_kept_and_plain_words_are_not() -> None:
    names = technical("Please ask LDAP on srv-02.example.net about /etc/X11/xorg.conf and KB5034441 v2.6.24 again")
    assert names >= {"ldap", "srv-02.example.net", "/etc/x11/xorg.conf", "kb5034441"}
    assert not names & {"please", "ask", "again", "about", "on"}


def test_a_cause_and_two_known_ends_are_grounds_for_some_confidence_and_not_for_much() -> None:
    known = case(
        "Restarted the gateway service. No change.",
        "Reinstalled Outlook 2019. No change.",
        "The error 0x800CCC0E was caused by the expired certificate of the mail gateway.",
    )
    assert Extractive().assess(known, deadline=0).content["confidence"] == "medium"


def test_an_error_late_in_a_long_line_is_cut_out_word_for_word() -> None:
    line = " ".join(f"word{n}" for n in range(90)) + " and then error 0x80042306 came up"
    told = excerpt(line, 300)
    assert "0x80042306" in told
    assert told.strip("… ") in line
