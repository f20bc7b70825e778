"""Verdicts to a step's score, and steps' scores to a solution's. Pure.

Absent is not zero: a verdict that could not be read is left out of the mean, and a step without any readable verdict
has no score; then neither has the solution.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.schema import Aggregates
from stepreward.values import Verdict

P_WRONG_BELOW = 0.5


@dataclass(frozen=True)
class StepScore:
    """`score` in [0, 1], the mean over the readable verdicts; `stderr` its standard error, None below two of them."""

    score: float | None
    stderr: float | None
    k_used: int
    k_valid: int
    forced: int


def step_score(verdicts: Sequence[Verdict]) -> StepScore:
    """Mean of p(correct) over the verdicts that could be read (R-PRM §3)."""
    read = [verdict.p_correct for verdict in verdicts if verdict.p_correct is not None]
    return StepScore(
        score=statistics.fmean(read) if read else None,
        stderr=statistics.stdev(read) / math.sqrt(len(read)) if len(read) > 1 else None,
        k_used=len(verdicts),
        k_valid=len(read),
        forced=sum(verdict.forced for verdict in verdicts),
    )


def aggregates(scores: Sequence[float | None]) -> Aggregates:
    """Of the step scores, in [0, 1]; all None unless every step has one."""
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return Aggregates(min=None, prod=None, mean=None, last=None, weighted=None)
    weights = [_confidence(score) for score in known]
    return Aggregates(
        min=min(known),
        prod=math.prod(known),
        mean=_mean(known),
        last=known[-1],
        weighted=_mean(known, weights) if math.fsum(weights) > 0 else _mean(known),
    )


def _mean(scores: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Between the least and the greatest: the mean of equal numbers can come out a rounding beside them."""
    return min(max(statistics.fmean(scores, weights), min(scores)), max(scores))


def _confidence(score: float) -> float:
    """1 - the binary entropy in bits: 1 for a sure step, 0 for one at 0.5."""
    return max(0.0, 1 + sum(p * math.log2(p) for p in (score, 1 - score) if p > 0))


def first_error(scores: Sequence[float | None], wrong_below: float = P_WRONG_BELOW) -> int | None:
    """0-based index of the first step below it, -1 without one, None when an unscored step comes before it."""
    for index, score in enumerate(scores):
        if score is None:
            return None
        if score < wrong_below:
            return index
    return -1
