"""The folder of real tickets and incident logs, none of which is copied into the project.

`REAL_DATA_DIR`, by default `../shared/data`. Where neither is there, a small sample written by hand stands in.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

SAMPLE = Path(__file__).parent / "sample"


def folder() -> Path:
    """The folder; a variable that is set is taken at its word."""
    named = os.environ.get("REAL_DATA_DIR")
    found = Path(named or "../shared/data").resolve()
    return found if named or found.is_dir() else SAMPLE


@contextmanager
def opened(name: str) -> Iterator[TextIO]:
    """Yield the lines of a file, plain or gzip."""
    path = folder() / name
    with path.open(encoding="utf-8") if path.exists() else gzip.open(f"{path}.gz", "rt", encoding="utf-8") as lines:
        yield lines
