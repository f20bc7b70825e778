"""`stepreward corpus`: make the starter corpus, and put a corpus into the vector store."""

import asyncio
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.progress import Progress

from stepreward import wiring
from stepreward.commands import overlap
from stepreward.commands.options import collect, with_settings
from stepreward.corpus.build import build_snapshot, read_corpus, snapshot_id
from stepreward.corpus.readers import FORMATS, Format, HubDataset
from stepreward.corpus.readers.hub import PREFIX
from stepreward.retrieval.encoder import encoder_name
from stepreward.settings import Settings

STARTER = Path(__file__).parents[1] / "corpus" / "data" / "starter.jsonl.gz"


class _Source(click.Path):
    """A file that exists, or hf:NAME[:SPLIT]."""

    name = "source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(PREFIX):
            return HubDataset.parse(value)
        return super().convert(value, param, ctx)


@click.group("corpus")
def command() -> None:
    """Make and ingest corpora of labelled solutions."""


command.add_command(overlap.command)


@command.command("generate")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--count", type=click.IntRange(1), required=True, help="solutions to write")
@click.option("--seed", type=click.IntRange(0), default=20, show_default=True, help="equal seeds give equal bytes")
def generate(output: Path, count: int, seed: int) -> None:
    """Write COUNT self-made solutions with labelled steps to OUTPUT, JSON lines (.gz too)."""
    from stepreward.corpus.generate.write import write_corpus  # noqa: PLC0415  (ingest does without the generator)

    summary = write_corpus(output, count, seed)
    click.echo(str(summary))


@command.command("ingest")
@click.argument("path", type=_Source(path_type=Path, exists=True, dir_okay=False), default=STARTER)
@click.option("--format", "form", type=click.Choice(FORMATS), default="plain", show_default=True, help="what rows hold")
@click.option("--activate/--no-activate", default=True, show_default=True, help="answer from it when it is stored")
@with_settings
def ingest(path: Path | HubDataset, form: str, activate: bool, **given: str | None) -> None:
    """Store the labelled solutions in PATH as a snapshot; without PATH the starter corpus.

    PATH is a file of JSON lines or a .csv (each also .gz or .zst), a .parquet, or hf:NAME[:SPLIT] for a data set on the
    Hugging Face hub. CSV holds lists as JSON text.

    A snapshot that is already stored is not built again. A row that cannot be used is named on stderr and left out.
    """
    asyncio.run(_ingest(path, cast("Format", form), activate, collect(given)))


async def _ingest(path: Path | HubDataset, form: Format, activate: bool, settings: Settings) -> None:
    console = Console(stderr=True)
    corpus = read_corpus(path, form)
    for row in corpus.bad_rows:
        console.print(f"{path}:{row.line}: left out: {row.reason}", style="yellow", markup=False)
    identity = snapshot_id(corpus, encoder_name(wiring.encoder_path(settings)), settings.pca_dimensions)
    store = wiring.open_store(settings)
    try:
        if await store.has(identity):
            console.print(f"snapshot {identity}: already stored")
        else:
            encoder = wiring.load_encoder(settings)
            with Progress(console=console) as progress:
                task = progress.add_task("encoding")
                manifest = await build_snapshot(
                    corpus,
                    encoder,
                    store,
                    settings.pca_dimensions,
                    lambda done, total: progress.update(task, completed=done, total=total),
                )
            encoder.close()
            console.print(
                f"snapshot {identity}: {manifest.questions} questions, {manifest.steps} labelled steps, "
                f"{manifest.pca.explained_variance:.1%} of the variance kept"
            )
        if activate:
            await store.activate(identity)
    finally:
        await store.close()
