"""`eval processbench`: the first wrong step of each solution, by subset and by generator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stepreward import aggregation
from stepreward.evaluation import plots
from stepreward.evaluation.answers import Answers
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.first_error import (
    FirstErrorScore,
    Located,
    average_f1,
    average_f1_interval,
    first_error_score,
)
from stepreward.evaluation.intervals import Interval
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.report import Figure, Report, Table, facts_table, judges_table, percent, plain, warnings_of
from stepreward.evaluation.step_quality import StepQuality, step_quality


@dataclass(frozen=True)
class ProcessBenchSummary:
    """`average_f1` is the mean of the subsets' F1; `generators` are over all subsets together.

    In `steps`, those before the first error are right, the first error is wrong, later ones are left out.
    """

    reading: Reading
    average_f1: float | None
    average_f1_interval: Interval | None
    subsets: dict[str, FirstErrorScore]
    generators: dict[str, FirstErrorScore]
    steps: dict[str, StepQuality]
    run: Facts


def located(items: Sequence[LabelledItem], answers: Answers, threshold: float) -> list[Located]:
    """The scored items, in order, with the first step whose score is below the threshold."""
    found = []
    for item in items:
        answered = answers.get(item.id)
        predicted = aggregation.first_error(answered.scores, threshold) if answered and answered.ok else None
        if predicted is not None:
            found.append(Located(item.subset, item.generator, item.first_error, predicted))
    return found


def labelled_steps(items: Sequence[LabelledItem], answers: Answers) -> tuple[list[float], list[bool]]:
    """Scores and labels of the scored items' steps that have a label."""
    pairs = [
        (step.score, step.label)
        for item in items
        if item.id in answers and answers[item.id].ok
        for step in answers[item.id].steps
        if step.score is not None and step.label is not None
    ]
    return [score for score, _ in pairs], [label for _, label in pairs]


def summarise(items: Sequence[LabelledItem], answers: Answers, reading: Reading) -> ProcessBenchSummary:
    threshold, seed = reading.threshold, reading.seed
    found = located(items, answers, threshold)
    pooled = [replace(one, subset="all") for one in found]
    subsets = sorted({item.subset for item in items})
    steps = {"all": step_quality(*labelled_steps(items, answers), threshold)}
    for subset in subsets:
        of_subset = [item for item in items if item.subset == subset]
        steps[subset] = step_quality(*labelled_steps(of_subset, answers), threshold)
    return ProcessBenchSummary(
        reading=reading,
        average_f1=average_f1(found, subsets),
        average_f1_interval=average_f1_interval(found, seed, subsets),
        subsets=by_subset(items, found, seed),
        generators=_by(pooled, sorted({item.generator for item in items}), lambda one: one.generator, seed),
        steps=steps,
        run=facts_of(items, answers),
    )


def by_subset(items: Sequence[LabelledItem], found: Sequence[Located], seed: int) -> dict[str, FirstErrorScore]:
    """Of every subset of the items, also one of which nothing was scored."""
    return _by(found, sorted({item.subset for item in items}), lambda one: one.subset, seed)


def report(summary: ProcessBenchSummary, items: Sequence[LabelledItem], answers: Answers) -> Report:
    rows = [_row(name, score) for name, score in summary.subsets.items()]
    average = ("average", "", "", "", "", percent(summary.average_f1, summary.average_f1_interval))
    bars = {name: (score.f1, score.f1_interval) for name, score in summary.subsets.items()}
    if summary.average_f1 is not None:
        bars["average"] = (summary.average_f1, summary.average_f1_interval)
    figures = [Figure("F1 by subset", plots.shares(bars, "F1"))]
    figures.append(Figure("Score and share of right steps", plots.reliability(summary.steps["all"].bins)))
    if summary.steps["all"].auc is not None:
        figures.append(Figure("Right steps against wrong ones", plots.roc(*labelled_steps(items, answers))))
    return Report(
        title="ProcessBench",
        summary=summary,
        warnings=warnings_of([summary.run], summary.reading.exclude_duplicates),
        tables=(
            Table("First error, by subset", _COLUMNS, (*rows, average)),
            Table("First error, by generator", _COLUMNS, tuple(_row(*one) for one in summary.generators.items())),
            _steps_table(summary.steps),
            facts_table({"all": summary.run}),
            judges_table({"all": summary.run}),
        ),
        figures=tuple(figures),
    )


_COLUMNS = ("", "with error", "without", "error accuracy", "correct accuracy", "F1 [95%]")


def _row(name: str, score: FirstErrorScore) -> tuple[str, ...]:
    return (
        name,
        plain(score.items_with_error),
        plain(score.items_without_error),
        percent(score.error_accuracy),
        percent(score.correct_accuracy),
        percent(score.f1, score.f1_interval),
    )


def _steps_table(steps: dict[str, StepQuality]) -> Table:
    rows = tuple(
        (name, plain(one.steps), plain(one.wrong_steps), percent(one.accuracy), plain(one.auc), plain(one.ece))
        for name, one in steps.items()
    )
    return Table("Steps up to the first error", ("", "steps", "wrong", "accuracy", "AUC", "ECE"), rows)


def _by(
    found: Sequence[Located], names: Sequence[str], name_of: Callable[[Located], str], seed: int
) -> dict[str, FirstErrorScore]:
    return {name: first_error_score([one for one in found if name_of(one) == name], seed) for name in names}
