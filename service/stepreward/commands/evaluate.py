"""`stepreward eval`: evaluations of a running service on labelled solutions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stepreward.commands.evaluation_run import (
    FILES,
    METHOD_OPTIONS,
    RUN_OPTIONS,
    SERVICE_OPTIONS,
    Options,
    answers_of,
    finish,
    recorded_options,
    with_options,
)
from stepreward.evaluation import prmbench, processbench
from stepreward.evaluation.labelled import read_prmbench, read_processbench, stratified, without_blank_steps


@click.group("eval")
def command() -> None:
    """Evaluate a running service on labelled solutions.

    A run lives in its folder (-o): steps.jsonl and items.jsonl grow as answers come, and the same command run again
    goes on from there; summary.json and report.html are written at the end. Exit code: 0, with --strict 3 when an item
    has no score, 1 when the service is out of reach (run again to go on), 2 when an option or a file is wrong.
    """


@command.command("processbench")
@FILES
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
@recorded_options("scores")
def _processbench(files: Sequence[Path], recorded: Path | None, recorded_key: str, **given: Any) -> None:
    """Find the first wrong step in ProcessBench FILES, each a subset."""
    options = Options(**given)
    items = stratified(read_processbench(files), options.limit, options.seed)
    answers = answers_of("processbench", items, options, recorded, recorded_key)
    summary = processbench.summarise(items, answers, options.reading(asked=recorded is None))
    finish(options, processbench.report(summary, items, answers), unscored=len(items) - summary.run.scored)


@command.command("prmbench")
@click.argument("file", type=click.Path(path_type=Path))
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
@recorded_options("rprm_votes_k10")
def _prmbench(file: Path, recorded: Path | None, recorded_key: str, **given: Any) -> None:
    """Tell right from wrong steps in the PRMBench FILE, by class of error."""
    options = Options(**given)
    picked = stratified(read_prmbench(file), options.limit, options.seed)
    prmbench.check_classes(picked)
    # Recorded scores are one a step as the file has them; a service is not asked about a step without text.
    items = picked if recorded else [without_blank_steps(item) for item in picked]
    blank_steps = sum(len(item.steps) for item in picked) - sum(len(item.steps) for item in items)
    answers = answers_of("prmbench", items, options, recorded, recorded_key)
    summary = prmbench.summarise(items, answers, blank_steps, options.reading(asked=recorded is None))
    finish(options, prmbench.report(summary), unscored=len(items) - summary.run.scored)
