"""`eval ablate`: what the references are worth. The same items under each way of choosing references, in pairs.

Every condition is compared with `retrieved`, one question and one step, over the items that both could score: McNemar's
exact test on the items (is the first error found) and on the steps, and a bootstrap of the difference of the F1.
`oracle` sends what is known of each item's steps, and gets the nearest references that agree with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from stepreward.evaluation import plots
from stepreward.evaluation.answers import Answers
from stepreward.evaluation.ask import Condition
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.first_error import (
    FirstErrorScore,
    average_f1,
    average_f1_interval,
    f1_difference_interval,
)
from stepreward.evaluation.intervals import Interval, McNemar, mcnemar
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.processbench import by_subset, labelled_steps, located
from stepreward.evaluation.report import Figure, Report, Table, facts_table, judges_table, percent, plain, warnings_of
from stepreward.evaluation.step_quality import step_quality

BASELINE = "retrieved"
_MODES: dict[str, dict[str, object]] = {
    "none": {"mode": "none"},
    "question_only": {"mode": "question_only", "questions": 1},
    "step_only": {"mode": "step_only", "steps": 1},
    "retrieved": {"mode": "retrieved", "questions": 1, "steps": 1},
    "random": {"mode": "random", "questions": 1, "steps": 1},
    "oracle": {"mode": "oracle", "questions": 1, "steps": 1},
    "top-2": {"mode": "retrieved", "questions": 2, "steps": 1},
    "top-3": {"mode": "retrieved", "questions": 3, "steps": 1},
}
# One step always; no question at all is `step_only`.
_BY_QUESTIONS = ("step_only", "retrieved", "top-2", "top-3")


@dataclass(frozen=True)
class Comparison:
    """This condition against the baseline, over the items and labelled steps that both scored."""

    items: int
    item_hits: McNemar
    steps: int
    step_hits: McNemar
    f1_difference: float | None
    f1_difference_interval: Interval | None


@dataclass(frozen=True)
class ConditionResult:
    average_f1: float | None
    average_f1_interval: Interval | None
    subsets: dict[str, FirstErrorScore]
    step_accuracy: float | None
    step_auc: float | None
    against_baseline: Comparison | None
    run: Facts


@dataclass(frozen=True)
class AblationSummary:
    """`f1_by_questions` has the average F1 with 0, 1, 2 and 3 reference questions."""

    reading: Reading
    baseline: str
    conditions: dict[str, ConditionResult]
    f1_by_questions: dict[str, float | None]


class MakeCondition(Protocol):
    """A condition from its name and its retrieval options."""

    def __call__(self, name: str, *, retrieval: Mapping[str, object]) -> Condition: ...


def conditions(make: MakeCondition) -> list[Condition]:
    """All of them; only `oracle` is sent the labels."""
    return [
        replace(make(name, retrieval=retrieval), with_labels=name == "oracle") for name, retrieval in _MODES.items()
    ]


def summarise(items: Sequence[LabelledItem], answers: Mapping[str, Answers], reading: Reading) -> AblationSummary:
    results = {name: _result(items, of_name, answers[BASELINE], reading) for name, of_name in answers.items()}
    results[BASELINE] = _result(items, answers[BASELINE], None, reading)
    return AblationSummary(
        reading=reading,
        baseline=BASELINE,
        conditions=results,
        f1_by_questions={str(count): results[name].average_f1 for count, name in enumerate(_BY_QUESTIONS)},
    )


def report(summary: AblationSummary) -> Report:
    runs = {name: one.run for name, one in summary.conditions.items()}
    bars = {name: (one.average_f1, one.average_f1_interval) for name, one in summary.conditions.items()}
    known = [(float(count), f1 * 100) for count, f1 in summary.f1_by_questions.items() if f1 is not None]
    return Report(
        title="References: which, and how many",
        summary=summary,
        warnings=warnings_of(list(runs.values()), summary.reading.exclude_duplicates),
        tables=(
            Table("By condition", _COLUMNS, tuple(_row(*one) for one in summary.conditions.items())),
            Table(
                f"Against {summary.baseline}, in pairs",
                _PAIR_COLUMNS,
                tuple(
                    _pair_row(name, one.against_baseline)
                    for name, one in summary.conditions.items()
                    if one.against_baseline
                ),
            ),
            facts_table(runs),
            judges_table(runs),
        ),
        figures=(
            Figure("Average F1 by condition", plots.shares(bars, "average F1")),
            Figure(
                "Average F1 by number of reference questions",
                plots.lines({"F1": known}, "reference questions", "average F1"),
            ),
        ),
    )


def _result(
    items: Sequence[LabelledItem], answers: Answers, baseline: Answers | None, reading: Reading
) -> ConditionResult:
    found = located(items, answers, reading.threshold)
    subsets = {item.subset for item in items}
    steps = step_quality(*labelled_steps(items, answers), reading.threshold)
    return ConditionResult(
        average_f1=average_f1(found, subsets),
        average_f1_interval=average_f1_interval(found, reading.seed, subsets),
        subsets=by_subset(items, found, reading.seed),
        step_accuracy=steps.accuracy,
        step_auc=steps.auc,
        against_baseline=None if baseline is None else _compare(items, answers, baseline, reading),
        run=facts_of(items, answers),
    )


def _compare(items: Sequence[LabelledItem], this: Answers, baseline: Answers, reading: Reading) -> Comparison | None:
    both = [item for item in items if all(item.id in one and one[item.id].ok for one in (this, baseline))]
    if not both:
        return None
    found, found_before = located(both, this, reading.threshold), located(both, baseline, reading.threshold)
    steps, steps_before = _step_hits(both, this, reading.threshold), _step_hits(both, baseline, reading.threshold)
    subsets = {item.subset for item in items}
    f1, f1_before = average_f1(found, subsets), average_f1(found_before, subsets)
    return Comparison(
        items=len(both),
        item_hits=mcnemar([one.hit for one in found], [one.hit for one in found_before]),
        steps=len(steps),
        step_hits=mcnemar(steps, steps_before),
        f1_difference=None if f1 is None or f1_before is None else f1 - f1_before,
        f1_difference_interval=f1_difference_interval(found, found_before, reading.seed, subsets),
    )


def _step_hits(items: Sequence[LabelledItem], answers: Answers, threshold: float) -> list[bool]:
    scores, right = labelled_steps(items, answers)
    return [(score >= threshold) == is_right for score, is_right in zip(scores, right, strict=True)]


_COLUMNS = ("", "average F1 [95%]", "step accuracy", "step AUC")
_PAIR_COLUMNS = (
    "", "items", "only this right", "only baseline", "p", "steps", "only this right", "only baseline", "p",
    "F1 difference [95%]",
)  # fmt: skip


def _row(name: str, one: ConditionResult) -> tuple[str, ...]:
    return (
        name,
        percent(one.average_f1, one.average_f1_interval),
        percent(one.step_accuracy),
        plain(one.step_auc),
    )


def _pair_row(name: str, one: Comparison) -> tuple[str, ...]:
    cells = [name]
    for count, hits in ((one.items, one.item_hits), (one.steps, one.step_hits)):
        cells += [plain(count), plain(hits.only_this), plain(hits.only_baseline), plain(hits.p_value, 4)]
    return (*cells, percent(one.f1_difference, one.f1_difference_interval))
