"""`stepreward train retsp`: a judge that answers "+" or "-"."""

from pathlib import Path
from typing import Any

import click

from stepreward.commands.train_options import Base
from stepreward.commands.train_run import run, run_options
from stepreward.training.groups import Group
from stepreward.training.packing import Example
from stepreward.training.retsp import Examples, examples_of, with_solution


@click.command("retsp")
@run_options
@click.option("--writing", type=click.FloatRange(0), default=0.0, show_default=True, help="weight of right solutions")
@click.option(
    "--ranking", type=click.FloatRange(0), default=0.0, show_default=True, help="weight of pairs, right before wrong"
)
@click.option(
    "--references/--no-references", default=True, show_default=True, help="whether prompts show those of the data"
)
def command(data: Path, *, folder: Path, references: bool, **given: Any) -> None:
    """Train adapters that grade steps by one token, after the prompts that `serve` would ask with.

    DATA is what `train data` wrote. A run that was killed, or stopped by --minutes, goes on at its last checkpoint when
    it is called again; --tokens and the rates may be others then.
    """
    whole = given["writing"] > 0

    def examples(base: Base) -> tuple[Examples, str]:
        grader = base.retsp()

        def of(group: Group) -> list[Example]:
            found = examples_of(group, grader, references=references)
            return with_solution(found) if whole else found

        return of, grader.version if references else f"{grader.version} without references"

    run(data, folder, examples, given)
