"""PRMBench's figures (Song et al. 2025, github.com/ssmisya/PRMBench): PRMScore = 0.5 · F1 + 0.5 · negative F1.

F1 is over the right steps, negative F1 over the wrong ones, both micro over all steps of a class of errors; overall,
over all steps of all classes. A category's figure is the plain mean of its classes'.

1. multi_solutions has no wrong steps and so no negative F1; its figure is F1 alone, as on the published leaderboard.
2. Where precision and recall are both 0 the published code sets F1 to -1; here it is 0. Without steps it is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stepreward.evaluation.intervals import Indices, Interval, bootstrap_interval

# The classes as the data names them, and the names in the paper's tables.
CLASSES = {
    "redundency": "NR",
    "circular": "NCL",
    "counterfactual": "ES",
    "step_contradiction": "SC",
    "domain_inconsistency": "DC",
    "confidence": "CI",
    "missing_condition": "PS",
    "deception": "DR",
    "multi_solutions": "MS",
}
CATEGORIES = {"simplicity": ("NR", "NCL"), "soundness": ("ES", "SC", "DC", "CI"), "sensitivity": ("PS", "DR", "MS")}


@dataclass(frozen=True)
class Counts:
    """Steps by what they are and what they were judged; right is positive."""

    true_right: int = 0
    false_right: int = 0
    true_wrong: int = 0
    false_wrong: int = 0

    @classmethod
    def of(cls, judged_right: Sequence[bool], right: Sequence[bool]) -> Self:
        pairs = list(zip(judged_right, right, strict=True))
        return cls(
            pairs.count((True, True)),
            pairs.count((True, False)),
            pairs.count((False, False)),
            pairs.count((False, True)),
        )

    def as_row(self) -> tuple[int, int, int, int]:
        return self.true_right, self.false_right, self.true_wrong, self.false_wrong


@dataclass(frozen=True)
class PRMScore:
    """All in [0, 1]. `negative_f1` is None without wrong steps, `f1` without right ones, and then `prmscore` too."""

    items: int
    steps: int
    wrong_steps: int
    f1: float | None
    negative_f1: float | None
    prmscore: float | None
    interval: Interval | None


def prmscore(classes: Sequence[Sequence[Counts]], seed: int) -> PRMScore:
    """Micro over all items of the classes, each item given by its counts.

    The interval is over items, whose steps stay together, drawn within each class.
    """
    rows = [np.array([counts.as_row() for counts in items], dtype=np.int64).reshape(-1, 4) for items in classes]
    total = sum((of_class.sum(axis=0) for of_class in rows), start=np.zeros(4, dtype=np.int64))
    right, wrong = int(total[0] + total[3]), int(total[1] + total[2])

    def of_resamples(indices: Sequence[Indices]) -> NDArray[np.float64]:
        drawn = [of_class[chosen].sum(axis=-2) for of_class, chosen in zip(rows, indices, strict=True)]
        return _prmscore(np.sum(drawn, axis=0))

    return PRMScore(
        items=sum(map(len, classes)),
        steps=right + wrong,
        wrong_steps=wrong,
        f1=float(_f1(total)) if right else None,
        negative_f1=float(_negative_f1(total)) if wrong else None,
        prmscore=float(_prmscore(total)) if right else None,
        interval=bootstrap_interval([len(items) for items in classes], of_resamples, seed) if right else None,
    )


def categories(of_classes: dict[str, PRMScore]) -> dict[str, float | None]:
    """Mean over a category's classes, by the paper's names; None where a class has no score."""
    found: dict[str, float | None] = {}
    for category, names in CATEGORIES.items():
        scores = [of_classes[name].prmscore for name in names if name in of_classes]
        known = [score for score in scores if score is not None]
        found[category] = sum(known) / len(names) if len(known) == len(names) else None
    return found


def _f1(total: NDArray[np.int64]) -> NDArray[np.float64]:
    return _ratio(2 * total[..., 0], 2 * total[..., 0] + total[..., 1] + total[..., 3])


def _negative_f1(total: NDArray[np.int64]) -> NDArray[np.float64]:
    return _ratio(2 * total[..., 2], 2 * total[..., 2] + total[..., 1] + total[..., 3])


def _prmscore(total: NDArray[np.int64]) -> NDArray[np.float64]:
    has_wrong = total[..., 1] + total[..., 2] > 0
    return np.where(has_wrong, 0.5 * _f1(total) + 0.5 * _negative_f1(total), _f1(total))


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
