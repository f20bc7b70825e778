"""`eval pairs`: how often a right version of a step has a higher score than a wrong one, after the same steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stepreward.evaluation import plots
from stepreward.evaluation.answers import Answers
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.intervals import Interval, bootstrap_interval
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.report import Figure, Report, Table, facts_table, judges_table, percent, plain, warnings_of


@dataclass(frozen=True)
class Pair:
    """Two solutions that differ in their last step alone."""

    right: LabelledItem
    wrong: LabelledItem


@dataclass(frozen=True)
class Ordered:
    """Of the pairs both of whose last steps have a score. Equal scores are not in order."""

    pairs: int
    share: float | None
    interval: Interval | None
    mean_right: float | None
    mean_wrong: float | None


@dataclass(frozen=True)
class PairsSummary:
    reading: Reading
    families: dict[str, Ordered]
    run: Facts


def summarise(pairs: Sequence[Pair], answers: Answers, reading: Reading) -> PairsSummary:
    families = sorted({pair.right.subset for pair in pairs})
    of_family = {name: [pair for pair in pairs if pair.right.subset == name] for name in families}
    return PairsSummary(
        reading=reading,
        families={name: _ordered(_scores(of, answers), reading.seed) for name, of in of_family.items()},
        run=facts_of(items_of(pairs), answers),
    )


def items_of(pairs: Sequence[Pair]) -> list[LabelledItem]:
    return [item for pair in pairs for item in (pair.right, pair.wrong)]


def report(summary: PairsSummary) -> Report:
    columns = ("", "pairs", "ordered rightly, % [95%]", "mean score, right", "wrong")
    bars = {name: (of.share, of.interval) for name, of in summary.families.items()}
    return Report(
        title="Right and wrong versions of steps",
        summary=summary,
        warnings=warnings_of([summary.run], summary.reading.exclude_duplicates),
        tables=(
            Table("Pairs", columns, tuple(_row(*one) for one in summary.families.items())),
            facts_table({"all": summary.run}),
            judges_table({"all": summary.run}),
        ),
        figures=(Figure("Pairs ordered rightly", plots.shares(bars, "share")),),
    )


def _scores(pairs: Sequence[Pair], answers: Answers) -> list[tuple[float, float]]:
    found = [(_last(pair.right, answers), _last(pair.wrong, answers)) for pair in pairs]
    return [(right, wrong) for right, wrong in found if right is not None and wrong is not None]


def _last(item: LabelledItem, answers: Answers) -> float | None:
    answered = answers.get(item.id)
    return answered.scores[-1] if answered and answered.ok else None


def _ordered(scores: Sequence[tuple[float, float]], seed: int) -> Ordered:
    both = np.array(scores, dtype=np.float64).reshape(-1, 2)
    won = (both[:, 0] > both[:, 1]).astype(np.float64)
    there = won.size > 0
    return Ordered(
        pairs=won.size,
        share=float(won.mean()) if there else None,
        interval=bootstrap_interval([won.size], lambda indices: won[indices[0]].mean(axis=-1), seed),
        mean_right=float(both[:, 0].mean()) if there else None,
        mean_wrong=float(both[:, 1].mean()) if there else None,
    )


def _row(name: str, one: Ordered) -> tuple[str, ...]:
    return name, plain(one.pairs), percent(one.share, one.interval), plain(one.mean_right), plain(one.mean_wrong)
