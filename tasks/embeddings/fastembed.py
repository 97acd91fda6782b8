"""A model by its name in fastembed, which loads it from the internet once and keeps it on the disk."""

from __future__ import annotations

from collections.abc import Sequence

from fastembed import TextEmbedding

from models.settings import SettingsError
from tasks.embeddings import Vector


def load(model: str, processors: int) -> FastEmbedder:
    """Load the model. SettingsError when there is none of this name or it cannot be had."""
    try:
        return FastEmbedder(model, processors)
    except Exception as error:  # the library raises plain exceptions, also for a network that is away
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SettingsError(f"settings: EMBEDDINGS=fastembed:{model} cannot be loaded: {reason}") from error


class FastEmbedder:
    """Runs the model."""

    def __init__(self, model: str, processors: int) -> None:
        self.name = f"fastembed:{model}"
        self._model = TextEmbedding(model, threads=processors)

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text."""
        return [list(map(float, vector)) for vector in self._model.embed(list(texts))]
