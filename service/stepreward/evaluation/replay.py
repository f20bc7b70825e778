"""What a K policy would have come to on recorded votes: trajectories taken, and PRMScore kept.

The votes of a step are recorded as the share that said Yes of those trajectories that could be read; which said so is
not. They are put in a random order, seeded, and given to the policy as it asks for them; figures are means over several
orders. Recorded votes are hard, Yes or No: what `adaptive` makes of a hedged p(correct) shows on a live model alone.

A share that is no multiple of 1/k tells how many could be read (8/9: nine of ten), one that is is taken for all k.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import minimize
from scipy.stats import betabinom
from sklearn.metrics import f1_score

from stepreward.aggregation import P_WRONG_BELOW
from stepreward.errors import ConfigurationError
from stepreward.files import open_lines, reason_of
from stepreward.policies import Policy

Counts = NDArray[np.int64]


class _VotesRow(BaseModel):
    """A row of PRMBench with the votes of a judge."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    steps: list[str]
    error_steps: list[int]
    rprm_votes_k10: list[float] = Field(description="a step each, in [0, 1]")


@dataclass(frozen=True)
class Votes:
    """Of the steps of all items: `yes` of the `read` of k trajectories said that it is right; whether it is `right`."""

    items: int
    k: int
    yes: Counts
    read: Counts
    right: NDArray[np.bool_]

    @property
    def decided(self) -> NDArray[np.bool_]:
        """By all votes."""
        return self.yes >= P_WRONG_BELOW * self.read


@dataclass(frozen=True)
class Replay:
    """`saving`: how many times fewer trajectories than k a step. PRMScores in percent; `agreement` with fixed k."""

    policy: str
    items: int
    steps: int
    mean_k: float
    saving: float
    prmscore_fixed: float
    prmscore_adaptive: float
    agreement: float


def read_votes(path: Path, k: int) -> Votes:
    """Raises ConfigurationError for a row that does not fit, OSError for a file that cannot be read."""
    with open_lines(path) as lines:
        items = [list(_steps(line, number, k)) for number, line in enumerate(lines, start=1) if line.strip()]
    if not items:
        raise ConfigurationError(f"{path}: no row")
    shares = [share for item in items for share, _ in item]
    return Votes(
        items=len(items),
        k=k,
        yes=np.array([share.numerator * (k // share.denominator) for share in shares]),
        read=np.array([share.denominator * (k // share.denominator) for share in shares]),
        right=np.array([right for item in items for _, right in item]),
    )


def replay(votes: Votes, policy: Policy, name: str, seed: int, orders: int) -> Replay:
    """Means over `orders` random orders of the votes."""
    rounds = _rounds(policy, votes.k)
    random = np.random.default_rng(seed)
    taken, scores, agreements = [], [], []
    for _ in range(orders):
        used, decided = _run(rounds, *_seen(votes, random))
        taken.append(float(used.mean()))
        scores.append(_prmscore(votes.right, decided))
        agreements.append(float((decided == votes.decided).mean()))
    mean_k = float(np.mean(taken))
    return Replay(
        policy=name,
        items=votes.items,
        steps=len(votes.yes),
        mean_k=round(mean_k, 3),
        saving=round(votes.k / mean_k, 3),
        prmscore_fixed=round(_prmscore(votes.right, votes.decided), 3),
        prmscore_adaptive=round(float(np.mean(scores)), 3),
        agreement=round(float(np.mean(agreements)), 4),
    )


def fit_prior(votes: Votes) -> tuple[float, float]:
    """The Beta prior under which these votes are likeliest: what `adaptive` should start from with this judge."""
    cases, counts = np.unique(np.stack([votes.yes, votes.read]), axis=1, return_counts=True)

    def unlikeliness(logs: NDArray[np.float64]) -> float:
        return -float((counts * betabinom.logpmf(cases[0], cases[1], *np.exp(logs))).sum())

    found = minimize(unlikeliness, np.log([0.5, 0.5]), method="Nelder-Mead")
    yes, no = np.exp(found.x)
    return float(yes), float(no)


def _steps(line: bytes, number: int, k: int) -> Iterator[tuple[Fraction, bool]]:
    try:
        row = _VotesRow.model_validate_json(line)
    except ValidationError as error:
        raise ConfigurationError(f"line {number}: {reason_of(error)}") from error
    if len(row.rprm_votes_k10) != len(row.steps):
        raise ConfigurationError(f"line {number}: {len(row.rprm_votes_k10)} votes for {len(row.steps)} steps")
    for index, share in enumerate(row.rprm_votes_k10):
        yield _share(share, number, k), index + 1 not in row.error_steps


def _share(share: float, number: int, k: int) -> Fraction:
    """The nearest share of at most k votes: now and then a recorded one holds half a vote."""
    if not 0 <= share <= 1:
        raise ConfigurationError(f"line {number}: {share} is no share of votes")
    return Fraction(share).limit_denominator(k)


def _rounds(policy: Policy, k: int) -> Counts:
    """How many the policy takes next when it has seen [yes, no, unread] votes; nothing where they are more than k."""
    table = np.zeros((k + 1, k + 1, k + 1), dtype=np.int64)
    for yes, no, unread in product(range(k + 1), repeat=3):
        if yes + no + unread < k:
            votes = [1.0] * yes + [0.0] * no + [None] * unread
            table[yes, no, unread] = min(policy.next_round(votes), k - len(votes))
    return table


def _seen(votes: Votes, random: np.random.Generator) -> tuple[Counts, Counts]:
    """(steps, k + 1) twice: Yes and No among the first n trajectories, each step's in a random order."""
    places = random.permuted(np.tile(np.arange(votes.k), (len(votes.yes), 1)), axis=1)
    yes = places < votes.yes[:, None]
    no = ~yes & (places < votes.read[:, None])
    return _counted(yes), _counted(no)


def _counted(said: NDArray[np.bool_]) -> Counts:
    return np.concatenate([np.zeros((len(said), 1), dtype=np.int64), said.cumsum(axis=1)], axis=1)


def _run(rounds: Counts, yes: Counts, no: Counts) -> tuple[Counts, NDArray[np.bool_]]:
    """Of each step: the trajectories taken, and whether the step is right by those of them that could be read."""
    every = np.arange(len(yes))
    used = np.zeros(len(yes), dtype=np.int64)
    while True:
        for_it, against = yes[every, used], no[every, used]
        more = rounds[for_it, against, used - for_it - against]
        if not more.any():
            return used, for_it >= against
        used = used + more


def _prmscore(right: NDArray[np.bool_], decided: NDArray[np.bool_]) -> float:
    """In percent: the mean of the F1 of the right steps and that of the wrong ones."""
    return 100 * float(f1_score(right, decided, average="macro"))
