"""The four lines of a case."""

from __future__ import annotations

from typing import Any

from api.case.summary import Shown, cited_steps, summary
from api.case.words import Clock, below_title, plural, returns, source, span

STEPS = [
    {
        "seq": 1,
        "kind": "action",
        "text": "Restarted it.",
        "outcome": "failed",
        "added_at": "2026-03-01T10:00:00+00:00",
    },
    {"seq": 2, "kind": "action", "text": "Moved it.", "outcome": "worked", "added_at": "2026-03-01T11:00:00+00:00"},
]


def handoff(**more: Any) -> dict[str, Any]:
    session = {"title": "VPN drops", "problem": "VPN drops. Since Monday.", **more.pop("session", {})}
    return {"session": session, "status": "ready", "reason": "No idea left.", "ask": None, "assessment": None, **more}


def content(**more: Any) -> dict[str, Any]:
    empty = {name: [] for name in ("what_we_know", "do_not_repeat", "suggested_steps", "similar", "questions")}
    return {
        "summary": "VPN drops. It began with the update.",
        "source": "openai:gpt",
        "likely_cause": None,
        **empty,
    } | more


def lines(shown: dict[str, Any], steps: list[dict[str, Any]] | None = None) -> dict[str, list[str]]:
    found = summary(shown, STEPS if steps is None else steps, Clock("Europe/Berlin"))
    return {line.label: [each["text"] for each in line.statements] for line in found.lines}


def test_without_an_assessment_the_session_speaks_for_itself() -> None:
    found = lines(handoff())
    assert found["Problem"] == ["VPN drops. Since Monday."]
    assert found["Tried and failed"] == ["1 step failed"]
    assert found["State now"][0].startswith("2 steps, 1 worked, 1 failed · last one ")
    assert found["Needed"] == ["No idea left."]


def test_a_models_words_stand_first_and_the_report_below_them() -> None:
    found = summary(handoff(assessment=content()), STEPS, Clock(None))
    assert found.lines[0].statements == [{"text": "It began with the update.", "evidence": ["problem"]}]
    assert found.reported == "VPN drops. Since Monday."


def test_what_is_put_together_from_the_report_is_not_said_beside_it() -> None:
    found = summary(handoff(assessment=content(source="extractive")), STEPS, Clock(None))
    assert found.lines[0].statements == [{"text": "VPN drops. Since Monday.", "evidence": []}]
    assert found.reported is None


def test_an_attempt_that_the_report_tells_is_pointed_to_and_not_repeated() -> None:
    tried = [{"text": "Since Monday", "evidence": ["problem"]}, {"text": "Restarted it.", "evidence": ["step:1"]}]
    found = lines(handoff(assessment=content(do_not_repeat=tried)))
    assert found["Tried and failed"] == ["Restarted it.", "What the report says"]


def test_nothing_at_all_is_no_error() -> None:
    found = lines(handoff(session={"problem": ""}, reason=""), steps=[])
    assert found["Problem"] == []
    assert found["State now"] == ["Nothing was tried yet"]


def test_every_step_that_an_assessment_rests_on_is_found() -> None:
    shown = content(
        state={"value": "open", "evidence": ["step:4"]},
        likely_cause={"text": "x", "evidence": ["step:2", "handoff:1"]},
        what_we_know=[{"text": "y", "evidence": ["problem", "step:9"]}],
    )
    assert cited_steps(handoff(assessment=shown)) == {2, 4, 9}
    assert cited_steps(handoff()) == set()


def test_a_text_is_said_once_sentence_by_sentence() -> None:
    said = Shown()
    said.add("Set  TLS 1.2.")
    assert said.rest("Set TLS 1.2. Then the scans went out.") == "Then the scans went out."
    assert not said.is_new("then the scans went out")


def test_words() -> None:
    assert [span(each) for each in (-1, 59, 60, 3700, 90_000)] == ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h"]
    assert plural(1, "step") == "1 step"
    assert [returns(0), returns(2), returns(12)] == [None, "Third time here", "13th time here"]
    assert [source(None), source("extractive"), source("openai:gpt-x")] == [
        "",
        "from the session, without AI",
        "by gpt-x",
    ]
    assert below_title("VPN drops. Odd.", "VPN drops") == "Odd."
    assert below_title("VPN dropsy. Odd.", "VPN drops") == "VPN dropsy. Odd."


def test_a_clock_of_no_known_zone_is_utc_and_says_so() -> None:
    for zone in (None, "", "Nowhere/Atall", "../../etc/passwd", "x" * 99):
        assert Clock(zone).time("2026-03-01T10:00:00+00:00") == "10:00 UTC"
    assert Clock("Europe/Berlin").time("2026-03-01T10:00:00+00:00") == "11:00"
