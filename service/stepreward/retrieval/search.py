"""Two-stage search (RetrievalPRM §3): near questions, then near steps among theirs.

All items of a request go through together: one encoding, one search of questions, one search of steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from stepreward.errors import ConfigurationError, DimensionMismatch, InternalError, RetrievalUnavailable
from stepreward.metrics import Metrics, ReferenceKind
from stepreward.retrieval.candidates import Candidates
from stepreward.retrieval.draw import Draw, Target
from stepreward.retrieval.duplicates import Near, without_duplicates
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.oracle import agreeing, labels_of, question_agrees, step_agrees
from stepreward.retrieval.rerank import Scorer, reordered
from stepreward.retrieval.store import Hit, Snapshot, Store
from stepreward.retrieval.widening import SPARE, widened
from stepreward.values import References, Solution


@dataclass(frozen=True)
class SearchOptions:
    """How much to retrieve: numbers of references, and the cosine below which a hit is not used.

    `exclude_duplicates`: near-duplicates of the target question are left out, with all their steps.
    `random_seed`: references are drawn at random from this seed instead (draw.py), and `min_similarity` rests.
    `rerank`: more of them are found, and the reranker says which are used (rerank.py).
    `oracle`: the labels of the solutions, which must be GradedSolutions, choose the references (oracle.py).
    """

    questions: int
    steps: int
    min_similarity: float
    exclude_duplicates: bool = False
    random_seed: int | None = None
    rerank: bool = False
    oracle: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there are to be any references."""
        return self.questions > 0 or self.steps > 0


@dataclass(frozen=True)
class Asked:
    """What a request asks for, encoded: a row of `questions` a solution, and its steps one solution after the other.

    `steps` is empty where no reference steps are wanted.
    """

    snapshot: Snapshot
    solutions: Sequence[Solution]
    questions: Vectors
    steps: Vectors


class Retriever:
    """Finds references. `pool_questions` is m: the questions among whose steps stage two searches, by cosine always.

    `duplicate_similarity` is the cosine from which on a question is a duplicate of the target's. The `reranker` is
    shown `rerank_candidates` hits for each reference wanted.
    """

    def __init__(
        self,
        encoder: Encoder,
        store: Store,
        pool_questions: int,
        metrics: Metrics,
        duplicate_similarity: float = 0.95,
        *,
        reranker: Scorer | None = None,
        rerank_candidates: int = 1,
    ) -> None:
        self._encoder = encoder
        self._store = store
        self._pool_questions = pool_questions
        self._metrics = metrics
        self._duplicate_similarity = duplicate_similarity
        self._reranker = reranker
        self._rerank_candidates = rerank_candidates

    async def active(self) -> Snapshot:
        """The snapshot that answers now. Raises RetrievalUnavailable, for one made with another encoder too."""
        snapshot = await self._store.active()
        try:
            check_fit(self._encoder, snapshot)
        except ConfigurationError as error:
            # Another corpus may be activated while the service runs: `probe` tells readiness, requests may come again.
            raise RetrievalUnavailable(error.message) from error
        return snapshot

    async def search(
        self, snapshot: Snapshot, solutions: Sequence[Solution], options: SearchOptions
    ) -> list[References]:
        """The references of each solution, in order. Raises RetrievalUnavailable, EncoderFailed."""
        with self._metrics.stage("encode"):
            asked = await self._encode(snapshot, solutions, with_steps=options.steps > 0)
        found = await (self._found(asked, options) if options.random_seed is None else self._drawn(asked, options))
        self._metrics.dropped_duplicates.inc(sum(references.dropped_duplicates for references in found))
        return found

    async def probe(self) -> None:
        """Raises RetrievalUnavailable, or ConfigurationError where the active corpus was made with other settings."""
        snapshot = await self._store.active()
        check_fit(self._encoder, snapshot)
        await self._store.check(snapshot)

    @property
    def revision(self) -> str:
        """All that the references of a search depend on beside the snapshot and its options."""
        reranker = self._reranker.name if self._reranker else None
        return repr((self._pool_questions, self._duplicate_similarity, reranker, self._rerank_candidates))

    async def _found(self, asked: Asked, options: SearchOptions) -> list[References]:
        with self._metrics.stage("retrieve"):
            near = await self._near(asked, options)
            found = await self._candidates(asked, near, options)
        if options.oracle:
            found = [
                agreeing(candidates, labels_of(solution))
                for candidates, solution in zip(found, asked.solutions, strict=True)
            ]
        if options.rerank:
            if self._reranker is None:
                raise InternalError("a search is to be reranked where there is no reranker. This is a bug.")
            with self._metrics.stage("rerank"):
                found = await reordered(self._reranker, asked.solutions, found)
        return [
            candidates.references(options.questions, options.steps, len(around.duplicates))
            for candidates, around in zip(found, near, strict=True)
        ]

    async def _drawn(self, asked: Asked, options: SearchOptions) -> list[References]:
        with self._metrics.stage("retrieve"):
            duplicates = [around.duplicates for around in await self._near(asked, options)]
            draw = Draw(self._store, asked.snapshot, options.questions, options.steps, options.random_seed or 0)
            drawn = await draw.references(_targets(asked, duplicates))
        return [
            replace(references, dropped_duplicates=len(dropped))
            for references, dropped in zip(drawn, duplicates, strict=True)
        ]

    async def _encode(self, snapshot: Snapshot, solutions: Sequence[Solution], with_steps: bool) -> Asked:
        texts = [solution.question for solution in solutions]
        if with_steps:
            texts += [step for solution in solutions for step in solution.steps]
        vectors = await reduced(texts, self._encoder, snapshot)
        return Asked(snapshot, solutions, vectors[: len(solutions)], vectors[len(solutions) :])

    async def _near(self, asked: Asked, options: SearchOptions) -> list[Near]:
        """For each solution, as many questions as both stages need, without duplicates where they are excluded.

        More candidates than needed are looked at then, or where labels choose, and ever more for those solutions that
        it did not suffice for: one in whose neighbourhood all are duplicates may be left with fewer references.
        """
        if not options.exclude_duplicates and options.random_seed is not None:
            return [Near((), ())] * len(asked.solutions)
        wanted = max(options.questions * self._looked_at(options), self._pool_questions if options.steps else 0)

        def read(position: int, hits: Sequence[Hit]) -> Near:
            if not options.exclude_duplicates:
                return Near(hits, ())
            return without_duplicates(asked.solutions[position].question, hits, self._duplicate_similarity)

        def suffices(position: int, near: Near) -> bool:
            if len(near.hits) < wanted or not options.oracle:
                return len(near.hits) >= wanted
            labels = labels_of(asked.solutions[position])
            agreeing = [hit for hit in near.hits if question_agrees(hit.payload, labels)]
            return _enough(near.hits, agreeing, options.questions, options)

        spare = SPARE if options.exclude_duplicates or options.oracle else 0
        return await widened(
            lambda rows, limit: self._store.nearest_questions(asked.snapshot, asked.questions[rows], limit),
            read,
            suffices,
            len(asked.solutions),
            wanted + spare,
        )

    async def _candidates(self, asked: Asked, near: Sequence[Near], options: SearchOptions) -> list[Candidates]:
        """Those near enough; where neither labels nor a reranker choose, as many as wanted."""
        of_steps = iter(await self._steps(asked, near, options))
        found = []
        for solution, around in zip(asked.solutions, near, strict=True):
            looked_at = len(around.hits) if options.oracle else options.questions * self._looked_at(options)
            questions = self._used("question", around.hits[:looked_at], options.questions, options)
            steps = [self._used("step", next(of_steps), options.steps, options) for _ in solution.steps]
            found.append(Candidates(questions, steps))
        return found

    async def _steps(self, asked: Asked, near: Sequence[Near], options: SearchOptions) -> Sequence[Sequence[Hit]]:
        """For each step, one solution's after the other's, the nearest steps among those of its near questions."""
        count = sum(len(solution.steps) for solution in asked.solutions)
        if not options.steps:
            return [()] * count
        pools = [[hit.id for hit in around.hits[: self._pool_questions]] for around in near]
        within = [pool for solution, pool in zip(asked.solutions, pools, strict=True) for _ in solution.steps]
        labels = [label for solution in asked.solutions for label in labels_of(solution)] if options.oracle else []

        def suffices(position: int, hits: Sequence[Hit]) -> bool:
            if not options.oracle:
                return True
            agreeing = [hit for hit in hits if step_agrees(hit.payload, labels[position])]
            return _enough(hits, agreeing, options.steps, options)

        return await widened(
            lambda rows, limit: self._store.nearest_steps(
                asked.snapshot, asked.steps[rows], [within[row] for row in rows], limit
            ),
            lambda _, hits: hits,
            suffices,
            count,
            options.steps * self._looked_at(options) + (SPARE if options.oracle else 0),
        )

    def _looked_at(self, options: SearchOptions) -> int:
        """Hits for each reference wanted."""
        return self._rerank_candidates if options.rerank else 1

    def _used(self, kind: ReferenceKind, hits: Sequence[Hit], wanted: int, options: SearchOptions) -> list[Hit]:
        """Those near enough. The metrics tell of the nearest `wanted`, whichever of the hits are chosen then: fewer and
        fewer near ones mean that the corpus no longer fits."""
        for hit in hits[:wanted]:
            self._metrics.similarity[kind].observe(min(hit.similarity, 1))  # rounding may pass 1
        below = sum(hit.similarity < options.min_similarity for hit in hits[:wanted])
        self._metrics.below_threshold.labels(kind).inc(below)
        return [hit for hit in hits if hit.similarity >= options.min_similarity]


def check_fit(encoder: Encoder, snapshot: Snapshot) -> None:
    """Raises ConfigurationError for another encoder than the snapshot's own."""
    made = snapshot.manifest
    if encoder.name != made.encoder:
        raise ConfigurationError(
            f"STEPREWARD_ENCODER_MODEL: is {encoder.name!r}, the corpus {made.id} was encoded with {made.encoder!r}"
        )
    if encoder.dimensions != made.pca.dimensions_in:
        raise DimensionMismatch(
            f"STEPREWARD_ENCODER_MODEL: its vectors have {encoder.dimensions} components, those of the corpus "
            f"{made.id} had {made.pca.dimensions_in}"
        )


async def reduced(texts: Sequence[str], encoder: Encoder, snapshot: Snapshot, *, remember: bool = True) -> Vectors:
    """(n, d), rows of length 1, in the snapshot's space. Raises ConfigurationError for another encoder than its own,
    EncoderFailed."""
    check_fit(encoder, snapshot)
    return snapshot.pca.project(await encoder.encode(texts, remember=remember))


def _enough(hits: Sequence[Hit], agreeing: Sequence[Hit], wanted: int, options: SearchOptions) -> bool:
    """Whether more hits, which are farther, could add to the first `wanted` that agree and are near enough."""
    used = sum(hit.similarity >= options.min_similarity for hit in agreeing)
    return used >= wanted or hits[-1].similarity < options.min_similarity


def _targets(asked: Asked, duplicates: Sequence[Sequence[Hit]]) -> list[Target]:
    ends = list(accumulate(len(solution.steps) for solution in asked.solutions))
    return [
        Target(
            solution,
            question,
            asked.steps[end - len(solution.steps) : end],
            {hit.id for hit in excluded},
        )
        for solution, question, end, excluded in zip(asked.solutions, asked.questions, ends, duplicates, strict=True)
    ]
