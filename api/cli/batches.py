"""Batches on the command line: start, watch, control. Needs the database and no web process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import click
from marshmallow import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.batches import show
from api.cli.errors import one_line_errors
from api.schemas.batches import FilterSchema, selection
from models import account, batch
from models.assessment.feedback import Rating
from models.batch import Batch
from models.batch.selection import Selection, estimate
from models.handoff import COVERED, Priority
from models.transaction import maintenance, transaction
from tasks.batch import kick

Command = TypeVar("Command", bound=Callable[..., Any])

POLL_SECONDS = 0.5
LINE_SECONDS = 5.0  # between two plain lines, unless the state changes
DETACHED = 130  # the usual exit status after Ctrl-C

ACCOUNT = click.option("--account", "account_name", required=True, metavar="A", help="Id or name of the account.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON for scripts; one object per line.")
ID = click.argument("batch_id", type=click.UUID, metavar="ID")

_STARTING = (
    ACCOUNT,
    click.option("--since", metavar="D", help="Created at or after this day or RFC 3339 time."),
    click.option("--until", metavar="D", help="Created before this day or time."),
    click.option("--status", multiple=True, type=click.Choice([status.value for status in COVERED])),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N."),
    click.option("--note", help="Reason; shown with the batch."),
    click.option("--max-cost", type=click.FLOAT, metavar="C", help="Pause at this cost."),
    click.option("--dry-run", is_flag=True, help="Print the count and the expected cost; start nothing."),
    click.option("--wait", is_flag=True, help="Watch until the end."),
    AS_JSON,
)


def _starting(command: Command) -> Command:
    """Add the options shared by both commands that start a batch."""
    for option in reversed(_STARTING):
        command = option(command)
    return command


@click.group()
def backfill() -> None:
    """Write what is missing."""


@backfill.command("assessments")
@_starting
@one_line_errors
def backfill_assessments(account_name: str, **how: Any) -> None:
    """Assess every handoff that has no good assessment: none at all, or only the offline fallback."""
    _start(account_name, {"without_assessment": True}, **how)


@click.group()
def batches() -> None:
    """Assessing many handoffs again."""


@batches.command("reassess")
@_starting
@click.option("--priority", multiple=True, type=click.Choice([each.value for each in Priority]))
@click.option("--category", help="Category of the session.")
@click.option("--source", help="Shown assessment written by this assessor.")
@click.option("--not-source", help="Shown assessment written by another assessor.")
@click.option("--not-prompt-version", metavar="V", help="Shown assessment written with another prompt version.")
@click.option("--assessed-before", metavar="D", help="Shown assessment older than this.")
@click.option("--rated", type=click.Choice([each.value for each in Rating]), help="Assessment with this rating.")
@click.option("--imported", is_flag=True, help="Imported from a file.")
@click.option("--without-assessment", is_flag=True, help="Without a good assessment.")
@one_line_errors
def reassess(
    account_name: str, priority: tuple[str, ...], imported: bool, without_assessment: bool, **how: Any
) -> None:
    """Assess handoffs again; without options, all of the account."""
    narrowing = {
        name: how.pop(name)
        for name in ("category", "source", "not_source", "not_prompt_version", "assessed_before", "rated")
    }
    flags = {"priority": list(priority), "imported": imported, "without_assessment": without_assessment}
    _start(account_name, {**narrowing, **flags}, **how)


def _start(
    account_name: str,
    narrowing: dict[str, Any],
    *,
    since: str | None,
    until: str | None,
    status: tuple[str, ...],
    limit: int | None,
    note: str | None,
    max_cost: float | None,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> None:
    wanted = _selection({**narrowing, "since": since, "until": until, "status": list(status), "limit": limit})
    with maintenance() as session:
        within = account.find_account(session, account_name).id
    if dry_run:
        return _print_estimate(within, wanted, as_json)
    ceiling = None if max_cost is None else Decimal(str(max_cost))
    begin(within, wanted, note=note, cost_ceiling=ceiling, wait=wait, as_json=as_json)


def begin(
    account_id: UUID,
    wanted: Selection,
    *,
    note: str | None = None,
    cost_ceiling: Decimal | None = None,
    wait: bool = False,
    as_json: bool = False,
) -> None:
    """Start a batch and report it; with `wait`, watch it and exit with its outcome."""
    with transaction(account_id) as session:
        made = batch.create(session, account_id, wanted, by=None, note=note, cost_ceiling=cost_ceiling)
        shown = show(session, made)
    kick()
    if wait:
        return _watch(made.id, as_json)
    if as_json:
        return click.echo(json.dumps(shown))
    click.echo(f"batch {made.id} over {made.total} handoffs {made.state}")
    click.echo(f"watch it with: flask batches watch {made.id}")


def _selection(given: dict[str, Any]) -> Selection:
    """Parse the options like the API's own filter. A bare date begins at midnight UTC."""
    filter = {name: value for name, value in given.items() if value not in (None, [], False)}
    for name in ("since", "until", "assessed_before"):
        if len(filter.get(name, "")) == len("2026-01-31"):
            filter[name] += "T00:00:00Z"
    try:
        return selection(FilterSchema().load(filter))
    except ValidationError as error:
        name, reasons = next(iter(error.normalized_messages().items()))
        raise click.BadParameter(" ".join(map(str, reasons)), param_hint=f"--{name.replace('_', '-')}") from error


def _print_estimate(account_id: UUID, wanted: Selection, as_json: bool) -> None:
    with transaction(account_id) as session:
        would = estimate(session, account_id, wanted)
    figures = {
        "count": would.count,
        "expected_tokens": would.expected_tokens,
        "expected_cost": float(would.expected_cost),
    }
    if as_json:
        return click.echo(json.dumps(figures))
    click.echo(f"{would.count} handoffs, about {would.expected_tokens} tokens, cost about {would.expected_cost}")


@batches.command("list")
@ACCOUNT
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@AS_JSON
@one_line_errors
def list_batches(account_name: str, limit: int, as_json: bool) -> None:
    """The newest batches of an account."""
    with maintenance() as session:
        within = account.find_account(session, account_name).id
    with transaction(within) as session:
        rows = [show(session, row) for row in session.scalars(batch.listed(within).limit(limit))]
    for row in rows:
        click.echo(json.dumps(row) if as_json else _line(row))


@batches.command("watch")
@ID
@AS_JSON
@one_line_errors
def watch(batch_id: UUID, as_json: bool) -> None:
    """Show how far ID is until it ends. Ctrl-C stops watching, not the batch.

    Exit status 0: everything was assessed. 1: something failed, or it was paused or cancelled. 130: Ctrl-C.
    """
    _watch(batch_id, as_json)


@batches.command("pause")
@ID
@AS_JSON
@one_line_errors
def pause(batch_id: UUID, as_json: bool) -> None:
    """Begin nothing more of ID for now."""
    _move(batch_id, batch.pause, as_json)


@batches.command("resume")
@ID
@click.option("--max-cost", type=click.FLOAT, metavar="C", help="A new cost ceiling.")
@AS_JSON
@one_line_errors
def resume(batch_id: UUID, max_cost: float | None, as_json: bool) -> None:
    """Go on with ID where it was paused."""
    _move(batch_id, batch.resume, as_json, cost_ceiling=None if max_cost is None else Decimal(str(max_cost)))


@batches.command("cancel")
@ID
@AS_JSON
@one_line_errors
def cancel(batch_id: UUID, as_json: bool) -> None:
    """End ID for good; what was written stays."""
    _move(batch_id, batch.cancel, as_json)


def _move(batch_id: UUID, move: Callable[..., Batch], as_json: bool, **how: Any) -> None:
    with maintenance() as session:
        within = batch.find_anywhere(session, batch_id).account_id
    with transaction(within) as session:
        shown = show(session, move(session, within, batch_id, by=None, **how))
    kick()
    click.echo(json.dumps(shown) if as_json else _line(shown))


def _watch(batch_id: UUID, as_json: bool) -> None:
    try:
        last = _follow(batch_id, as_json)
    except KeyboardInterrupt:
        click.echo(f"\nit goes on without you; come back with: flask batches watch {batch_id}", err=True)
        raise click.exceptions.Exit(DETACHED) from None
    if not as_json:
        click.echo(_line(last))
    if last["state"] == "paused":
        click.echo(f"paused ({last['paused_reason']}); go on with: flask batches resume {batch_id}", err=True)
    if last["state"] != "completed" or last["failed"]:
        raise click.exceptions.Exit(1)


def _follow(batch_id: UUID, as_json: bool) -> dict[str, Any]:
    """Show the batch until it stops moving; returns its final state."""
    shown = _read(batch_id)
    if sys.stdout.isatty() and not as_json:
        return _follow_with_bar(batch_id, shown)
    printed, when = None, 0.0
    while True:
        now = time.monotonic()
        if shown["state"] != printed or now - when >= LINE_SECONDS:
            click.echo(json.dumps(shown) if as_json else _line(shown))
            printed, when = shown["state"], now
        if shown["state"] not in ("queued", "running"):
            return shown
        time.sleep(POLL_SECONDS)
        shown = _read(batch_id)


def _follow_with_bar(batch_id: UUID, shown: dict[str, Any]) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(), transient=True) as bar:
        task = bar.add_task("queued", total=shown["total"], completed=shown["done"], speed="")
        while shown["state"] in ("queued", "running"):
            speed = f"{shown['rate'] or 0:.1f}/s"
            bar.update(task, description=shown["state"], completed=shown["done"], speed=speed)
            time.sleep(POLL_SECONDS)
            shown = _read(batch_id)
    return shown


def _read(batch_id: UUID) -> dict[str, Any]:
    with maintenance() as session:
        return show(session, batch.find_anywhere(session, batch_id))


def _line(shown: dict[str, Any]) -> str:
    parts = [f"{shown['id']} {shown['state']} {shown['done']}/{shown['total']}"]
    parts += [f"{name} {shown[name]}" for name in ("succeeded", "fallback", "failed", "skipped") if shown[name]]
    if shown["rate"]:
        parts.append(f"{shown['rate']:.1f}/s")
    if shown["eta_seconds"] is not None:
        parts.append(f"{shown['eta_seconds']:.0f} s left")
    if shown["cost"]:
        parts.append(f"cost {shown['cost']:.4f}")
    return ", ".join(parts)


COMMANDS: list[click.Command] = [backfill, batches]
