"""`stepreward corpus overlap`: what of a data file stands in a snapshot already."""

import asyncio
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.table import Table

from stepreward import parts
from stepreward.commands.options import collect, with_settings
from stepreward.corpus.overlap import Overlap, find_overlap
from stepreward.corpus.questions import NamedQuestion, read_questions
from stepreward.corpus.readers import FORMATS, Format
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.settings import Settings


@click.command("overlap")
@click.option(
    "--against",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="the data file, JSON lines, .csv or .parquet",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="a published data set's format, read as by ingest")
@click.option("--question-key", help="the key that holds the question, where no format is named  [default: question]")
@click.option("--snapshot", help="the snapshot's id  [default: the active one]")
@click.option("--similarity", type=click.FloatRange(-1, 1), default=0.95, show_default=True, help="cosine that is near")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="the report with all ids, JSON")
@with_settings
def command(
    path: Path,
    *,
    form: str | None,
    question_key: str | None,
    snapshot: str | None,
    similarity: float,
    output: Path | None,
    **given: str | None,
) -> None:
    """Count the questions of a data file that stand in the corpus, word for word or nearly.

    Exact: every question of the snapshot is compared with every one of the file. A row that has no question is named on
    stderr and left out. Rows are called by their `id` or `idx`, or by their line.
    """
    if form is not None and question_key is not None:
        raise ConfigurationError("--question-key: the rows of a format have theirs; name one of the two")
    console = Console(stderr=True)
    questions = _questions(path, cast("Format | None", form), question_key or "question", console)
    found = asyncio.run(_overlap(questions, snapshot, similarity, collect(given)))
    try:
        if output is not None:
            output.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--output {output}: {error.strerror or error}") from error
    _show(found, console)


def _questions(path: Path, form: Format | None, key: str, console: Console) -> list[NamedQuestion]:
    questions: list[NamedQuestion] = []
    try:
        for row in read_questions(path, form, key):
            if isinstance(row, BadRow):
                console.print(f"{path}:{row.line}: left out: {row.reason}", style="yellow", markup=False)
            else:
                questions.append(row)
    except OSError as error:
        raise ConfigurationError(f"--against {path}: {error.strerror or error}") from error
    if not questions:
        raise ConfigurationError(f"--against {path}: no row with a question")
    return questions


async def _overlap(
    questions: list[NamedQuestion], snapshot_id: str | None, similarity: float, settings: Settings
) -> Overlap:
    store = parts.open_store(settings)
    try:
        snapshot = await (store.active() if snapshot_id is None else store.snapshot(snapshot_id))
        encoder = await asyncio.to_thread(parts.load_encoder, settings)
        try:
            return await find_overlap(questions, store, snapshot, encoder, similarity)
        finally:
            encoder.close()
    finally:
        await store.close()


def _show(found: Overlap, console: Console) -> None:
    table = Table(title=f"overlap with snapshot {found.snapshot}")
    table.add_column("")
    for heading in ("questions", "verbatim", f"near (≥ {found.similarity})", "of the file's"):
        table.add_column(heading, justify="right")
    for source, of in found.sources.items():
        table.add_row(source, str(of.questions), str(of.verbatim), str(of.near), str(of.found))
    whole, of_set = found.of_corpus, found.of_set
    contaminated = str(of_set.verbatim + of_set.near)
    table.add_section()
    table.add_row("the corpus", str(whole.questions), str(whole.verbatim), str(whole.near), contaminated)
    table.add_row("the file", str(of_set.questions), str(of_set.verbatim), str(of_set.near), "")
    console.print(table)
    console.print(f"{found.contaminated_rows} of the file's {found.rows} rows have their question in the corpus")
