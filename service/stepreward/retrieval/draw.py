"""References drawn at random instead of searched: the control of an ablation, equal in number and form.

How: ids are hashes of content, so that the ids from a random one onwards are a random part of the corpus. A window of
64 of them is read, and the references are drawn from it without replacement, each step's anew. Every point of a
corpus of up to 64 points is equally likely; in a larger one a point's chance is that its window begins among the 64
before it, which differs between points by about an eighth (standard deviation), for hashes leave uneven gaps.
The same seed and the same item draw the same references, whatever stands beside it in the request.
"""

import hashlib
import random
import uuid
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from stepreward.concurrency import run_all
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.payloads import reference_question, reference_step
from stepreward.retrieval.store import Hit, Kind, Point, Snapshot, Store
from stepreward.values import References, Solution

_WINDOW_POINTS = 64
_SOLUTIONS_AT_ONCE = 16


@dataclass(frozen=True)
class Target:
    """A solution to draw for. `steps` are its vectors, `excluded` the ids of questions that are not drawn."""

    solution: Solution
    question: Vectors
    steps: Vectors
    excluded: Set[str]


class Draw:
    """`questions` and `steps`: how many references, fewer only where the window has fewer."""

    def __init__(self, store: Store, snapshot: Snapshot, questions: int, steps: int, seed: int) -> None:
        self._store = store
        self._snapshot = snapshot
        self._questions = questions
        self._steps = steps
        self._seed = seed

    async def references(self, targets: Sequence[Target]) -> list[References]:
        """In order. Raises RetrievalUnavailable."""
        drawn: list[References] = []
        for start in range(0, len(targets), _SOLUTIONS_AT_ONCE):
            drawn += await run_all(self._one(target) for target in targets[start : start + _SOLUTIONS_AT_ONCE])
        return drawn

    async def _one(self, target: Target) -> References:
        chance = random.Random(content_seed(target.solution, self._seed))  # noqa: S311  (repeatable, not secret)
        questions = await self._window("questions", chance) if self._questions else []
        steps = await self._window("steps", chance) if self._steps else []
        whole = [point for point in questions if point.id not in target.excluded]
        single = [point for point in steps if point.payload["question_id"] not in target.excluded]
        return References(
            tuple(map(reference_question, _pick(whole, self._questions, target.question, chance))),
            tuple(tuple(map(reference_step, _pick(single, self._steps, vector, chance))) for vector in target.steps)
            if self._steps
            else ((),) * len(target.solution.steps),
        )

    async def _window(self, kind: Kind, chance: random.Random) -> list[Point]:
        start = uuid.UUID(int=chance.getrandbits(128), version=5)
        return await self._store.points_from(self._snapshot, kind, str(start), _WINDOW_POINTS)


def content_seed(solution: Solution, seed: int) -> int:
    content = repr((solution.question, solution.steps, seed))
    return int.from_bytes(hashlib.sha256(content.encode()).digest())


def _pick(points: Sequence[Point], count: int, vector: Vectors, chance: random.Random) -> list[Hit]:
    """Up to `count` of the points, with the cosine that they happen to have."""
    picked = chance.sample(points, min(count, len(points)))
    return [Hit(point.id, float(np.dot(np.asarray(point.vector), vector)), point.payload) for point in picked]
