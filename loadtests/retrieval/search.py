"""One search, timed, and recall against exact search.

A search is `Retriever.search` for one item of six steps, as the gateway calls it: the nearest questions (one is shown,
16 are the pool), then for each of the six steps the nearest one among the steps of the pool.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from loadtests.retrieval.build import Exact
from loadtests.retrieval.engine import Engine, opened
from stepreward.metrics import Metrics
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Snapshot, Store
from stepreward.values import References, Solution

POOL_QUESTIONS = 16
RECALL_QUESTIONS = 10
# Cosines of the engine and of numpy differ by rounding, and equal texts have equal vectors: a hit counts if it is as
# near as the one expected, whichever of them it is.
_ROUNDING = 1e-5

Way = Literal["search", "no_duplicates", "new_texts", "active", "while_storing"]
_PLAIN = SearchOptions(questions=1, steps=1, min_similarity=-1)


@dataclass(frozen=True)
class Recall:
    """Shares in [0, 1] over all asked: questions against an exact search of all, steps against exact two stages."""

    questions_at_1: float
    questions_at_10: float
    steps_at_1: float


@dataclass(frozen=True)
class Bench:
    """One size, ready to be searched."""

    steps: int
    engine: Engine
    store: Store
    snapshot: Snapshot
    encoder: Encoder
    remembering: Retriever
    computing: Retriever

    @classmethod
    async def connect(cls, steps: int, engine: Engine, remembering: Encoder, computing: Encoder) -> "Bench":
        """`remembering` keeps all the vectors of what is asked, `computing` none."""
        store = opened(engine.url)
        retrievers = [Retriever(encoder, store, POOL_QUESTIONS, Metrics()) for encoder in (remembering, computing)]
        return cls(steps, engine, store, await store.active(), remembering, *retrievers)

    def cpu_s(self) -> float:
        """Of the engine and of this process."""
        return self.engine.cpu_s() + time.process_time()

    async def milliseconds(self, way: Way, solutions: Sequence[Solution]) -> list[float]:
        """Of one after the other."""
        taken = []
        for solution in solutions:
            started_s = time.perf_counter()
            await self._run(way, solution)
            taken.append((time.perf_counter() - started_s) * 1e3)
        return taken

    async def _run(self, way: Way, solution: Solution) -> object:
        if way == "active":
            return await self.store.active()
        retriever = self.computing if way == "new_texts" else self.remembering
        options = replace(_PLAIN, exclude_duplicates=way == "no_duplicates")
        return await retriever.search(self.snapshot, [solution], options)

    async def recall(self, exact: Exact, solutions: Sequence[Solution]) -> Recall:
        options = replace(_PLAIN, questions=RECALL_QUESTIONS)
        found = await self.remembering.search(self.snapshot, solutions, options)
        shares = []
        for solution, references in zip(solutions, found, strict=True):
            vectors = self.snapshot.pca.project(await self.encoder.encode([solution.question, *solution.steps]))
            shares.append(_shares(references, *expected(exact, vectors[0], vectors[1:])))
        return Recall(*np.mean(shares, axis=0).tolist())


def expected(exact: Exact, question: Vectors, steps: Vectors) -> tuple[Vectors, Vectors]:
    """Cosines of the nearest RECALL_QUESTIONS questions, and of the nearest step to each in the exact pool."""
    cosines = exact.questions @ question
    pool = np.argsort(-cosines)[:POOL_QUESTIONS]
    of_pool = np.concatenate([exact.steps[exact.first_step[row] : exact.first_step[row + 1]] for row in pool])
    return cosines[pool[:RECALL_QUESTIONS]], (of_pool @ steps.T).max(axis=0)


def _shares(found: References, questions: Vectors, steps: Vectors) -> tuple[float, float, float]:
    near = np.array([question.similarity for question in found.questions]) + _ROUNDING
    near_steps = np.array([hits[0].similarity for hits in found.steps]) + _ROUNDING
    at_10 = float(np.sum(near >= questions[-1])) / RECALL_QUESTIONS
    return float(near[0] >= questions[0]), at_10, float(np.mean(near_steps >= steps))
