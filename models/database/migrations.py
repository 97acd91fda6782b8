"""The folder of the migrations, and the revision that this code needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

FOLDER = Path(__file__).parents[2] / "migrations"


def config() -> Config:
    """Return Alembic's configuration; there is no ini file."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return made


@cache
def expected_revision() -> str:
    """Return the newest revision in the folder."""
    return ScriptDirectory.from_config(config()).get_current_head() or ""
