"""Solutions with an error in the middle, and for each step the votes of a trained judge.

The model that runs here is untrained: its verdicts are coin tosses, and decide nothing about when a real judge stops.
So K and the first error follow votes: R-PRM-7B-DPO's own (ten a step) where a file of PRMBench with them is at hand,
else votes drawn from the prior that was fitted to those, on the side of the starter corpus's labels.
"""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepreward.errors import ConfigurationError
from stepreward.files import open_lines
from stepreward.policies import PRIOR_NO, PRIOR_YES
from stepreward.values import Solution

ROOT = Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "data" / "prmbench" / "test_with_rprm_votes.jsonl.gz"
STARTER = ROOT / "service" / "stepreward" / "corpus" / "data" / "starter.jsonl.gz"
# Stopping at the first wrong step saves 38% of the judgements of ProcessBench: solutions near that.
SKIPPED_SHARE = (0.25, 0.5)
_LONGEST_STEP_CHARS = 300


@dataclass(frozen=True)
class VotedSolution:
    """`yes_shares[i]` in [0, 1]: the share of trajectories that call step i correct."""

    solution: Solution
    yes_shares: tuple[float, ...]

    @property
    def skipped_share(self) -> float:
        """Of the steps, those after the first that the votes call wrong."""
        wrong = [index for index, share in enumerate(self.yes_shares) if share < 0.5]
        return 1 - (wrong[0] + 1) / len(self.yes_shares) if wrong else 0.0

    def votes(self, index: int, count: int, seed: int) -> list[bool]:
        """`count` votes on step `index` in an order of their own for each seed, their share of Yes as recorded."""
        said = [turn < round(self.yes_shares[index] * count) for turn in range(count)]
        random.Random(f"{seed} {index} {self.solution.question}").shuffle(said)  # noqa: S311
        return said


def voted_solutions(count: int, steps: int, file: Path | None) -> list[VotedSolution]:
    """The first `count` in a fixed random order with `steps` steps and an error in the middle, from `file`, else from
    the starter corpus. Raises ConfigurationError where there are too few."""
    with open_lines(file or STARTER) as lines:
        rows = [json.loads(line) for line in lines]
    found = [one for one in (_recorded(rows) if file else _drawn(rows)) if _fits(one, steps)]
    if len(found) < count:
        raise ConfigurationError(f"{file or STARTER}: {len(found)} solutions of {steps} steps fit, {count} are wanted")
    return random.Random(0).sample(found, count)  # noqa: S311


def _fits(one: VotedSolution, steps: int) -> bool:
    low, high = SKIPPED_SHARE
    return (
        len(one.yes_shares) == steps
        and low <= one.skipped_share <= high
        and max(map(len, one.solution.steps)) <= _LONGEST_STEP_CHARS
    )


def _recorded(rows: Iterable[Mapping[str, Any]]) -> Iterator[VotedSolution]:
    for row in rows:
        if len(row["steps"]) == len(row["rprm_votes_k10"]) and None not in row["rprm_votes_k10"]:
            yield VotedSolution(Solution(row["question"], tuple(row["steps"])), tuple(row["rprm_votes_k10"]))


def _drawn(rows: Iterable[Mapping[str, Any]]) -> Iterator[VotedSolution]:
    draw = random.Random(0)  # noqa: S311
    for row in rows:
        shares = []
        for label in row["labels"]:
            share = draw.betavariate(PRIOR_YES, PRIOR_NO)
            shares.append(share if (share >= 0.5) == bool(label) else 1 - share)
        yield VotedSolution(Solution(row["question"], tuple(row["steps"])), tuple(shares))
