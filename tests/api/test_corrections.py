"""Corrections: what a session says of itself, and steps that are taken back."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest

from models.assessment import case
from models.transaction import transaction
from tasks import assess
from tests import world as worlds
from tests.tasks.assessors.cases import evidence_in
from tests.world import STEPS, Person, World

# Who asks: the one who handed off, the claimer, somebody else with the same role, an admin, a viewer.
ACTORS = ("author", "claimer", "other", "admin", "viewer")
EDIT: dict[str, tuple[Any, ...]] = {
    "parked": (200, "not_found", "not_found", 200, "forbidden"),
    "ready": (200, "not_yours", "not_yours", 200, "forbidden"),
    "claimed": (200, 200, "not_yours", 200, "forbidden"),
    "resolved": ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
    "withdrawn": ("wrong_state", "wrong_state", "wrong_state", "wrong_state", "forbidden"),
}
# The step was added by the claimer before the handoff was parked, closed or given back.
RETRACT: dict[str, tuple[Any, ...]] = {
    "ready": ("not_yours", 200, "not_yours", 200, "forbidden"),
    "claimed": ("not_yours", 200, "not_yours", 200, "forbidden"),
    "resolved": ("not_yours", 200, "not_yours", 200, "forbidden"),
    "withdrawn": ("not_yours", 200, "not_yours", 200, "forbidden"),
}
