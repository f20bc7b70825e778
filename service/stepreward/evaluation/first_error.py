"""ProcessBench's figures (Zheng et al. 2024): is the first wrong step found exactly, is a right solution left alone.

error accuracy    share of the solutions with an error whose first one was found at its step
correct accuracy  share of the solutions without one in which none was found
F1                their harmonic mean; the benchmark's figure is its mean over the subsets
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stepreward.evaluation.intervals import Indices, Interval, Statistic, bootstrap_interval


@dataclass(frozen=True)
class Located:
    """One scored item: where its first error is and where it was found, both 0-based, -1 for none."""

    subset: str
    generator: str
    label: int
    predicted: int

    @property
    def hit(self) -> bool:
        return self.label == self.predicted


@dataclass(frozen=True)
class FirstErrorScore:
    """Accuracies and `f1` in [0, 1]; None where there are no items of the kind. `f1_interval` needs two of each."""

    items_with_error: int
    items_without_error: int
    error_accuracy: float | None
    correct_accuracy: float | None
    f1: float | None
    f1_interval: Interval | None


def harmonic_mean(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Element by element, of numbers ≥ 0; 0 where both are."""
    total = np.asarray(first + second)
    return np.divide(2 * first * second, total, out=np.zeros_like(total), where=total > 0)


def first_error_score(located: Sequence[Located], seed: int) -> FirstErrorScore:
    """The figures of one subset, or of whatever else the items have in common."""
    with_error = [one.hit for one in located if one.label >= 0]
    without = [one.hit for one in located if one.label < 0]
    return FirstErrorScore(
        items_with_error=len(with_error),
        items_without_error=len(without),
        error_accuracy=sum(with_error) / len(with_error) if with_error else None,
        correct_accuracy=sum(without) / len(without) if without else None,
        f1=average_f1(located),
        f1_interval=average_f1_interval(located, seed),
    )


def average_f1(located: Sequence[Located], subsets: Collection[str] = ()) -> float | None:
    """Mean over the subsets of F1; None where a subset, of those named too, lacks items with or without an error."""
    strata = strata_of(located, subsets)
    if not strata or not all(stratum.size for stratum in strata):
        return None
    return float(_average_f1_of(_hits(located), strata)([np.arange(stratum.size) for stratum in strata]))


def average_f1_interval(located: Sequence[Located], seed: int, subsets: Collection[str] = ()) -> Interval | None:
    """Of `average_f1`; resampled within each subset's items with and without an error."""
    strata = strata_of(located, subsets)
    return bootstrap_interval([stratum.size for stratum in strata], _average_f1_of(_hits(located), strata), seed)


def f1_difference_interval(
    this: Sequence[Located], baseline: Sequence[Located], seed: int, subsets: Collection[str] = ()
) -> Interval | None:
    """Of `average_f1(this) - average_f1(baseline)`, for the same items in the same order, which are resampled once."""
    strata = strata_of(this, subsets)
    of_this, of_baseline = _average_f1_of(_hits(this), strata), _average_f1_of(_hits(baseline), strata)
    return bootstrap_interval(
        [stratum.size for stratum in strata], lambda indices: of_this(indices) - of_baseline(indices), seed
    )


def strata_of(located: Sequence[Located], subsets: Collection[str] = ()) -> list[Indices]:
    """Positions of the items: for each subset, in order of name, those with an error and then those without.

    A subset of `subsets` is among them even when no item is of it.
    """
    return [
        _positions(one.subset == subset and (one.label >= 0) == has_error for one in located)
        for subset in sorted({one.subset for one in located} | set(subsets))
        for has_error in (True, False)
    ]


def _positions(chosen: Iterable[bool]) -> Indices:
    return np.flatnonzero(np.fromiter(chosen, dtype=bool))


def _hits(located: Sequence[Located]) -> NDArray[np.float64]:
    return np.array([one.hit for one in located], dtype=np.float64)


def _average_f1_of(hits: NDArray[np.float64], strata: Sequence[Indices]) -> Statistic:
    """The statistic of `hits` that takes, for each stratum, positions within it."""

    def average(indices: Sequence[Indices]) -> NDArray[np.float64]:
        accuracies = [hits[stratum[drawn]].mean(axis=-1) for stratum, drawn in zip(strata, indices, strict=True)]
        of_subsets = [harmonic_mean(*pair) for pair in zip(accuracies[::2], accuracies[1::2], strict=True)]
        return np.asarray(np.mean(of_subsets, axis=0))

    return average
