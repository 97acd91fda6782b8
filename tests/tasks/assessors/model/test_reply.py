"""The reply asked of a model: its bounds, its order, and the JSON Schema that says them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tasks.assessors.content import DraftSchema, verify
from tasks.assessors.model import reply
from tasks.assessors.model.prompt import tokens
from tasks.assessors.model.reply import json_schema, parse
from tests.tasks.assessors.cases import PRINTER
from tests.tasks.assessors.model.provider_case import some_settings

SAID = {"evidence": ["step:1"], "quote": "Restarted the print spooler", "text": "Restarting the spooler"}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "what_we_know": [SAID],
        "do_not_repeat": [SAID | {"outcome": "failed"}],
        "state": {"evidence": [], "value": "open"},
        "likely_cause": None,
        "suggested_steps": [],
        "questions": ["Since when?"],
        "confidence": "low",
        "summary": "Nobody can print.",
        **changes,
    }


def problems(**changes: Any) -> str:
    found, explained = parse(json.dumps(content(**changes)))
    assert (found is None) == bool(explained)
    return explained


def test_a_good_reply_is_taken_also_from_a_code_block() -> None:
    assert problems() == ""
    assert parse(f"```json\n{json.dumps(content())}\n```")[0] == content()


@pytest.mark.parametrize(
    "changes",
    [
        {"summary": "x" * 601},
        {"summary": "語" * 201},
        {"summary": "  "},
        {"summary": "a\x00b"},
        {"summary": None},
        {"confidence": "certain"},
        {"invented": 1},
        {"similar": []},
        {"what_we_know": [SAID] * 7},
        {"what_we_know": [{"text": "x", "evidence": []}]},
        {"what_we_know": [SAID | {"quote": ""}]},
        {"what_we_know": [SAID | {"quote": "x" * 201}]},
        {"what_we_know": [SAID | {"text": "x" * 301}]},
        {"what_we_know": [SAID | {"evidence": ["step:1"] * 4}]},
        {"what_we_know": [SAID | {"evidence": ["e" * 45]}]},
        {"do_not_repeat": [SAID | {"outcome": "worked"}]},
        {"suggested_steps": [SAID]},
        {"questions": ["?"] * 5},
        {"likely_cause": "an update"},
        {"state": "open"},
        {"state": {"evidence": [], "value": "solved"}},
    ],
)
def test_a_reply_out_of_shape_is_refused_with_the_name_of_the_field(changes: dict[str, Any]) -> None:
    assert next(iter(changes)) in problems(**changes)


@pytest.mark.parametrize("text", ["", "no", "[]", "{", "[" * 50_000, '{"a":' * 50_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    assert parse(text)[0] is None


@pytest.mark.parametrize("letter", ["x", "я", "語", "😀"])
def test_the_longest_valid_reply_fits_into_the_limit_of_output(letter: str) -> None:
    def full(most: int) -> str:
        return letter * (most // len(letter.encode()))

    ids = [f"handoff:{uuid4()}" for _ in range(reply.EVIDENCE_COUNT)]
    said = {"evidence": ids, "quote": full(200), "text": full(reply.TEXT_BYTES)}
    longest = {
        "what_we_know": [said] * reply.KNOWN_COUNT,
        "do_not_repeat": [said | {"outcome": "partial"}] * reply.TRIED_COUNT,
        "state": {"evidence": ids, "value": "probably_solved"},
        "likely_cause": said,
        "suggested_steps": [said | {"why": full(reply.WHY_BYTES)}] * reply.SUGGESTED_COUNT,
        "questions": [full(reply.WHY_BYTES)] * reply.QUESTION_COUNT,
        "confidence": "medium",
        "summary": full(reply.SUMMARY_BYTES),
    }
    text = json.dumps(longest, ensure_ascii=False, indent=1)
    assert parse(text)[0] == longest
    assert 5000 < tokens(text) < 6500 < some_settings().model_max_output_tokens
    checked = verify(longest, PRINTER).content
    assert DraftSchema().load(checked) == checked


def every_object(schema: Any) -> list[dict[str, Any]]:
    found = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return found + [item for value in inner for item in every_object(value)]


def test_the_json_schema_is_strict_at_every_level() -> None:
    objects = every_object(json_schema())
    assert len(objects) == 6
    for found in objects:
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


def test_what_a_statement_rests_on_comes_first_and_the_summary_last() -> None:
    assert list(json_schema()["properties"]) == list(content())
    for found in every_object(json_schema())[1:]:
        names = list(found["properties"])
        assert names[: 2 if "quote" in names else 1] == ["evidence", "quote"][: 2 if "quote" in names else 1]


def test_the_json_schema_says_null_choices_and_bounds() -> None:
    properties = json_schema()["properties"]
    assert properties["likely_cause"]["anyOf"][1] == {"type": "null"}
    assert properties["confidence"]["enum"] == ["low", "medium", "high"]
    assert "450 bytes" in properties["summary"]["description"]
    assert "6 items" in properties["what_we_know"]["description"]
