"""I5: no interleaving with any single fault leaves a hint below the head; each known-bad protocol is caught."""

from __future__ import annotations

import pytest

from models.feed.head import Heads
from tests.models.feed.heads import FAULTS, KNOWN_BAD, Explorer


@pytest.mark.parametrize("fault", FAULTS)
def test_no_interleaving_with_one_fault_leaves_a_hint_below_the_head(fault: str) -> None:
    explorer = Explorer(Heads)
    assert explorer.staleness(fault) is None
    assert explorer.states > 1000


@pytest.mark.parametrize("fault", ["none", "crash"])
def test_at_no_moment_a_hint_below_the_head_is_believed(fault: str) -> None:
    assert Explorer(Heads).staleness(fault, lasting=False) is None


@pytest.mark.parametrize("protocol", KNOWN_BAD, ids=lambda protocol: protocol.__name__)
def test_a_known_bad_protocol_is_caught(protocol: type[Heads]) -> None:
    explorer = Explorer(protocol)
    assert any(explorer.staleness(fault) is not None for fault in FAULTS)
