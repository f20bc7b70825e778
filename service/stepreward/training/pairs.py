"""Preferences between sampled analyses: one whose verdict is the label's before one whose verdict is not (R-PRM §3.3).

Deviation from the paper: an analysis whose verdict had to be asked for is in no pair, for the model did not write it.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.files import open_lines, reason_of
from stepreward.schema import ItemResult, TrajectoryResult
from stepreward.training.groups import Group


class Pair(BaseModel):
    """`chosen` and `rejected` end with the verdict's marker; the verdict that follows is the label, and is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    steps: tuple[str, ...]
    index: int
    label: bool
    chosen: str
    rejected: str


def pairs_of(group: Group, number: int, result: ItemResult, marker: str, most: int) -> Iterator[Pair]:
    """At most so many of each labelled step of one solution; each analysis is in one pair."""
    solution = group.solutions[number]
    for index, (label, step) in enumerate(zip(solution.labels, result.steps, strict=True)):
        if label is None or step.trajectories is None:
            continue
        right, wrong = _parted(step.trajectories, label, marker)
        random.Random(f"{group.question} {index}").shuffle(wrong)  # noqa: S311
        for chosen, rejected in list(zip(right, wrong, strict=False))[:most]:
            yield Pair(
                question=group.question,
                steps=solution.steps,
                index=index,
                label=label,
                chosen=chosen,
                rejected=rejected,
            )


def _parted(found: Sequence[TrajectoryResult], label: bool, marker: str) -> tuple[list[str], list[str]]:
    """Analyses up to their marker, with the label's verdict and with the other one."""
    parted: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for one in found:
        if one.p_correct is not None and one.p_correct != 0.5 and not one.forced and marker in one.text:
            analysis = one.text[: one.text.index(marker)] + marker
            parted[(one.p_correct > 0.5) == label][analysis] = None
    return list(parted[True]), list(parted[False])


def read_pairs(path: Path) -> list[Pair]:
    """Raises ConfigurationError for a file that cannot be read, and for one without a pair."""
    found = []
    try:
        with open_lines(path) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    found.append(Pair.model_validate_json(line))
                except ValidationError as error:
                    raise ConfigurationError(f"{path}:{number}: {reason_of(error)}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    if not found:
        raise ConfigurationError(f"{path}: holds no pair")
    return found
