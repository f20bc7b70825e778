"""Samples into medians and their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stepreward.evaluation.intervals import bootstrap_interval

# Milliseconds of each search, one list for each round.
Samples = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Figure:
    """A figure with its 95% interval. Whole rounds are drawn again, for what disturbs one search disturbs its round."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def percentile(samples: Samples, percent: float) -> Figure:
    """Of all searches of all rounds."""
    return _interval(len(samples), lambda drawn: _percentile(samples, drawn, percent))


def ratio(of: Samples, to: Samples, percent: float) -> Figure:
    """A percentile of `of` divided by that of `to`, which was searched in the same rounds."""
    return _interval(len(of), lambda drawn: _percentile(of, drawn, percent) / _percentile(to, drawn, percent))


def _percentile(samples: Samples, drawn: npt.NDArray[np.int64], percent: float) -> float:
    return float(np.percentile(np.concatenate([samples[each] for each in drawn]), percent))


def _interval(rounds: int, statistic: Callable[[npt.NDArray[np.int64]], float]) -> Figure:
    """Of one round there is no interval: it is the figure alone."""
    value = statistic(np.arange(rounds))
    again = bootstrap_interval([rounds], lambda drawn: np.apply_along_axis(statistic, -1, drawn[0]), seed=0)
    return Figure(value, again.low if again else value, again.high if again else value)
