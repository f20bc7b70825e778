"""`eval scale-k`: what more trajectories are worth, and what they cost, from one run of rprm at the largest K.

For each smaller k, k of a step's K trajectories are drawn without replacement and the step is scored by their mean, as
if only they had been sampled; that is done 20 times. A draw for k is the beginning of a draw for k + 1.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stepreward.errors import ConfigurationError
from stepreward.evaluation import plots
from stepreward.evaluation.answers import Answered, Answers
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.first_error import Located, harmonic_mean, strata_of
from stepreward.evaluation.intervals import Indices
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.report import Figure, Report, Table, facts_table, judges_table, percent, plain, warnings_of

_DRAWS = 20
_UNSCORED = -2


@dataclass(frozen=True)
class AtK:
    """`f1` is the mean over the draws of the average over the subsets, `f1_low` and `f1_high` hold 95% of the draws.

    `unscored` is the mean number of items of which a step had no readable trajectory. Of the tokens, a prompt is read
    once for its trajectories and, with the trajectory behind it, once for each verdict. `seconds` are the run's,
    shared out by generated tokens: a lower bound, for an engine that decodes trajectories together.
    """

    k: int
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    unscored: float
    prompt_tokens: int | None
    generated_tokens: int | None
    seconds: float | None


@dataclass(frozen=True)
class ScaleSummary:
    reading: Reading
    draws: int
    by_k: tuple[AtK, ...]
    run: Facts


def summarise(items: Sequence[LabelledItem], answers: Answers, k: int, reading: Reading) -> ScaleSummary:
    """Raises ConfigurationError where a step has another number of trajectories than `k`."""
    scored = [item for item in items if item.id in answers and answers[item.id].ok]
    matrices = [_trajectories(answers[item.id], k) for item in scored]
    rng = np.random.default_rng(reading.seed)
    # (draws, items, k): where each item's first error is found.
    found = np.array(
        [[first_errors(matrix, reading.threshold, rng) for matrix in matrices] for _ in range(_DRAWS)], dtype=np.int64
    ).reshape(_DRAWS, len(scored), k)
    facts, strata = facts_of(items, answers), _strata(scored, {item.subset for item in items})
    labels = np.array([item.first_error for item in scored], dtype=np.int64)
    of_k = [(_f1_of_draws(found[:, :, number], labels, strata), found[:, :, number]) for number in range(k)]
    return ScaleSummary(
        reading=reading,
        draws=_DRAWS,
        by_k=tuple(_at(number, f1, one, facts, k) for number, (f1, one) in enumerate(of_k, start=1)),
        run=facts,
    )


def first_errors(trajectories: NDArray[np.float64], threshold: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Of (steps, K) probabilities, NaN where unread: for k = 1 … K the first step whose mean of k drawn ones is below.

    -1 without one, -2 where a step before it has no readable trajectory among the k.
    """
    drawn = rng.permuted(trajectories, axis=1)
    readable = np.cumsum(~np.isnan(drawn), axis=1)
    sums = np.cumsum(np.nan_to_num(drawn), axis=1)
    means = np.divide(sums, readable, out=np.full(sums.shape, np.nan), where=readable > 0)
    ends = np.isnan(means) | (means < threshold)
    first = ends.argmax(axis=0)
    unscored = np.isnan(means[first, np.arange(first.size)])
    return np.where(unscored, _UNSCORED, np.where(ends.any(axis=0), first, -1))


def report(summary: ScaleSummary) -> Report:
    f1 = [(float(one.k), one.f1 * 100) for one in summary.by_k if one.f1 is not None]
    costs = {
        "read": [(float(one.k), float(one.prompt_tokens)) for one in summary.by_k if one.prompt_tokens is not None],
        "written": [
            (float(one.k), float(one.generated_tokens)) for one in summary.by_k if one.generated_tokens is not None
        ],
    }
    return Report(
        title="Trajectories: how many",
        summary=summary,
        warnings=warnings_of([summary.run], summary.reading.exclude_duplicates),
        tables=(
            Table(
                "By number of trajectories",
                ("k", "average F1", "95% of draws", "unscored items", "tokens read", "written", "seconds"),
                tuple(map(_row, summary.by_k)),
            ),
            facts_table({f"k = {len(summary.by_k)}": summary.run}),
            judges_table({f"k = {len(summary.by_k)}": summary.run}),
        ),
        figures=(
            Figure("Average F1 by trajectories", plots.lines({"F1": f1}, "trajectories", "average F1")),
            Figure("Tokens by trajectories", plots.lines(costs, "trajectories", "tokens")),
        ),
    )


def _trajectories(answered: Answered, k: int) -> NDArray[np.float64]:
    """(steps, k), NaN where a verdict could not be read."""
    for step in answered.steps:
        if step.trajectories is None or len(step.trajectories) != k:
            raise ConfigurationError(
                f"{step.item}: step {step.index} has {len(step.trajectories or [])} trajectories instead of {k}"
            )
    return np.array([step.trajectories for step in answered.steps], dtype=np.float64)


def _at(k: int, f1: NDArray[np.float64] | None, found: NDArray[np.int64], facts: Facts, largest_k: int) -> AtK:
    """`f1` is of each draw, `found` (draws, items)."""
    spread = None if f1 is None else np.quantile(f1, [0.025, 0.975])
    share = k / largest_k
    prompt_tokens, generated_tokens = facts.prompt_tokens, facts.generated_tokens
    return AtK(
        k=k,
        f1=None if f1 is None else float(f1.mean()),
        f1_low=None if spread is None else float(spread[0]),
        f1_high=None if spread is None else float(spread[1]),
        unscored=float((found == _UNSCORED).sum(axis=1).mean()),
        prompt_tokens=None
        if prompt_tokens is None or generated_tokens is None
        else round((prompt_tokens - generated_tokens) * (k + 1) / (largest_k + 1) + generated_tokens * share),
        generated_tokens=None if generated_tokens is None else round(generated_tokens * share),
        seconds=None if facts.seconds is None else facts.seconds * share,
    )


def _strata(items: Sequence[LabelledItem], subsets: Collection[str]) -> list[Indices]:
    return strata_of([Located(item.subset, item.generator, item.first_error, _UNSCORED) for item in items], subsets)


def _f1_of_draws(
    found: NDArray[np.int64], labels: NDArray[np.int64], strata: Sequence[Indices]
) -> NDArray[np.float64] | None:
    """The average F1 of each draw; None where some draw has no scored item of a stratum."""
    scored, hits = found != _UNSCORED, found == labels
    counts = [scored[:, stratum].sum(axis=1) for stratum in strata]
    if not counts or any((count == 0).any() for count in counts):
        return None
    accuracies = [hits[:, stratum].sum(axis=1) / count for stratum, count in zip(strata, counts, strict=True)]
    return np.asarray(
        np.mean([harmonic_mean(*pair) for pair in zip(accuracies[::2], accuracies[1::2], strict=True)], axis=0)
    )


def _row(one: AtK) -> tuple[str, ...]:
    spread = "-" if one.f1_low is None else f"{percent(one.f1_low)} … {percent(one.f1_high)}"
    return (
        str(one.k),
        percent(one.f1),
        spread,
        plain(one.unscored, 1),
        plain(one.prompt_tokens),
        plain(one.generated_tokens),
        plain(one.seconds, 1),
    )
