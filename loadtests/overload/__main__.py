"""The command; see the package."""

import asyncio
import tempfile
from pathlib import Path

import click
from rich.console import Console

from loadtests.overload import report
from loadtests.overload.scenarios import abuse, alone, goodput, priorities, refusal, storm
from loadtests.stack import stack


@click.command()
@click.option("--rounds", type=click.IntRange(2), default=4, show_default=True, help="turns of what is compared")
@click.option("--seconds", type=float, default=10, show_default=True, help="of each load")
@click.option(
    "--only", multiple=True, help="a scenario, beside what the last run found of the others; all if none is named"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs/bench"),
    show_default=True,
    help="where overload.json, .md and .png go",
)
def main(rounds: int, seconds: float, only: tuple[str, ...], out: Path) -> None:
    """Eight minutes. Loads this machine alone, by 127.0.0.1."""
    told = Console(stderr=True)
    found = report.read(out) if only else report.Found()
    scenarios = {
        "alone": lambda one: alone(one, rounds),
        "refusal": lambda one: refusal(one, rounds),
        "goodput": lambda one: goodput(one, rounds, seconds),
        "priorities": lambda one: priorities(one, rounds, seconds),
        "storm": storm,
        "abuse": abuse,
    }
    for name, scenario in scenarios.items():
        if only and name not in only:
            continue
        told.print(f"{name} …")
        with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as built:
            setattr(found, name, asyncio.run(scenario(built)))
    told.print(report.write(found, out, rounds))


if __name__ == "__main__":
    main()
