"""How far probabilities are from shares of right steps. Arrays are (n,): `p` float64 in [0, 1], `labels` bool; n > 0.

What is called ECE has bins of equal mass: a judge's scores crowd at the ends, and leave those of equal width between
them next to empty.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

BINS = 15


def bins_of_equal_mass(p: Floats) -> Indices:
    """Each probability's bin. Equal ones share a bin, so that many equal ones leave fewer bins than BINS."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, p, side="right")


def bins_of_equal_width(p: Floats) -> Indices:
    return np.minimum((p * BINS).astype(np.intp), BINS - 1)


def bin_means(p: Floats, labels: Labels, bins: Indices) -> tuple[Indices, Floats, Floats]:
    """Of each bin that is not empty: its number of steps, its mean probability, its share of correct steps."""
    counts = np.bincount(bins)
    filled = counts > 0
    predicted, observed = (np.bincount(bins, weights=values)[filled] / counts[filled] for values in (p, labels))
    return counts[filled], predicted, observed


def ece(p: Floats, labels: Labels) -> float:
    """Expected calibration error (Naeini et al. 2015) of p(correct), bins of equal mass."""
    return _calibration_error(p, labels, bins_of_equal_mass(p))


def ece_width(p: Floats, labels: Labels) -> float:
    """The same with bins of equal width."""
    return _calibration_error(p, labels, bins_of_equal_width(p))


def _calibration_error(p: Floats, labels: Labels, bins: Indices) -> float:
    counts, predicted, observed = bin_means(p, labels, bins)
    return float(np.sum(counts * np.abs(predicted - observed)) / len(p))
