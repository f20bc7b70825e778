"""`stepreward eval`: evaluations of a running service on labelled solutions."""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as Shown

from stepreward.errors import ConfigurationError
from stepreward.evaluation import processbench
from stepreward.evaluation.answers import AnswerLog, Answers
from stepreward.evaluation.ask import Condition, ask, identity, request_of
from stepreward.evaluation.labelled import LabelledItem, read_processbench, stratified
from stepreward.evaluation.recorded import CONDITION as RECORDED
from stepreward.evaluation.recorded import read_recorded, take_recorded
from stepreward.evaluation.report import Report, Table, write_report
from stepreward.evaluation.scorer import LOCAL_GATEWAY, open_scorer

F = TypeVar("F", bound=Callable[..., Any])

_MAIN = "asked"
_ITEMS_PER_REQUEST = 4
_CONCURRENCY = 4


@dataclass(frozen=True)
class Options:
    """What all evaluations share. None where nothing was said."""

    output: Path
    limit: int | None
    seed: int
    threshold: float
    strict: bool
    url: str | None = None
    in_process: bool = False
    method: str | None = None
    k: int | None = None
    items_per_request: int | None = None
    concurrency: int | None = None
    allow_contamination: bool = False

    def condition(self, name: str, **request: Any) -> Condition:
        asked = {"method": self.method, "k": self.k, "seed": self.seed} | request
        return Condition(
            name,
            request_of(exclude_duplicates=not self.allow_contamination, **asked),
            self.items_per_request or _ITEMS_PER_REQUEST,
            self.concurrency or _CONCURRENCY,
        )


_SERVICE_OPTIONS = (
    click.option("--url", help=f"the running service  [default: {LOCAL_GATEWAY}]"),
    click.option(
        "--in-process",
        is_flag=True,
        help="score in this process, with settings from the environment, a worker and a store that run",
    ),
    click.option("--items-per-request", type=click.IntRange(1), help=f"[default: {_ITEMS_PER_REQUEST}]"),
    click.option(
        "--concurrency", type=click.IntRange(1), help=f"requests under way at once  [default: {_CONCURRENCY}]"
    ),
    click.option(
        "--allow-contamination",
        is_flag=True,
        help="let near-duplicates of a question stand among its references: they give its answer away",
    ),
)
_METHOD_OPTIONS = (
    click.option("--method", type=click.Choice(["retsp", "rprm"]), help="[default: the service's]"),
    click.option("--k", type=click.IntRange(1, 64), help="trajectories per step, for rprm  [default: the service's]"),
)
_RUN_OPTIONS = (
    click.option(
        "--output", "-o", required=True, type=click.Path(path_type=Path, file_okay=False), help="folder of the run"
    ),
    click.option(
        "--limit", type=click.IntRange(1), help="items, an equal share of each subset's with and without an error"
    ),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True),
    click.option(
        "--threshold",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="a step is judged right from this score on",
    ),
    click.option("--strict", is_flag=True, help="exit code 3 when an item has no score"),
)
_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


def _with(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _recorded(key: str) -> Callable[[F], F]:
    return _with(
        click.option("--recorded", type=click.Path(path_type=Path), help="evaluate scores in this file; ask nobody"),
        click.option("--recorded-key", default=key, show_default=True, help="the key of a row's scores in that file"),
    )


@click.group("eval")
def command() -> None:
    """Evaluate a running service on labelled solutions.

    A run lives in its folder (-o): steps.jsonl and items.jsonl grow as answers come, and the same command run again
    goes on from there; summary.json and report.html are written at the end. Exit code: 0, with --strict 3 when an item
    has no score, 1 when the service is out of reach (run again to go on), 2 when an option or a file is wrong.
    """


@command.command("processbench")
@_FILES
@_with(*_METHOD_OPTIONS, *_SERVICE_OPTIONS, *_RUN_OPTIONS)
@_recorded("scores")
def _processbench(files: Sequence[Path], recorded: Path | None, recorded_key: str, **given: Any) -> None:
    """Find the first wrong step in ProcessBench FILES, each a subset."""
    options = Options(**given)
    items = stratified(read_processbench(files), options.limit, options.seed)
    answers, guarded = _answers_of("processbench", items, options, recorded, recorded_key)
    summary = processbench.summarise(items, answers, options.threshold, guarded, options.seed)
    _finish(options, processbench.report(summary, items, answers), unscored=len(items) - summary.run.scored)


def _answers_of(
    name: str, items: Sequence[LabelledItem], options: Options, recorded: Path | None, key: str
) -> tuple[Answers, bool | None]:
    """From the service or the recorded file; and whether near-duplicates were kept out, None where nobody was asked."""
    if recorded is None:
        condition = options.condition(_MAIN)
        return _asked(name, items, [condition], options)[_MAIN], not options.allow_contamination
    for option in ("url", "in_process", "method", "k", "items_per_request", "concurrency", "allow_contamination"):
        if getattr(options, option):
            raise ConfigurationError(f"--{option.replace('_', '-')}: --recorded asks no service")
    scores = read_recorded(recorded, key)
    digest = hashlib.sha256(recorded.read_bytes()).hexdigest()
    asked = identity(name, items, [], recorded={"key": key, "sha256": digest})
    with AnswerLog.open(options.output, asked) as log, _progress() as progress:
        task = progress.add_task("reading", total=len(items), completed=len(log.of(RECORDED)))
        take_recorded(scores, items, log, lambda: progress.advance(task))
        return log.of(RECORDED), None


def _asked(
    name: str, items: Sequence[LabelledItem], conditions: Sequence[Condition], options: Options
) -> dict[str, Answers]:
    """The answers of each condition."""
    if options.in_process and options.url:
        raise ConfigurationError("--url: --in-process asks no running service")
    with AnswerLog.open(options.output, identity(name, items, conditions)) as log:
        asyncio.run(_ask_all(items, conditions, log, options))
        return {condition.name: log.of(condition.name) for condition in conditions}


async def _ask_all(
    items: Sequence[LabelledItem], conditions: Sequence[Condition], log: AnswerLog, options: Options
) -> None:
    missing = [one for one in conditions if len(log.of(one.name)) < len(items)]
    if not missing:
        return
    with _progress() as progress:
        task = progress.add_task("scoring", total=len(items) * len(conditions))
        progress.update(task, completed=sum(len(log.of(one.name)) for one in conditions))
        async with open_scorer(options.url, options.in_process) as scorer:
            for condition in missing:
                progress.update(task, description=condition.name)
                await ask(scorer, items, condition, log, lambda: progress.advance(task))


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def _finish(options: Options, report: Report, unscored: int) -> None:
    """Write, show, and exit."""
    write_report(options.output, report)
    console = Console()
    for warning in report.warnings:
        console.print(warning, style="bold red", markup=False)
    for table in report.tables:
        if table.rows:
            console.print(_shown(table))
    console.print(f"{options.output / 'report.html'}", markup=False)
    sys.exit(3 if options.strict and unscored else 0)


def _shown(table: Table) -> Shown:
    shown = Shown(title=table.title, box=SIMPLE_HEAD, title_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown
