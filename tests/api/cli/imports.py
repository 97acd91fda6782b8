"""Files of history, and the command that imports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from models.handoff import Handoff
from models.transaction import transaction
from tests.world import World, intake

PAST = {
    "created_at": "2025-03-01T08:00:00Z",
    "resolution": "Installed driver 4.2.",
    "root_cause": "The update removed the driver.",
    "resolved_at": "2025-03-01T10:00:00Z",
}


def past(number: int, **more: Any) -> dict[str, Any]:
    return intake(f"OLD-{number}", **{**PAST, **more})


class Imports:
    """Writes files and imports them into one account."""

    def __init__(self, app: Flask, world: World, folder: Path) -> None:
        self.app, self.world, self.folder = app, world, folder

    def file(self, *lines: Any, end: bytes = b"\n", start: bytes = b"", name: str = "h.jsonl") -> Path:
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path = self.folder / name
        path.write_bytes(start + b"".join(line + end for line in raw))
        return path

    def run(self, path: Path, *options: str) -> Result:
        arguments = ["handoffs", "import", str(path), "--account", str(self.world.account_id), *options]
        return self.app.test_cli_runner().invoke(args=arguments)

    def count(self, table: Any = Handoff) -> int:
        with transaction(self.world.account_id) as session:
            return session.scalar(select(func.count()).select_from(table)) or 0
