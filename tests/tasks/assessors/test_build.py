"""Which assessor is built, and which modules that imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from models.settings import SettingsError
from tasks import assessors
from tasks.assessors import model
from tests.tasks.assessors.model.provider_case import some_settings

ROOT = Path(__file__).parents[3]


def test_the_offline_assessor_imports_no_vendor() -> None:
    script = (
        "import sys; from redis import Redis; from tasks.assessors import build;"
        "from tests.tasks.assessors.model.provider_case import some_settings;"
        "made = build(some_settings(), Redis());"
        "print(type(made).__name__, {'openai', 'anthropic', 'httpx2'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "Extractive set()", result.stderr


@pytest.mark.parametrize(("vendor", "other"), [("openai", "anthropic"), ("anthropic", "openai")])
def test_one_vendor_does_not_import_the_other(vendor: str, other: str) -> None:
    script = (
        "import sys; from redis import Redis; from tasks.assessors import build;"
        "from tests.tasks.assessors.model.provider_case import some_settings;"
        f"made = build(some_settings(assessor='{vendor}'), Redis());"
        f"print(made.vendor, '{other}' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == f"{vendor} False", result.stderr


def test_a_missing_sdk_stops_the_start_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tasks.assessors.model.openai", "openai"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(model, "openai", raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)  # what Python itself does for "not there"
    with pytest.raises(SettingsError, match=r"requirements-ai\.txt"):
        assessors.build(some_settings(assessor="openai"), Redis())


MISSING = "sys.modules['openai'] = None;"


@pytest.mark.parametrize(("before", "outcome"), [("", "ready"), (MISSING, "assessor not loaded")])
def test_a_worker_loads_its_assessor_before_the_first_message(before: str, outcome: str) -> None:
    script = (
        f"import sys; {before}"
        "from tasks import celery; celery.loader.import_default_modules();"
        "from celery.signals import worker_init; worker_init.send(sender=None);"
        "print('ready' if sys.modules.get('openai') else '')"
    )
    away = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    settings = {"ASSESSOR": "openai", "OPENAI_API_KEY": "sk-1", **away}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=os.environ | settings
    )
    assert result.returncode == 0, result.stderr
    assert outcome in result.stdout + result.stderr
