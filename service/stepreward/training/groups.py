"""Labelled solutions as training data: one group a question, without what is in the test, parted, and written down.

A solution is used up to its first wrong step: what follows an error is right or wrong by other rules, and no figure
counts it. A step's label follows from the question and the steps up to it: two labels for the same are an error.
"""

import gzip
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.files import open_lines, reason_of
from stepreward.retrieval.duplicates import normalised
from stepreward.values import LabelledSolution, References

# A question, and steps up to the one meant.
_Key = tuple[str, tuple[str, ...]]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Explained(LabelledSolution):
    """`why` says what is wrong with its first wrong step, where its maker knows."""

    why: str = ""


class TrainingSolution(_Frozen):
    """`labels` up to the first wrong step; None where nobody said. `references`: what its prompts show.

    `why`: what is wrong with that step, where it is known. `analyses`: of each step or None, up to the marker.
    """

    steps: tuple[str, ...]
    labels: tuple[bool | None, ...]
    source: str
    why: str | None = None
    references: References | None = None
    analyses: tuple[str | None, ...] | None = None


class Group(_Frozen):
    """All solutions of one question. `family` is the beginning of their source, as "gsm8k"."""

    question: str
    family: str
    held_out: bool
    solutions: tuple[TrainingSolution, ...]


def grouped(
    found: Iterable[LabelledSolution], held_out_share: float, seed: int, *, drop_contradictions: bool = False
) -> tuple[list[Group], int]:
    """In the order of the questions' first solutions, and how many steps lost their label because they have two.

    Whether a question is held out depends on its text and the seed alone. Raises ConfigurationError for a step that is
    labelled both right and wrong, unless those are to be dropped.
    """
    questions: dict[str, dict[tuple[str, ...], LabelledSolution]] = defaultdict(dict)
    labels: dict[_Key, set[bool]] = defaultdict(set)
    for one in map(_to_first_error, found):
        for end, label in enumerate(one.labels, start=1):
            if label is not None:
                labels[one.question, one.steps[:end]].add(label)
        questions[one.question].setdefault(one.steps, one)
    contradicted = {key for key, given in labels.items() if len(given) > 1}
    if contradicted and not drop_contradictions:
        question, steps = min(contradicted)
        raise ConfigurationError(
            f"contradictory labels: step {len(steps)} of a solution of {question[:60]!r} is labelled both right and "
            f"wrong; so are {len(contradicted) - 1} more (--drop-contradictions leaves them unlabelled)"
        )
    groups = [
        Group(
            question=question,
            family=next(iter(solutions.values())).source.partition("/")[0],
            held_out=is_held_out(question, held_out_share, seed),
            solutions=tuple(kept),
        )
        for question, solutions in questions.items()
        if (kept := [use for solution in solutions.values() if (use := _usable(solution, contradicted)) is not None])
    ]
    return groups, len(contradicted)


def is_held_out(question: str, share: float, seed: int) -> bool:
    """By its words alone, whatever else the data holds."""
    return _share(f"{seed}\0{normalised(question)}") < share


def _usable(solution: LabelledSolution, contradicted: Set[_Key]) -> TrainingSolution | None:
    """None where no step has a label."""
    labels = tuple(
        None if (solution.question, solution.steps[:end]) in contradicted else label
        for end, label in enumerate(solution.labels, start=1)
    )
    if all(label is None for label in labels):
        return None
    why = solution.why if isinstance(solution, Explained) and labels[-1] is False else None
    return TrainingSolution(steps=solution.steps, labels=labels, source=solution.source, why=why or None)


def _to_first_error(solution: LabelledSolution) -> LabelledSolution:
    end = solution.labels.index(False) + 1 if False in solution.labels else len(solution.labels)
    return replace(solution, steps=solution.steps[:end], labels=solution.labels[:end])


def _share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


def counts_of(groups: Sequence[Group]) -> dict[str, dict[str, int]]:
    """By family, and " held out" after its name: questions, solutions, right and wrong steps."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group in groups:
        of = counts[group.family + (" held out" if group.held_out else "")]
        steps = {(one.steps[: end + 1], label) for one in group.solutions for end, label in enumerate(one.labels)}
        of["questions"] += 1
        of["solutions"] += len(group.solutions)
        of["right"] += sum(label is True for _, label in steps)
        of["wrong"] += sum(label is False for _, label in steps)
    return {name: dict(of) for name, of in sorted(counts.items())}


def write_groups(path: Path, groups: Iterable[Group]) -> None:
    """JSON lines, compressed, the same bytes for the same groups; whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        for group in groups:
            packed.write(group.model_dump_json().encode() + b"\n")
    partial.rename(path)


def read_groups(path: Path) -> Iterator[Group]:
    """Raises ConfigurationError for a file that `write_groups` did not write."""
    try:
        with open_lines(path) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield Group.model_validate_json(line)
                except ValidationError as error:
                    raise ConfigurationError(f"{path}:{number}: {reason_of(error)}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
