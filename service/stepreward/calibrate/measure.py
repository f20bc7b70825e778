"""How far probabilities are from labels. Arrays are (n,): `p` float64 in [0, 1], `labels` bool."""

from collections.abc import Callable

import numpy as np

from stepreward.calibration import SMALLEST_P, Figure, Figures
from stepreward.reliability import Floats, Indices, Labels, ece, ece_width

_RESAMPLES = 200


def nll(p: Floats, labels: Labels) -> float:
    """Mean negative log-likelihood, in nats; one wrong step at p = 1 would make it infinite, so p is clipped."""
    q = np.clip(p, SMALLEST_P, 1 - SMALLEST_P)
    return float(-np.mean(np.where(labels, np.log(q), np.log1p(-q))))


def brier(p: Floats, labels: Labels) -> float:
    return float(np.mean((p - labels) ** 2))


_MEASURES: dict[str, Callable[[Floats, Labels], float]] = {
    "ece": ece,
    "ece_width": ece_width,
    "nll": nll,
    "brier": brier,
}


def figures(p: Floats, labels: Labels, groups: Indices) -> Figures:
    """Each measure and its 95% interval; `groups` (n,) are resampled whole, always in the same way."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    random = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in _MEASURES}
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([members[i] for i in random.integers(len(members), size=len(members))])
        for name, measure in _MEASURES.items():
            drawn[name].append(measure(p[chosen], labels[chosen]))
    found = {name: _figure(measure(p, labels), drawn[name]) for name, measure in _MEASURES.items()}
    return Figures(**found)


def _figure(value: float, drawn: list[float]) -> Figure:
    """Moved by the mean bias of the resamples: they have a larger ECE than the steps that they were drawn from."""
    low, high = np.quantile(drawn, [0.025, 0.975]) + (value - np.mean(drawn))
    return Figure(value=value, low=max(0.0, float(low)), high=float(high))
