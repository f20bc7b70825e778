"""`stepreward train rprm-sft`: a judge that writes an analysis before its verdict."""

from pathlib import Path
from typing import Any

import click

from stepreward.commands.train_options import Base
from stepreward.commands.train_run import run, run_options
from stepreward.errors import ConfigurationError
from stepreward.training.groups import Group, read_groups
from stepreward.training.packing import Example
from stepreward.training.retsp import Examples, examples_of
from stepreward.training.rprm import analysed


@click.command("rprm-sft")
@run_options
@click.option("--writing", type=click.FloatRange(0), default=1.0, show_default=True, help="weight of the analyses")
@click.option("--grades/--no-grades", default=False, show_default=True, help="go on to learn retsp's grades besides")
def command(data: Path, *, folder: Path, grades: bool, **given: Any) -> None:
    """Train adapters that analyse steps, by the analyses that `train rprm-seed` put into DATA.

    With --grades the same adapters learn to grade by one token too, from the same sequences: one judge for both
    methods, where their prompts begin alike.
    """
    if not any(_has_analyses(group) for group in read_groups(data)):
        raise ConfigurationError(f"{data}: holds no analyses: `train rprm-seed` writes them")

    def examples(base: Base) -> tuple[Examples, str]:
        analyst, grader = base.rprm(), base.retsp()

        def of(group: Group) -> list[Example]:
            written = analysed(group, analyst, base.tokenizer)
            graded = examples_of(group, grader) if grades else []
            return sorted([*written, *graded], key=lambda example: example.token_ids)

        return of, f"{analyst.version}{f' {grader.version}' if grades else ''}"

    run(data, folder, examples, given, usable=lambda group: grades or _has_analyses(group))


def _has_analyses(group: Group) -> bool:
    return any(one.analyses for one in group.solutions)
