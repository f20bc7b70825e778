"""`eval prmbench`: right and wrong steps of solutions with one kind of error each."""

from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.errors import ConfigurationError
from stepreward.evaluation import plots
from stepreward.evaluation.answers import Answered, Answers
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.prmscore import CLASSES, Counts, PRMScore, categories, prmscore
from stepreward.evaluation.report import Figure, Report, Table, facts_table, judges_table, percent, plain, warnings_of
from stepreward.evaluation.step_quality import StepQuality, step_quality


@dataclass(frozen=True)
class PRMBenchSummary:
    """`overall` is micro over the steps of all classes; `blank_steps` were left out, for nobody can judge them."""

    reading: Reading
    blank_steps: int
    overall: PRMScore
    categories: dict[str, float | None]
    classes: dict[str, PRMScore]
    steps: StepQuality
    run: Facts


def check_classes(items: Sequence[LabelledItem]) -> None:
    """Raises ConfigurationError for a classification that the benchmark does not have."""
    for item in items:
        if item.subset not in CLASSES:
            raise ConfigurationError(f"{item.id}: the classification {item.subset!r} is none of PRMBench's")


def summarise(items: Sequence[LabelledItem], answers: Answers, blank_steps: int, reading: Reading) -> PRMBenchSummary:
    threshold, seed = reading.threshold, reading.seed
    counts: dict[str, list[Counts]] = {name: [] for name in CLASSES.values()}
    scores: list[float] = []
    labels: list[bool] = []
    for item in items:
        answered = answers.get(item.id)
        if answered is None or not answered.ok:
            continue
        of_item, right = _steps(answered)
        counts[CLASSES[item.subset]].append(Counts.of([score >= threshold for score in of_item], right))
        scores += of_item
        labels += right
    classes = {name: prmscore([of_class], seed) for name, of_class in counts.items() if of_class}
    return PRMBenchSummary(
        reading=reading,
        blank_steps=blank_steps,
        overall=prmscore([of_class for of_class in counts.values() if of_class], seed),
        categories=categories(classes),
        classes=classes,
        steps=step_quality(scores, labels, threshold),
        run=facts_of(items, answers),
    )


def report(summary: PRMBenchSummary) -> Report:
    rows = [_row(name, score) for name, score in summary.classes.items()]
    rows.append(_row("overall", summary.overall))
    bars = {name: (score.prmscore, score.interval) for name, score in summary.classes.items()}
    bars["overall"] = (summary.overall.prmscore, summary.overall.interval)
    steps = summary.steps
    return Report(
        title="PRMBench",
        summary=summary,
        warnings=warnings_of([summary.run], summary.reading.exclude_duplicates),
        tables=(
            Table(
                "PRMScore, by class",
                ("", "items", "steps", "wrong", "F1", "negative F1", "PRMScore [95%]"),
                tuple(rows),
            ),
            Table(
                "PRMScore, by category",
                ("", "mean of its classes"),
                tuple((name, percent(score)) for name, score in summary.categories.items()),
            ),
            Table(
                "All steps",
                ("accuracy", "AUC", "ECE"),
                ((percent(steps.accuracy), plain(steps.auc), plain(steps.ece)),),
            ),
            facts_table({"all": summary.run}),
            judges_table({"all": summary.run}),
        ),
        figures=(
            Figure("PRMScore by class", plots.shares(bars, "PRMScore")),
            Figure("Score and share of right steps", plots.reliability(steps.bins)),
        ),
    )


_COLUMNS = ("", "items", "steps", "wrong", "F1", "negative F1", "PRMScore [95%]")


def _steps(answered: Answered) -> tuple[list[float], list[bool]]:
    pairs = [(step.score, step.label) for step in answered.steps if step.score is not None and step.label is not None]
    return [score for score, _ in pairs], [label for _, label in pairs]


def _row(name: str, score: PRMScore) -> tuple[str, ...]:
    return (
        name,
        plain(score.items),
        plain(score.steps),
        plain(score.wrong_steps),
        percent(score.f1),
        percent(score.negative_f1),
        percent(score.prmscore, score.interval),
    )
