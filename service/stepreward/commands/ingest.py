"""`stepreward corpus ingest`: labelled solutions into the vector store."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console

from stepreward import parts
from stepreward.commands.engine import with_engine
from stepreward.commands.options import collect, with_settings
from stepreward.commands.progress import stages
from stepreward.corpus.ingest import Ingest, Ingested, Progress
from stepreward.corpus.ray_encoder import Model, ray_encoder
from stepreward.corpus.readers import FORMATS, Format, HubDataset
from stepreward.corpus.readers.hub import PREFIX
from stepreward.corpus.rejected import DeadLetters, Rejected
from stepreward.corpus.survey import SAMPLE_TEXTS, CorpusRow, Survey, read_corpus, solutions_of, survey
from stepreward.corpus.vectors import TextEncoder
from stepreward.errors import ConfigurationError
from stepreward.ray_cluster import RayOptions
from stepreward.retrieval.encoder import encoder_name
from stepreward.retrieval.manifest import Manifest
from stepreward.retrieval.store import Store
from stepreward.settings import Settings

STARTER = Path(__file__).parents[1] / "corpus" / "data" / "starter.jsonl.gz"
_REJECTED_SHOWN = 10
_ROWS_PER_UPDATE = 10_000


class _Source(click.Path):
    """A file that exists, or hf:NAME[:SPLIT]."""

    name = "source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(PREFIX):
            return HubDataset.parse(value)
        return super().convert(value, param, ctx)


@dataclass(frozen=True)
class Request:
    """What to ingest. `rejected` None is a file of the snapshot's own in the data directory, `ray` None no cluster."""

    sources: Sequence[Path | HubDataset]
    form: Format
    rejected: Path | None
    strict: bool
    activate: bool
    ray: RayOptions | None


@dataclass(frozen=True)
class Summary:
    """What --json prints. `rejected` names the file of the rows left out, where there are any.

    `seconds` are all of it; `texts_per_s` those that were encoded, by the time of encoding and storing alone.
    """

    snapshot: str
    rows: int
    solutions: int
    repeated: int
    left_out: int
    rejected: str | None
    questions: int
    steps: int
    dimensions: int
    explained_variance: float
    added: int
    resumed: bool
    active: bool
    texts_encoded: int
    texts_per_s: float | None
    seconds: float


@dataclass(frozen=True)
class _Surveyed:
    """Pass one, with the snapshot's id, and where the rows are that were left out."""

    survey: Survey
    identity: str
    left_out: int
    rejected: Path | None


@click.command("ingest")
@click.argument("sources", metavar="[PATH]...", type=_Source(path_type=Path, exists=True, dir_okay=False), nargs=-1)
@click.option("--format", "form", type=click.Choice(FORMATS), default="plain", show_default=True, help="what rows hold")
@click.option("--activate/--no-activate", default=True, show_default=True, help="answer from it when it is stored")
@click.option(
    "--rejected",
    type=click.Path(path_type=Path, dir_okay=False),
    help="file for the rows that cannot be used  [default: rejected/SNAPSHOT.jsonl in the data directory]",
)
@click.option("--strict", is_flag=True, help="refuse the corpus at the first row that cannot be used")
@with_engine("encodes", "the encoder", "encoders, for ray  [default: one for each GPU, or else CPU]")
@click.option("--json", "as_json", is_flag=True, help="print what was done as a line of JSON on stdout")
@with_settings
def command(  # noqa: PLR0913  (an option each)
    *,
    sources: tuple[Path | HubDataset, ...],
    form: str,
    activate: bool,
    rejected: Path | None,
    strict: bool,
    engine: str,
    ray_address: str | None,
    ray_workers: int | None,
    as_json: bool,
    **given: str | None,
) -> None:
    """Store the labelled solutions in each PATH as one snapshot; without PATH the starter corpus.

    PATH is a file of JSON lines or a .csv (each also .gz or .zst), a .parquet, or hf:NAME[:SPLIT] for a data set on the
    Hugging Face hub. CSV holds lists as JSON text. All are read twice, and never held in memory.

    A row that cannot be used is left out, and written to the file of rejected rows with its place and the reason.

    Interrupted, it goes on where it was when it is run again. A snapshot that is already stored is not built again.
    """
    settings = collect(given)
    ray = RayOptions.of(engine, ray_address, ray_workers)
    request = Request(sources or (STARTER,), cast("Format", form), rejected, strict, activate, ray)
    summary = asyncio.run(_ingest(request, settings, Console(stderr=True)))
    if as_json:
        click.echo(json.dumps(asdict(summary)))


async def _ingest(request: Request, settings: Settings, console: Console) -> Summary:
    started_s = time.monotonic()
    done: Ingested | None = None
    store = parts.open_store(settings, writes=True)
    try:
        with stages(console) as progress:
            surveyed = _survey(request, settings, progress, console)
            manifest = await store.manifest(surveyed.identity)
            if manifest is None or not manifest.complete:
                done = await _build(request, settings, store, surveyed.survey, progress)
                manifest = done.manifest
        if request.activate:
            await store.activate(surveyed.identity)
        active = await store.active_id() == surveyed.identity
    finally:
        await store.close()
    summary = _summary(surveyed, manifest, done, active, time.monotonic() - started_s)
    _tell(console, summary)
    return summary


def _survey(request: Request, settings: Settings, progress: Progress, console: Console) -> _Surveyed:
    """Pass one, and the file of rejected rows."""
    rows_read = 0

    def counted() -> Iterator[CorpusRow]:
        nonlocal rows_read
        for rows_read, row in enumerate(read_corpus(request.sources, request.form), start=1):
            if rows_read % _ROWS_PER_UPDATE == 0:
                progress("read", rows_read, None)
            yield row
        progress("read", rows_read, rows_read)

    def reject(row: Rejected) -> None:
        if request.strict:
            raise ConfigurationError(f"{row} (--strict)")
        letters.add(row)
        if letters.count <= _REJECTED_SHOWN:
            console.print(f"{row.source}:{row.line}: left out: {row.reason}", style="yellow", markup=False)

    reduction = parts.reduction(settings)
    directory = request.rejected.parent if request.rejected else settings.data_dir / "rejected"
    with closing(DeadLetters(directory)) as letters:
        found = survey(counted(), reject, 0 if reduction.is_off else SAMPLE_TEXTS)
        identity = found.snapshot_id(encoder_name(parts.encoder_path(settings)), reduction)
        path = request.rejected or directory / f"{identity}.jsonl"
        if letters.count or request.rejected:
            letters.keep_as(path)
        else:
            path.unlink(missing_ok=True)
        return _Surveyed(found, identity, letters.count, path if letters.count else None)


async def _build(request: Request, settings: Settings, store: Store, found: Survey, progress: Progress) -> Ingested:
    async with _encoder(request.ray, settings) as encoder:
        ingest = Ingest(store, encoder, found, parts.reduction(settings), progress)
        return await ingest.run(solutions_of(read_corpus(request.sources, request.form)))


@asynccontextmanager
async def _encoder(ray: RayOptions | None, settings: Settings) -> AsyncIterator[TextEncoder]:
    if ray:
        if settings.encoder_url:
            raise ConfigurationError("STEPREWARD_ENCODER_URL: a Ray cluster encodes by itself; leave one of them out")
        model = Model(settings.encoder_model, settings.encoder_batch_size, settings.encoder_device)
        async with ray_encoder(model, ray) as encoder:
            yield encoder
        return
    local = await asyncio.to_thread(parts.load_encoder, settings)
    try:
        yield TextEncoder.of(local)
    finally:
        local.close()


def _summary(surveyed: _Surveyed, manifest: Manifest, done: Ingested | None, active: bool, seconds: float) -> Summary:
    texts = done.texts if done else 0
    return Summary(
        snapshot=manifest.id,
        rows=surveyed.survey.rows,
        solutions=surveyed.survey.solutions,
        repeated=surveyed.survey.solutions - manifest.questions,
        left_out=surveyed.left_out,
        rejected=str(surveyed.rejected) if surveyed.rejected else None,
        questions=manifest.questions,
        steps=manifest.steps,
        dimensions=manifest.pca.dimensions_out,
        explained_variance=manifest.pca.explained_variance,
        added=done.added if done else 0,
        resumed=bool(done and done.resumed),
        active=active,
        texts_encoded=texts,
        texts_per_s=round(texts / done.seconds, 1) if done and texts else None,
        seconds=round(seconds, 2),
    )


def _tell(console: Console, summary: Summary) -> None:
    read = f"{summary.rows} rows: {summary.solutions} solutions, {summary.repeated} of them repeated"
    left_out = f", {summary.left_out} rows left out ({summary.rejected})" if summary.rejected else ""
    stored = (
        f"snapshot {summary.snapshot}{' (active)' if summary.active else ''}: {summary.questions} questions, "
        f"{summary.steps} labelled steps, {summary.dimensions} dimensions keep {summary.explained_variance:.1%} of the "
        "variance"
    )
    if not summary.added and not summary.texts_encoded:
        work = "already stored, nothing added"
    else:
        went_on = "went on with an interrupted ingest: " if summary.resumed else ""
        speed = f", {summary.texts_per_s:,.0f} texts/s" if summary.texts_per_s else ""
        work = f"{went_on}{summary.added} questions added, {summary.texts_encoded} texts encoded{speed}"
    for line in (read + left_out, stored, f"{work}; {summary.seconds:.1f} s in all"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
