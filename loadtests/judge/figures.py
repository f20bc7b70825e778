"""The arithmetic of the figures: ratios of medians with intervals, and how many tokens a set of prompts is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepreward.evaluation.intervals import Interval, bootstrap_interval


@dataclass(frozen=True)
class Ratio:
    """Of two medians. `interval` is None below two repeats."""

    value: float
    interval: Interval | None

    def __str__(self) -> str:
        span = f" ({self.interval.low:.2f}–{self.interval.high:.2f})" if self.interval else ""  # noqa: RUF001
        return f"{self.value:.2f}{span}"


def ratio_of_medians(of: Sequence[float], to: Sequence[float]) -> Ratio:
    """`of[i]` and `to[i]` are of the same repeat, and are drawn together."""
    upper, lower = np.asarray(of, dtype=float), np.asarray(to, dtype=float)
    return Ratio(
        float(np.median(upper) / np.median(lower)),
        bootstrap_interval(
            [len(upper)],
            lambda drawn: np.median(upper[drawn[0]], axis=-1) / np.median(lower[drawn[0]], axis=-1),
            seed=0,
        ),
    )


def unique_tokens(prompts: Sequence[Sequence[int]]) -> int:
    """Nodes of the prompts' trie: what must be computed when every shared prefix is computed once."""
    total, previous = 0, ()
    for prompt in sorted(tuple(prompt) for prompt in prompts):
        shared = 0
        for one, other in zip(prompt, previous, strict=False):
            if one != other:
                break
            shared += 1
        total += len(prompt) - shared
        previous = prompt
    return total
