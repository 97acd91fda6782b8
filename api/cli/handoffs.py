"""Single handoffs on the command line: show one, reopen a resolved one, discard a parked one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from api.cli.batches import ACCOUNT, AS_JSON
from api.cli.errors import one_line_errors
from api.cli.history import handoffs
from models import account, handoff
from models.feed import card
from models.feed.card import Representation
from models.handoff import SERVICE, parked, reopening
from models.transaction import maintenance, transaction

ID = click.argument("handoff_id", type=click.UUID, metavar="ID")


@handoffs.command("show")
@ACCOUNT
@AS_JSON
@ID
@one_line_errors
def show(account_name: str, as_json: bool, handoff_id: UUID) -> None:
    """Show the handoff ID, also a parked one."""
    account_id = _account(account_name)
    with transaction(account_id) as session:
        handoff.find(session, account_id, handoff_id, seen_by=SERVICE)
        shown = card.representation(session, account_id, handoff_id)
    _print(shown, as_json)


@handoffs.command("reopen")
@ACCOUNT
@AS_JSON
@ID
@one_line_errors
def reopen(account_name: str, as_json: bool, handoff_id: UUID) -> None:
    """Give the resolved handoff ID back to who had taken it; it is no past case until it is resolved again."""
    _move(account_name, handoff_id, reopening.reopen, as_json)


@handoffs.command("discard")
@ACCOUNT
@AS_JSON
@click.option("--yes", is_flag=True, help="Do not ask.")
@ID
@one_line_errors
def discard(account_name: str, as_json: bool, yes: bool, handoff_id: UUID) -> None:
    """Discard the parked handoff ID and every word of it, for ever."""
    if not yes:
        click.confirm(f"Discard the parked handoff {handoff_id}?", abort=True)
    _move(account_name, handoff_id, parked.discard, as_json)


def _account(name: str) -> UUID:
    with maintenance() as session:
        return account.find_account(session, name).id


def _move(account_name: str, handoff_id: UUID, move: Callable[..., Representation], as_json: bool) -> None:
    _print(move(_account(account_name), handoff_id, by=SERVICE), as_json)


def _print(shown: Representation, as_json: bool) -> None:
    if as_json:
        return click.echo(shown.text)
    whole = json.loads(shown.text)
    session = whole["session"]
    lines = {
        "handoff": whole["id"],
        "ticket": session["external_id"],
        "title": session["title"],
        "status": whole["status"],
        "priority": whole["priority"],
        "handed off": f"{whole['created_at']} by {whole['handed_off_by']['name']}",
        "meant for": _name(whole["target"]),
        "taken": whole["claimed_by"] and f"{whole['claimed_at']} by {_name(whole['claimed_by'])}",
        "lease until": whole["lease_until"],
        "snoozed until": whole["snoozed_until"] and f"{whole['snoozed_until']}: {whole['snooze_reason']}",
        "resolved": whole["resolved_at"],
        "returns": whole["returns"],
        "steps": session["steps_count"],
        "assessment": whole["assessment_state"],
        "version": whole["version"],
    }
    for name, value in lines.items():
        if value not in (None, ""):
            click.echo(f"{name:<15}{_in_one_line(value)}")


def _name(person: dict[str, Any] | None) -> str | None:
    return person["name"] if person else None


def _in_one_line(value: Any) -> str:
    """Drop what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in str(value))


COMMANDS: list[click.Command] = [handoffs]
