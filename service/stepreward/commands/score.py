"""`stepreward score`: score a file of solutions with a running service."""

import asyncio
import itertools
import os
import statistics
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table

from stepreward.bulk import Summary, line_of, read_rows, score_rows
from stepreward.client import AsyncClient
from stepreward.commands.bars import counted
from stepreward.commands.engine import with_engine
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow, open_lines
from stepreward.ray_cluster import RayOptions
from stepreward.ray_scoring import Job, Outputs, identity, score_file
from stepreward.schema import Item, ScoreRequest, TrajectoryOptions

_PLACEHOLDER = [Item(question="?", steps=["?"])]


@click.command("score")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the running service")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="scores as JSON lines  [default: standard output]"
)
@click.option(
    "--bad-rows", type=click.Path(path_type=Path), help="rows that were not scored  [default: FILE.bad.jsonl]"
)
@click.option("--method", type=click.Choice(["retsp", "rprm"]), help="[default: the service's]")
@click.option("--k", type=click.IntRange(1, 64), help="trajectories per step, for rprm  [default: the service's]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--aggregate", type=click.Choice(["min", "prod", "mean", "last"]), default="min", show_default=True)
@click.option("--no-cache", is_flag=True, help="use, share and keep no judgement: compute every step anew")
@click.option("--include", multiple=True, type=click.Choice(["references", "trajectories", "usage"]))
@click.option("--question-key", default="question", show_default=True, help="the key that holds the question")
@click.option("--limit", type=click.IntRange(1), help="score only the first rows")
@click.option("--items-per-request", type=click.IntRange(1), default=4, show_default=True)
@click.option("--concurrency", type=click.IntRange(1), default=4, show_default=True, help="requests under way at once")
@click.option("--api-key-env", metavar="NAME", help="environment variable that holds the service's key")
@with_engine("asks", "reach the service", "clients, for ray  [default: one for each node]")
def command(file: Path, output: Path | None, bad_rows: Path | None, **options: Any) -> None:
    """Score the solutions in FILE, JSON lines with `question` and `steps` (.gz too; - is standard input).

    With `--engine ray`, as bulk; a run that was stopped goes on where it was when it is called again, and one that is
    done does nothing: how far it is stands in OUTPUT.progress.

    Exit code: 0 when every row has a score, 3 when some have none (the table and the bad-rows file say which),
    1 when the service is out of reach, 2 when an option or the file is wrong.
    """
    bad_path = bad_rows or Path("stdin.bad.jsonl" if str(file) == "-" else f"{file.name}.bad.jsonl")
    ray = RayOptions.of(options["engine"], options["ray_address"], options["ray_workers"])
    options["api_key"] = _api_key(options["api_key_env"])
    started_s = time.perf_counter()
    try:
        total = _count(file, options["limit"]) if file.is_file() else None
        if ray:
            summary = _score_on_cluster(file, output, bad_path, ray, options)
        else:
            bad_path.unlink(missing_ok=True)
            with ExitStack() as stack:
                out = stack.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
                summary = asyncio.run(_run(file, out, bad_path, total, options))
    except OSError as error:
        raise ConfigurationError(f"{error.filename or file}: {error.strerror or error}") from error
    _show(summary, time.perf_counter() - started_s, bad_path)
    sys.exit(3 if summary.bad or summary.failed else 0)


def _api_key(variable: str | None) -> str | None:
    key = os.environ.get(variable) if variable else None
    if variable and not key:
        raise ConfigurationError(f"--api-key-env: the environment variable {variable} is not set")
    return key


def _count(file: Path, limit: int | None) -> int:
    with open_lines(file) as lines:
        rows = sum(1 for line in lines if line.strip())
    return min(rows, limit) if limit else rows


def _request(options: dict[str, Any]) -> ScoreRequest:
    return ScoreRequest(
        items=_PLACEHOLDER,
        method=options["method"],
        trajectories=TrajectoryOptions(k=options["k"]),
        seed=options["seed"],
        aggregate=options["aggregate"],
        cache=not options["no_cache"],
        include=list(options["include"]),
    )


def _score_on_cluster(
    file: Path, output: Path | None, bad_path: Path, ray: RayOptions, options: dict[str, Any]
) -> Summary:
    """What this run has added to the outputs."""
    if output is None or str(file) == "-":
        raise ConfigurationError("--engine ray: needs a FILE and an --output, so that it can go on where it was")
    job = Job(
        file=file.absolute(),
        limit=options["limit"],
        url=options["url"],
        api_key=options["api_key"],
        request=_request(options).model_copy(update={"priority": "bulk"}),
        question_key=options["question_key"],
        items_per_request=options["items_per_request"],
        concurrency=options["concurrency"],
    )
    total, console = _count(file, job.limit), Console(stderr=True)
    with ExitStack() as stack:
        outputs = Outputs(stack, output, bad_path, identity(job))
        done = outputs.written.rows
        if done:
            console.print(f"{done} of {total} rows were scored before", highlight=False)
        if done == total:
            return Summary()
        progress = stack.enter_context(counted(console))
        task = progress.add_task("scoring", total=total, completed=done)
        return score_file(job, ray, outputs, partial(progress.advance, task))


async def _run(file: Path, out: IO[str], bad_path: Path, total: int | None, options: dict[str, Any]) -> Summary:
    """Write every outcome as it comes; the side file exists only when there is something in it."""
    request = _request(options)
    rows = itertools.islice(read_rows(file, options["question_key"]), options["limit"])
    summary = Summary()
    with counted(Console(stderr=True)) as progress, ExitStack() as stack:
        task = progress.add_task("scoring", total=total)
        bad: IO[str] | None = None
        async with AsyncClient(options["url"], api_key=options["api_key"]) as client:
            async for outcome in score_rows(
                client, rows, request, options["items_per_request"], options["concurrency"]
            ):
                summary.add(outcome)
                if isinstance(outcome, BadRow):
                    bad = bad or stack.enter_context(bad_path.open("w", encoding="utf-8"))
                (bad if bad and isinstance(outcome, BadRow) else out).write(line_of(outcome))
                progress.advance(task)
    return summary


def _show(summary: Summary, seconds: float, bad_path: Path) -> None:
    table = Table(title="scores")
    for heading in ("items ok", "failed", "bad rows", "step scores", "step scores/s", "mean score", "seconds"):
        table.add_column(heading, justify="right")
    mean = f"{statistics.fmean(summary.scores):.3f}" if summary.scores else "-"
    table.add_row(
        str(summary.ok),
        str(summary.failed),
        str(summary.bad),
        str(summary.steps),
        f"{summary.steps / seconds:.2f}",
        mean,
        f"{seconds:.1f}",
    )
    console = Console(stderr=True)
    console.print(table)
    if summary.bad:
        console.print(f"rows that were not scored: {bad_path}")
