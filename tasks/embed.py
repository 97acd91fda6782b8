"""Embed past cases that have no vector of the current model: those just resolved, imported, or of another model."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from redis.exceptions import RedisError

from models import logs
from models.assessment import vectors
from models.assessment.case import SEARCHED_CHARS
from models.assessment.vectors import PastText
from models.settings import SettingsError, settings
from models.transaction import maintenance
from tasks import celery
from tasks.embeddings import Embedder, EmbeddingError, build, vectors_of
from tasks.message import send
from tasks.wake import MOST_WAITING

TASK = "embed_cases"
QUEUE = "bulk"  # nobody waits for it
MOST_MESSAGES = MOST_WAITING + 2  # one more than the wake-ups of a lane, so that a batch does not keep them out
TURN_SECONDS = 2.0  # length of one run while there is work; then it requests the next one
AT_ONCE = 32

_embedding = threading.Lock()

log = logs.logger(__name__)


@celery.task(name="request_embedding", ignore_result=True)
def request_embedding() -> None:
    """Request a run, which looks for itself whether anything is missing: no case needs a message of its own."""
    if settings().embeddings != "off":
        request()


@celery.task(name=TASK, ignore_result=True)
def embed_cases() -> None:
    """Embed past cases for two seconds. One run at a time per process: messages that piled up return at once."""
    if not _embedding.acquire(blocking=False):
        return
    try:
        more = _embed_for(TURN_SECONDS)
    except EmbeddingError as error:
        log.warning("past cases not embedded", error=error.kind)  # the next look finds them again
        return
    except SettingsError as error:
        log.error("past cases not embedded", error=str(error))
        return
    finally:
        _embedding.release()
    if more:
        request()


def request() -> None:
    """Request a run now. Losing the request costs only the time until the next one."""
    try:
        send(TASK, queue=QUEUE, most=MOST_MESSAGES)
    except (RedisError, OSError) as error:
        log.warning("embedding not requested", error=type(error).__name__)


def _embed_for(seconds: float) -> bool:
    """Embed for so long. False: nothing is left, or there is no model."""
    embedder = build(settings())
    end = time.monotonic() + seconds
    while embedder is not None and embed_some(embedder):
        if time.monotonic() > end:
            return True
    return False


def embed_some(embedder: Embedder, *, account_id: UUID | None = None) -> int:
    """Embed some past cases that have no vector, of one account or of all; returns how many. 0: none is left.

    No connection is held while the model works. Two that embed the same case store the same vector.
    """
    with maintenance() as session:
        waiting = vectors.missing(session, embedder.name, longest=SEARCHED_CHARS, most=AT_ONCE, account_id=account_id)
    made = _vectors(embedder, waiting)
    with maintenance() as session:
        vectors.store(session, embedder.name, made)
    return len(made)


def _vectors(embedder: Embedder, texts: list[PastText]) -> list[tuple[PastText, bytes]]:
    """Return the vectors; a text that makes the model fail gets an empty one, so that it does not hold up others."""
    try:
        return vectors_of(embedder, texts)
    except EmbeddingError:
        raise
    except Exception as error:
        if len(texts) == 1:
            # The message could quote the ticket, so only the type of the error is logged.
            log.error("past case not embedded", error=type(error).__name__, handoff=str(texts[0].handoff_id))
            return [(texts[0], b"")]
        return [made for text in texts for made in _vectors(embedder, [text])]
