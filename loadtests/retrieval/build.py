"""A snapshot of one size, and what making it cost. Its vectors are kept beside it, for the exact search.

DIRECTORY/engine/        the engine's
DIRECTORY/questions.npy  (n, d)
DIRECTORY/steps.npy      (m, d), in the order of their questions
DIRECTORY/first_step.npy (n + 1,): question i has the rows from first_step[i] to first_step[i + 1] of the steps
DIRECTORY/built.json     written last: a directory without it is built anew
"""

import shutil
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from loadtests.retrieval.engine import Memory, opened, running, watched
from loadtests.retrieval.vectors import STEPS_PER_QUESTION, Base, Chunk, nine_steps
from stepreward.concurrency import run_all
from stepreward.corpus.ingest import Ingest
from stepreward.corpus.points import content_sha256, stored_texts
from stepreward.corpus.survey import survey
from stepreward.corpus.vectors import TextEncoder
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.manifest import SCHEMA_VERSION, Manifest
from stepreward.retrieval.payloads import QuestionPayload, StepPayload
from stepreward.retrieval.pca import Reduction
from stepreward.retrieval.store import Point, Store
from stepreward.values import LabelledSolution

_INGESTS = 2

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Built:
    """What making a snapshot cost. Only real texts are encoded, and only moved vectors are stored by themselves: each
    has rates of its own, of parts or of turns."""

    questions: int
    steps: int
    store_points_per_s: tuple[float, ...]
    encoder_texts_per_s: tuple[float, ...]
    ingest_texts_per_s: tuple[float, ...]
    index_s: float
    memory_peak: Memory
    disk_mib: float

    @property
    def ingest_share(self) -> float:
        """The whole ingest's rate as a share of the encoder's own, median of the pairs."""
        pairs = zip(self.ingest_texts_per_s, self.encoder_texts_per_s, strict=True)
        return float(np.median([ingest / alone for ingest, alone in pairs]))


@dataclass(frozen=True)
class Exact:
    """The stored vectors, as the engine was given them."""

    questions: Vectors
    steps: Vectors
    first_step: npt.NDArray[np.int64]

    @classmethod
    def load(cls, directory: Path) -> "Exact":
        parts = [np.load(directory / f"{name}.npy", mmap_mode="r") for name in ("questions", "steps", "first_step")]
        return cls(*parts)

    def save(self, directory: Path) -> None:
        for name, array in vars(self).items():
            np.save(directory / f"{name}.npy", array)


@dataclass(frozen=True)
class _Stored:
    """What one way of making a snapshot gives back."""

    exact: Exact
    store_points_per_s: tuple[float, ...] = ()
    encoder_texts_per_s: tuple[float, ...] = ()
    ingest_texts_per_s: tuple[float, ...] = ()


def is_built(directory: Path) -> bool:
    return (directory / "built.json").exists()


def built(directory: Path) -> Built:
    """What this run or an earlier one built here."""
    return TypeAdapter(Built).validate_json((directory / "built.json").read_bytes())


async def build_real(
    directory: Path, solutions: Sequence[LabelledSolution], encoder: Encoder, dimensions: int, told: Progress
) -> Built:
    """Ingest the texts, _INGESTS times, each beside an encoding of the same texts alone."""

    async def fill(store: Store) -> _Stored:
        texts = list(dict.fromkeys(text for each in solutions for text in stored_texts(each)))
        found = survey([solutions], lambda _: None)
        ingest = Ingest(store, TextEncoder.of(encoder), found, Reduction(dimensions), lambda *_: None)
        alone, whole = [], []
        for turn in range(_INGESTS):
            started_s = time.perf_counter()
            await encoder.encode(texts, remember=False)
            encoded_s = time.perf_counter()
            manifest = (await ingest.run(solutions)).manifest
            alone.append(len(texts) / (encoded_s - started_s))
            whole.append(len(texts) / (time.perf_counter() - encoded_s))
            told((turn + 1) / _INGESTS)
            if turn + 1 < _INGESTS:
                await store.drop(manifest.id)
        await store.activate(manifest.id)
        return _Stored(await _read_back(store, manifest.id), (), tuple(alone), tuple(whole))

    return await _build(directory, fill)


async def build_moved(directory: Path, base: Base, steps: int, told: Progress) -> Built:
    """Store `steps` moved vectors with their questions', several upserts at a time."""

    async def fill(store: Store) -> _Stored:
        identity, questions = f"bench-{steps}", steps // STEPS_PER_QUESTION
        pca = base.pca.stored()
        manifest = Manifest(
            id=identity,
            schema_version=SCHEMA_VERSION,
            corpus_sha256="",
            encoder=base.encoder,
            pca=pca,
            questions=questions,
            steps=questions * STEPS_PER_QUESTION,
            sources={},
            created_at=datetime.now(UTC),
            complete=False,
        )
        await store.begin(manifest)
        exact = _empty(questions, pca.dimensions_out)
        row, rates = 0, []
        for chunk in base.chunks(questions):
            end = row + len(chunk.questions)
            exact.questions[row:end] = chunk.questions
            exact.steps[row * STEPS_PER_QUESTION : end * STEPS_PER_QUESTION] = chunk.steps
            question_points, step_points = _points(base, chunk, row)
            started_s = time.perf_counter()
            await run_all(
                [
                    store.add_questions(identity, question_points),
                    store.add_steps(identity, step_points[::2]),
                    store.add_steps(identity, step_points[1::2]),
                ]
            )
            rates.append((len(question_points) + len(step_points)) / (time.perf_counter() - started_s))
            row = end
            told(row / questions)
        await store.finish(manifest.model_copy(update={"complete": True}))
        await store.activate(identity)
        return _Stored(exact, tuple(rates))

    return await _build(directory, fill)


async def _build(directory: Path, fill: Callable[[Store], Awaitable[_Stored]]) -> Built:
    shutil.rmtree(directory, ignore_errors=True)
    async with running(directory / "engine") as engine, watched(engine) as peak:
        store = opened(engine.url)
        try:
            stored = await fill(store)
        finally:
            await store.close()
        started_s = time.perf_counter()
        await engine.wait_until_indexed()
        result = Built(
            questions=len(stored.exact.questions),
            steps=len(stored.exact.steps),
            store_points_per_s=stored.store_points_per_s,
            encoder_texts_per_s=stored.encoder_texts_per_s,
            ingest_texts_per_s=stored.ingest_texts_per_s,
            index_s=time.perf_counter() - started_s,
            memory_peak=peak[0],
            disk_mib=engine.disk_mib(),
        )
    stored.exact.save(directory)
    (directory / "built.json").write_bytes(TypeAdapter(Built).dump_json(result, indent=2))
    return result


async def _read_back(store: Store, snapshot_id: str) -> Exact:
    questions = {point.id: point.vector async for page in store.scan(snapshot_id, "questions", True) for point in page}
    steps: dict[str, list[list[float]]] = {identity: [] for identity in questions}
    async for page in store.scan(snapshot_id, "steps", True):
        for point in page:
            steps[str(point.payload["question_id"])].append(point.vector)
    return Exact(
        np.array(list(questions.values()), dtype=np.float32),
        np.array([vector for each in steps.values() for vector in each], dtype=np.float32),
        np.cumsum([0, *map(len, steps.values())]),
    )


def _empty(questions: int, dimensions: int) -> Exact:
    return Exact(
        np.empty((questions, dimensions), dtype=np.float32),
        np.empty((questions * STEPS_PER_QUESTION, dimensions), dtype=np.float32),
        np.arange(questions + 1) * STEPS_PER_QUESTION,
    )


def _points(base: Base, chunk: Chunk, first_row: int) -> tuple[list[Point], list[Point]]:
    """The points of a chunk's questions and steps, with the texts of the solutions that they were moved from.

    Ids are hashes, as those of real solutions are.
    """
    questions, steps = [], []
    step_vectors = iter(chunk.steps.tolist())
    for row, (source, vector) in enumerate(zip(chunk.sources, chunk.questions.tolist(), strict=True), first_row):
        solution = base.solutions[source]
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"stepreward:bench:{row}")
        questions.append(Point(str(identity), vector, _question_payload(solution)))
        steps += [
            Point(str(uuid.uuid5(identity, str(index))), next(step_vectors), payload)
            for index, payload in enumerate(_step_payloads(solution, str(identity)))
        ]
    return questions, steps


def _question_payload(solution: LabelledSolution) -> Mapping[str, object]:
    payload = QuestionPayload(
        question=solution.question,
        steps=tuple(nine_steps(solution)),
        labels=(True,) * STEPS_PER_QUESTION,
        source=solution.source,
        sha256=content_sha256(solution),
    )
    return payload.model_dump(mode="json")


def _step_payloads(solution: LabelledSolution, question_id: str) -> list[Mapping[str, object]]:
    sha256 = content_sha256(solution)
    return [
        StepPayload(question_id=question_id, text=text, label=True, source=solution.source, sha256=sha256).model_dump(
            mode="json"
        )
        for text in nine_steps(solution)
    ]
