"""The command line. `flask --help` lists it."""

from __future__ import annotations

import click
from flask import Flask

from api.cli import batches, handoffs, similar
from api.cli.audit import audit
from api.cli.database import db
from api.cli.demo import make_demo
from api.cli.evaluation import evaluate
from api.cli.feed import feed
from api.cli.people import accounts, tokens, users

COMMANDS: tuple[click.Command, ...] = (
    accounts,
    users,
    tokens,
    db,
    make_demo,
    feed,
    audit,
    evaluate,
    *batches.COMMANDS,
    *handoffs.COMMANDS,
    similar.similar,
)


def install(app: Flask) -> None:
    """Add every command to `flask`."""
    for each in COMMANDS:
        app.cli.add_command(each)
