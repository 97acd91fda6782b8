"""I5, the long version: more writers."""

from __future__ import annotations

from models.feed.head import Heads
from tests.models.feed.heads import FAULTS, KNOWN_BAD, Explorer
from tests.proofs.conftest import Note, scaled


def test_every_interleaving_of_more_writers_is_explored(figure: Note) -> None:
    explorer = Explorer(Heads, writers=scaled(2, 3))
    stale = [fault for fault in FAULTS if explorer.staleness(fault) is not None]
    caught = [bad.__name__ for bad in KNOWN_BAD if any(Explorer(bad).staleness(fault) for fault in FAULTS)]
    figure(
        "I5: interleavings of the head hint, with the real code",
        f"{explorer.states} states of {explorer.writers} writers, {explorer.readers} readers and one of"
        f" {len(FAULTS) - 1} faults: {len(stale)} stale for ever; {len(caught)} of {len(KNOWN_BAD)} known-bad"
        " protocols caught",
    )
    assert stale == []
    assert len(caught) == len(KNOWN_BAD)
