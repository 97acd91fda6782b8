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
AT_ONCE = 8  # texts of about the same length, since the shorter ones are filled up


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
        digest = hashlib.sha256(model.read_bytes() + tokenizer.read_bytes())
        self.name = f"onnx:{digest.hexdigest()[:16]}"  # of the content: folders differ between machines
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = processors, 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {each.name for each in self._session.get_inputs()}

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector of length 1 for each text."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        made: dict[int, Vector] = {}
        for start in range(0, len(order), AT_ONCE):
            places = order[start : start + AT_ONCE]
            made |= dict(zip(places, self._run([texts[place] for place in places]), strict=True))
        return [made[place] for place in range(len(texts))]

    def _run(self, texts: list[str]) -> list[Vector]:
        tokens = self._tokenizer.encode_batch(texts)
        mask = np.array([each.attention_mask for each in tokens], dtype=np.int64)
        given = {
            "input_ids": np.array([each.ids for each in tokens], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        (states, *_) = self._session.run(None, {name: given[name] for name in self._inputs & given.keys()})
        if states.ndim != 3:
            raise EmbeddingError("invalid_reply")
        means = (states * mask[..., None]).sum(axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        vectors: list[Vector] = (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)).tolist()
        return vectors
