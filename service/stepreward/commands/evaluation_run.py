"""What the evaluations share on the command line: their options, the asking with its progress bar, and the ending."""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Shown

from stepreward.aggregation import P_WRONG_BELOW
from stepreward.commands.bars import counted
from stepreward.errors import ConfigurationError
from stepreward.evaluation.answers import AnswerLog, Answers
from stepreward.evaluation.ask import Condition, ask, identity, request_of
from stepreward.evaluation.facts import Facts, Reading
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.recorded import CONDITION as RECORDED
from stepreward.evaluation.recorded import read_recorded, take_recorded
from stepreward.evaluation.report import Report, Table, write_report
from stepreward.evaluation.scorer import LOCAL_GATEWAY, open_scorer

F = TypeVar("F", bound=Callable[..., Any])

ASKED = "asked"
_ITEMS_PER_REQUEST = 4
_CONCURRENCY = 4


@dataclass(frozen=True)
class Options:
    """What all evaluations share. None where nothing was said."""

    output: Path
    limit: int | None
    seed: int
    threshold: float | None
    strict: bool
    url: str | None = None
    in_process: bool = False
    method: str | None = None
    k: int | None = None
    policy: str | None = None
    items_per_request: int | None = None
    concurrency: int | None = None
    allow_contamination: bool = False

    def reading(self, *answers: Answers, asked: bool = True) -> Reading:
        """How these are read. `asked`: of a service, not a recorded file. Without a threshold it is the service's.

        Raises ConfigurationError where that was not the same for all.
        """
        lines = [one.line for of_condition in answers for one in of_condition.values()]
        said = {line.wrong_below for line in lines if line.wrong_below is not None}
        if self.threshold is None and len(said) > 1:
            raise ConfigurationError(
                f"--threshold: the service called steps wrong below {' and '.join(map(str, sorted(said)))}; name one"
            )
        threshold = next(iter(said), P_WRONG_BELOW) if self.threshold is None else self.threshold
        return Reading(threshold, not self.allow_contamination if asked else None, self.seed)

    def condition(
        self,
        name: str,
        *,
        retrieval: Mapping[str, object] | None = None,
        include: Sequence[str] = (),
        cache: bool = True,
    ) -> Condition:
        """`cache` is off where what the service knows already would spoil a figure.

        Raises ConfigurationError for options of trajectories with a method that samples none."""
        trajectories = {"k": self.k, "policy": self.policy}
        given = {option: value for option, value in trajectories.items() if value is not None}
        if given and self.method == "retsp":
            raise ConfigurationError(f"--{next(iter(given))}: retsp samples no trajectories")
        request = request_of(
            method=self.method,
            trajectories=given,
            seed=self.seed,
            exclude_duplicates=not self.allow_contamination,
            retrieval=retrieval,
            include=include,
            cache=cache,
        )
        return Condition(
            name,
            request,
            self.items_per_request or _ITEMS_PER_REQUEST,
            self.concurrency or _CONCURRENCY,
        )


ADDRESS_OPTIONS = (
    click.option("--url", help=f"the running service  [default: {LOCAL_GATEWAY}]"),
    click.option(
        "--in-process",
        is_flag=True,
        help="score in this process, with settings from the environment, a worker and a store that run",
    ),
    click.option(
        "--allow-contamination",
        is_flag=True,
        help="let near-duplicates of a question stand among its references: they give its answer away",
    ),
)
SERVICE_OPTIONS = (
    *ADDRESS_OPTIONS,
    click.option("--items-per-request", type=click.IntRange(1), help=f"[default: {_ITEMS_PER_REQUEST}]"),
    click.option(
        "--concurrency", type=click.IntRange(1), help=f"requests under way at once  [default: {_CONCURRENCY}]"
    ),
)
METHOD_OPTIONS = (
    click.option("--method", type=click.Choice(["retsp", "rprm", "cascade"]), help="[default: the service's]"),
    click.option("--k", type=click.IntRange(1, 64), help="trajectories per step, for rprm  [default: the service's]"),
    click.option(
        "--policy", type=click.Choice(["fixed", "adaptive"]), help="whether it may be fewer than k  [default: fixed]"
    ),
)
RUN_OPTIONS = (
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
        help=f"a step is judged right from this score on  [default: the service's; {P_WRONG_BELOW} if recorded]",
    ),
    click.option("--strict", is_flag=True, help="exit code 3 when an item has no score"),
)
FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def recorded_options(key: str) -> Callable[[F], F]:
    return with_options(
        click.option("--recorded", type=click.Path(path_type=Path), help="evaluate scores in this file; ask nobody"),
        click.option("--recorded-key", help=f"the key of a row's scores in that file  [default: {key}]"),
    )


@dataclass(frozen=True)
class Recorded:
    """Scores in a file, each row's under this key."""

    path: Path
    key: str


def recorded_of(path: Path | None, key: str | None, default_key: str) -> Recorded | None:
    """Raises ConfigurationError for a key without a file."""
    if path is None and key is not None:
        raise ConfigurationError("--recorded-key: of no file; name it with --recorded")
    return None if path is None else Recorded(path, key or default_key)


def answers_of(name: str, items: Sequence[LabelledItem], options: Options, recorded: Recorded | None) -> Answers:
    """From the service, or from the recorded file and then without asking anyone."""
    if recorded is None:
        condition = options.condition(ASKED)
        return asked(name, items, [condition], options)[ASKED]
    for option in _SERVICE_ONLY:
        if getattr(options, option):
            raise ConfigurationError(f"--{option.replace('_', '-')}: --recorded asks no service")
    scores = read_recorded(recorded.path, recorded.key)
    digest = hashlib.sha256(recorded.path.read_bytes()).hexdigest()
    wanted = identity(name, items, [], recorded={"key": recorded.key, "sha256": digest})
    with AnswerLog.open(options.output, wanted) as log, counted(Console(stderr=True)) as progress:
        task = progress.add_task("reading", total=len(items), completed=len(log.of(RECORDED)))
        take_recorded(scores, items, log, lambda: progress.advance(task))
        return log.of(RECORDED)


def asked(
    name: str, items: Sequence[LabelledItem], conditions: Sequence[Condition], options: Options, **more: object
) -> dict[str, Answers]:
    """The answers of each condition. `more` are further options that make the run what it is."""
    if options.in_process and options.url:
        raise ConfigurationError("--url: --in-process asks no running service")
    with AnswerLog.open(options.output, identity(name, items, conditions, **more)) as log:
        asyncio.run(_ask_all(items, conditions, log, options))
        return {condition.name: log.of(condition.name) for condition in conditions}


async def _ask_all(
    items: Sequence[LabelledItem], conditions: Sequence[Condition], log: AnswerLog, options: Options
) -> None:
    missing = [one for one in conditions if len(log.of(one.name)) < len(items)]
    if not missing:
        return
    with counted(Console(stderr=True)) as progress:
        task = progress.add_task("scoring", total=len(items) * len(conditions))
        progress.update(task, completed=sum(len(log.of(one.name)) for one in conditions))
        async with open_scorer(options.url, options.in_process) as scorer:
            for condition in missing:
                progress.update(task, description=condition.name)
                await ask(scorer, items, condition, log, lambda: progress.advance(task))


_SERVICE_ONLY = (
    "url",
    "in_process",
    "allow_contamination",
    "method",
    "k",
    "policy",
    "items_per_request",
    "concurrency",
)


def finish(options: Options, report: Report, runs: Sequence[Facts]) -> None:
    """Write, show, and exit: with 3 when nothing was scored, or, if strict, not everything."""
    write_report(options.output, report)
    console = Console()
    for warning in report.warnings:
        console.print(warning, style="bold red", markup=False)
    for table in report.tables:
        if table.rows:
            console.print(_shown(table))
    console.print(f"{options.output / 'report.html'}", markup=False)
    scored, items = sum(run.scored for run in runs), sum(run.items for run in runs)
    sys.exit(3 if not scored or (options.strict and scored < items) else 0)


def _shown(table: Table) -> Shown:
    shown = Shown(title=table.title, box=SIMPLE_HEAD, title_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown
