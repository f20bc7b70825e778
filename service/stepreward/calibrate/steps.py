"""Labelled steps with their scores, as lines of a file: what a scoring run writes, resumes from, and hands to the fit.

    {"score": 0.93, "label": true, "id": …, "group": …, "model": …, "prompt_version": …}

`score` is null for a step that got none; of the rest only `label` is needed. `id` is the same for the same step in the
same place, `group` for steps of the same question: those are resampled and left out together.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.files import open_lines, reason_of

LEAST_STEPS = 50
LEAST_OF_A_LABEL = 10
FOLDS = 5


class LabelledStep(BaseModel):
    """Other keys of a line are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    score: Annotated[float, Field(ge=0, le=1)] | None
    label: bool
    id: str | None = None
    group: str | None = None
    model: str | None = None
    prompt_version: str | None = None


def read_steps(path: Path) -> Iterator[LabelledStep]:
    """Every line in order. Raises OSError, and ConfigurationError naming a line that cannot be used."""
    with open_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield LabelledStep.model_validate_json(line)
            except ValidationError as error:
                raise ConfigurationError(f"{path}:{number}: {reason_of(error)}") from error


def usable(steps: Sequence[LabelledStep]) -> list[LabelledStep]:
    """Those with a score, each step once.

    Raises ConfigurationError where they cannot be calibrated on: contradictory labels, several models, too few.
    """
    labels: dict[str, bool] = {}
    kept: list[LabelledStep] = []
    for step in steps:
        if step.score is None:
            continue
        if step.id is None or step.id not in labels:
            kept.append(step)
        if step.id is not None and labels.setdefault(step.id, step.label) != step.label:
            raise ConfigurationError(f"the step {step.id} is labelled both right and wrong: take one of them out")
    _check_one_judge(kept)
    _check_enough(kept)
    return kept


def _check_one_judge(steps: Sequence[LabelledStep]) -> None:
    judges = sorted({f"{step.model} with {step.prompt_version}" for step in steps})
    if len(judges) > 1:
        raise ConfigurationError(f"scored by {' and by '.join(judges[:2])}: a calibration holds for one of them")


def _check_enough(steps: Sequence[LabelledStep]) -> None:
    if len(steps) < LEAST_STEPS:
        raise ConfigurationError(f"{len(steps)} labelled steps with a score: a calibration needs {LEAST_STEPS}")
    right = sum(step.label for step in steps)
    for count, name in ((right, "right"), (len(steps) - right, "wrong")):
        if count < LEAST_OF_A_LABEL:
            raise ConfigurationError(
                f"{count} of the {len(steps)} steps are labelled {name}: a calibration needs {LEAST_OF_A_LABEL}"
            )
    groups = len(set(groups_of(steps)))
    if groups < FOLDS:
        raise ConfigurationError(f"steps of {groups} questions: cross-validation needs {FOLDS}")


def groups_of(steps: Sequence[LabelledStep]) -> list[str]:
    """Each step's group; one that names none is alone."""
    return [step.group if step.group is not None else f"line {number}" for number, step in enumerate(steps)]


def sha256_of(steps: Sequence[LabelledStep]) -> str:
    """Of what is fitted to, whatever the order of the lines."""
    lines = sorted(f"{step.id} {step.group} {step.score!r} {step.label}\n" for step in steps)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
