"""`flask demo`: an account with six people and the hand-written cases of a month."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from api.cli.demo import play, stories
from api.cli.errors import one_line_errors
from models import account
from models.account import Account, Role, User
from models.database.executor import Session
from models.transaction import maintenance

NAME = "Demo MSP"
UNFINISHED = "Demo MSP (unfinished)"  # until it has its cases; one that was interrupted is left behind and made again
PEOPLE = {
    "junior": ("Jo Junior", Role.ENGINEER),
    "junior2": ("Nia Junior", Role.ENGINEER),
    "senior": ("Sam Senior", Role.ENGINEER),
    "senior2": ("Alex Senior", Role.ENGINEER),
    "admin": ("Ada Admin", Role.ADMIN),
    "viewer": ("Vic Viewer", Role.VIEWER),
}


def create(*, new_tokens: bool = False, empty: bool = False, folder: Path = stories.FOLDER) -> dict[str, Any]:
    """Create the demo account if it is missing, with the cases of the folder unless `empty`.

    `tokens` is empty when nothing was issued, `cases` when nothing was filled in.
    """
    with maintenance() as session:
        found = session.scalars(select(Account).where(Account.name == NAME)).first()
        if found is not None:
            people = _people(session, found)
            return {"account": str(found.id), "tokens": _tokens(session, people) if new_tokens else {}, "cases": {}}
    found_stories = [] if empty else stories.read(folder)
    with maintenance() as session:
        made = account.create_account(session, UNFINISHED)
        people = {key: account.create_user(session, made.id, name, role) for key, (name, role) in PEOPLE.items()}
    cases = (
        play.fill(made.id, {_first_name(user): user for user in people.values()}, found_stories)
        if found_stories
        else {}
    )
    with maintenance() as session:
        session.get_one(Account, made.id).name = NAME
        return {"account": str(made.id), "tokens": _tokens(session, people), "cases": cases}


def _tokens(session: Session, people: dict[str, User]) -> dict[str, str]:
    return {key: account.issue_token(session, user.account_id, user.id)[1] for key, user in people.items()}


def _people(session: Session, found: Account) -> dict[str, User]:
    """Return those of the demo's people whom the account has; an older one lacks some."""
    by_name = {user.name: user for user in session.scalars(select(User).where(User.account_id == found.id))}
    return {
        key: by_name[name] for key, (name, _) in PEOPLE.items() if name in by_name and not by_name[name].deleted_at
    }


def _first_name(user: User) -> str:
    return user.name.split()[0].lower()


def summary(cases: dict[str, int]) -> str:
    """Say in a line what the account was filled with."""
    shown = ", ".join(f"{count} {status}" for status, count in cases.items())
    return f"{NAME} was filled with {sum(cases.values())} cases of the last weeks: {shown}."


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@click.option("--new-tokens", is_flag=True, help="Issue new tokens for an existing demo.")
@click.option("--empty", is_flag=True, help="People and tokens only, no cases.")
@one_line_errors
def make_demo(as_json: bool, new_tokens: bool, empty: bool) -> None:
    """Create a demo account: people, tokens, and the cases of a month. A second run changes nothing."""
    made: dict[str, Any] = create(new_tokens=new_tokens, empty=empty)
    line = summary(made["cases"]) if made["cases"] else None
    if as_json:
        click.echo(json.dumps(made | {"summary": line}))
        return
    click.echo(f"account {made['account']}")
    for name, token in made["tokens"].items():
        click.echo(f"{name:8} {token}")
    if line:
        click.echo(line)
    if not made["tokens"]:
        click.echo("it exists already; --new-tokens issues new tokens")
