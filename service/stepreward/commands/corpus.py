"""`stepreward corpus`: make the starter corpus, put corpora into the vector store, and look after what is there."""

from pathlib import Path

import click

from stepreward.commands import ingest, overlap, snapshots


@click.group("corpus")
def command() -> None:
    """Make and ingest corpora of labelled solutions."""


@command.command("generate")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--count", type=click.IntRange(1), required=True, help="solutions to write")
@click.option("--seed", type=click.IntRange(0), default=20, show_default=True, help="equal seeds give equal bytes")
def generate(output: Path, count: int, seed: int) -> None:
    """Write COUNT self-made solutions with labelled steps to OUTPUT, JSON lines (.gz too)."""
    from stepreward.corpus.generate.write import write_corpus  # noqa: PLC0415  (ingest does without the generator)

    summary = write_corpus(output, count, seed)
    click.echo(str(summary))


for part in (
    ingest.command,
    snapshots.list_,
    snapshots.activate,
    snapshots.drop,
    snapshots.verify,
    overlap.command,
):
    command.add_command(part)
