"""Import and export of handoffs on the command line."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from uuid import UUID

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import DataError, IntegrityError

from api.cli import files
from api.cli.batches import ACCOUNT, begin
from api.cli.errors import one_line_errors
from api.cli.history_lines import Bad, parse, raw_lines
from api.cli.times import moment
from models import account, audit, history
from models.assessment import vocabulary
from models.audit import Act
from models.batch.selection import Selection
from models.database import dump_json
from models.database.conflicts import repeated
from models.errors import Conflict
from models.feed.unit_of_work import UnitOfWork
from models.history import CHUNK_LINES, Chunk, Line, export, load
from models.history.load import Loaded
from models.transaction import maintenance, transaction

ANALYZED_AFTER = (200, 2_000, 20_000, 200_000)  # rows added: what the planner believes is ten times too small
SAID_EVERY = 10_000  # lines, where there is no terminal


@click.group()
def handoffs() -> None:
    """Handoffs, one by one and from and to files."""


@dataclass
class Import:
    """An import run: its target, its counts, and where bad lines are reported."""

    account_id: UUID
    by: UUID
    digest: str
    dry_run: bool
    errors: TextIO | None
    read: int = 0
    added: int = 0
    known: int = 0
    bad: int = 0
    chunk: Chunk = field(default_factory=Chunk)

    def refuse(self, number: int, reason: str) -> None:
        """Report a line that is not loaded."""
        self.bad += 1
        click.echo(f"line {number}: {reason}", err=True)
        if self.errors is not None:
            self.errors.write(f"line {number}: {reason}\n")


@handoffs.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@ACCOUNT
@click.option("--by", metavar="USER", help="Author of the handoffs (id or name); default: the first admin.")
@click.option("--dry-run", is_flag=True, help="Check every line and store nothing.")
@click.option("--resume", is_flag=True, help="Continue after the last stored line of this file.")
@click.option("--assess", is_flag=True, help="Start a batch afterwards over handoffs without an assessment.")
@click.option("--errors", metavar="FILE", help="Also write bad lines to this file.")
@one_line_errors
def import_history(
    file: str,
    account_name: str,
    by: str | None,
    dry_run: bool,
    resume: bool,
    assess: bool,
    errors: str | None,
) -> None:
    """Load history from FILE: JSON lines, plain or gzip, also from a pipe; - is standard input.

    A line is the body of POST /handoffs, with `id`, `created_at`, `resolution`, `root_cause` and `resolved_at`
    where they are known. Resolved ones become past cases; others join the queue. Running it twice adds nothing.
    Exit status 1 when a line was bad; the others are loaded all the same.
    """
    account_id, author = _in_whose_name(account_name, by)
    with ExitStack() as stack:
        lines, head = stack.enter_context(files.opened(file))
        files.refuse_other_formats(lines)
        to = stack.enter_context(Path(errors).open("w", encoding="utf-8", buffering=1)) if errors else None
        run = Import(account_id, author, hashlib.sha256(head).hexdigest(), dry_run, to)
        if not dry_run:
            _record(account_id, Act.HISTORY_IMPORTED, file)
        _load_all(run, lines, _lines_done(run) if resume else 0)
    if run.added and not dry_run:
        with maintenance() as session:
            vocabulary.count(session, run.account_id)  # so that assessments find the new cases at once
    verb = "would be added" if dry_run else "added"
    click.echo(f"{run.read} lines: {run.added} {verb}, {run.known} there before, {run.bad} bad")
    if assess and not dry_run:
        _assess(run.account_id)
    if run.bad:
        raise click.exceptions.Exit(1)


def _in_whose_name(account_name: str, by: str | None) -> tuple[UUID, UUID]:
    """Return the account and the person named as the author of the handoffs."""
    with maintenance() as session:
        within = account.find_account(session, account_name).id
        if by is None:
            return within, load.author(session, within).id
        return within, load.engineer(account.find_user(session, by, within)).id


def _lines_done(run: Import) -> int:
    with transaction(run.account_id) as session:
        done = history.lines_done(session, run.account_id, run.digest)
    click.echo(f"going on after line {done}" if done else "nothing of this file was loaded before")
    return done


def _load_all(run: Import, file: BinaryIO, start: int) -> None:
    with _progress() as advance:
        for raw in raw_lines(file):
            if isinstance(raw, Bad):
                run.refuse(raw.number, raw.reason)
                break
            if raw.number <= start:
                continue
            run.read += 1
            line = parse(raw)
            if isinstance(line, Bad):
                run.refuse(line.number, line.reason)
            elif line is not None:
                run.chunk.add(line, len(raw.content or b""))
            if run.chunk.is_full():
                _store(run, raw.number)
                advance(run)
        _store(run, start + run.read)


def _store(run: Import, upto: int) -> None:
    """Store the chunk and how far the file was read, together."""
    loaded = Loaded(left=run.chunk.lines)
    loaded.add(_store_lines(run, loaded.left, upto))
    while loaded.left:
        loaded.add(_store_lines(run, loaded.left, upto))
    if not run.dry_run and any(run.added < size <= run.added + loaded.added for size in ANALYZED_AFTER):
        with maintenance() as session:
            load.analyze(session)
    run.added += loaded.added
    run.known += loaded.known
    for number, reason in sorted(loaded.refused):
        run.refuse(number, reason)
    run.chunk = Chunk()


def _store_lines(run: Import, lines: list[Line], upto: int) -> Loaded:
    try:
        return _store_together(run, lines, upto)
    except (IntegrityError, DataError):
        return _store_one_by_one(run, lines, upto)


class _DryRun(Exception):
    """Raised to roll a transaction back on purpose."""


@contextmanager
def _storing(run: Import) -> Iterator[UnitOfWork]:
    """Open a transaction, which a dry run rolls back."""
    with suppress(_DryRun), transaction(run.account_id) as session:
        yield session
        if run.dry_run:
            raise _DryRun


@repeated
def _store_together(run: Import, lines: list[Line], upto: int) -> Loaded:
    with _storing(run) as session:
        loaded = load.load(session, run.account_id, lines, by=run.by)
        if not loaded.left:
            history.remember_lines(session, run.account_id, run.digest, upto)
    return loaded


def _store_one_by_one(run: Import, lines: list[Line], upto: int) -> Loaded:
    """Retry lines one at a time after they failed together, perhaps because of a handoff at the same moment."""
    total = Loaded()
    for line in lines:
        try:
            with _storing(run) as session:
                one = load.load(session, run.account_id, [line], by=run.by)
        except (IntegrityError, DataError) as error:
            one = Loaded(refused=[(line.number, f"the database refuses it ({type(error.orig).__name__})")])
        total.add(one)
    with _storing(run) as session:
        history.remember_lines(session, run.account_id, run.digest, upto)
    return total


@contextmanager
def _progress() -> Iterator[Any]:
    """Show the progress of an import: a live line on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_progress
        return
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("loading")
        yield lambda run: bar.update(task, description=_so_far(run))


def _plain_progress(run: Import) -> None:
    if run.read % SAID_EVERY < CHUNK_LINES:
        click.echo(_so_far(run), err=True)


def _so_far(run: Import) -> str:
    return f"{run.read} lines read, {run.added} added, {run.known} there before, {run.bad} bad"


def _assess(account_id: UUID) -> None:
    try:
        begin(account_id, Selection(imported=True, without_assessment=True), note="imported history")
    except Conflict as error:
        click.echo(f"batch {error.facts.get('batch_id')} does this already", err=True)


@handoffs.command("export")
@ACCOUNT
@click.option("--since", metavar="D", help="Created at or after this day or RFC 3339 time.")
@click.option("-o", "--output", metavar="FILE", default="-", help="Default: standard output; .gz compresses.")
@one_line_errors
def export_history(account_name: str, since: str | None, output: str) -> None:
    """Write every handoff as a JSON line that `flask handoffs import` reads back, the oldest first.

    Parked and withdrawn ones are left out; so are people, claims and assessments.
    """
    with maintenance() as session:
        within = account.find_account(session, account_name).id
    after, count = moment(since, "--since"), 0
    with files.written(output) as file:
        _record(within, Act.HISTORY_EXPORTED, output, note=since and f"since {since}")
        for row in _exported(within, after):
            file.write(dump_json(row) + "\n")
            count += 1
    click.echo(f"{count} handoffs exported", err=True)


def _record(account_id: UUID, act: Act, file: str, *, note: str | None = None) -> None:
    """Note that a transfer begins: whatever becomes of it, something may have been read or stored."""
    subject = f"file:{Path(file).name}".encode(errors="replace").decode()  # a name can be any bytes
    with maintenance() as session:
        audit.record(session, account_id, act, by=None, subject=subject, note=note)


def _exported(account_id: UUID, since: datetime | None) -> Iterator[dict[str, Any]]:
    """Yield every line; each page is a transaction of its own, so that a long export blocks nothing."""
    after = UUID(int=0)
    while True:
        with transaction(account_id) as session:
            rows = export.page(session, account_id, since=since, after=after)
        yield from rows
        if len(rows) < export.PAGE:
            return
        after = UUID(rows[-1]["id"])
