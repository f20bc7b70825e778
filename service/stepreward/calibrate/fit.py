"""The scale that makes labelled steps most likely, the band outside of which its decisions hold, and what both gain.

With a bias, probabilities are those of steps as they come in the data, most of which are right. What speaks against a
step is then one below their share, and not below 1/2.

The band's sides are found apart, each with at least 1 / (1 - confidence) steps outside: fewer, all judged right, would
prove nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from scipy.optimize import minimize
from sklearn.model_selection import StratifiedGroupKFold

from stepreward.aggregation import P_WRONG_BELOW
from stepreward.calibrate.measure import figures
from stepreward.calibrate.steps import FOLDS, LabelledStep, groups_of, sha256_of, usable
from stepreward.calibration import BIASES, SLOPES, SMALLEST_P, Band, Calibration, Scale
from stepreward.errors import ConfigurationError
from stepreward.reliability import Floats, Indices, Labels


@dataclass(frozen=True)
class Fitted:
    """A calibration, and the arrays (n,) that its figures come from: `after` is cross-validated."""

    calibration: Calibration
    before: Floats
    after: Floats
    labels: Labels


def fit(steps: Sequence[LabelledStep], *, bias: bool, confidence: float) -> Fitted:
    """Raises ConfigurationError for steps that nothing can be fitted to."""
    kept = usable(steps)
    p = np.array([step.score for step in kept], dtype=np.float64)
    labels = np.array([step.label for step in kept], dtype=np.bool_)
    groups = np.unique(groups_of(kept), return_inverse=True)[1]
    scale = fit_scale(p, labels, bias=bias)
    if scale.a <= 2 * SLOPES[0]:
        raise ConfigurationError("the scores do not rise with correctness: no temperature makes probabilities of them")
    after = cross_validated(p, labels, groups, bias=bias)
    calibration = Calibration(
        method="platt" if bias else "temperature",
        model=kept[0].model,
        prompt_version=kept[0].prompt_version,
        created_at=datetime.now(UTC).replace(microsecond=0),
        data_sha256=sha256_of(kept),
        n=len(kept),
        scale=scale,
        band=uncertain_band(applied(scale, p), labels, confidence),
        wrong_below=float(labels.mean()) if bias else P_WRONG_BELOW,
        before=figures(p, labels, groups),
        after=figures(after, labels, groups),
    )
    return Fitted(calibration, p, after, labels)


def fit_scale(p: Floats, labels: Labels, *, bias: bool) -> Scale:
    """The most likely one within the allowed range. Convex, so any start will do."""
    q = SMALLEST_P + (1 - 2 * SMALLEST_P) * p
    logits = np.log(q) - np.log1p(-q)
    signs = np.where(labels, 1.0, -1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margins = signs * (parameters[0] * logits + parameters[1])
        slopes = -signs * np.exp(-np.logaddexp(0, margins))
        return float(np.mean(np.logaddexp(0, -margins))), np.array([np.mean(slopes * logits), np.mean(slopes)])

    bounds = [SLOPES, BIASES if bias else (0.0, 0.0)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12)
    return Scale(a=float(found.x[0]), b=float(found.x[1]))


def cross_validated(p: Floats, labels: Labels, groups: Indices, *, bias: bool) -> Floats:
    """Each step's calibrated probability, by a scale fitted to the other folds; a group stands in one fold."""
    after = np.empty_like(p)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for others, fold in folds.split(p, labels, groups):
        after[fold] = applied(fit_scale(p[others], labels[others], bias=bias), p[fold])
    return after


def applied(scale: Scale, p: Floats) -> Floats:
    return np.array([scale.apply(one) for one in p.tolist()])


def uncertain_band(p: Floats, labels: Labels, confidence: float) -> Band:
    """The smallest band around 0.5 with decisions right at least at `confidence` on each side of it."""
    high = _edge(p, labels, 0.5, 1, confidence)
    low = -_edge(-p, ~labels, -0.5, 0, confidence)
    below, above = p < low, p > high
    return Band(
        low=low,
        high=high,
        confidence=confidence,
        share_inside=float(np.mean(~below & ~above)),
        accuracy_below=float(np.mean(~labels[below])) if below.any() else None,
        accuracy_above=float(np.mean(labels[above])) if above.any() else None,
    )


def _edge(p: Floats, right: Labels, start: float, end: float, confidence: float) -> float:
    """The first of `start` and the values of `p` above it beyond which enough is right; `end` without one."""
    least = math.ceil(round(1 / (1 - confidence), 6))
    side = p > start
    values, places = np.unique(p[side], return_inverse=True)
    counts = np.bincount(places, minlength=len(values))
    hits = np.bincount(places, weights=right[side], minlength=len(values))
    # Beyond the start lie all values, beyond each value those after it, and beyond the last none.
    beyond, held = (np.cumsum(each[::-1])[::-1] for each in (counts, hits))
    edges = np.concatenate([[start], values])[:-1]
    good = (beyond >= least) & (held / beyond >= confidence)
    return float(edges[np.argmax(good)]) if good.any() else end
