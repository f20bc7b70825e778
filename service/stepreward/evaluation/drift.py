"""`eval drift`: does a score depend on what was scored beside it. Each item alone, and in a shuffled batch.

One request is under way at a time, so that only the batch differs, and is to be sent with `cache` off: what the service
knew from the first time would say nothing. A run that was interrupted goes on with what is left of its last batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stepreward.evaluation import plots
from stepreward.evaluation.answers import Answers
from stepreward.evaluation.ask import Condition
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.report import Figure, Report, Table, facts_table, judges_table, percent, plain, warnings_of

NOTICEABLE = 1e-3


@dataclass(frozen=True)
class Drift:
    """|Δp| of the steps that were scored both ways; None without such steps.

    `share_noticeable` changed by more than 1e-3, `share_judged_otherwise` crossed the threshold.
    """

    steps: int
    max_change: float | None
    mean_change: float | None
    share_noticeable: float | None
    share_judged_otherwise: float | None
    alone: Facts
    batch: Facts


@dataclass(frozen=True)
class DriftSummary:
    reading: Reading
    batch_items: int
    methods: dict[str, Drift]


def condition_name(method: str, together: bool) -> str:
    return f"{method}, {'in a batch' if together else 'alone'}"


def conditions(method: str, asked: Condition, batch_items: int) -> list[Condition]:
    """The two ways of asking; the seed of the shuffling is that of the request."""
    one_by_one = replace(asked, concurrency=1, items_per_request=1, name=condition_name(method, together=False))
    batched = replace(one_by_one, items_per_request=batch_items, name=condition_name(method, together=True))
    return [one_by_one, replace(batched, shuffle_seed=asked.request.seed)]


def summarise(
    items: Sequence[LabelledItem],
    answers: Mapping[str, Answers],
    methods: Sequence[str],
    batch_items: int,
    reading: Reading,
) -> DriftSummary:
    return DriftSummary(
        reading=reading,
        batch_items=batch_items,
        methods={method: _drift(items, *_of(answers, method), reading.threshold) for method in methods},
    )


def report(summary: DriftSummary, items: Sequence[LabelledItem], answers: Mapping[str, Answers]) -> Report:
    runs = {
        condition_name(method, together): one.batch if together else one.alone
        for method, one in summary.methods.items()
        for together in (False, True)
    }
    changes = {
        method: [abs(there - here) for here, there in _pairs(items, *_of(answers, method))]
        for method in summary.methods
    }
    return Report(
        title=f"Drift: alone, and in batches of {summary.batch_items}",
        summary=summary,
        warnings=warnings_of(list(runs.values()), summary.reading.exclude_duplicates),
        tables=(
            Table(
                "Change of a step's score",
                ("", "steps", "largest", "mean", f"above {NOTICEABLE:g}, %", "judged otherwise, %"),
                tuple(_row(*one) for one in summary.methods.items()),
            ),
            facts_table(runs),
            judges_table(runs),
        ),
        figures=(Figure("Change of a step's score", plots.histogram(changes, "|Δp|")),)
        if any(changes.values())
        else (),
    )


def _of(answers: Mapping[str, Answers], method: str) -> tuple[Answers, Answers]:
    return answers[condition_name(method, together=False)], answers[condition_name(method, together=True)]


def _drift(items: Sequence[LabelledItem], alone: Answers, batch: Answers, threshold: float) -> Drift:
    pairs = np.array(_pairs(items, alone, batch), dtype=np.float64).reshape(-1, 2)
    change = np.abs(pairs[:, 1] - pairs[:, 0])
    crossed = (pairs[:, 0] >= threshold) != (pairs[:, 1] >= threshold)
    there = change.size > 0
    return Drift(
        steps=change.size,
        max_change=float(change.max()) if there else None,
        mean_change=float(change.mean()) if there else None,
        share_noticeable=float((change > NOTICEABLE).mean()) if there else None,
        share_judged_otherwise=float(crossed.mean()) if there else None,
        alone=facts_of(items, alone),
        batch=facts_of(items, batch),
    )


def _pairs(items: Sequence[LabelledItem], alone: Answers, batch: Answers) -> list[tuple[float, float]]:
    """The scores of each step that was scored both ways."""
    return [
        (here, there)
        for item in items
        if all(item.id in way and way[item.id].ok for way in (alone, batch))
        for here, there in zip(alone[item.id].scores, batch[item.id].scores, strict=True)
        if here is not None and there is not None
    ]


def _row(method: str, one: Drift) -> tuple[str, ...]:
    return (
        method,
        plain(one.steps),
        plain(one.max_change, 6),
        plain(one.mean_change, 6),
        percent(one.share_noticeable),
        percent(one.share_judged_otherwise),
    )
