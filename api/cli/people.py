"""`flask accounts`, `users` and `tokens`: who may use the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
from sqlalchemy import select

from api.cli.errors import one_line_errors
from models import account, audit
from models.account import ApiToken, Role, User
from models.audit import Act
from models.handoff import leaving
from models.transaction import maintenance

TOKEN_DAYS = 90  # the lifetime of a token without options
OF_THE_CASE = "case"  # no code of a language


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


@accounts.command("set")
@click.option(
    "--claim-lease-minutes",
    type=click.IntRange(0, 60 * 24 * 30),
    metavar="N",
    help="Minutes without a first action after which a claim is overdue; 0: the installation's setting.",
)
@click.option(
    "--language",
    metavar="TAG",
    help="Language in which a model writes assessments, such as de or pt-BR; `case`: that of each case.",
)
@click.argument("name", metavar="ACCOUNT")
@one_line_errors
def set_account(claim_lease_minutes: int | None, language: str | None, name: str) -> None:
    """Change settings of ACCOUNT (id or name)."""
    if claim_lease_minutes is None and language is None:
        raise click.UsageError("Give --claim-lease-minutes, --language or both.")
    with maintenance() as session:
        found = account.find_account(session, name)
        if claim_lease_minutes is not None:
            account.set_claim_lease(found, timedelta(minutes=claim_lease_minutes) if claim_lease_minutes else None)
        if language is not None:
            account.set_language(found, None if language == OF_THE_CASE else language)
        changed = {"claim_lease_minutes": claim_lease_minutes, "language": language}
        note = ", ".join(f"{key}: {value}" for key, value in changed.items() if value is not None)
        audit.record(session, found.id, Act.SETTINGS_CHANGED, by=None, subject=f"account:{found.id}", note=note)
    if claim_lease_minutes is not None:
        lease = f"{claim_lease_minutes} min" if claim_lease_minutes else "the installation's"
        click.echo(f"claim lease of {found.name!r} is {lease}")
    if language is not None:
        click.echo(f"language of {found.name!r} is {found.language or 'that of each case'}")


@click.group()
def users() -> None:
    """People of an account."""


@users.command("create")
@click.option("--account", "account_name", required=True, metavar="A", help="Id or name of the account.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.argument("name")
@one_line_errors
def create_user(account_name: str, role: str, name: str) -> None:
    """Create the person NAME and print their id."""
    with maintenance() as session:
        within = account.find_account(session, account_name)
        made = account.create_user(session, within.id, name, Role(role))
        note = f"{made.name}: {made.role}"
        audit.record(session, within.id, Act.PERSON_CREATED, by=None, subject=f"person:{made.id}", note=note)
    click.echo(f"{role} {name!r} created in {within.name!r}")
    click.echo(made.id)


@users.command("role")
@click.option("--account", "account_name", required=True, metavar="A", help="Id or name of the account.")
@click.option("--force", is_flag=True, help="Even if this is the account's last admin.")
@click.argument("user")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@one_line_errors
def set_role(account_name: str, user: str, role: str, force: bool) -> None:
    """Give USER (id or name) another ROLE. What a new viewer has claimed goes back to the queue."""
    found = _find(account_name, user)
    returned = leaving.set_role(found.account_id, found.id, Role(role), by=None, force=force)
    click.echo(f"{found.name!r} is {role}; {returned} claims back in the queue")


@users.command("delete")
@click.option("--account", "account_name", required=True, metavar="A", help="Id or name of the account.")
@click.option("--force", is_flag=True, help="Even if this is the account's last admin.")
@click.argument("user")
@one_line_errors
def delete_user(account_name: str, user: str, force: bool) -> None:
    """Take the access of USER (id or name) away. Their handoffs keep their name."""
    found = _find(account_name, user)
    returned = leaving.delete(found.account_id, found.id, by=None, force=force)
    click.echo(
        f"{found.name!r} deleted; they write nothing more, and read nothing within 30 s; "
        f"{returned} claims back in the queue"
    )


def _find(account_name: str, user: str) -> User:
    with maintenance() as session:
        return account.find_user(session, user, account.find_account(session, account_name).id)


@click.group()
def tokens() -> None:
    """API tokens: shown once, stored hashed."""


@tokens.command("issue")
@click.option("--user", required=True, metavar="U", help="Id or name of the person.")
@click.option("--account", "account_name", metavar="A", help="Id or name of the account, if names repeat.")
@click.option("--expires-days", type=click.IntRange(1, 3650), metavar="N", help=f"Default: {TOKEN_DAYS}.")
@click.option("--never", is_flag=True, help="The token works until it is revoked.")
@one_line_errors
def issue_token(user: str, account_name: str | None, expires_days: int | None, never: bool) -> None:
    """Issue a token; the last line is the token alone."""
    if never and expires_days:
        raise click.UsageError("Give --expires-days or --never, not both.")
    with maintenance() as session:
        within = account.find_account(session, account_name).id if account_name else None
        found = account.find_user(session, user, within)
        lifetime = None if never else timedelta(days=expires_days or TOKEN_DAYS)
        token, secret = account.issue_token(session, found.account_id, found.id, expires_in=lifetime)
        session.refresh(token)
        note = f"{found.name}: {_state(token, found)}"
        audit.record(session, found.account_id, Act.TOKEN_ISSUED, by=None, subject=f"token:{token.id}", note=note)
    click.echo(f"token {token.id} for {found.name!r} ({found.role}), {_state(token, found)}; it is not shown again")
    click.echo(secret)


@tokens.command("list")
@click.option("--account", "account_name", required=True, metavar="A", help="Id or name of the account.")
@one_line_errors
def list_tokens(account_name: str) -> None:
    """List the tokens of an account, the newest first: id, start, person, role, state, last use."""
    with maintenance() as session:
        within = account.find_account(session, account_name)
        rows = account.tokens_of(session, within.id)
    for token, user in rows:
        used = "never used" if token.last_used_at is None else f"used {token.last_used_at:%Y-%m-%dT%H:%MZ}"
        click.echo(f"{token.id}  {token.prefix}…  {user.name} ({user.role})  {_state(token, user)}  {used}")


def _state(token: ApiToken, user: User) -> str:
    if user.deleted_at is not None:
        return "person deleted"
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is None:
        return "active until it is revoked"
    ended = token.expires_at <= datetime.now(UTC)
    return f"{'expired' if ended else 'active until'} {token.expires_at:%Y-%m-%dT%H:%MZ}"


@tokens.command("revoke")
@click.argument("token_id", type=click.UUID, metavar="ID")
@one_line_errors
def revoke_token(token_id: UUID) -> None:
    """End the token ID; every process has noticed within 30 s."""
    with maintenance() as session:
        ended = account.revoke_token(session, token_id)
        if ended:
            within = session.scalars(select(ApiToken.account_id).where(ApiToken.id == token_id)).one()
            audit.record(session, within, Act.TOKEN_REVOKED, by=None, subject=f"token:{token_id}")
    click.echo(f"token {token_id} revoked" if ended else f"token {token_id} was revoked before")
