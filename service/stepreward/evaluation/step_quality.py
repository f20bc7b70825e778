"""How well the steps' scores tell right from wrong, and how far they are probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from stepreward.reliability import Floats, Labels, bin_means, bins_of_equal_mass, ece


@dataclass(frozen=True)
class ReliabilityBin:
    """Some of the steps, near each other by their score."""

    steps: int
    mean_score: float
    share_right: float


@dataclass(frozen=True)
class StepQuality:
    """Over the labelled steps. `auc` is None unless there are right and wrong ones, `ece` without any.

    `ece`, the expected calibration error, is the mean distance of the bins' scores from their shares of right steps;
    there are at most fifteen, of equal mass, and none without steps.
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
    both = labels.any() and not labels.all()
    return StepQuality(
        steps=labels.size,
        wrong_steps=int((~labels).sum()),
        accuracy=float(((p_correct >= threshold) == labels).mean()) if labels.size else None,
        auc=float(roc_auc_score(labels, p_correct)) if both else None,
        ece=ece(p_correct, labels) if labels.size else None,
        bins=_bins(p_correct, labels) if labels.size else (),
    )


def _bins(p_correct: Floats, labels: Labels) -> tuple[ReliabilityBin, ...]:
    means = bin_means(p_correct, labels, bins_of_equal_mass(p_correct))
    return tuple(ReliabilityBin(*of_bin) for of_bin in zip(*(column.tolist() for column in means), strict=True))
