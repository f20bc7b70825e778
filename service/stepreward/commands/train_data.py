"""`stepreward train data`: labelled solutions, made ready to learn from."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from stepreward import parts
from stepreward.commands.bars import counted
from stepreward.commands.options import collect, with_settings
from stepreward.corpus.questions import read_questions
from stepreward.corpus.readers import FORMATS
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.metrics import Metrics
from stepreward.retrieval.encoder import Encoder
from stepreward.settings import Settings
from stepreward.training.contamination import without_test
from stepreward.training.groups import Group
from stepreward.training.prepare import Asked, DataCard, read_sources, write_data
from stepreward.training.references import Shares, with_references

_SHARE = click.FloatRange(0, 1)


@click.command("data")
@click.argument("sources", metavar="KIND:PLACE...", nargs=-1, required=True)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="the .jsonl.gz")
@click.option(
    "--exclude", multiple=True, metavar="FORMAT:FILE", help="a test: its questions, and near ones, are dropped"
)
@click.option("--similarity", type=_SHARE, default=0.95, show_default=True, help="cosine that is near")
@click.option("--held-out", type=_SHARE, default=0.05, show_default=True, help="share of the questions, for evaluation")
@click.option("--references", type=_SHARE, default=0.4, show_default=True, help="share of the questions that get them")
@click.option("--drop-contradictions", is_flag=True, help="steps that are labelled both ways lose their label")
@click.option("--seed", type=int, default=0, show_default=True)
@with_settings
def command(
    sources: tuple[str, ...],
    *,
    output: Path,
    exclude: tuple[str, ...],
    similarity: float,
    held_out: float,
    references: float,
    drop_contradictions: bool,
    seed: int,
    **given: str | None,
) -> None:
    """Make training data of labelled solutions; `train retsp` and `train rprm-seed` read it.

    KIND is plain, prm800k, math-shepherd or prmbench for files that the corpus reads too, gsm8k for GSM8K's own rows,
    into which errors are put, and generated for PLACE solutions of the corpus generator.

    References come from the active corpus of the store that the settings name, as in serving; near-duplicates of a
    question are none. A card with all counts is written beside OUTPUT.
    """
    asked = Asked(
        data=sources,
        exclude=exclude,
        similarity=similarity,
        seed=seed,
        held_out=held_out,
        references=references,
        drop_contradictions=drop_contradictions,
    )
    console = Console(stderr=True)
    try:
        card = asyncio.run(_made(asked, output, collect(given), console))
    except OSError as error:
        raise ConfigurationError(f"{error.filename or output}: {error.strerror or error}") from error
    _show(card, output, console)


async def _made(asked: Asked, output: Path, settings: Settings, console: Console) -> DataCard:
    test = [question for one in asked.exclude for question in _questions(one)]
    groups, left_out, contradicted = read_sources(asked, lambda line: console.print(line, markup=False, soft_wrap=True))
    encoder = await asyncio.to_thread(parts.load_encoder, settings)
    try:
        with counted(console) as progress:
            task = progress.add_task("compared with the test", total=len(groups))
            kept, dropped = await without_test(
                groups, test, encoder, asked.similarity, lambda done: progress.advance(task, done)
            )
        if asked.references:
            kept, asked = await _referenced(kept, asked, settings, encoder, console)
    finally:
        encoder.close()
    return write_data(output, asked, kept, dropped, (left_out, contradicted))


async def _referenced(
    groups: Sequence[Group], asked: Asked, settings: Settings, encoder: Encoder, console: Console
) -> tuple[list[Group], Asked]:
    store = parts.open_store(settings)
    try:
        retriever = parts.make_retriever(settings, encoder, store, Metrics())
        snapshot = await retriever.active()
        shares, options = Shares(asked.references), parts.search_options(settings)
        with counted(console) as progress:
            task = progress.add_task("given references", total=None)
            found = await with_references(
                groups,
                retriever,
                shares,
                options,
                seed=asked.seed,
                advance=lambda done: progress.advance(task, done),
            )
        return found, asked.model_copy(update={"snapshot": snapshot.id})
    finally:
        await store.close()


def _questions(given: str) -> list[str]:
    """Raises ConfigurationError, OSError."""
    form, _, place = given.partition(":")
    if form not in FORMATS or not place:
        raise ConfigurationError(f"--exclude {given}: give FORMAT:FILE, with FORMAT one of {', '.join(FORMATS)}")
    rows = list(read_questions(Path(place), form, "question"))
    bad = next((row for row in rows if isinstance(row, BadRow)), None)
    if bad is not None:
        raise ConfigurationError(f"--exclude {place}:{bad.line}: {bad.reason}")
    return [row.text for row in rows if not isinstance(row, BadRow)]


def _show(card: DataCard, output: Path, console: Console) -> None:
    table = Table(title=f"{output}, sha256 {card.sha256[:12]}")
    for heading in ("", "questions", "solutions", "right steps", "wrong steps"):
        table.add_column(heading, justify="right" if heading else "left")
    for family, of in card.counts.items():
        table.add_row(family, *(str(of[name]) for name in ("questions", "solutions", "right", "wrong")))
    console.print(table)
    dropped = card.dropped
    told = f"{dropped.verbatim} questions stand in the test word for word, {dropped.near} nearly: dropped"
    left_out = f"{card.rows_left_out} rows left out, {card.contradicted_steps} steps unlabelled by contradiction"
    for line in (told, left_out):
        console.print(line, highlight=False, soft_wrap=True)
