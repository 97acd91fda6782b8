"""Times as options of commands."""

from __future__ import annotations

from datetime import datetime

import click
from marshmallow import ValidationError

from api.schemas import Time


def moment(given: str | None, option: str) -> datetime | None:
    """Parse a day, which begins at midnight UTC, or an RFC 3339 time."""
    if given is None:
        return None
    try:
        value: datetime = Time().deserialize(f"{given}T00:00:00Z" if len(given) == 10 else given)
        return value
    except ValidationError as error:
        raise click.BadParameter("Not a day or an RFC 3339 time.", param_hint=option) from error
