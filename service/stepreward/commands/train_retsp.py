"""`stepreward train retsp`: a judge that answers "+" or "-"."""

from pathlib import Path
from typing import Any

import click

from stepreward.commands.train_options import Base
from stepreward.commands.train_run import run, run_options
from stepreward.training.retsp import Examples, examples_of


@click.command("retsp")
@run_options
def command(data: Path, *, folder: Path, **given: Any) -> None:
    """Train adapters that grade steps by one token, after the prompts that `serve` would ask with.

    DATA is what `train data` wrote. A run that was killed, or stopped by --minutes, goes on at its last checkpoint when
    it is called again; --tokens and the rates may be others then.
    """
    run(data, folder, _examples, given)


def _examples(base: Base) -> tuple[Examples, str]:
    grader = base.retsp()
    return lambda group: examples_of(group, grader), grader.version
