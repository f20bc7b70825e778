"""How sure a figure is: bootstrap intervals over items, and McNemar's exact test for two judges of the same items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap

CONFIDENCE = 0.95
_RESAMPLES = 2000
_RESAMPLES_AT_ONCE = 200

Indices = NDArray[np.intp]
# Of one array of indices a stratum, each (resamples, size of the stratum), the statistic of each resample; or of a
# single one where the arrays have one axis.
Statistic = Callable[[Sequence[Indices]], NDArray[np.float64]]


@dataclass(frozen=True)
class Interval:
    """Where a figure lies with 95% confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class McNemar:
    """Two judges of the same things: how many only the one got right, and only the other; `p_value` is two-sided."""

    only_this: int
    only_baseline: int
    p_value: float


def bootstrap_interval(sizes: Sequence[int], statistic: Statistic, seed: int) -> Interval | None:
    """Percentile bootstrap, drawn within each stratum of these sizes. None where a stratum has fewer than two items."""
    if min(sizes, default=0) < 2:
        return None

    def of_resamples(*indices: Indices, axis: int) -> NDArray[np.float64]:
        assert axis == -1
        return statistic([drawn.astype(np.intp, copy=False) for drawn in indices])

    found = bootstrap(
        tuple(np.arange(size) for size in sizes),
        of_resamples,
        n_resamples=_RESAMPLES,
        batch=_RESAMPLES_AT_ONCE,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(float(found.confidence_interval.low), float(found.confidence_interval.high))


def mcnemar(this: Sequence[bool], baseline: Sequence[bool]) -> McNemar:
    """Exact, of two judges' hits on the same things, in the same order."""
    only_this = sum(one and not other for one, other in zip(this, baseline, strict=True))
    only_baseline = sum(other and not one for one, other in zip(this, baseline, strict=True))
    differing = only_this + only_baseline
    p_value = float(binomtest(only_this, differing, 0.5).pvalue) if differing else 1.0
    return McNemar(only_this, only_baseline, p_value)
