"""K policies: how many trajectories a step's verdict takes. Pure.

`fixed` samples exactly k: its mean is unbiased, which is what reinforcement learning wants. `adaptive` samples in
rounds and stops once the decision that `cap` trajectories would come to (their mean p(correct) at least 0.5) is safe
or can no longer change: what reranking wants. Its mean is biased towards where it stopped.

How `adaptive` decides: the p(correct) of the verdicts read so far are counted as soft votes, s for and n - s against,
on a Beta prior; the trajectories not yet sampled are then beta-binomial, and so the probability is known that they
bring the sum to half of `cap`. A hedged p of 0.5 moves it little, a firm one as much as a whole vote.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from scipy.stats import betabinom

# Fitted by `eval replay --fit` to the published votes of R-PRM-7B-DPO on PRMBench: most steps are all Yes or all No.
PRIOR_YES = 0.43
PRIOR_NO = 0.14


class Policy(Protocol):
    """Frozen; its repr is part of a cached score's key."""

    @property
    def cap(self) -> int:
        """The most trajectories that a step may take."""

    def next_round(self, votes: Sequence[float | None]) -> int:
        """How many trajectories to sample next, 0 to stop. `votes`: p(correct) of each so far, None if unread."""


@dataclass(frozen=True)
class Fixed:
    """Exactly `cap`, at once."""

    cap: int

    def next_round(self, votes: Sequence[float | None]) -> int:
        return self.cap - len(votes)


@dataclass(frozen=True)
class Adaptive:
    """At least `floor`, at most `cap`, until the decision of `cap` is known surely enough.

    `sure_right` and `sure_wrong` are the probabilities that suffice for either decision. Wrong steps are the rarer
    ones, so that a step called wrong by mistake costs more, and must be surer. A round is as small as could settle the
    matter: fewer would not, were they all for the side that leads.
    """

    floor: int
    cap: int
    sure_right: float = 0.93
    sure_wrong: float = 0.98
    prior_yes: float = PRIOR_YES
    prior_no: float = PRIOR_NO

    def next_round(self, votes: Sequence[float | None]) -> int:
        left = self.cap - len(votes)
        if not left or len(votes) < self.floor:
            return min(self.floor - len(votes), left) if left else 0
        read = [vote for vote in votes if vote is not None]
        if not read:
            return 1
        yes, no = math.fsum(read), math.fsum(1 - vote for vote in read)
        if self._settled(yes, no, left):
            return 0
        for_yes = yes >= no
        return next(
            (
                more
                for more in range(1, left)
                if self._settled(yes + more * for_yes, no + more * (not for_yes), left - more)
            ),
            left,
        )

    def _settled(self, yes: float, no: float, left: int) -> bool:
        p_right = _p_at_least_half(yes, no, left, (self.prior_yes, self.prior_no))
        return p_right >= self.sure_right or 1 - p_right >= self.sure_wrong


@lru_cache(maxsize=65_536)
def _p_at_least_half(yes: float, no: float, left: int, prior: tuple[float, float]) -> float:
    """The probability that `left` more votes bring the mean of all to 0.5 or above."""
    needed = math.ceil(max(0.0, (yes + no + left) / 2 - yes) - 1e-9)
    if needed <= 0:
        return 1.0
    if needed > left:
        return 0.0
    return float(betabinom.sf(needed - 1, left, prior[0] + yes, prior[1] + no))
