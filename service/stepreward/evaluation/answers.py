"""The answers of one run on disk, which are also its state: what stands there is not asked again.

    run.json      what was asked, of which items; a run that asks something else is refused
    steps.jsonl   a line for each step
    items.jsonl   a line for each item, written after its steps: an item counts from then on

A process that is killed leaves at most one broken line and the steps of one item too many; both are taken out when the
folder is opened again, and items that failed for a passing reason with them.
"""

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.errors import ConfigurationError


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    condition: str
    item: str


class StepLine(Line):
    """`index` is 0-based; `method` is which of cascade's two said so.

    `trajectories` holds their p(correct), if asked for, None where one could not be read.
    """

    index: int
    label: bool | None
    score: float | None
    stderr: float | None
    k_used: int
    k_valid: int
    method: str | None = None
    trajectories: list[float | None] | None = None


class ItemLine(Line):
    """`seconds` is the item's equal share of its request. `steps` is how many lines it has in steps.jsonl."""

    subset: str
    generator: str
    first_error: int
    status: Literal["ok", "failed"]
    steps: int
    failure: str | None = None
    message: str | None = None
    retryable: bool = False
    dropped_duplicates: int = 0
    degraded: list[str] = []
    cached: bool = False
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    seconds: float | None = None
    model: str | None = None
    prompt_version: str | None = None
    corpus_snapshot: str | None = None
    wrong_below: float | None = None

    @property
    def served_by(self) -> tuple[str | None, str | None, str | None]:
        return self.model, self.prompt_version, self.corpus_snapshot


@dataclass(frozen=True)
class Answered:
    """An item's answer; `steps` has one line a step where the status is ok."""

    line: ItemLine
    steps: tuple[StepLine, ...]

    @property
    def ok(self) -> bool:
        return self.line.status == "ok"

    @property
    def scores(self) -> list[float | None]:
        return [step.score for step in self.steps]


# The answers of one condition, by item.
Answers = Mapping[str, Answered]

L = TypeVar("L", bound=Line)


class AnswerLog:
    """Made by `open`. Every answer is on its way to the disk when `add` returns."""

    def __init__(self, answered: Iterable[Answered], items: IO[str], steps: IO[str]) -> None:
        self._items, self._steps = items, steps
        self._answers: dict[str, dict[str, Answered]] = {}
        for one in answered:
            self._answers.setdefault(one.line.condition, {})[one.line.item] = one

    @classmethod
    @contextmanager
    def open(cls, folder: Path, asked: Mapping[str, object]) -> Iterator[Self]:
        """`asked` is what makes the run what it is, as JSON. The folder is this process's while it is open.

        Raises ConfigurationError where another process writes in it, it holds another run, or cannot be read.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "run.json").open("a+", encoding="utf-8") as run:
                _lock(folder, run)
                _check(folder, run, asked)
                kept = _load(folder)
                with (
                    (folder / "items.jsonl").open("a", encoding="utf-8") as items,
                    (folder / "steps.jsonl").open("a", encoding="utf-8") as steps,
                ):
                    yield cls(kept, items, steps)
        except OSError as error:
            raise ConfigurationError(f"{error.filename or folder}: {error.strerror or error}") from error

    def of(self, condition: str) -> Answers:
        return self._answers.get(condition, {})

    def add(self, answered: Answered) -> None:
        """Raises ConfigurationError where other answers of the condition came from another model, prompt or corpus."""
        line = answered.line
        before = self._answers.setdefault(line.condition, {})
        _check_served_by(line, before.values())
        self._steps.write("".join(step.model_dump_json() + "\n" for step in answered.steps))
        self._steps.flush()
        self._items.write(line.model_dump_json() + "\n")
        self._items.flush()
        before[line.item] = answered


def _lock(folder: Path, run: IO[str]) -> None:
    try:
        fcntl.flock(run, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(f"{folder}: another run is writing there") from error


def _check(folder: Path, run: IO[str], asked: Mapping[str, object]) -> None:
    run.seek(0)
    there = run.read()
    wanted = json.dumps(asked, indent=1, sort_keys=True)
    if not there:
        run.write(wanted)
        run.flush()
        return
    try:
        before, now = dict(_flat(json.loads(there))), dict(_flat(json.loads(wanted)))
    except ValueError as error:
        raise ConfigurationError(f"{folder / 'run.json'}: {error}") from error
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise ConfigurationError(
                f"{folder}: holds a run with other options ({name}: {before.get(name)} there, {now.get(name)} here); "
                "name another folder"
            )


def _flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _check_served_by(line: ItemLine, others: Iterable[Answered]) -> None:
    """One condition, one judge. The snapshot may be missing: a store that did not answer has none."""
    before = next((one.line for one in others if one.line.model is not None), None)
    if line.model is None or before is None:
        return
    for then, now in zip(before.served_by, line.served_by, strict=True):
        if then is not None and now is not None and then != now:
            raise ConfigurationError(
                f"{line.item}: answered by {now}, other items of {line.condition} by {then}; name another folder"
            )


def _load(folder: Path) -> list[Answered]:
    """What counts; the files are written again without the rest, where there is any."""
    items, items_torn = _lines(folder / "items.jsonl", ItemLine)
    steps, steps_torn = _lines(folder / "steps.jsonl", StepLine)
    of_item: dict[tuple[str, str], list[StepLine]] = {}
    for step in steps:
        of_item.setdefault((step.condition, step.item), []).append(step)
    answered = [Answered(line, tuple(of_item.get((line.condition, line.item), ()))) for line in items]
    kept = [one for one in answered if not one.line.retryable and one.line.steps == len(one.steps)]
    if items_torn or steps_torn or len(kept) < len(items) or sum(len(one.steps) for one in kept) < len(steps):
        _write(folder / "items.jsonl", [one.line for one in kept])
        _write(folder / "steps.jsonl", [step for one in kept for step in one.steps])
    return kept


def _lines(path: Path, kind: type[L]) -> tuple[list[L], bool]:
    """The lines of a file, without a last one that was cut off; and whether there was one. Raises OSError."""
    if not path.exists():
        return [], False
    *whole, rest = path.read_bytes().split(b"\n")
    try:
        return [kind.model_validate_json(line) for line in whole], bool(rest)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: holds a line that is none of ours; name another folder") from error


def _write(path: Path, lines: Sequence[Line]) -> None:
    """All or nothing: a kill leaves the old file or the new one."""
    beside = path.with_suffix(".new")
    beside.write_text("".join(line.model_dump_json() + "\n" for line in lines), encoding="utf-8")
    beside.replace(path)
