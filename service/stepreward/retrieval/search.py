"""Two-stage search (RetrievalPRM §3): near questions, then near steps among theirs.

All items of a request go through together: one encoding, one search of questions, one search of steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from stepreward.errors import ConfigurationError
from stepreward.metrics import Metrics
from stepreward.retrieval.duplicates import Near, without_duplicates
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.store import Hit, Snapshot, Store
from stepreward.schema import LabelledSolution, ReferenceQuestion, References, ReferenceStep, Solution

_SPARE_QUESTIONS = 8
_WIDENINGS = (1, 4, 16, 64)


@dataclass(frozen=True)
class SearchOptions:
    """How much to retrieve: numbers of references, and the cosine below which a hit is not used.

    `exclude_duplicates`: near-duplicates of the target question are left out, with all their steps.
    """

    questions: int
    steps: int
    min_similarity: float
    exclude_duplicates: bool = False


class QuestionPayload(BaseModel):
    """What a question's point carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    steps: tuple[str, ...]
    labels: tuple[bool | None, ...]
    source: str
    sha256: str


class StepPayload(BaseModel):
    """What a step's point carries; only labelled steps are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question_id: str
    text: str
    label: bool
    source: str
    sha256: str


class Retriever:
    """Finds references. `pool_questions` is m: the questions among whose steps stage two searches.

    `duplicate_similarity` is the cosine from which on a question is a duplicate of the target's.
    """

    def __init__(
        self, encoder: Encoder, store: Store, pool_questions: int, metrics: Metrics, duplicate_similarity: float = 0.95
    ) -> None:
        self._encoder = encoder
        self._store = store
        self._pool_questions = pool_questions
        self._metrics = metrics
        self._duplicate_similarity = duplicate_similarity

    async def search(self, solutions: Sequence[Solution], options: SearchOptions) -> tuple[str, list[References]]:
        """The snapshot's id, and the references of each solution in order. Raises RetrievalUnavailable."""
        snapshot = await self._store.active()
        if not options.questions and not options.steps:
            return snapshot.id, [References((), ((),) * len(solution.steps)) for solution in solutions]
        with self._metrics.stage("encode"):
            question_vectors, step_vectors = await self._encode(snapshot, solutions, with_steps=options.steps > 0)
        with self._metrics.stage("retrieve"):
            near = await self._near(snapshot, solutions, question_vectors, options)
            steps = await self._steps(snapshot, solutions, step_vectors, near, options)
        self._metrics.dropped_duplicates.inc(sum(len(found.duplicates) for found in near))
        return snapshot.id, [
            References(_questions(found.hits, options), steps_of, len(found.duplicates))
            for found, steps_of in zip(near, steps, strict=True)
        ]

    async def _encode(
        self, snapshot: Snapshot, solutions: Sequence[Solution], with_steps: bool
    ) -> tuple[Vectors, Vectors]:
        """Reduced vectors of the questions, and of all steps one solution after the other."""
        if self._encoder.name != snapshot.manifest.encoder:
            raise ConfigurationError(
                f"STEPREWARD_ENCODER_MODEL: is {self._encoder.name!r}, the active corpus was encoded with "
                f"{snapshot.manifest.encoder!r}"
            )
        texts = [solution.question for solution in solutions]
        if with_steps:
            texts += [step for solution in solutions for step in solution.steps]
        vectors = snapshot.pca.project(await self._encoder.encode(texts))
        return vectors[: len(solutions)], vectors[len(solutions) :]

    async def _near(
        self, snapshot: Snapshot, solutions: Sequence[Solution], vectors: Vectors, options: SearchOptions
    ) -> list[Near]:
        """For each solution, as many questions as both stages need, without duplicates where they are excluded.

        More candidates than needed are looked at then, and ever more for those solutions that it did not suffice for,
        up to 64 times as many: one in whose neighbourhood all are duplicates may be left with fewer references.
        """
        wanted = max(options.questions, self._pool_questions if options.steps else 0)
        if not options.exclude_duplicates:
            return [Near(hits, ()) for hits in await self._store.nearest_questions(snapshot, vectors, wanted)]
        near = [Near((), ())] * len(solutions)
        short = list(range(len(solutions)))
        for factor in _WIDENINGS:
            limit = (wanted + _SPARE_QUESTIONS) * factor
            answers = await self._store.nearest_questions(snapshot, vectors[short], limit)
            for position, hits in zip(short, answers, strict=True):
                near[position] = without_duplicates(solutions[position].question, hits, self._duplicate_similarity)
            short = [
                position
                for position, hits in zip(short, answers, strict=True)
                if len(near[position].hits) < wanted and len(hits) == limit
            ]
            if not short:
                break
        return near

    async def _steps(
        self,
        snapshot: Snapshot,
        solutions: Sequence[Solution],
        vectors: Vectors,
        near: Sequence[Near],
        options: SearchOptions,
    ) -> list[tuple[tuple[ReferenceStep, ...], ...]]:
        """For each solution, for each of its steps, the nearest steps among those of its near questions."""
        if not options.steps:
            return [((),) * len(solution.steps) for solution in solutions]
        within = [
            [hit.id for hit in found.hits[: self._pool_questions]]
            for solution, found in zip(solutions, near, strict=True)
            for _ in solution.steps
        ]
        steps = iter(await self._store.nearest_steps(snapshot, vectors, within, options.steps, options.min_similarity))
        return [tuple(tuple(_step(hit) for hit in next(steps)) for _ in solution.steps) for solution in solutions]


def _questions(hits: Sequence[Hit], options: SearchOptions) -> tuple[ReferenceQuestion, ...]:
    return tuple(_question(hit) for hit in hits[: options.questions] if hit.similarity >= options.min_similarity)


def _question(hit: Hit) -> ReferenceQuestion:
    payload = QuestionPayload.model_validate(hit.payload)
    solution = LabelledSolution(payload.question, payload.steps, payload.labels, payload.source)
    return ReferenceQuestion(hit.id, solution, hit.similarity, payload.sha256)


def _step(hit: Hit) -> ReferenceStep:
    payload = StepPayload.model_validate(hit.payload)
    return ReferenceStep(
        id=hit.id,
        question_id=payload.question_id,
        text=payload.text,
        label=payload.label,
        similarity=hit.similarity,
        source=payload.source,
        sha256=payload.sha256,
    )
