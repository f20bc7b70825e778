"""A corpus into a snapshot: read, encode, fit the PCA, store, register, activate."""

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stepreward.corpus.readers import Format, HubDataset, read_solutions
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.payloads import QuestionPayload, StepPayload
from stepreward.retrieval.pca import PCA
from stepreward.retrieval.store import Manifest, Point, Store
from stepreward.schema import LabelledSolution

# Bumped when stored points change their form: older snapshots are built again.
_SCHEMA = 1
_TEXTS_PER_BATCH = 2048

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Corpus:
    """Distinct solutions in the order of the file. `sha256` covers them and that order."""

    solutions: Sequence[LabelledSolution]
    sha256: str
    bad_rows: Sequence[BadRow]


def read_corpus(source: Path | HubDataset, form: Format = "plain") -> Corpus:
    """Raises ConfigurationError for a source that cannot be read or holds no solution."""
    try:
        rows = list(read_solutions(source, form))
    except OSError as error:
        raise ConfigurationError(f"corpus {source}: {error}") from error
    solutions = list(dict.fromkeys(row for row in rows if isinstance(row, LabelledSolution)))
    if not solutions:
        raise ConfigurationError(f"corpus {source}: no usable row")
    digest = hashlib.sha256()
    for solution in solutions:
        digest.update(content_sha256(solution).encode())
    return Corpus(solutions, digest.hexdigest(), [row for row in rows if isinstance(row, BadRow)])


def content_sha256(solution: LabelledSolution) -> str:
    content = [solution.question, solution.steps, solution.labels, solution.source]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def snapshot_id(corpus: Corpus, encoder_name: str, dimensions: int) -> str:
    """Twelve hex digits of everything that the stored points depend on."""
    parts = [_SCHEMA, corpus.sha256, encoder_name, dimensions]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


async def build_snapshot(
    corpus: Corpus, encoder: Encoder, store: Store, dimensions: int, progress: Progress
) -> Manifest:
    """Store the corpus as a registered snapshot; `progress` is told (texts encoded, texts in all).

    Nothing is registered until all its points are stored: an ingest that was killed is begun anew.
    Raises ConfigurationError, RetrievalUnavailable.
    """
    identity = snapshot_id(corpus, encoder.name, dimensions)
    texts = list(dict.fromkeys(_texts(corpus.solutions)))
    vectors = await _encode(texts, encoder, progress)
    pca = PCA.fit(vectors, dimensions)
    reduced = dict(zip(texts, pca.project(vectors), strict=True))
    questions = [_question_point(solution, reduced) for solution in corpus.solutions]
    steps = [point for solution in corpus.solutions for point in _step_points(solution, reduced)]
    await store.begin(identity, dimensions)
    await store.add_questions(identity, questions)
    await store.add_steps(identity, steps)
    manifest = Manifest(
        id=identity,
        corpus_sha256=corpus.sha256,
        encoder=encoder.name,
        pca=pca.stored(),
        questions=len(questions),
        steps=len(steps),
    )
    await store.finish(manifest)
    return manifest


def _texts(solutions: Sequence[LabelledSolution]) -> list[str]:
    return [text for solution in solutions for text in (solution.question, *solution.steps)]


async def _encode(texts: Sequence[str], encoder: Encoder, progress: Progress) -> Vectors:
    parts = []
    for start in range(0, len(texts), _TEXTS_PER_BATCH):
        parts.append(await encoder.encode(texts[start : start + _TEXTS_PER_BATCH], remember=False))
        progress(min(start + _TEXTS_PER_BATCH, len(texts)), len(texts))
    return np.concatenate(parts)


def _question_id(solution: LabelledSolution) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stepreward:solution:{content_sha256(solution)}"))


def _question_point(solution: LabelledSolution, vectors: dict[str, Vectors]) -> Point:
    payload = QuestionPayload(
        question=solution.question,
        steps=solution.steps,
        labels=solution.labels,
        source=solution.source,
        sha256=content_sha256(solution),
    )
    return Point(_question_id(solution), vectors[solution.question].tolist(), payload.model_dump(mode="json"))


def _step_points(solution: LabelledSolution, vectors: dict[str, Vectors]) -> list[Point]:
    """The labelled steps; one without a label cannot tell anything about another."""
    points = []
    question_id = _question_id(solution)
    for index, (text, label) in enumerate(zip(solution.steps, solution.labels, strict=True)):
        if label is None:
            continue
        payload = StepPayload(
            question_id=question_id,
            text=text,
            label=label,
            source=solution.source,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
        )
        identity = str(uuid.uuid5(uuid.UUID(question_id), str(index)))
        points.append(Point(identity, vectors[text].tolist(), payload.model_dump(mode="json")))
    return points
