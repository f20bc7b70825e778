"""`stepreward train retsp`: a judge that answers "+" or "-"."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stepreward.commands.options import collect, with_settings
from stepreward.commands.train_options import Base, learning_options, recipe_of
from stepreward.errors import ConfigurationError
from stepreward.retrieval.encoder import torch_device
from stepreward.training.groups import read_groups
from stepreward.training.learner import Learner, weights_sha256
from stepreward.training.mix import endless
from stepreward.training.prepare import sha256_of
from stepreward.training.retsp import Pace, RunCard, Told, examples_of, open_run, sampled, weights_of

# Groups whose steps are counted to weigh right and wrong ones.
_WEIGHED = 500


@click.command("retsp")
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="the run's folder; the same command goes on with the run that is there",
)
@click.option("--share", multiple=True, metavar="FAMILY=WEIGHT", help="how often a family of the data is drawn")
@click.option("--seed", type=int, default=0, show_default=True)
@learning_options
@click.option("--pack-tokens", type=click.IntRange(64), default=768, show_default=True, help="most of a sequence")
@click.option("--batch-tokens", type=click.IntRange(64), default=2000, show_default=True, help="least of one step")
@click.option(
    "--evaluate-tokens", type=click.IntRange(1), default=60_000, show_default=True, help="between evaluations"
)
@click.option("--evaluate-groups", type=click.IntRange(1), default=24, show_default=True, help="of a family, held out")
@click.option("--save-s", type=click.FloatRange(0), default=240, show_default=True, help="seconds between checkpoints")
@click.option("--minutes", type=click.FloatRange(0), help="stop after so long; the same command goes on")
@with_settings
def command(data: Path, *, folder: Path, share: tuple[str, ...], seed: int, **given: Any) -> None:
    """Train adapters that grade steps by one token, after the prompts that `serve` would ask with.

    DATA is what `train data` wrote. A run that was killed, or stopped by --minutes, goes on at its last checkpoint when
    it is called again; --tokens and the rates may be others then.
    """
    console = Console(stderr=True)
    recipe = recipe_of(given)
    adapter = given.pop("adapter")
    minutes = given.pop("minutes")
    stop_s = None if minutes is None else 60 * minutes
    pace = Pace(**{name: given.pop(name) for name in Pace.__dataclass_fields__ if name != "stop_s"}, stop_s=stop_s)
    settings = collect(given)
    base = Base.of(settings)
    grader = base.retsp()
    groups = list(read_groups(data))
    mix = endless([group for group in groups if not group.held_out], shares := shares_of(share), seed)
    weights = weights_of([example for group in groups[:_WEIGHED] for example in examples_of(group, grader)])
    card = RunCard(
        base=settings.model,
        base_sha256=weights_sha256(base.path),
        data_sha256=sha256_of(data),
        prompt_version=grader.version,
        seed=seed,
        shares=dict(shares),
        begun_with=adapter and weights_sha256(str(adapter)),
    )

    def learner(checkpoint: Path | None) -> Learner:
        device = torch_device(settings.device)
        begin = checkpoint or adapter
        made = Learner.create(base.path, grader.labels, recipe, device=device, adapter=begin, seed=seed)
        return made.resume(checkpoint) if checkpoint else made

    run = open_run(folder, card, grader, learner, pace)
    with _bar(console) as progress:
        task = progress.add_task("learned", total=recipe.tokens, completed=run.state.tokens)

        def tell(told: Told) -> None:
            progress.update(task, completed=told.tokens)
            progress.console.print(_line(told), highlight=False, soft_wrap=True)

        done = run.train(mix, sampled(groups, pace.evaluate_groups, seed), weights, tell)
    console.print(f"{folder}: {'done' if done else 'stopped; the same command goes on'}", highlight=False)


def shares_of(given: Sequence[str]) -> Mapping[str, float]:
    """`gsm8k=0.7` and so on. Raises ConfigurationError."""
    shares: dict[str, float] = {}
    for one in given:
        family, _, weight = one.partition("=")
        try:
            shares[family] = float(weight)
        except ValueError:
            raise ConfigurationError(f"--share {one}: give FAMILY=WEIGHT, as gsm8k=0.7") from None
        if not 0 < shares[family] < float("inf"):
            raise ConfigurationError(f"--share {one}: a weight is more than 0")
    return shares


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _line(told: Told) -> str:
    begun = f"{told.tokens} tokens, {told.seconds:.0f} s"
    if told.kind == "step":
        return f"{begun}: loss {told.loss:.4f}, rate {told.rate:.2e}"
    auc = ", ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in told.auc.items())
    return f"{begun}: held-out AUC {auc}"
