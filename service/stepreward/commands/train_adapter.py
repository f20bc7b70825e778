"""`stepreward train adapter`: what a run has learned so far, as files to serve."""

import json
from pathlib import Path

import click
from rich.console import Console

from stepreward.errors import ConfigurationError
from stepreward.training.adapter import export
from stepreward.training.retsp import checkpoints


@click.command("adapter")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), required=True, help="the directory")
@click.option(
    "--average-with",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="adapters, such as those that RUN began with: the mean of both is written",
)
@click.option("--share", type=click.FloatRange(0, 1), help="what RUN's count for in the mean  [default: 0.5]")
def command(run: Path, *, output: Path, average_with: Path | None, share: float | None) -> None:
    """Write the adapters of RUN's newest checkpoint to a directory, in bfloat16, with their configuration."""
    if share is not None and average_with is None:
        raise ConfigurationError("--share: of what? --average-with names the other adapters")
    saved = checkpoints(run)
    if not saved:
        raise ConfigurationError(f"{run}: holds no checkpoint yet")
    size_bytes = export(saved[-1], output, average_with, 0.5 if share is None else share)
    tokens = json.loads((saved[-1] / "state.json").read_bytes())["tokens"]
    Console(stderr=True).print(f"{output}: {saved[-1].name}, {tokens} tokens learned, {size_bytes / 1e6:.1f} MB")
