"""`flask demo`: a small hand-written account with five people and a few handoffs."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select

from api.cli.errors import one_line_errors
from models import account
from models.account import Account, Role, User
from models.assessment import Lane
from models.database.executor import Session
from models.handoff import Actor, intake, moves
from models.handoff.intake import Intake
from models.transaction import maintenance, transaction
from tasks.wake import wake

NAME = "Demo MSP"
PEOPLE = {
    "junior": ("Jo Junior", Role.ENGINEER),
    "senior": ("Sam Senior", Role.ENGINEER),
    "senior2": ("Alex Senior", Role.ENGINEER),
    "admin": ("Ada Admin", Role.ADMIN),
    "viewer": ("Vic Viewer", Role.VIEWER),
}

RESOLVED: dict[str, Any] = {
    "intent": "escalate",
    "reason": "Two hours in, no idea why only this floor is affected.",
    "session": {
        "external_id": "DEMO-1001",
        "title": "Scan to e-mail fails on the third floor copier",
        "problem": "Scan to e-mail on the copier CP-3F stopped on Monday. The panel shows error 2203 SMTP auth.",
        "category": "Printing",
        "client": "Northwind Clinic",
        "asset": "CP-3F",
        "steps": [
            {"kind": "action", "text": "Restarted the copier and sent a test scan.", "outcome": "failed"},
            {"kind": "observation", "text": "Copiers on other floors use the same account and work."},
        ],
    },
}
RESOLUTION = (
    "The firmware update of Sunday had switched the copier back to TLS 1.0, which the mail relay refuses since "
    "May. Set TLS 1.2 under Security > SMTP and the scans went out."
)
OPEN: tuple[dict[str, Any], ...] = (
    {
        "intent": "escalate",
        "reason": "I have run out of ideas and the clinic opens at eight.",
        "ask": "Please tell me whether this is the relay or the copier.",
        "priority": "high",
        "session": {
            "external_id": "DEMO-1002",
            "title": "Copier cannot send scans to e-mail, error 2203",
            "problem": "Since this morning the copier CP-1F shows error 2203 SMTP auth for every scan to e-mail.",
            "category": "Printing",
            "client": "Northwind Clinic",
            "asset": "CP-1F",
            "steps": [
                {"kind": "question", "text": "Did anything change over the weekend?"},
                {"kind": "observation", "text": "The vendor installed firmware 4.1.2 on Sunday."},
                {"kind": "action", "text": "Entered the mailbox password again. Same error.", "outcome": "failed"},
                {"kind": "action", "text": "Sent a scan to a USB stick, that works.", "outcome": "worked"},
            ],
        },
    },
    {
        "intent": "escalate",
        "reason": "Only the domain admins can look at the policy.",
        "ask": "Find out which policy maps the drive.",
        "session": {
            "external_id": "DEMO-1003",
            "title": "Drive H: is missing after sign-in",
            "problem": "Four people in accounting have no drive H: since the move to new laptops. Windows 11 24H2.",
            "category": "Files",
            "client": "Harbour Logistics",
            "steps": [
                {"kind": "action", "text": "gpupdate /force, then signed in again.", "outcome": "failed"},
                {
                    "kind": "action",
                    "text": "net use h: \\\\fs01\\acc maps it for a while.",
                    "outcome": "partial",
                },
                {
                    "kind": "observation",
                    "text": "Group Policy event 4098: 0x80070035 network path not found.",
                },
            ],
        },
    },
)


def create(*, new_tokens: bool = False) -> dict[str, Any]:
    """Create the demo account if it is missing. `tokens` is empty when nothing was issued."""
    with maintenance() as session:
        found = session.scalars(select(Account).where(Account.name == NAME)).first()
        people = _people(session, found) if found else {}
        fresh = found is None
        if found is None:
            found = account.create_account(session, NAME)
            people = {key: account.create_user(session, found.id, name, role) for key, (name, role) in PEOPLE.items()}
        tokens = {}
        if fresh or new_tokens:
            tokens = {key: account.issue_token(session, found.id, user.id)[1] for key, user in people.items()}
    if fresh:
        _hand_off(found.id, people)
    return {"account": str(found.id), "tokens": tokens}


def _people(session: Session, found: Account) -> dict[str, User]:
    return {key: account.find_user(session, name, found.id) for key, (name, _) in PEOPLE.items()}


def _hand_off(account_id: UUID, people: dict[str, User]) -> None:
    junior, senior = people["junior"].id, Actor(people["senior"].id)
    with transaction(account_id) as session:
        past, _ = intake.accept(session, account_id, Intake.of(RESOLVED), by=junior)
    moves.claim(account_id, past, by=senior)
    moves.resolve(account_id, past, by=senior, resolution=RESOLUTION)
    for body in OPEN:
        with transaction(account_id) as session:
            intake.accept(session, account_id, Intake.of(body), by=junior)
    wake(Lane.INTERACTIVE, len(OPEN) + 1)


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@click.option("--new-tokens", is_flag=True, help="Issue new tokens for an existing demo.")
@one_line_errors
def make_demo(as_json: bool, new_tokens: bool) -> None:
    """Create a small demo account with people, tokens and sessions. A second run changes nothing."""
    made: dict[str, Any] = create(new_tokens=new_tokens)
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(f"account {made['account']}")
    for name, token in made["tokens"].items():
        click.echo(f"{name:8} {token}")
    if not made["tokens"]:
        click.echo("it exists already; --new-tokens issues new tokens")
