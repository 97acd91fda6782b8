"""Every value of a displayed enum has one label, and the pages carry all of them."""

from __future__ import annotations

import json
import re
from enum import StrEnum

import pytest
from flask import Flask, render_template_string

from api import labels
from tests.stack import ROOT


@pytest.mark.parametrize("kind", labels.LABELS, ids=lambda kind: kind.__name__)
def test_every_member_has_a_label(kind: type[StrEnum]) -> None:
    assert set(labels.LABELS[kind]) == set(kind)


def test_every_reason_for_which_an_assessment_has_no_answer_of_a_model_is_explained() -> None:
    code = "".join(module.read_text() for module in (ROOT / "tasks").rglob("*.py"))
    raised = set(re.findall(r'(?:CallFailed|AssessorError|_fail|Result)\((?:lease, |State\.FAILED, )?"(\w+)"', code))
    assert raised >= {"timeout", "budget", "crashed", "internal"}
    assert raised <= set(labels.REASONS)


def test_no_script_repeats_a_label() -> None:
    scripts = "".join(script.read_text() for script in (ROOT / "api/static/js").glob("*.js"))
    shown = {label for each in labels.LABELS.values() for label in each.values()} | set(labels.REASONS.values())
    assert not [label for label in shown if f'"{label}"' in scripts]


def test_pages_carry_the_labels_in_the_order_in_which_they_are_shown(app: Flask) -> None:
    with app.app_context():
        carried = json.loads(render_template_string("{{ labels | tojson }}", labels=labels.for_scripts()))
    assert list(carried["Priority"]) == ["urgent", "high", "normal", "low"]
    assert carried["Status"]["pending"] == "Assessing"
