"""Embed the texts of cases as vectors, so that past cases are found by meaning; EMBEDDINGS chooses the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

from models import logs
from models.assessment.case import SEARCHED_CHARS, Case
from models.assessment.vectors import Meaning, PastText, pack
from models.settings import Settings, SettingsError, settings
from tasks.assessors.reading.language import ENGLISH, foreign_language

EVERY_LANGUAGE = "*"

log = logs.logger(__name__)

Vector = list[float]


class EmbeddingError(Exception):
    """Raised when a model gives no vectors this time. `kind` is for machines: timeout, unavailable, …"""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Embedder(Protocol):
    """Makes vectors of texts. May be called from many threads at once.

    `name` is stored with each vector: vectors of another name are not compared with, and are made again.
    """

    @property
    def name(self) -> str:
        """The name of the model, the same on every machine that has it."""
        ...

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text, or raise EmbeddingError."""
        ...


_lock = Lock()
_built: dict[int, tuple[Settings, Embedder | None]] = {}


def build(settings: Settings, *, processors: int = 1) -> Embedder | None:
    """Return the model of EMBEDDINGS, one per process, or None when it is off. `processors` is for who asks first.

    SettingsError when its library is not installed, its files are missing, or its name is not understood.
    """
    with _lock:
        if id(settings) not in _built:
            # The object is stored with the model, so that no other object gets its id.
            _built[id(settings)] = (settings, _make(settings, processors))
        return _built[id(settings)][1]


def _make(settings: Settings, processors: int) -> Embedder | None:
    """Import only what is used."""
    kind, _, model = settings.embeddings.partition(":")
    if kind == "off":
        return None
    try:
        return _MAKERS[kind](model, settings, processors)
    except ModuleNotFoundError as error:
        raise SettingsError(f"settings: EMBEDDINGS={settings.embeddings} needs {_NEEDS[kind]} ({error})") from error


def _onnx(folder: str, _: Settings, processors: int) -> Embedder:
    from tasks.embeddings import onnx

    return onnx.load(folder, processors)


def _fastembed(model: str, _: Settings, processors: int) -> Embedder:
    from tasks.embeddings import fastembed

    return fastembed.load(model, processors)


def _openai(model: str, settings: Settings, _: int) -> Embedder:
    from tasks.embeddings import openai

    return openai.build(model, settings)


_MAKERS: dict[str, Callable[[str, Settings, int], Embedder]] = {
    "onnx": _onnx,
    "fastembed": _fastembed,
    "openai": _openai,
}
_NEEDS = {
    "onnx": "requirements-embeddings.txt",
    "fastembed": "the package fastembed",
    "openai": "requirements-ai.txt",
}


def meaning_of(subject: Case) -> Meaning | None:
    """Return the vector of a case that asks. None: words alone count, whatever the reason."""
    try:
        embedder = build(settings())
        if embedder is None or not _is_read(subject):
            return None
        vector = pack(embedder.embed([_text(subject.title, subject.problem)])[0])
    except EmbeddingError as error:
        log.warning("case not embedded", error=error.kind)
        return None
    except (Exception, SettingsError) as error:
        # The message could quote the ticket, so only the type of the error is logged.
        log.error("case not embedded", error=type(error).__name__)
        return None
    return Meaning(embedder.name, vector) if vector else None


def vectors_of(embedder: Embedder, texts: Sequence[PastText]) -> list[tuple[PastText, bytes]]:
    """Return the packed vectors of past cases, empty for a language that the model does not know."""
    read = [past for past in texts if _is_read(_as_case(past))]
    made = embedder.embed([_text(past.title, past.problem) for past in read]) if read else []
    known = {(past.account_id, past.handoff_id): pack(vector) for past, vector in zip(read, made, strict=True)}
    return [(past, known.get((past.account_id, past.handoff_id), b"")) for past in texts]


def _text(title: str, problem: str) -> str:
    return f"{title}\n{problem}"[:SEARCHED_CHARS]


def _as_case(past: PastText) -> Case:
    return Case(past.account_id, past.handoff_id, past.handoff_id, past.title, past.problem, reason="")


def _is_read(subject: Case) -> bool:
    """Whether the model knows the case's language; what cannot be told counts as English."""
    languages = settings().embeddings_languages
    return EVERY_LANGUAGE in languages or (foreign_language(subject) or ENGLISH) in languages
