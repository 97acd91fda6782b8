"""`flask accounts`, `users` and `tokens`: who may use the service, and how it works for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import click

from api.cli.errors import one_line_errors
from models import account, audit, people
from models.account import Account, ApiToken, Kind, Role, User
from models.account import settings as of_account
from models.account.settings import SETTINGS, Number
from models.audit import Act
from models.errors import Conflict, Invalid
from models.people import TOKEN_DAYS, Colleague, TokenState
from models.settings import settings
from models.transaction import administration, maintenance

OF_THE_CASE = "case"  # no code of a language
THE_USUAL = "default"

Command = Callable[..., Any]


@click.group()
def accounts() -> None:
    """Accounts: one per managed service provider."""


@accounts.command("create")
@click.argument("name")
@one_line_errors
def create_account(name: str) -> None:
    """Create the account NAME and print its id."""
    with maintenance() as session:
        made = account.create_account(session, name)
        audit.record(session, made.id, Act.ACCOUNT_CREATED, by=None, subject=f"account:{made.id}", note=made.name)
    click.echo(f"account {name!r} created")
    click.echo(made.id)


@accounts.command("show")
@click.argument("name", metavar="ACCOUNT")
@one_line_errors
def show_account(name: str) -> None:
    """Show the settings of ACCOUNT (id or name): what counts, and whether the account has set it."""
    found = _account(name)
    for key in SETTINGS:
        click.echo(f"{key}: {_effective(found, key)}")
    for key, fixed in of_account.FIXED.items():
        click.echo(f"{key}: {fixed.value(settings())} (of every account)")


def _options(command: Command) -> Command:
    """Give a command an option for each setting."""
    for name, setting in reversed(list(SETTINGS.items())):
        if isinstance(setting, Number):
            span, usual = f"{setting.least} to {setting.most}", THE_USUAL
            text = f"{setting.label} in {setting.unit}, {span}; `{usual}`: the installation's."
        else:
            text = f"{setting.label}, such as de or pt-BR; `{OF_THE_CASE}`: that of each case."
        option = click.option(f"--{name.replace('_', '-')}", name, metavar="VALUE", help=text)
        command = option(command)
    return command


@accounts.command("set")
@_options
@click.argument("name", metavar="ACCOUNT")
@one_line_errors
def set_account(name: str, **given: str | None) -> None:
    """Change settings of ACCOUNT (id or name)."""
    values = {key: _value(key, text) for key, text in given.items() if text is not None}
    if not values:
        raise click.UsageError(f"Give one of --{', --'.join(key.replace('_', '-') for key in SETTINGS)}.")
    within = _account(name).id
    with administration(within) as session:
        found = account.find_account(session, str(within))
        of_account.change(session, found, values, by=None)
    for key in (name for name in SETTINGS if name in values):
        click.echo(f"{SETTINGS[key].label.lower()} of {found.name!r} is {_effective(found, key)}")


def _value(name: str, text: str) -> int | str | None:
    setting = SETTINGS[name]
    if not isinstance(setting, Number):
        return None if text == OF_THE_CASE else text
    if text == THE_USUAL or (text == "0" and setting.least > 0):
        return None
    try:
        setting.stored(int(text))
    except (ValueError, Invalid) as error:
        detail = error.detail if isinstance(error, Invalid) else f"{text!r} is no whole number."
        raise click.BadParameter(detail, param_hint=f"--{name.replace('_', '-')}") from error
    return int(text)


def _effective(found: Account, name: str) -> str:
    setting = SETTINGS[name]
    if not isinstance(setting, Number):
        return str(setting.value(found) or "that of each case")
    whose = "" if setting.value(found) is not None else " (the installation's)"
    return f"{setting.effective(found)} {setting.unit}{whose}"


def _account(name: str) -> Account:
    with maintenance() as session:
        return account.find_account(session, name)


@click.group()
def users() -> None:
    """People of an account."""


IN_ACCOUNT = click.option("--account", "account_name", required=True, metavar="A", help="Id or name of the account.")
BY_FORCE = click.option("--force", is_flag=True, help="Even if this is the account's last admin.")
ROLES = click.Choice([role.value for role in Role])


@users.command("list")
@IN_ACCOUNT
@one_line_errors
def list_users(account_name: str) -> None:
    """List the people of an account by name, those who are gone last: id, name, role, claims, last use of a token."""
    within = _account(account_name)
    with administration(within.id) as session:
        found = people.everybody(session, within.id)
    for each in found:
        click.echo("  ".join([str(each.id), each.name, *_facts(each)]))


def _facts(person: Colleague) -> list[str]:
    seen = "never seen" if person.last_seen_at is None else f"seen {person.last_seen_at:%Y-%m-%dT%H:%MZ}"
    gone = [f"deactivated {person.deactivated_at:%Y-%m-%dT%H:%MZ}"] if person.deactivated_at else []
    return [f"{person.role} {person.kind}", f"{person.claims} claims", seen, *gone]


@users.command("create")
@IN_ACCOUNT
@click.option("--role", type=ROLES, required=True)
@click.option("--service", is_flag=True, help="A program: it has tokens, but cannot sign in to the pages.")
@click.argument("name")
@one_line_errors
def create_user(account_name: str, role: str, service: bool, name: str) -> None:
    """Create the person NAME and print their id."""
    within = _account(account_name)
    made = people.add(within.id, name, Role(role), Kind.SERVICE if service else Kind.PERSON, by=None)
    click.echo(f"{role} {made.name!r} created in {within.name!r}")
    click.echo(made.id)


@users.command("rename")
@IN_ACCOUNT
@click.argument("user")
@click.argument("name")
@one_line_errors
def rename_user(account_name: str, user: str, name: str) -> None:
    """Give USER (id or name) another NAME, which old handoffs show too."""
    found = _find(account_name, user)
    changed, _ = people.change(found.account_id, found.id, name=name, by=None)
    click.echo(f"{found.name!r} is now called {changed.name!r}")


@users.command("role")
@IN_ACCOUNT
@BY_FORCE
@click.argument("user")
@click.argument("role", type=ROLES)
@one_line_errors
def set_role(account_name: str, user: str, role: str, force: bool) -> None:
    """Give USER (id or name) another ROLE. What a new viewer has claimed goes back to the queue."""
    found = _find(account_name, user)
    with _hint():
        _, returned = people.change(found.account_id, found.id, role=Role(role), by=None, force=force)
    click.echo(f"{found.name!r} is {role}; {returned} claims back in the queue")


@users.command("delete")
@IN_ACCOUNT
@BY_FORCE
@click.argument("user")
@one_line_errors
def delete_user(account_name: str, user: str, force: bool) -> None:
    """Take the access of USER (id or name) away. Their handoffs keep their name."""
    found = _find(account_name, user)
    with _hint():
        _, returned = people.deactivate(found.account_id, found.id, by=None, force=force)
    click.echo(
        f"{found.name!r} deleted; they write nothing more, and read nothing within 30 s; "
        f"{returned} claims back in the queue"
    )


@contextmanager
def _hint() -> Iterator[None]:
    """Say what the command line may do that the API may not."""
    try:
        yield
    except Conflict as refused:
        if refused.code != "last_admin":
            raise
        raise Conflict("last_admin", f"{refused.detail} --force overrides this.") from refused


def _find(account_name: str, user: str) -> User:
    with maintenance() as session:
        return account.find_user(session, user, account.find_account(session, account_name).id)


@click.group()
def tokens() -> None:
    """API tokens: shown once, stored hashed."""


@tokens.command("issue")
@click.option("--user", required=True, metavar="U", help="Id or name of the person.")
@click.option("--account", "account_name", metavar="A", help="Id or name of the account, if names repeat.")
@click.option("--name", metavar="N", help="What the token is for.")
@click.option("--expires-days", type=click.IntRange(1, 3650), metavar="N", help=f"Default: {TOKEN_DAYS}.")
@click.option("--never", is_flag=True, help="The token works until it is revoked.")
@one_line_errors
def issue_token(user: str, account_name: str | None, name: str | None, expires_days: int | None, never: bool) -> None:
    """Issue a token; the last line is the token alone."""
    if never and expires_days:
        raise click.UsageError("Give --expires-days or --never, not both.")
    with maintenance() as session:
        within = account.find_account(session, account_name).id if account_name else None
        found = account.find_user(session, user, within)
    lifetime = None if never else timedelta(days=expires_days or TOKEN_DAYS)
    token, found, secret = people.issue_token(found.account_id, found.id, name=name, expires_in=lifetime, by=None)
    click.echo(f"token {token.id} for {found.name!r} ({found.role}), {_state(token, found)}; it is not shown again")
    click.echo(secret)


@tokens.command("list")
@IN_ACCOUNT
@one_line_errors
def list_tokens(account_name: str) -> None:
    """List the tokens of an account, the newest first: id, start, person, role, state, last use, name."""
    within = _account(account_name)
    with administration(within.id) as session:
        rows = account.tokens_of(session, within.id)
    for token, user in rows:
        click.echo(_line(token, user))


@tokens.command("show")
@click.argument("token_id", type=click.UUID, metavar="ID")
@one_line_errors
def show_token(token_id: UUID) -> None:
    """Show the token ID, without its secret."""
    with maintenance() as session:
        found = account.find_token(session, token_id)
    click.echo(_line(*found))


def _line(token: ApiToken, user: User) -> str:
    used = "never used" if token.last_used_at is None else f"used {token.last_used_at:%Y-%m-%dT%H:%MZ}"
    start, whose = f"{token.prefix}…", f"{user.name} ({user.role})"
    parts = [str(token.id), start, whose, _state(token, user), used, *([token.name] if token.name else [])]
    return "  ".join(parts)


def _state(token: ApiToken, user: User) -> str:
    state = people.state_of(token, user)
    if state is TokenState.DEACTIVATED:
        return "person deleted"
    if state is TokenState.REVOKED:
        return "revoked"
    if token.expires_at is None:
        return "active until it is revoked"
    return f"{'expired' if state is TokenState.EXPIRED else 'active until'} {token.expires_at:%Y-%m-%dT%H:%MZ}"


@tokens.command("revoke")
@click.argument("token_id", type=click.UUID, metavar="ID")
@one_line_errors
def revoke_token(token_id: UUID) -> None:
    """End the token ID; every process has noticed within 30 s."""
    with maintenance() as session:
        found, _ = account.find_token(session, token_id)
    _, _, ended = people.revoke_token(found.account_id, token_id, by=None)
    click.echo(f"token {token_id} revoked" if ended else f"token {token_id} was revoked before")
