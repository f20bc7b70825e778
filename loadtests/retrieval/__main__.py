"""The command; see the package."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console
from rich.progress import Progress, TaskID

from loadtests.retrieval import build, report
from loadtests.retrieval.engine import running
from loadtests.retrieval.rounds import search_all
from loadtests.retrieval.search import Bench
from loadtests.retrieval.texts import STORED_STEPS, read_texts
from loadtests.retrieval.vectors import Base
from stepreward.errors import ConfigurationError
from stepreward.retrieval.encoder import Encoder, embedded_encoder_path
from stepreward.settings import Settings
from stepreward.values import LabelledSolution

# Bumped when a build stores something else: older work directories are left alone.
_RECIPE = 2
_ENCODER_ENTRIES = 65_536
_DIMENSIONS = 128


class _Sizes(click.ParamType[list[int]]):
    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        try:
            sizes = sorted({int(each) for each in str(value).split(",")})
        except ValueError:
            self.fail(f"{value!r}: numbers of steps, with commas between them", param, ctx)
        if sizes[0] < STORED_STEPS:
            self.fail(f"{sizes[0]}: at least {STORED_STEPS}", param, ctx)
        return sizes


@click.command()
@click.option("--sizes", type=_Sizes(), default="10000,100000,1000000", show_default=True, help="numbers of steps")
@click.option("--rounds", type=click.IntRange(2), default=15, show_default=True, help="turns of each size")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".stepreward/bench-retrieval"),
    show_default=True,
    help="where the stores are built and kept: 2.2 GB for a million steps",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs/bench"),
    show_default=True,
    help="where retrieval.json, .md and .png go",
)
def main(sizes: list[int], rounds: int, work: Path, out: Path) -> None:
    """Build what is missing, search all sizes in turn, write the report."""
    try:
        # The event loop that uvicorn gives the gateway.
        uvloop.run(_run(sizes, rounds, work / f"recipe-{_RECIPE}", out))
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


async def _run(sizes: Sequence[int], rounds: int, work: Path, out: Path) -> None:
    console = Console(stderr=True)
    texts = read_texts()
    directories = {size: work / str(size) for size in sizes}
    async with AsyncExitStack() as stack:
        remembering, computing = (_encoder(stack, entries) for entries in (_ENCODER_ENTRIES, 0))
        with Progress(console=console) as progress:
            await _build_missing(directories, texts.stored, computing, progress)
            benches = []
            for size, directory in directories.items():
                engine = await stack.enter_async_context(running(directory / "engine"))
                benches.append(await Bench.connect(size, engine, remembering, computing))
                stack.push_async_callback(benches[-1].store.close)
            exact = {size: build.Exact.load(directory) for size, directory in directories.items()}
            searched = await search_all(benches, exact, texts.asked, rounds, progress)
    report.write(out, {size: build.built(directory) for size, directory in directories.items()}, searched)
    console.print((out / "retrieval.md").read_text(), markup=False, highlight=False, soft_wrap=True)


def _encoder(stack: AsyncExitStack, cache_entries: int) -> Encoder:
    encoder = Encoder.load(embedded_encoder_path(), Settings().encoder_batch_size, cache_entries=cache_entries)
    stack.callback(encoder.close)
    return encoder


async def _build_missing(
    directories: Mapping[int, Path], solutions: Sequence[LabelledSolution], encoder: Encoder, progress: Progress
) -> None:
    base = None
    for size, directory in directories.items():
        if build.is_built(directory):
            continue
        task = progress.add_task(f"{size} steps: building", total=1)
        told = partial(_show, progress, task)
        if size == STORED_STEPS:
            await build.build_real(directory, solutions, encoder, _DIMENSIONS, told)
        else:
            kept = directory.parent / "base.npy"
            base = base or await Base.encode(solutions, encoder, _DIMENSIONS, kept)
            await build.build_moved(directory, base, size, told)


def _show(progress: Progress, task: TaskID, share: float) -> None:
    progress.update(task, completed=share)


if __name__ == "__main__":
    main()
