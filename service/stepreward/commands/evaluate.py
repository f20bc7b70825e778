"""`stepreward eval`: evaluations of a running service on labelled solutions."""

import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stepreward.aggregation import aggregates
from stepreward.best_of_n import same_answers
from stepreward.commands.evaluation_run import (
    ADDRESS_OPTIONS,
    ASKED,
    FILES,
    METHOD_OPTIONS,
    RUN_OPTIONS,
    SERVICE_OPTIONS,
    Options,
    answers_of,
    asked,
    finish,
    recorded_of,
    recorded_options,
    with_options,
)
from stepreward.errors import ConfigurationError
from stepreward.evaluation import ablation, best_of_n, drift, pairs, prmbench, processbench, scale_k
from stepreward.evaluation.labelled import read_prmbench, read_processbench, stratified, without_blank_steps
from stepreward.evaluation.replay import fit_prior, read_votes, replay
from stepreward.policies import PRIOR_NO, PRIOR_YES, Adaptive, Fixed


@click.group("eval")
def command() -> None:
    """Evaluate a running service on labelled solutions.

    A run lives in its folder (-o): steps.jsonl and items.jsonl grow as answers come, and the same command run again
    goes on from there; summary.json and report.html are written at the end. Exit code: 0; 3 when no item has a score,
    with --strict also when one has none; 1 when the service is out of reach (run again to go on); 2 when an option or
    a file is wrong.
    """


@command.command("processbench")
@FILES
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
@recorded_options("scores")
def _processbench(files: Sequence[Path], recorded: Path | None, recorded_key: str | None, **given: Any) -> None:
    """Find the first wrong step in ProcessBench FILES, each a subset."""
    options = Options(**given)
    items = stratified(read_processbench(files), options.limit, options.seed)
    answers = answers_of("processbench", items, options, recorded_of(recorded, recorded_key, "scores"))
    summary = processbench.summarise(items, answers, options.reading(answers, asked=recorded is None))
    finish(options, processbench.report(summary, items, answers), [summary.run])


@command.command("prmbench")
@click.argument("file", type=click.Path(path_type=Path))
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
@recorded_options("rprm_votes_k10")
def _prmbench(file: Path, recorded: Path | None, recorded_key: str | None, **given: Any) -> None:
    """Tell right from wrong steps in the PRMBench FILE, by class of error."""
    options = Options(**given)
    picked = stratified(read_prmbench(file), options.limit, options.seed)
    prmbench.check_classes(picked)
    # Recorded scores are one a step as the file has them; a service is not asked about a step without text.
    items = picked if recorded else [without_blank_steps(item) for item in picked]
    blank_steps = sum(len(item.steps) for item in picked) - sum(len(item.steps) for item in items)
    answers = answers_of("prmbench", items, options, recorded_of(recorded, recorded_key, "rprm_votes_k10"))
    summary = prmbench.summarise(items, answers, blank_steps, options.reading(answers, asked=recorded is None))
    finish(options, prmbench.report(summary), [summary.run])


@command.command("pairs")
@click.argument("file", type=click.Path(path_type=Path))
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
def _pairs(file: Path, **given: Any) -> None:
    """Tell right from wrong versions of steps, of the questions that FILE, written by `train data`, holds out.

    --limit draws pairs.
    """
    # Needs the extra of `train data`, not that of the other evaluations.
    from stepreward.training.groups import read_groups  # noqa: PLC0415
    from stepreward.training.versions import versions  # noqa: PLC0415

    options = Options(**given)
    drawn = versions(read_groups(file), options.seed)
    if not drawn:
        raise ConfigurationError(f"{file}: holds out no question with a right and a wrong version of a step")
    chosen = random.Random(options.seed).sample(drawn, min(options.limit or len(drawn), len(drawn)))  # noqa: S311
    answers = asked("pairs", pairs.items_of(chosen), [options.condition(ASKED)], options)[ASKED]
    summary = pairs.summarise(chosen, answers, options.reading(answers))
    finish(options, pairs.report(summary), [summary.run])


@command.command("ablate")
@FILES
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
def _ablate(files: Sequence[Path], **given: Any) -> None:
    """Compare ways of choosing references, and their number, on the ProcessBench FILES."""
    options = Options(**given)
    items = stratified(read_processbench(files), options.limit, options.seed)
    answers = asked("ablate", items, ablation.conditions(options.condition), options)
    summary = ablation.summarise(items, answers, options.reading(*answers.values()))
    finish(options, ablation.report(summary), [one.run for one in summary.conditions.values()])


@command.command("scale-k")
@FILES
@click.option("--k", type=click.IntRange(2, 64), default=50, show_default=True, help="the largest number of them")
@with_options(*SERVICE_OPTIONS, *RUN_OPTIONS)
def _scale_k(files: Sequence[Path], **given: Any) -> None:
    """Compare numbers of rprm's trajectories on the ProcessBench FILES, from one run with the most of them."""
    options = Options(method="rprm", **given)
    items = stratified(read_processbench(files), options.limit, options.seed)
    # A trajectory that the service knew already would seem to cost nothing.
    condition = options.condition(ASKED, include=["trajectories"], cache=False)
    answers = asked("scale-k", items, [condition], options)[ASKED]
    summary = scale_k.summarise(items, answers, given["k"], options.reading(answers))
    finish(options, scale_k.report(summary), [summary.run])


@command.command("drift")
@FILES
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(["retsp", "rprm"]),
    default=("retsp", "rprm"),
    show_default=True,
)
@click.option("--k", type=click.IntRange(1, 64), help="trajectories per step, for rprm  [default: the service's]")
@click.option("--batch-items", type=click.IntRange(2), default=32, show_default=True)
@with_options(*ADDRESS_OPTIONS, *RUN_OPTIONS)
def _drift(files: Sequence[Path], methods: Sequence[str], k: int | None, batch_items: int, **given: Any) -> None:
    """Score the items of the ProcessBench FILES alone and in shuffled batches, each time anew, and compare."""
    options = Options(**given)
    items = stratified(read_processbench(files), options.limit, options.seed)
    chosen = list(dict.fromkeys(methods))
    if k is not None and "rprm" not in chosen:
        raise ConfigurationError("--k: retsp samples no trajectories")
    conditions = []
    for method in chosen:
        of_method = dataclasses.replace(options, method=method, k=k if method == "rprm" else None)
        conditions += drift.conditions(method, of_method.condition(method, cache=False), batch_items)
    answers = asked("drift", items, conditions, options, batch_items=batch_items)
    summary = drift.summarise(items, answers, chosen, batch_items, options.reading(*answers.values()))
    runs = [run for one in summary.methods.values() for run in (one.alone, one.batch)]
    finish(options, drift.report(summary, items, answers), runs)


@command.command("best-of-n")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--data", multiple=True, type=click.Path(path_type=Path), help="one of FILES, as an option")
@click.option(
    "--aggregate",
    type=click.Choice(["min", "prod", "mean", "last", "weighted"]),
    default="min",
    show_default=True,
    help="what makes a solution's score of its steps'",
)
@with_options(*METHOD_OPTIONS, *SERVICE_OPTIONS, *RUN_OPTIONS)
def _best_of_n(files: Sequence[Path], data: Sequence[Path], aggregate: str, **given: Any) -> None:
    """Choose among the candidates in FILES: JSON lines with `id`, `question`, `candidates` and `correct`.

    --limit draws questions.
    """
    if not files and not data:
        raise click.UsageError("Missing argument 'FILES...'.")
    options = Options(**given)
    same = same_answers()
    questions = best_of_n.read_questions([*files, *data], options.limit, options.seed)
    items = [item for question in questions for item in question.items]
    answers = asked("best-of-n", items, [options.condition(ASKED)], options)[ASKED]
    summary = best_of_n.summarise(
        questions, answers, options.reading(answers), lambda scores: getattr(aggregates(scores), aggregate), same
    )
    finish(options, best_of_n.report(summary), [summary.run])


@command.command("replay")
@click.option(
    "--votes", "file", type=click.Path(path_type=Path), required=True, help="PRMBench rows with the votes of a judge"
)
@click.option("--policy", type=click.Choice(["fixed", "adaptive"]), default="adaptive", show_default=True)
@click.option("--k", type=click.IntRange(1, 64), default=10, show_default=True, help="trajectories that were recorded")
@click.option("--min-k", type=click.IntRange(1, 64), default=1, show_default=True, help="the fewest of adaptive")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="of the votes' orders")
@click.option("--orders", type=click.IntRange(1), default=20, show_default=True, help="random orders to average over")
@click.option("--fit", is_flag=True, help="fit adaptive's Beta prior to these votes first, and say it on stderr")
def _replay(file: Path, policy: str, k: int, *, min_k: int, seed: int, orders: int, fit: bool) -> None:
    """Replay recorded votes under a K policy, and print one line of JSON.

    What the policy takes and what it loses are means over the orders; prmscore_adaptive is the policy's own PRMScore.
    """
    if min_k > k:
        raise ConfigurationError(f"--min-k: {min_k} are more than --k, which is {k}")
    try:
        votes = read_votes(file, k)
    except OSError as error:
        raise ConfigurationError(f"--votes: {file}: {error.strerror or error}") from error
    prior = fit_prior(votes) if fit else (PRIOR_YES, PRIOR_NO)
    if fit:
        click.echo(f"prior: {prior[0]:.3f} {prior[1]:.3f}", err=True)
    chosen = Fixed(k) if policy == "fixed" else Adaptive(min_k, k, prior_yes=prior[0], prior_no=prior[1])
    click.echo(json.dumps(dataclasses.asdict(replay(votes, chosen, policy, seed, orders))))
