"""Pass two of an ingest: a corpus into a snapshot, in memory that does not grow with it.

    survey.sample → encode → fit the PCA → register, not complete
    solutions → batches ═ queue ═ encode, project ═ queue ═ store steps, then questions → count → register, complete

The three between the queues run at once: the encoder computes a batch while the last one is stored. A snapshot that
was begun is gone on with: its PCA is the registered one, and what the store has of a solution is not encoded again.

One ingest of a snapshot at a time: two that begin the same one end with an error or in points of one projection.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from stepreward.concurrency import run_all
from stepreward.corpus.points import content_sha256, question_id, question_point, step_ids, step_points, stored_texts
from stepreward.corpus.survey import CorpusDigest, Survey
from stepreward.corpus.vectors import TextEncoder, TextVectors
from stepreward.errors import ConfigurationError
from stepreward.retrieval.encoder import Vector
from stepreward.retrieval.manifest import SCHEMA_VERSION, Manifest
from stepreward.retrieval.pca import PCA, Reduction
from stepreward.retrieval.store import Point, Store
from stepreward.values import LabelledSolution

Stage = Literal["read", "fit", "store"]
# Told the stage, how many of its rows, texts or solutions are done, and how many there are where that is known.
Progress = Callable[[Stage, int, int | None], None]


@dataclass(frozen=True)
class Ingested:
    """`texts` were encoded, which and storing took `seconds`; `added` questions were not in the store before."""

    manifest: Manifest
    texts: int
    added: int
    resumed: bool
    seconds: float


@dataclass(frozen=True)
class _Batch:
    """Of `size` solutions, those that the store does not have yet, each once."""

    size: int
    solutions: Sequence[LabelledSolution]


@dataclass(frozen=True)
class _Points:
    """What is made of a batch."""

    size: int
    questions: Sequence[Point]
    steps: Sequence[Point]


class Ingest:
    """Of one corpus, as it was surveyed."""

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder,
        survey: Survey,
        reduction: Reduction,
        progress: Progress,
        *,
        texts_per_batch: int | None = None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._survey = survey
        self._reduction = reduction
        self._progress = progress
        self._texts_per_batch = texts_per_batch or encoder.texts_per_batch

    async def run(self, solutions: Iterable[LabelledSolution]) -> Ingested:
        """Store `solutions`, those that were surveyed, as a complete snapshot; nothing where that is done already.

        Raises ConfigurationError, also where they are others; RetrievalUnavailable, EncoderFailed. What is stored by
        then stays, and the next run goes on from there.
        """
        started_s = time.monotonic()
        identity = self._survey.snapshot_id(self._encoder.name, self._reduction)
        registered = await self._store.manifest(identity)
        if registered and registered.complete:
            return Ingested(registered, texts=0, added=0, resumed=False, seconds=0)
        begun, before = await self._store.begun(identity), 0
        resumed = begun is not None
        if begun:
            texts = TextVectors(self._encoder, _registered_pca(begun))
            before = await self._store.count(identity, "questions")
        else:
            texts = await TextVectors.fitted(
                self._encoder, self._reduction, self._survey.sample, lambda done, of: self._progress("fit", done, of)
            )
            begun = self._manifest(identity, texts.pca)
            await self._store.begin(begun)
        passage = _Passage(self._store, texts, identity, resumed, self._texts_per_batch)
        digest = await passage.run(solutions, lambda done: self._progress("store", done, self._survey.solutions))
        if digest != self._survey.sha256:
            await self._store.drop(identity)
            raise ConfigurationError("the corpus changed while it was ingested: ingest it again")
        manifest = await self._counted(begun)
        await self._store.finish(manifest)
        return Ingested(manifest, texts.encoded, manifest.questions - before, resumed, time.monotonic() - started_s)

    def _manifest(self, identity: str, pca: PCA) -> Manifest:
        return Manifest(
            id=identity,
            schema_version=SCHEMA_VERSION,
            corpus_sha256=self._survey.sha256,
            encoder=self._encoder.name,
            pca=pca.stored(),
            questions=0,
            steps=0,
            sources={},
            created_at=datetime.now(UTC),
            complete=False,
        )

    async def _counted(self, manifest: Manifest) -> Manifest:
        """Counts are the store's: nothing here knows which solutions stand in the corpus twice."""
        questions = await self._store.count(manifest.id, "questions")
        sources = {name: await self._store.count(manifest.id, "questions", name) for name in self._survey.sources}
        if others := questions - sum(sources.values()):
            sources[""] = others
        steps = await self._store.count(manifest.id, "steps")
        return manifest.model_copy(
            update={"questions": questions, "steps": steps, "sources": sources, "complete": True}
        )


class _Passage:
    """All solutions once through reading, encoding and storing. `asks`: the store may have some of them already."""

    def __init__(self, store: Store, texts: TextVectors, identity: str, asks: bool, texts_per_batch: int) -> None:
        self._store = store
        self._texts = texts
        self._identity = identity
        self._asks = asks
        self._texts_per_batch = texts_per_batch
        self._digest = CorpusDigest()

    async def run(self, solutions: Iterable[LabelledSolution], stored: Callable[[int], None]) -> str:
        """The digest of what was read. `stored` is told the number of solutions whose points are all acknowledged."""
        read: asyncio.Queue[_Batch | None] = asyncio.Queue(1)
        encoded: asyncio.Queue[_Points | None] = asyncio.Queue(1)
        await run_all([self._read(solutions, read), self._encode(read, encoded), self._put(encoded, stored)])
        return self._digest.hexdigest()

    async def _read(self, solutions: Iterable[LabelledSolution], ahead: asyncio.Queue[_Batch | None]) -> None:
        batches = self._batches(solutions)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            missing = await self._missing(batch) if self._asks else batch
            await ahead.put(_Batch(len(batch), list(dict.fromkeys(missing))))
        await ahead.put(None)

    def _batches(self, solutions: Iterable[LabelledSolution]) -> Iterator[list[LabelledSolution]]:
        batch: list[LabelledSolution] = []
        texts = 0
        for solution in solutions:
            self._digest.add(solution)
            batch.append(solution)
            texts += 1 + len(solution.steps)
            if texts >= self._texts_per_batch:
                yield batch
                batch, texts = [], 0
        if batch:
            yield batch

    async def _missing(self, batch: Sequence[LabelledSolution]) -> list[LabelledSolution]:
        """Those of which a point is not stored. Steps are asked for too: a power cut may take them and leave the
        question."""
        ids = {solution: question_id(content_sha256(solution)) for solution in batch}
        steps = {solution: list(step_ids(solution, identity)) for solution, identity in ids.items()}
        stored = {
            point.id
            for point in [
                *await self._store.points(self._identity, "questions", list(ids.values()), with_payload=False),
                *await self._store.points(
                    self._identity, "steps", [step for of_one in steps.values() for step in of_one], with_payload=False
                ),
            ]
        }
        return [solution for solution in batch if not stored.issuperset([ids[solution], *steps[solution]])]

    async def _encode(self, read: asyncio.Queue[_Batch | None], ahead: asyncio.Queue[_Points | None]) -> None:
        while (batch := await read.get()) is not None:
            vectors = await self._texts.of(text for solution in batch.solutions for text in stored_texts(solution))
            # In a thread: the loop starts the encoder's passes.
            await ahead.put(await asyncio.to_thread(_points, batch, vectors))
        await ahead.put(None)

    async def _put(self, encoded: asyncio.Queue[_Points | None], stored: Callable[[int], None]) -> None:
        done = 0
        while (batch := await encoded.get()) is not None:
            # A question is stored after its steps: what answers to its name is whole.
            await self._store.add_steps(self._identity, batch.steps)
            await self._store.add_questions(self._identity, batch.questions)
            done += batch.size
            stored(done)


def _points(batch: _Batch, vectors: Mapping[str, Vector]) -> _Points:
    questions = [question_point(solution, vectors) for solution in batch.solutions]
    steps = [point for solution in batch.solutions for point in step_points(solution, vectors)]
    return _Points(batch.size, questions, steps)


def _registered_pca(manifest: Manifest) -> PCA:
    try:
        return PCA.from_stored(manifest.pca)
    except ValueError as error:
        raise ConfigurationError(f"snapshot {manifest.id}: {error}; drop it and ingest again") from error
