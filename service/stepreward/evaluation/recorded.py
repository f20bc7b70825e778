"""Scores that another program recorded, in place of a service: evaluated like answers, without asking anyone.

JSON lines, .gz and .zst too. A row has the item's `id` (or `idx`) and its steps' scores: a list of numbers in [0, 1]
under a key, or, as `stepreward score` writes them, `steps` with a `score` each.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stepreward.corpus.readers.rows import file_rows
from stepreward.errors import ConfigurationError
from stepreward.evaluation.answers import Answered, AnswerLog, ItemLine, StepLine
from stepreward.evaluation.labelled import LabelledItem
from stepreward.files import BadRow, reason_of

CONDITION = "recorded"

_Score = Annotated[float, Field(ge=0, le=1)] | None
_SCORES: TypeAdapter[list[_Score]] = TypeAdapter(list[_Score])


class _Step(BaseModel):
    score: _Score


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str = Field(validation_alias=AliasChoices("id", "idx"))


_STEPS: TypeAdapter[list[_Step]] = TypeAdapter(list[_Step])


def read_recorded(path: Path, key: str) -> dict[str, list[float | None]]:
    """The steps' scores by item. Raises ConfigurationError for a row without them and an id that stands twice."""
    found: dict[str, list[float | None]] = {}
    try:
        for row in file_rows(path):
            if isinstance(row, BadRow):
                raise ConfigurationError(f"{path}:{row.line}: {row.reason}")
            try:
                name, scores = _scores(row.value, key)
            except ValidationError as error:
                raise ConfigurationError(f"{path}:{row.line}: {reason_of(error)}") from error
            except ValueError as error:
                raise ConfigurationError(f"{path}:{row.line}: {error}") from error
            if name in found:
                raise ConfigurationError(f"{path}:{row.line}: the id {name} stands twice")
            found[name] = scores
    except OSError as error:
        raise ConfigurationError(f"{error.filename or path}: {error.strerror or error}") from error
    return found


def take_recorded(
    recorded: dict[str, list[float | None]],
    items: Sequence[LabelledItem],
    log: AnswerLog,
    told: Callable[[], object],
) -> None:
    """An answer for every item; one without scores for all its steps has failed."""
    there = log.of(CONDITION)
    for item in items:
        if item.id not in there:
            log.add(_answered(item, recorded.get(item.id)))
            told()


def _scores(value: object, key: str) -> tuple[str, list[float | None]]:
    row = _Row.model_validate(value)
    others: dict[str, Any] = row.model_extra or {}
    if key in others:
        return row.id, _SCORES.validate_python(others[key])
    if isinstance(others.get("steps"), list) and all(isinstance(step, dict) for step in others["steps"]):
        return row.id, [step.score for step in _STEPS.validate_python(others["steps"])]
    raise ValueError(f"neither scores under the key {key} nor `steps` with a `score` each; see --recorded-key")


def _answered(item: LabelledItem, scores: list[float | None] | None) -> Answered:
    failure = _failure(item, scores)
    steps = () if failure or scores is None else tuple(_step(item, *pair) for pair in enumerate(scores))
    line = ItemLine(
        condition=CONDITION,
        item=item.id,
        subset=item.subset,
        generator=item.generator,
        first_error=item.first_error,
        status="failed" if failure else "ok",
        steps=len(steps),
        failure=failure,
    )
    return Answered(line, steps)


def _failure(item: LabelledItem, scores: list[float | None] | None) -> str | None:
    if scores is None:
        return "not_recorded"
    if len(scores) != len(item.steps):
        return "other_number_of_steps"
    return "step_without_score" if None in scores else None


def _step(item: LabelledItem, index: int, score: float | None) -> StepLine:
    return StepLine(
        condition=CONDITION,
        item=item.id,
        index=index,
        label=item.labels[index],
        score=score,
        stderr=None,
        k_used=1,
        k_valid=1,
    )
