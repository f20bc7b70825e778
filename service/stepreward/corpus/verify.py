"""Whether a stored snapshot is what its manifest says, and what its points say of themselves. Reads all of it, a page
at a time, and encodes a drawn sample again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from pydantic import ValidationError

from stepreward.corpus.points import content_sha256, question_id, step_ids, text_sha256
from stepreward.corpus.sample import SmallestDigests
from stepreward.corpus.vectors import TextEncoder
from stepreward.files import reason_of
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.manifest import Manifest
from stepreward.retrieval.payloads import QuestionPayload, StepPayload
from stepreward.retrieval.pca import PCA
from stepreward.retrieval.store import Point, Store
from stepreward.values import LabelledSolution

# The store keeps float32, or less where it is told to; an encoder in half precision gives a text other last digits in
# another batch.
_NORM_TOLERANCE = 1e-3
_LEAST_COSINE = 0.99
_SHOWN = 20


@dataclass(frozen=True)
class Verified:
    """`faults` were found, of which `first` tells; none in a sound snapshot. `compared` points were encoded again."""

    questions: int
    steps: int
    compared: int
    faults: int
    first: Sequence[str]


@dataclass(frozen=True)
class _Drawn:
    id: str
    text: str
    vector: Sequence[float]


class Verification:
    """Of one snapshot. `sample` points are drawn by `seed` and encoded again, where there is an encoder."""

    def __init__(self, store: Store, manifest: Manifest, sample: int, seed: int) -> None:
        self._store = store
        self._manifest = manifest
        self._drawn = SmallestDigests[_Drawn](sample, seed)
        self._sources: Counter[str] = Counter()
        self._labelled = 0
        self._faults = 0
        self._first: list[str] = []

    async def run(self, encoder: TextEncoder | None) -> Verified:
        """Raises RetrievalUnavailable, EncoderFailed, DimensionMismatch."""
        if not self._manifest.complete:
            self._fault("it is not complete: ingest its corpus again, which goes on")
        questions = await self._questions()
        steps = await self._steps()
        self._check_counts(questions, steps)
        pca = self._pca()
        drawn = list(self._drawn.items().values()) if encoder and pca else []
        if encoder and pca and drawn:
            self._compare(drawn, pca.project(await encoder.encode([point.text for point in drawn])))
        return Verified(questions, steps, len(drawn), self._faults, tuple(self._first))

    def _fault(self, what: str) -> None:
        self._faults += 1
        if len(self._first) < _SHOWN:
            self._first.append(what)

    async def _questions(self) -> int:
        count = 0
        async for page in self._store.scan(self._manifest.id, "questions", with_vectors=True):
            count += len(page)
            for point in page:
                self._check_question(point)
        return count

    def _check_question(self, point: Point) -> None:
        self._check_vector("question", point)
        try:
            payload = QuestionPayload.model_validate(point.payload)
        except ValidationError as error:
            self._fault(f"question {point.id}: {reason_of(error)}")
            return
        sha256 = content_sha256(_solution(payload))
        if payload.sha256 != sha256 or point.id != question_id(sha256):
            self._fault(f"question {point.id}: its id or sha256 is not that of its content")
        self._sources[payload.source] += 1
        self._labelled += sum(label is not None for label in payload.labels)
        self._drawn.offer(point.id, _Drawn(point.id, payload.question, point.vector))

    async def _steps(self) -> int:
        count = 0
        async for page in self._store.scan(self._manifest.id, "steps", with_vectors=True):
            count += len(page)
            ids = dict.fromkeys(str(point.payload.get("question_id")) for point in page)
            questions = await self._store.points(
                self._manifest.id, "questions", [identity for identity in ids if _is_uuid(identity)], with_payload=True
            )
            solutions = {point.id: solution for point in questions if (solution := _parsed(point)) is not None}
            for point in page:
                self._check_step(point, solutions)
        return count

    def _check_step(self, point: Point, solutions: Mapping[str, LabelledSolution]) -> None:
        self._check_vector("step", point)
        try:
            payload = StepPayload.model_validate(point.payload)
        except ValidationError as error:
            self._fault(f"step {point.id}: {reason_of(error)}")
            return
        solution = solutions.get(payload.question_id)
        if solution is None:
            self._fault(f"step {point.id}: its question {payload.question_id} is not stored, or cannot be read")
        elif not _is_step_of(point.id, payload, solution):
            self._fault(f"step {point.id}: is no labelled step of its question {payload.question_id}")
        if payload.sha256 != text_sha256(payload.text):
            self._fault(f"step {point.id}: its sha256 is not that of its text")
        self._drawn.offer(point.id, _Drawn(point.id, payload.text, point.vector))

    def _check_vector(self, kind: str, point: Point) -> None:
        wanted = self._manifest.pca.dimensions_out
        if len(point.vector) != wanted:
            self._fault(f"{kind} {point.id}: its vector has {len(point.vector)} components, not {wanted}")
            return
        norm = float(np.linalg.norm(point.vector))
        if norm and abs(norm - 1) > _NORM_TOLERANCE:
            self._fault(f"{kind} {point.id}: its vector has the length {norm:.4f}, not 1")

    def _check_counts(self, questions: int, steps: int) -> None:
        manifest = self._manifest
        if questions != manifest.questions:
            self._fault(f"{questions} questions are stored, the manifest counts {manifest.questions}")
        if steps != manifest.steps:
            self._fault(f"{steps} steps are stored, the manifest counts {manifest.steps}")
        if steps != self._labelled:
            self._fault(f"{steps} steps are stored, the questions have {self._labelled} labelled ones")
        named = sum(self._sources[source] for source in manifest.sources)
        for source, count in manifest.sources.items():
            stored = self._sources[source] if source else self._sources.total() - named
            if stored != count:
                self._fault(f"{stored} questions are of source {source!r}, the manifest counts {count}")

    def _pca(self) -> PCA | None:
        try:
            return PCA.from_stored(self._manifest.pca)
        except ValueError as error:
            self._fault(str(error))
            return None

    def _compare(self, drawn: Sequence[_Drawn], encoded: Vectors) -> None:
        for point, vector in zip(drawn, encoded, strict=True):
            if len(point.vector) != len(vector):
                continue  # told of already
            cosine = float(np.dot(point.vector, vector))
            both_zero = not np.any(point.vector) and not np.any(vector)
            if cosine < _LEAST_COSINE and not both_zero:
                self._fault(f"point {point.id}: encoded again, its text has the cosine {cosine:.3f} to its vector")


def _solution(payload: QuestionPayload) -> LabelledSolution:
    return LabelledSolution(payload.question, payload.steps, payload.labels, payload.source)


def _parsed(point: Point) -> LabelledSolution | None:
    try:
        return _solution(QuestionPayload.model_validate(point.payload))
    except ValidationError:
        return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _is_step_of(identity: str, payload: StepPayload, solution: LabelledSolution) -> bool:
    index = step_ids(solution, payload.question_id).get(identity)
    if index is None:
        return False
    stored = (payload.text, payload.label, payload.source)
    return stored == (solution.steps[index], solution.labels[index], solution.source)
