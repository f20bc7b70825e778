"""How well the steps' scores tell right from wrong, and how far they are probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """The steps whose score lies in [low, high), the last one in [low, high]; the means are None without steps."""

    low: float
    high: float
    steps: int
    mean_score: float | None
    share_right: float | None


@dataclass(frozen=True)
class StepQuality:
    """Over the labelled steps. `auc` is None unless there are right and wrong ones, `ece` without any.

    `ece`, the expected calibration error, is the mean distance of the bins' scores from their shares of right steps.
    """

    steps: int
    wrong_steps: int
    accuracy: float | None
    auc: float | None
    ece: float | None
    bins: tuple[ReliabilityBin, ...]


def step_quality(scores: Sequence[float], right: Sequence[bool], threshold: float) -> StepQuality:
    """Of scores in [0, 1] and labels in the same order; a step counts as judged right from `threshold` on."""
    p_correct, labels = np.array(scores, dtype=np.float64), np.array(right, dtype=bool)
    bins = reliability(p_correct, labels)
    both = labels.any() and not labels.all()
    return StepQuality(
        steps=labels.size,
        wrong_steps=int((~labels).sum()),
        accuracy=float(((p_correct >= threshold) == labels).mean()) if labels.size else None,
        auc=float(roc_auc_score(labels, p_correct)) if both else None,
        ece=calibration_error(bins),
        bins=bins,
    )


def reliability(p_correct: NDArray[np.float64], labels: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Ten bins of equal width."""
    edges = np.linspace(0, 1, BINS + 1)
    of_bin = np.minimum((p_correct * BINS).astype(np.intp), BINS - 1)
    return tuple(
        ReliabilityBin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            steps=int(chosen.sum()),
            mean_score=float(p_correct[chosen].mean()) if chosen.any() else None,
            share_right=float(labels[chosen].mean()) if chosen.any() else None,
        )
        for number in range(BINS)
        for chosen in [of_bin == number]
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """The bins' |mean score - share right|, weighted by their steps; None without steps."""
    steps = sum(one.steps for one in bins)
    gaps = [
        one.steps * abs(one.mean_score - one.share_right)
        for one in bins
        if one.mean_score is not None and one.share_right is not None
    ]
    return sum(gaps) / steps if steps else None
