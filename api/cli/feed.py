"""`flask feed`: examine, follow and prune a feed, rotate its epoch, slow its clients down."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import click
from sqlalchemy import select

from api.cli.errors import one_line_errors
from api.cli.feed_client import FeedBroken, FeedClient, FeedRefused, Step, http
from models import account, audit
from models import feed as feeds
from models.account import Role, User
from models.audit import Act
from models.database.executor import Session
from models.errors import NotFound
from models.feed import doctor as feed_doctor
from models.feed.doctor import LONGEST_LOCK_SECONDS, Report
from models.transaction import maintenance, reading
from tasks.sweep import prune_feed

TAIL_TOKEN_LIFETIME = timedelta(days=1)


@click.group()
def feed() -> None:
    """The event feed."""


@feed.command("doctor")
@click.option("--account", "name", metavar="A", help="Id or name of one account. Default: all.")
@one_line_errors
def doctor(name: str | None) -> None:
    """Check numbers, cards, hint and locks. Exit status 1: something is wrong."""
    with maintenance() as session:
        only = account.find_account(session, name).id if name else None
        reports = feed_doctor.examine(session, only)
        known = feed_doctor.database_is_known(session)
    with reading() as message:
        lock = feed_doctor.oldest_lock_seconds(message)
    for report in reports:
        click.echo(_in_words(report))
    click.echo(f"oldest lock on a feed: {lock:.1f} s")
    wrong = sum(bool(report.wrong) for report in reports)
    if not known:
        click.echo("the epoch was made in another database; the sweep or `flask feed rotate-epoch` begins a new one")
    if wrong or not known or lock > LONGEST_LOCK_SECONDS:
        raise click.ClickException(f"{wrong} of {len(reports)} feeds are broken" if wrong else "the feed needs care")
    click.echo(f"{len(reports)} feeds are well")


def _in_words(report: Report) -> str:
    state = "; ".join(report.wrong) or "well"
    return (
        f"{report.account} ({report.account_id}): floor {report.floor}, head {report.head},"
        f" {report.events} events, hint {report.hint}: {state}"
    )


@feed.command("tail")
@click.option("--account", "name", required=True, metavar="A", help="Id or name of the account.")
@click.option("--url", metavar="URL", help="Address of the service. Default: this machine, port $PORT or 8000.")
@click.option("--token", envvar="FEED_TOKEN", metavar="T", help="Default: a new one, revoked afterwards.")
@click.option("--once", is_flag=True, help="Stop when caught up.")
@click.option("--cursor", metavar="C", help="Continue from here. Default: load the queue first.")
@one_line_errors
def tail(name: str, url: str | None, token: str | None, once: bool, cursor: str | None) -> None:
    """Follow the feed as a client does, over HTTP, until Ctrl-C. Proves that no number is missing."""
    address = url or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
    with _token(name, token) as secret:
        client = FeedClient(http(address, secret), cursor=cursor)
        try:
            _follow(client, once=once)
        except FeedRefused as error:
            raise click.ClickException(str(error)) from error
        except FeedBroken as error:
            raise click.ClickException(f"the feed is broken: {error}") from error
        except KeyboardInterrupt:
            pass  # the way to end it
        click.echo(f"cursor {client.cursor}")


def _follow(client: FeedClient, *, once: bool) -> None:
    while True:
        step = client.step()
        _show(client, step)
        if client.failures:
            click.echo(f"no answer; next try in {step.wait_seconds:.1f} s", err=True)
        if step.wait_seconds is None:
            click.echo("the service asks clients to stop")
            return
        if once and not client.failures and not step.loaded and step.wait_seconds > 0:
            return
        time.sleep(step.wait_seconds)


def _show(client: FeedClient, step: Step) -> None:
    if step.loaded:
        click.echo(f"{len(client.items)} open handoffs")
    for event in step.events:
        card = event["handoff"]
        title = click.unstyle(card["session"]["title"]).translate(CONTROL)
        click.echo(f"{event['seq']:>8} {event['at']} {event['type']:20} {card['id']} {card['status']:9} {title}")


# A title is anybody's text: it must not move the cursor or change colours of this terminal.
CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "·")


@contextmanager
def _token(name: str, given: str | None) -> Iterator[str]:
    """The token to follow with: the given one, or one that lives as long as the command."""
    if given:
        yield given
        return
    with maintenance() as session:
        within = account.find_account(session, name)
        reader = _least(session, within.id)
        token, secret = account.issue_token(session, within.id, reader.id, expires_in=TAIL_TOKEN_LIFETIME)
        note = f"{reader.name}: to follow the feed"
        audit.record(session, within.id, Act.TOKEN_ISSUED, by=None, subject=f"token:{token.id}", note=note)
    try:
        yield secret
    finally:
        with maintenance() as session:
            if account.revoke_token(session, token.id):
                audit.record(session, within.id, Act.TOKEN_REVOKED, by=None, subject=f"token:{token.id}")


def _least(session: Session, account_id: UUID) -> User:
    """Return the person of the account with the fewest rights."""
    people = session.scalars(select(User).where(User.account_id == account_id, User.deleted_at.is_(None))).all()
    if not people:
        raise NotFound("Nobody in this account could read its feed; create a user, or give --token.")
    return min(people, key=lambda user: (list(Role).index(user.role), user.id))


@feed.command("prune")
@one_line_errors
def prune() -> None:
    """Move what is past its retention into the audit, as the clock does every minute."""
    with maintenance() as session:
        accounts = feeds.accounts(session)
    gone = sum(prune_feed(account_id) for account_id in accounts)
    click.echo(f"{gone} events pruned in {len(accounts)} feeds")


@feed.command("rotate-epoch")
@one_line_errors
def rotate_epoch() -> None:
    """Begin a new epoch after a restore: every client loads its snapshot again within 10 s."""
    with maintenance() as session:
        epoch = feeds.rotate_epoch(session)
    click.echo(f"the epoch is {epoch} now")


@feed.command("pace")
@click.argument("factor", type=click.FloatRange(0, 100))
@one_line_errors
def pace(factor: float) -> None:
    """Multiply every client's poll interval by FACTOR: 1 is normal, 0 asks clients to stop."""
    if math.isnan(factor):
        raise click.ClickException("FACTOR is a number.")
    with maintenance() as session:
        feeds.set_pace(session, factor)
    click.echo(f"clients poll at {factor:g} times their interval" if factor else "clients are asked to stop")
