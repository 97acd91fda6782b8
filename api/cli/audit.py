"""`flask audit`: export the audit of an account, and verify that its chain of hashes is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from api.cli import files
from api.cli.batches import ACCOUNT
from api.cli.errors import one_line_errors
from api.cli.history_lines import Bad, Raw, raw_lines
from api.cli.times import moment
from api.http.parsing import loads
from models import account
from models import audit as audits
from models.audit import Act, chain
from models.audit.chain import BrokenChainError, Head, Line
from models.database import dump_json
from models.transaction import maintenance, transaction

MAX_LINE_BYTES = 1024 * 1024
NAMES = {*chain.HASHED, "hash"}
MAY_BE_NULL = {"actor", "handoff", "note"}


@click.group()
def audit() -> None:
    """The audit: what was done in an account, in lines that are chained by their hashes."""


@audit.command("export")
@ACCOUNT
@click.option("--since", metavar="D", help="From the first line of this day or RFC 3339 time on.")
@click.argument("file", default="-", metavar="[FILE]")
@one_line_errors
def export(account_name: str, since: str | None, file: str) -> None:
    """Write the audit as JSON lines to FILE (default: standard output; .gz compresses), the oldest first.

    The export is itself a line of the audit. The head, printed at the end, shows later whether lines were changed or
    taken away: keep it where the database's administrators cannot write.
    """
    within, after = _account_id(account_name), moment(since, "--since")
    count, head = 0, None
    with files.written(file) as output:
        with maintenance() as session:
            note = since and f"since {since}"
            audits.record(session, within, Act.AUDIT_EXPORTED, by=None, subject=f"account:{within}", note=note)
        for line in _stored(within, after):
            output.write(dump_json(line) + "\n")
            count, head = count + 1, Head(line["seq"], line["hash"])
    click.echo(f"{count} lines exported; head {head}", err=True)


@audit.command("verify")
@click.option("--account", "account_name", metavar="A", help="Id or name of the account whose audit is verified.")
@click.option("--file", metavar="FILE", help="An exported file; - is standard input. Alone, it needs no database.")
@click.option("--head", "noted", metavar="SEQ:HASH", help="A head that was noted: this line must still be there.")
@one_line_errors
def verify(account_name: str | None, file: str | None, noted: str | None) -> None:
    """Compute every hash again. Exit status 1 with the first line that is not as it was written.

    With --account and --file, the last line of the file must also be in the account's audit.
    """
    if account_name is None and file is None:
        raise click.UsageError("Give --account, --file or both.")
    wanted = [] if noted is None else [_head(noted)]
    if file is not None:
        with files.opened(file) as (lines, _):
            files.refuse_other_formats(lines)
            wanted = _check(map(_parsed, raw_lines(lines, longest=MAX_LINE_BYTES)), file, wanted, whole=False)
    if account_name is not None:
        _check(_stored(_account_id(account_name)), account_name, wanted, whole=True)


def _account_id(name: str) -> UUID:
    with maintenance() as session:
        return account.find_account(session, name).id


def _head(given: str) -> Head:
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", given)
    if not found:
        raise click.BadParameter("Not a head, such as 12:0f3a… with 64 digits.", param_hint="--head")
    return Head(int(found[1]), found[2])


def _stored(account_id: UUID, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Yield the lines of the table; each page is a transaction of its own."""
    with transaction(account_id) as session:
        head = chain.begin(session, account_id, since)
    while True:
        with transaction(account_id) as session:
            lines = chain.page(session, account_id, head)
        yield from lines
        if len(lines) < chain.PAGE:
            return
        head = Head(lines[-1]["seq"], lines[-1]["hash"])


def _check(lines: Iterable[Line], where: str, wanted: list[Head], *, whole: bool) -> list[Head]:
    """Verify lines and that they contain the wanted heads; report, and return the last as the next to be wanted."""
    missing = {head.seq: head.hash for head in wanted}
    count, last = 0, None
    try:
        for last in chain.follow(lines, whole=whole):
            count += 1
            if missing.pop(last.seq, last.hash) != last.hash:
                raise BrokenChainError(f"line {last.seq} is not the one that was noted")
    except BrokenChainError as error:
        raise click.ClickException(f"{where}: {error}") from error
    for seq in missing:
        raise click.ClickException(f"{where}: line {seq}, which was noted, is missing")
    if last is None and not whole:
        raise click.ClickException(f"{where}: no line of an audit")
    click.echo(f"{where}: {count} lines are well; head {last}" if last else f"{where}: no lines yet")
    return [last] if last else []


def _parsed(raw: Raw | Bad) -> Line:
    """Parse a line of a file, which may hold anything."""
    if isinstance(raw, Bad):
        raise BrokenChainError(raw.reason)
    try:
        line = loads((raw.content or b"").decode())
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict) or line.keys() != NAMES or not all(_fits(*each) for each in line.items()):
        raise BrokenChainError(f"line {raw.number} of the file is no line of an audit")
    return line


def _fits(name: str, value: Any) -> bool:
    if name == "seq":
        return type(value) is int and value > 0
    return (value is None and name in MAY_BE_NULL) or (isinstance(value, str) and _is_unicode(value))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
