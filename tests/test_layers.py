"""Imports point down only: api → tasks → models."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_NOT_IMPORT = {
    "models": {"api", "tasks", "deploy", "tests", "flask", "celery", "kombu", "openai", "anthropic"},
    "tasks": {"api", "deploy", "tests", "flask"},
    "api": {"deploy", "tests", "celery", "kombu", "openai", "anthropic"},
}


@pytest.mark.parametrize("floor", MAY_NOT_IMPORT)
def test_imports_point_down(floor: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / floor).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.split(".")[0] in MAY_NOT_IMPORT[floor]
    ]
    assert wrong == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
