"""A sentence-transformers model as a file: `model.onnx` and `tokenizer.json` in one folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from models.settings import SettingsError
from tasks.embeddings import EmbeddingError, Vector

FILES = ("model.onnx", "tokenizer.json")
MOST_TOKENS = 128  # of a text; a title and the start of a problem


def load(folder: str, processors: int) -> OnnxEmbedder:
    """Load the model. SettingsError when the folder has no model that can be read."""
    model, tokenizer = (Path(folder, name) for name in FILES)
    for path in (model, tokenizer):
        if not path.is_file():
            raise SettingsError(f"settings: EMBEDDINGS=onnx:{folder} has no {path.name}")
    try:
        return OnnxEmbedder(model, tokenizer, processors)
    except Exception as error:  # the libraries raise plain exceptions for a file that is not what it should be
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SettingsError(f"settings: EMBEDDINGS=onnx:{folder} cannot be read: {reason}") from error


class OnnxEmbedder:
    """Runs the model, with the mean of its tokens' vectors as the text's."""

    def __init__(self, model: Path, tokenizer: Path, processors: int) -> None:
        self.name = f"onnx:{_digest(model, tokenizer)}"  # of the content: folders differ between machines
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = processors, 1
        options.enable_cpu_mem_arena = False  # it would keep what the longest text took
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {each.name for each in self._session.get_inputs()}

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector of length 1 for each text, one after the other: padded to one length they take longer."""
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> Vector:
        tokens = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        given = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        (states, *_) = self._session.run(None, {name: given[name] for name in self._inputs & given.keys()})
        if states.ndim != 3:
            raise EmbeddingError("invalid_reply")
        mean = states[0].mean(axis=0)
        vector: Vector = (mean / max(float(np.linalg.norm(mean)), 1e-12)).tolist()
        return vector


def _digest(*paths: Path) -> str:
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
