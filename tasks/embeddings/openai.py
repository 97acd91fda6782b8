"""OpenAI's embeddings, and every server that speaks them. Texts are redacted before they leave."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import openai

from models.settings import Settings, SettingsError
from tasks.assessors.model.redaction import Redaction
from tasks.embeddings import EmbeddingError, Vector

DIMENSIONS = 384
SECONDS = 10.0  # an assessment waits for it
PAUSE_SECONDS = 30.0  # after a failure, in which words alone count


def build(model: str, settings: Settings) -> OpenAIEmbedder:
    """Build the model. SettingsError without a key."""
    if not settings.openai_api_key:
        raise SettingsError(f"settings: EMBEDDINGS=openai:{model} needs OPENAI_API_KEY")
    # Below this level the SDK logs whole requests, and so the text of tickets.
    logging.getLogger("openai").setLevel(logging.WARNING)
    return OpenAIEmbedder(model, settings)


class OpenAIEmbedder:
    """Asks the server. After a failure it is left alone for a while."""

    def __init__(self, model: str, settings: Settings) -> None:
        self.name = f"openai:{model}"
        self._model = model
        self._redact = settings.redact
        self._silent_until = 0.0
        self._client = openai.OpenAI(
            api_key=settings.openai_api_key,
            base_url=settings.openai_base_url or "https://api.openai.com/v1",
            max_retries=0,
            timeout=SECONDS,
        )

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text."""
        if time.monotonic() < self._silent_until:
            raise EmbeddingError("paused")
        try:
            return self._ask([Redaction(self._redact).hide(text) for text in texts])
        except EmbeddingError:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            raise

    def _ask(self, texts: list[str]) -> list[Vector]:
        try:
            reply = self._client.embeddings.create(
                model=self._model, input=texts, dimensions=DIMENSIONS, encoding_format="float"
            )
            vectors = [list(map(float, each.embedding)) for each in sorted(reply.data, key=lambda each: each.index)]
        except openai.APITimeoutError:
            raise EmbeddingError("timeout") from None
        except openai.APIStatusError as error:
            raise EmbeddingError(f"status_{error.status_code}") from None
        except openai.APIError:
            raise EmbeddingError("unavailable") from None
        except (ValueError, TypeError, AttributeError, LookupError):  # the SDK does not validate what it receives
            raise EmbeddingError("invalid_reply") from None
        if [len(vector) for vector in vectors] != [DIMENSIONS] * len(texts):
            raise EmbeddingError("invalid_reply")
        return vectors
