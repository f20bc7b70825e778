"""What the commands of `train` that run for long share: their options, a folder to go on in, and what is told."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stepreward.commands.options import collect, with_settings
from stepreward.commands.train_options import Base, learning_options, recipe_of
from stepreward.errors import ConfigurationError
from stepreward.retrieval.encoder import torch_device
from stepreward.training.groups import Group, read_groups
from stepreward.training.learner import Learner, weights_sha256
from stepreward.training.mix import endless
from stepreward.training.prepare import sha256_of
from stepreward.training.retsp import Examples, Pace, RunCard, Told, open_run, sampled, weights_of

F = TypeVar("F", bound=Callable[..., Any])

# Groups whose steps are counted to weigh right and wrong ones.
_WEIGHED = 500

_OPTIONS = (
    click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
    click.option(
        "--output",
        "-o",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="the run's folder; the same command goes on with the run that is there",
    ),
    click.option("--share", multiple=True, metavar="FAMILY=WEIGHT", help="how often a family of the data is drawn"),
    click.option("--seed", type=int, default=0, show_default=True),
    learning_options,
    click.option("--pack-tokens", type=click.IntRange(64), default=768, show_default=True, help="most of a sequence"),
    click.option("--batch-tokens", type=click.IntRange(64), default=2000, show_default=True, help="least of one step"),
    click.option("--evaluate-tokens", type=click.IntRange(1), default=60_000, show_default=True, help="between looks"),
    click.option("--evaluate-groups", type=click.IntRange(1), default=24, show_default=True, help="of a family"),
    click.option("--save-s", type=click.FloatRange(0), default=240, show_default=True, help="between checkpoints"),
    click.option("--minutes", type=click.FloatRange(0), help="stop after so long; the same command goes on"),
    with_settings,
)


def run_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run(
    data: Path,
    folder: Path,
    examples_of: Callable[[Base], tuple[Examples, str]],
    given: dict[str, Any],
    usable: Callable[[Group], bool] = lambda _: True,
) -> None:
    """`examples_of` says what is learned from a group, and by which prompts. Raises ConfigurationError."""
    console = Console(stderr=True)
    share, seed, adapter, minutes = (given.pop(name) for name in ("share", "seed", "adapter", "minutes"))
    recipe = recipe_of(given)
    stop_s = None if minutes is None else 60 * minutes
    pace = Pace(**{name: given.pop(name) for name in Pace.__dataclass_fields__ if name != "stop_s"}, stop_s=stop_s)
    settings = collect(given)
    base = Base.of(settings)
    examples, version = examples_of(base)
    groups = [group for group in read_groups(data) if usable(group)]
    shares = shares_of(share)
    mix = endless([group for group in groups if not group.held_out], shares, seed)
    weights = weights_of([example for group in groups[:_WEIGHED] for example in examples(group)])
    card = RunCard(
        base=settings.model,
        base_sha256=weights_sha256(base.path),
        data_sha256=sha256_of(data),
        prompt_version=version,
        seed=seed,
        shares=dict(shares),
        begun_with=adapter and weights_sha256(str(adapter)),
    )

    def learner(checkpoint: Path | None) -> Learner:
        device = torch_device(settings.device)
        made = Learner.create(base.path, recipe, device=device, adapter=checkpoint or adapter, seed=seed)
        return made.resume(checkpoint) if checkpoint else made

    running = open_run(folder, card, examples, learner, pace)
    with _bar(console) as progress:
        task = progress.add_task("learned", total=recipe.tokens, completed=running.state.tokens)

        def tell(told: Told) -> None:
            progress.update(task, completed=told.tokens)
            progress.console.print(_line(told), highlight=False, soft_wrap=True)

        done = running.train(mix, sampled(groups, pace.evaluate_groups, seed), weights, tell)
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
    return f"{begun}: held-out AUC {_shown(told.auc)}; pairs ordered rightly {_shown(told.ordered)}"


def _shown(of_families: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in of_families.items())
