"""`flask eval`: how good an assessor is on sessions of one's own whose endings are known."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli import files, plot
from api.cli.errors import one_line_errors
from api.cli.history_lines import Bad, parse, raw_lines
from models.redis import client
from models.settings import Settings, settings
from tasks.evaluation import judge as judging
from tasks.evaluation import tables
from tasks.evaluation.judge import Judge
from tasks.evaluation.judgments import CHOICES, Item, Judgments
from tasks.evaluation.replay import MODELS, Cache, Purse, named, replayed, source_of
from tasks.evaluation.run import Evaluation
from tasks.evaluation.sessions import Session, of_line

INTERRUPTED = 130  # the usual exit status after Ctrl-C
SHEET = ("handoff", "ticket", "assessor", "item", "text", "judgment")
MOST_OF_A_CELL = 100_000  # characters of a table of judgments
PEOPLE = "people"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
# A spreadsheet would take a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Sample:
    """The sessions that were read, and the lines that were not."""

    sessions: dict[str, Session] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)
    bad: int = 0
    unresolved: int = 0

    def read(self, path: str, *, keep_outcomes: bool) -> None:
        """Add the sessions of a file. A bad line is reported and counted."""
        with files.opened(path) as (lines, _):
            files.refuse_other_formats(lines)
            for raw in raw_lines(lines):
                line = raw if isinstance(raw, Bad) else parse(raw)
                if isinstance(line, Bad):
                    self.bad += 1
                    click.echo(f"{path}: line {line.number}: {line.reason}", err=True)
                    continue
                session = line and of_line(line, keep_outcomes=keep_outcomes)
                if line and session:
                    self.sessions[session.id] = session
                    self.tickets[session.id] = line.intake.session.external_id
                else:
                    self.unresolved += line is not None


@click.command("eval")
@click.argument(
    "paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--assessor", metavar="NAME", help="extractive, openai[:MODEL] or anthropic[:MODEL]; default: ASSESSOR."
)
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Sessions to draw."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Another one draws other sessions.")
@click.option("--tokens", type=click.IntRange(1), metavar="N", help="Stop before the sum of tokens passes N.")
@click.option(
    "--cache",
    "cache_folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep replies here; a repeated run pays for none of them.",
)
@click.option(
    "--once", "only_cut", is_flag=True, help="One replay of each session: no foreign past cases, no solved sessions."
)
@click.option("--keep-outcomes", is_flag=True, help="Show the assessor the outcomes that authors of steps gave.")
@click.option(
    "--judge",
    "judge_name",
    metavar="MODEL",
    help="Let openai:MODEL or anthropic:MODEL judge facts, attempts and summaries.",
)
@click.option("--sheet", metavar="FILE.csv", help="Write what people can judge, with an empty column.")
@click.option(
    "--judgments",
    metavar="FILE.csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A sheet that people filled in; with --judge: how far it agrees with them.",
)
@click.option("--csv", "csv_path", metavar="FILE", help="Also write the figures to this file.")
@click.option(
    "--plot",
    "plot_path",
    metavar="FILE.png|svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the shares; needs matplotlib.",
)
@one_line_errors
def evaluate(
    paths: tuple[str, ...],
    assessor: str | None,
    limit: int,
    seed: int,
    tokens: int | None,
    cache_folder: Path | None,
    only_cut: bool,
    keep_outcomes: bool,
    judge_name: str | None,
    sheet: str | None,
    judgments: Path | None,
    csv_path: str | None,
    plot_path: Path | None,
) -> None:
    """Measure the assessor on resolved sessions of FILE…, lines as `flask handoffs export` writes them.

    Each session is cut before its known ending and assessed again, beside the offline assessor and baselines that
    pick lines by their place. Nothing is stored in the database. What is sent to a model is redacted as usual.
    docs/how-to/evaluate-an-assessor.md says what each figure means. Ctrl-C prints what there is.
    Exit status 1 when a line was bad or a model could not be used; the others are counted all the same.
    """
    _check_folders({"--csv": csv_path, "--sheet": sheet, "--plot": str(plot_path) if plot_path else None})
    if plot_path:
        _check_plot(plot_path)
    chosen = _named("--assessor", assessor)
    people = _read_judgments(judgments) if judgments else {}
    sample = _sample(paths, keep_outcomes=keep_outcomes)
    purse = Purse(tokens)
    run = Evaluation(
        list(sample.sessions.values()),
        replayed(chosen, client(), purse, cache_folder),
        seed=seed,
        only_cut=only_cut,
        judge=_judge(judge_name, purse, cache_folder),
    )
    interrupted = _replay(run, min(limit, len(sample.sessions)))
    rows = _report(run, sample, people, purse)
    if csv_path:
        _write_csv(csv_path, ("table", "measure", "method", "value", "count", "shown"), tables.records(rows))
    if sheet:
        _write_csv(sheet, SHEET, _sheet(run, sample, people))
    if plot_path:
        plot.draw(rows, plot_path)
    if interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if sample.bad or run.chosen.hopeless or (run.judge and run.judge.hopeless):
        raise click.exceptions.Exit(1)


def _sample(paths: Sequence[str], *, keep_outcomes: bool) -> Sample:
    sample = Sample()
    for path in paths:
        sample.read(path, keep_outcomes=keep_outcomes)
    if not sample.sessions:
        raise click.ClickException(
            f"no resolved session was found ({sample.bad} bad lines, {sample.unresolved} without a resolution)"
        )
    return sample


def _named(option: str, name: str | None) -> Settings:
    try:
        return named(settings(), name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _judge(name: str | None, purse: Purse, cache_folder: Path | None) -> Judge | None:
    if name is None:
        return None
    chosen = _named("--judge", name)
    if chosen.assessor not in MODELS:
        raise click.BadParameter("must be openai:MODEL or anthropic:MODEL", param_hint="--judge")
    cache = Cache(cache_folder, f"judge-{source_of(chosen)}", chosen) if cache_folder else None
    return judging.build(chosen, purse, cache)


def _check_folders(paths: dict[str, str | None]) -> None:
    """Refuse what cannot be written before anything is paid for."""
    for option, path in paths.items():
        if path and path != files.STANDARD and not Path(path).parent.is_dir():
            raise click.BadParameter("there is no such folder", param_hint=option)


def _check_plot(path: Path) -> None:
    if path.suffix not in plot.FORMATS:
        raise click.BadParameter("must end in .png or .svg", param_hint="--plot")
    plot.library()


def _replay(run: Evaluation, count: int) -> bool:
    """Replay so many sessions. True: Ctrl-C ended it, and the figures are of those that were done."""
    try:
        with _progress(count) as advance:
            for _ in run.run(count):
                advance()
    except KeyboardInterrupt:
        run.stopped = "interrupted"
        return True
    return False


@contextmanager
def _progress(count: int) -> Iterator[Any]:
    """Show how far it is on a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=count)
        yield lambda: bar.advance(task)


def _report(run: Evaluation, sample: Sample, people: Judgments, purse: Purse) -> list[tables.Row]:
    """Print the tables and return their rows."""
    total = len(sample.sessions)
    click.echo(
        f"{run.done} of {total} resolved sessions, drawn with seed {run.seed};"
        f" {sample.unresolved} without a resolution, {sample.bad} bad lines"
    )
    judges = ({run.judge.name: run.judge.judgments} if run.judge else {}) | ({PEOPLE: people} if people else {})
    parts = [tables.quality(run), tables.costs(run), tables.judged(run, judges), tables.agreements(judges)]
    for rows in filter(None, parts):
        click.echo(f"\n{tables.text(rows)}")
    _say_spent(run, purse)
    if run.stopped:
        click.echo(f"stopped after {run.done} sessions: {run.stopped}", err=True)
    return [row for rows in parts for row in rows]


def _say_spent(run: Evaluation, purse: Purse) -> None:
    if run.chosen.is_model or run.judge:
        cached = sum(figures.cached for figures in run.figures.values())
        click.echo(f"\nspent {purse.spent} tokens; {cached} replies came from the cache")
    if run.judge and run.judge.errors:
        kinds = ", ".join(f"{kind} {run.judge.errors.count(kind)}" for kind in sorted(set(run.judge.errors)))
        click.echo(f"the judge gave no answer to {len(run.judge.errors)} of {run.judge.asked} assessments: {kinds}")


def _write_csv(path: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with files.written(path) as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    """The value, and nothing that a spreadsheet would run."""
    if not isinstance(value, str):
        return value
    text = CONTROL.sub(" ", value).encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(FORMULA) else text


def _sheet(run: Evaluation, sample: Sample, people: Judgments) -> Iterator[tuple[str, ...]]:
    """A line for each item, with the judgment that people gave before."""
    for item in dict.fromkeys(run.items):
        ticket = sample.tickets[item.handoff]
        yield item.handoff, ticket, item.assessor, item.kind, item.text, people.get(_as_read(item), "")


def _as_read(item: Item) -> Item:
    """The item as it comes back from a sheet."""
    return Item(item.handoff, item.assessor, item.kind, _cell(item.text))


def _read_judgments(path: Path) -> Judgments:
    """Read a filled sheet; lines without a judgment are left out. One line with its number for what is none."""
    csv.field_size_limit(MOST_OF_A_CELL)
    found: Judgments = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            missing = set(SHEET) - {"ticket"} - set(reader.fieldnames or ())
            if missing:
                raise click.ClickException(f"{path}: the column {min(missing)} is missing")
            for row in reader:
                answer = (row["judgment"] or "").strip().lower()
                if answer:
                    found[_judged_item(row, answer, f"{path}: line {reader.line_num}")] = answer
        except (csv.Error, UnicodeDecodeError) as error:
            raise click.ClickException(f"{path}: line {reader.line_num + 1}: not a table in UTF-8") from error
    return found


def _judged_item(row: dict[str, Any], answer: str, where: str) -> Item:
    choices = CHOICES.get(row["item"] or "")
    if choices is None:
        raise click.ClickException(f"{where}: item must be one of {', '.join(CHOICES)}")
    if answer not in choices:
        raise click.ClickException(f"{where}: judgment must be one of {', '.join(choices)}")
    return Item(row["handoff"] or "", row["assessor"] or "", row["item"], row["text"] or "")
