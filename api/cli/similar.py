"""`flask similar`: the model by which past cases are compared by meaning."""

from __future__ import annotations

import os
import time
from uuid import UUID

import click
from sqlalchemy import select

from api.cli.errors import one_line_errors
from models import account
from models.account import Account
from models.assessment import vectors
from models.errors import Conflict
from models.settings import settings
from models.transaction import maintenance
from tasks.embed import embed_some
from tasks.embeddings import Embedder, EmbeddingError, build
from tasks.embeddings.calibration import calibrate

LINE_SECONDS = 5.0

ACCOUNT = click.option("--account", "account_name", metavar="A", help="Id or name of the account; default: all.")


@click.group()
def similar() -> None:
    """Similar past cases by meaning; EMBEDDINGS chooses the model."""


@similar.command("embed")
@ACCOUNT
@one_line_errors
def embed(account_name: str | None) -> None:
    """Embed the past cases that have no vector of the model, now and on every processor.

    The bulk worker does the same by itself. It can be stopped and started again at any time.
    """
    embedder, within = _embedder(), _account_id(account_name)
    with maintenance() as session:
        total = vectors.count_missing(session, embedder.name, account_id=within)
    started = shown = time.monotonic()
    done = 0
    try:
        while count := embed_some(embedder, account_id=within):
            done += count
            if time.monotonic() - shown > LINE_SECONDS:
                shown = time.monotonic()
                click.echo(f"{done} of {total}, {done / (shown - started):.1f}/s")
    except EmbeddingError as error:
        raise click.ClickException(f"the model gives no vectors: {error.kind} (after {done} of {total})") from error
    rate = f", {done / (time.monotonic() - started):.1f}/s" if done else ""
    click.echo(f"{done} past cases embedded by {embedder.name}{rate}")


@similar.command("calibrate")
@ACCOUNT
@one_line_errors
def calibrate_command(account_name: str | None) -> None:
    """Set the least score at which past cases are shown, by what chance alone would score in the account."""
    embedder, within = _embedder(), _account_id(account_name)
    with maintenance() as session:
        accounts = session.scalars(select(Account).order_by(Account.created_at))
        chosen = {each.id: each.name for each in accounts if within in (None, each.id)}
    for account_id, name in chosen.items():
        try:
            found = calibrate(embedder, account_id)
        except Conflict as error:
            if within:
                raise
            click.echo(f"{name}: left as it is: {error.detail}")
        except EmbeddingError as error:
            raise click.ClickException(f"the model gives no vectors: {error.kind}") from error
        else:
            click.echo(f"{name}: shown from {found.least:.2f} on (before: {found.before:.2f})")


def _embedder() -> Embedder:
    embedder = build(settings(), processors=os.cpu_count() or 1)
    if embedder is None:
        raise click.ClickException("EMBEDDINGS is off; words alone are compared")
    return embedder


def _account_id(name: str | None) -> UUID | None:
    if name is None:
        return None
    with maintenance() as session:
        return account.find_account(session, name).id
