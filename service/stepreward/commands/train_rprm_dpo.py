"""`stepreward train rprm-dpo`: preferences learned."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from stepreward.commands.options import collect, with_settings
from stepreward.commands.train_options import Base
from stepreward.retrieval.encoder import torch_device
from stepreward.training.dpo import Preferring, dataset_of, prefer
from stepreward.training.pairs import read_pairs

_POSITIVE = click.FloatRange(0, min_open=True)


@click.command("rprm-dpo")
@click.argument("pairs", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--output", "-o", "folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option(
    "--adapter",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="the adapters that wrote the pairs, of `train rprm-sft`; they are the reference too",
)
@click.option("--learning-rate", type=_POSITIVE, default=5e-7, show_default=True, help="the paper's")
@click.option("--beta", type=_POSITIVE, default=0.1, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=128, show_default=True, help="pairs of a step; the paper's")
@click.option("--epochs", type=_POSITIVE, default=1.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@with_settings
def command(pairs: Path, *, folder: Path, adapter: Path, **given: Any) -> None:
    """Train adapters to prefer the analyses whose verdict is right, by what `train rprm-pairs` wrote to PAIRS.

    The adapters are in OUTPUT/final at the end. A run that was killed goes on at its last checkpoint.
    """
    how = Preferring(**{name: given.pop(name) for name in Preferring.__dataclass_fields__})
    settings = collect(given)
    base = Base.of(settings)
    found = read_pairs(pairs)
    dataset = dataset_of(found, base.rprm(), base.tokenizer)
    loss = prefer(base.path, adapter, dataset, folder, how=how, device=torch_device(settings.device))
    Console(stderr=True).print(f"{folder}/final: {len(found)} pairs, mean loss {loss:.4f}", highlight=False)
