"""Vectors for more steps than there are texts: real ones, moved.

A real vector x of the reduced space becomes c x + sqrt(1 - c²) e, of length 1. e has the covariance of the real vectors
and no part along x; c is drawn, anew for each, from the cosines between a real text and the nearest other one. So the
moved vectors crowd together as the real ones do. That a million real texts would be as hard to tell apart is assumed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.pca import PCA, Reduction
from stepreward.values import LabelledSolution

STEPS_PER_QUESTION = 9
_SOLUTIONS_PER_CHUNK = 5_000
_NEAREST_OF = 2_000
_SEED = 7


@dataclass(frozen=True)
class Cloud:
    """Distinct real vectors of one kind, (n, d), rows of length 1."""

    vectors: Vectors

    @cached_property
    def nearest_cosines(self) -> Vectors:
        """For up to _NEAREST_OF of them, the cosine to the nearest other one."""
        some = np.linspace(0, len(self.vectors) - 1, min(_NEAREST_OF, len(self.vectors)), dtype=int)
        cosines = self.vectors[some] @ self.vectors.T
        cosines[np.arange(len(some)), some] = -1
        nearest: Vectors = np.clip(cosines.max(axis=1), 0, 1)
        return nearest

    @cached_property
    def _spread(self) -> Vectors:
        """(d, d): normal noise times this has the covariance of the vectors."""
        values, directions = np.linalg.eigh(np.cov(self.vectors, rowvar=False))
        spread: Vectors = (np.sqrt(np.clip(values, 0, None)) * directions).T.astype(np.float32)
        return spread

    def moved(self, vectors: Vectors, rng: np.random.Generator) -> Vectors:
        """Each row of `vectors`, moved."""
        noise = rng.standard_normal(vectors.shape, dtype=np.float32) @ self._spread
        noise -= np.sum(noise * vectors, axis=1, keepdims=True) * vectors
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        cosines = rng.choice(self.nearest_cosines, size=(len(vectors), 1))
        moved: Vectors = (cosines * vectors + np.sqrt(1 - cosines**2) * noise).astype(np.float32)
        return moved


@dataclass(frozen=True)
class Chunk:
    """Some solutions: `sources` are rows of the base, and each has STEPS_PER_QUESTION rows of `steps`."""

    sources: npt.NDArray[np.int64]
    questions: Vectors
    steps: Vectors


@dataclass(frozen=True)
class Base:
    """The stored texts' vectors, and the PCA that was fitted on them."""

    solutions: Sequence[LabelledSolution]
    encoder: str
    pca: PCA
    reduced: dict[str, Vectors]

    @classmethod
    async def encode(
        cls, solutions: Sequence[LabelledSolution], encoder: Encoder, dimensions: int, kept: Path
    ) -> "Base":
        """`kept` is a file (.npy) of the whole vectors, written if there is none."""
        texts = distinct_texts(solutions)
        if not kept.exists():  # noqa: ASYNC240
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, await encoder.encode(texts, remember=False))
        vectors = np.load(kept)
        pca = PCA.fit(vectors, Reduction(dimensions))
        return cls(solutions, encoder.name, pca, dict(zip(texts, pca.project(vectors), strict=True)))

    def chunks(self, questions: int) -> Iterator[Chunk]:
        """So many solutions, the same ones each time."""
        of_questions = Cloud(self._vectors(dict.fromkeys(each.question for each in self.solutions)))
        of_steps = Cloud(self._vectors(dict.fromkeys(step for each in self.solutions for step in each.steps)))
        for start in range(0, questions, _SOLUTIONS_PER_CHUNK):
            rng = np.random.default_rng((_SEED, start))
            sources = np.arange(start, min(start + _SOLUTIONS_PER_CHUNK, questions)) % len(self.solutions)
            chosen = [self.solutions[source] for source in sources.tolist()]
            yield Chunk(
                sources,
                of_questions.moved(self._vectors(each.question for each in chosen), rng),
                of_steps.moved(self._vectors(step for each in chosen for step in nine_steps(each)), rng),
            )

    def _vectors(self, texts: Iterable[str]) -> Vectors:
        return np.stack([self.reduced[text] for text in texts])


def distinct_texts(solutions: Iterable[LabelledSolution]) -> list[str]:
    return list(dict.fromkeys(text for each in solutions for text in (each.question, *each.steps)))


def nine_steps(solution: LabelledSolution) -> list[str]:
    """STEPS_PER_QUESTION steps: the solution's own, from the first on again."""
    return [solution.steps[index % len(solution.steps)] for index in range(STEPS_PER_QUESTION)]
