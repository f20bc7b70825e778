"""Two-stage search (RetrievalPRM §3): near questions, then near steps among theirs.

All items of a request go through together: one encoding, one search of questions, one search of steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from stepreward.errors import ConfigurationError, DimensionMismatch, RetrievalUnavailable
from stepreward.metrics import Metrics, ReferenceKind
from stepreward.retrieval.draw import Draw, Target
from stepreward.retrieval.duplicates import Near, without_duplicates
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.payloads import reference_question, reference_step
from stepreward.retrieval.store import Hit, Snapshot, Store
from stepreward.schema import References, ReferenceStep, Solution

_SPARE_QUESTIONS = 8
_WIDENINGS = (1, 4, 16, 64)


@dataclass(frozen=True)
class SearchOptions:
    """How much to retrieve: numbers of references, and the cosine below which a hit is not used.

    `exclude_duplicates`: near-duplicates of the target question are left out, with all their steps.
    `random_seed`: references are drawn at random from this seed instead (draw.py), and `min_similarity` rests.
    """

    questions: int
    steps: int
    min_similarity: float
    exclude_duplicates: bool = False
    random_seed: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether there are to be any references."""
        return self.questions > 0 or self.steps > 0


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

    async def active(self) -> Snapshot:
        """The snapshot that answers now. Raises RetrievalUnavailable, for one made with another encoder too."""
        snapshot = await self._store.active()
        try:
            self._check_fit(snapshot)
        except ConfigurationError as error:
            # Another corpus may be activated while the service runs: `probe` tells readiness, requests may come again.
            raise RetrievalUnavailable(error.message) from error
        return snapshot

    async def search(
        self, snapshot: Snapshot, solutions: Sequence[Solution], options: SearchOptions
    ) -> list[References]:
        """The references of each solution, in order. Raises RetrievalUnavailable."""
        with self._metrics.stage("encode"):
            question_vectors, step_vectors = await self._encode(snapshot, solutions, with_steps=options.steps > 0)
        with self._metrics.stage("retrieve"):
            near = await self._near(snapshot, solutions, question_vectors, options)
            if options.random_seed is None:
                questions = [self._used("question", found.hits[: options.questions], options) for found in near]
                steps = await self._steps(snapshot, solutions, step_vectors, near, options)
                references = [
                    References(tuple(map(reference_question, hits)), of_steps)
                    for hits, of_steps in zip(questions, steps, strict=True)
                ]
            else:
                draw = Draw(self._store, snapshot, options.questions, options.steps, options.random_seed)
                references = await draw.references(_targets(solutions, question_vectors, step_vectors, near))
        self._metrics.dropped_duplicates.inc(sum(len(found.duplicates) for found in near))
        return [
            replace(found, dropped_duplicates=len(around.duplicates))
            for found, around in zip(references, near, strict=True)
        ]

    async def probe(self) -> None:
        """Raises RetrievalUnavailable, or ConfigurationError where the active corpus was made with other settings."""
        snapshot = await self._store.active()
        self._check_fit(snapshot)
        await self._store.check(snapshot)

    def _check_fit(self, snapshot: Snapshot) -> None:
        made = snapshot.manifest
        if self._encoder.name != made.encoder:
            raise ConfigurationError(
                f"STEPREWARD_ENCODER_MODEL: is {self._encoder.name!r}, the active corpus was encoded with "
                f"{made.encoder!r}"
            )
        if self._encoder.dimensions != made.pca.dimensions_in:
            raise DimensionMismatch(
                f"STEPREWARD_ENCODER_MODEL: its vectors have {self._encoder.dimensions} components, those of the "
                f"active corpus had {made.pca.dimensions_in}"
            )

    async def _encode(
        self, snapshot: Snapshot, solutions: Sequence[Solution], with_steps: bool
    ) -> tuple[Vectors, Vectors]:
        """Reduced vectors of the questions, and of all steps one solution after the other."""
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
        if not options.exclude_duplicates and options.random_seed is not None:
            return [Near((), ())] * len(solutions)
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
        hits = iter(await self._store.nearest_steps(snapshot, vectors, within, options.steps))
        return [
            tuple(tuple(map(reference_step, self._used("step", next(hits), options))) for _ in solution.steps)
            for solution in solutions
        ]

    def _used(self, kind: ReferenceKind, hits: Sequence[Hit], options: SearchOptions) -> list[Hit]:
        """Those near enough. The metrics tell of all: fewer and fewer near ones mean that the corpus no longer fits."""
        used = [hit for hit in hits if hit.similarity >= options.min_similarity]
        for hit in hits:
            self._metrics.similarity[kind].observe(min(hit.similarity, 1))  # rounding may pass 1
        self._metrics.below_threshold.labels(kind).inc(len(hits) - len(used))
        return used


def _targets(solutions: Sequence[Solution], questions: Vectors, steps: Vectors, near: Sequence[Near]) -> list[Target]:
    """`steps`: one solution's after the other's, or none at all."""
    ends = list(accumulate(len(solution.steps) for solution in solutions))
    return [
        Target(
            solution,
            question,
            steps[end - len(solution.steps) : end],
            {hit.id for hit in found.duplicates},
        )
        for solution, question, end, found in zip(solutions, questions, ends, near, strict=True)
    ]
