"""Best of N: how often the chosen candidate is right, by the PRM, by vote and by both, against one drawn at random.

A candidate counts as right by the file's own `correct`, which is of its final answer. A question without a score for
one of its candidates is in no figure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.best_of_n import Judged, SameAnswer, select
from stepreward.errors import ConfigurationError
from stepreward.evaluation.answers import Answers
from stepreward.evaluation.facts import Facts, Reading, facts_of
from stepreward.evaluation.intervals import Indices, Interval, bootstrap_interval
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.report import Report, Table, facts_table, judges_table, percent, plain, warnings_of
from stepreward.files import open_lines, reason_of


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str | int
    question: str
    candidates: list[list[str]]
    correct: list[bool]


@dataclass(frozen=True)
class Question:
    """`items` are its candidates; `correct` says of each whether its final answer is right."""

    id: str
    items: tuple[LabelledItem, ...]
    correct: tuple[bool, ...]


@dataclass(frozen=True)
class Share:
    value: float
    interval: Interval | None


@dataclass(frozen=True)
class BestOfNSummary:
    """Shares of the questions. `pass_1` is the mean over the candidates, `pass_n` whether any is right."""

    reading: Reading
    questions: int
    scored_questions: int
    candidates: int
    pass_1: Share | None
    majority: Share | None
    prm: Share | None
    weighted: Share | None
    pass_n: Share | None
    run: Facts


def read_questions(paths: Sequence[Path], limit: int | None, seed: int) -> list[Question]:
    """`limit` of them, drawn at random, in their order. Raises ConfigurationError."""
    found: dict[str, Question] = {}
    for path in paths:
        try:
            with open_lines(path) as lines:
                for number, line in enumerate(lines, start=1):
                    question = _question(path, number, line)
                    if question.id in found:
                        raise ConfigurationError(f"{path}: the id {question.id} stands twice")
                    found[question.id] = question
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    questions = list(found.values())
    if limit is None or limit >= len(questions):
        return questions
    drawn = np.random.default_rng(seed).permutation(len(questions))[:limit]
    return [questions[place] for place in sorted(drawn.tolist())]


def _question(path: Path, number: int, line: bytes) -> Question:
    try:
        row = _Row.model_validate_json(line)
    except ValidationError as error:
        raise ConfigurationError(f"{path}:{number}: {reason_of(error)}") from error
    if not row.candidates or not all(row.candidates) or len(row.candidates) != len(row.correct):
        raise ConfigurationError(f"{path}:{number}: candidates: one at least, with steps, and one `correct` for each")
    subset, name = path.name.split(".")[0], str(row.id)
    items = [
        LabelledItem(f"{name}#{place}", subset, "unknown", row.question, tuple(steps), (None,) * len(steps))
        for place, steps in enumerate(row.candidates)
    ]
    return Question(name, tuple(items), tuple(row.correct))


def summarise(
    questions: Sequence[Question],
    answers: Answers,
    reading: Reading,
    aggregate: Callable[[Sequence[float]], float],
    same: SameAnswer,
) -> BestOfNSummary:
    """`aggregate` makes a solution's score of its steps'."""
    hits = [hit for question in questions if (hit := _hits(question, answers, aggregate, same))]

    def share(name: str) -> Share | None:
        return _share([hit[name] for hit in hits], reading.seed)

    items = [item for question in questions for item in question.items]
    return BestOfNSummary(
        reading=reading,
        questions=len(questions),
        scored_questions=len(hits),
        candidates=len(items),
        pass_1=share("pass_1"),
        majority=share("majority"),
        prm=share("prm"),
        weighted=share("weighted"),
        pass_n=share("pass_n"),
        run=facts_of(items, answers),
    )


def _hits(
    question: Question, answers: Answers, aggregate: Callable[[Sequence[float]], float], same: SameAnswer
) -> Mapping[str, float] | None:
    """Whether each way of choosing is right, 0 or 1. None where a candidate has no score."""
    found = []
    for item in question.items:
        scores = answers[item.id].scores if item.id in answers and answers[item.id].ok else []
        known = [score for score in scores if score is not None]
        if not known or len(known) < len(item.steps):
            return None
        found.append(Judged(aggregate(known), len(known)))
    chosen = select([item.steps for item in question.items], found, same)
    correct = question.correct
    return {
        "pass_1": sum(correct) / len(correct),
        "majority": correct[chosen.majority],
        "prm": correct[chosen.ranking[0]],
        "weighted": correct[chosen.weighted if chosen.weighted is not None else chosen.majority],
        "pass_n": any(correct),
    }


def _share(values: Sequence[float], seed: int) -> Share | None:
    if not values:
        return None
    hits = np.asarray(values, dtype=np.float64)

    def mean(drawn: Sequence[Indices]) -> "np.typing.NDArray[np.float64]":
        return np.asarray(hits[drawn[0]].mean(axis=-1), dtype=np.float64)

    return Share(float(hits.mean()), bootstrap_interval([len(hits)], mean, seed))


def report(summary: BestOfNSummary) -> Report:
    ways = {
        "pass@1": summary.pass_1,
        "majority vote": summary.majority,
        "PRM, best": summary.prm,
        "PRM, weighted vote": summary.weighted,
        "pass@N": summary.pass_n,
    }
    rows = tuple(
        (name, percent(share.value, share.interval) if share else "-", plain(summary.scored_questions))
        for name, share in ways.items()
    )
    return Report(
        title="Best of N",
        summary=summary,
        warnings=warnings_of([summary.run], summary.reading.exclude_duplicates),
        tables=(
            Table("Right answers", ("", "accuracy [95%]", "questions"), rows),
            facts_table({"all": summary.run}),
            judges_table({"all": summary.run}),
        ),
        figures=(),
    )
