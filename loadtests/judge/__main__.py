"""The command; see the package."""

import asyncio
import sys
from pathlib import Path

import click
import httpx
from rich.console import Console

from loadtests.judge import report
from loadtests.judge.items import RECORDED
from loadtests.judge.run import Options, run
from stepreward.errors import StepRewardError


@click.command()
@click.option("--steps", type=click.IntRange(2, 64), default=6, show_default=True, help="steps in a solution")
@click.option("--solutions", type=click.IntRange(1), default=2, show_default=True, help="solutions judged at once")
@click.option("--k", type=click.IntRange(1, 64), default=10, show_default=True, help="trajectories a step")
@click.option(
    "--max-tokens",
    type=click.IntRange(16),
    default=64,
    show_default=True,
    help="longest trajectory; of a running service, what it is set to",
)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="turns, each with new solutions")
@click.option("--model", help="directory or Hugging Face name of the model; the embedded one if left out")
@click.option("--worker-url", help="a running vLLM server; without it one is started, and the reference's way measured")
@click.option("--url", help="a running service in front of that worker; without it one is started")
@click.option(
    "--votes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PRMBench with R-PRM's votes; left out, ../shared's, else votes drawn for the starter corpus",
)
@click.option(
    "--block-sizes",
    default="128,64,32",
    show_default=True,
    help="blocks of the worker's cache, in tokens, for retsp's prefixes; the worker is started for each but its own",
)
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path(".stepreward"), show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/bench"), show_default=True, help="for judge.json …"
)
def main(  # noqa: PLR0913
    *,
    steps: int,
    solutions: int,
    k: int,
    max_tokens: int,
    repeats: int,
    model: str | None,
    worker_url: str | None,
    url: str | None,
    votes: Path | None,
    block_sizes: str,
    data_dir: Path,
    out: Path,
) -> None:
    """What judging costs: the reference's way, plain vLLM, the service, in tokens and time."""
    if url and not worker_url:
        raise click.UsageError("--url: name its --worker-url too; the tokens are counted there")
    console = Console()
    options = Options(
        steps=steps,
        solutions=solutions,
        k=k,
        max_tokens=max_tokens,
        repeats=repeats,
        model=model,
        worker_url=worker_url,
        url=url,
        votes=votes or (RECORDED if RECORDED.exists() else None),
        block_sizes=tuple(int(size) for size in block_sizes.split(",") if size),
        data_dir=data_dir,
    )
    try:
        measured = asyncio.run(run(options, console))
    except (StepRewardError, httpx.HTTPError) as error:
        console.print(f"bench-judge: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    report.write(out, options, measured)
    console.print(report.summary(measured), markup=False)


if __name__ == "__main__":
    main()
