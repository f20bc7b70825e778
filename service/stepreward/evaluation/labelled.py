"""Labelled solutions to judge, from ProcessBench and PRMBench files (JSON lines, .gz and .zst too, CSV, Parquet).

Every row is needed: an evaluation of a part would not be the benchmark, so a row that cannot be read ends it.

The corpus reader of PRMBench gives no label to the steps of rows whose error steps count past the end. Here they have
one, as in the benchmark's own code: error steps past the end count for nothing, all others are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from stepreward.corpus.readers.prmbench import PRMBenchRow
from stepreward.corpus.readers.processbench import ProcessBenchRow
from stepreward.corpus.readers.rows import Row, decode_cells, file_rows
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow, reason_of


@dataclass(frozen=True)
class LabelledItem:
    """A solution and what is known of it. `labels[i]` is whether step i is right, None where nobody said.

    `subset` is the file's name for ProcessBench and the classification for PRMBench.
    """

    id: str
    subset: str
    generator: str
    question: str
    steps: tuple[str, ...]
    labels: tuple[bool | None, ...]

    @property
    def first_error(self) -> int:
        """0-based, -1 without one."""
        return self.labels.index(False) if False in self.labels else -1


class _ProcessBenchRow(ProcessBenchRow):
    generator: str = "unknown"

    def item(self, subset: str) -> LabelledItem:
        [solution] = self.solutions()
        return LabelledItem(self.id, subset, self.generator, solution.question, solution.steps, solution.labels)


class _PRMBenchRow(PRMBenchRow):
    idx: str

    def item(self, _: str) -> LabelledItem:
        wrong = set(self.error_steps)
        labels = tuple(number not in wrong for number in range(1, len(self.steps) + 1))
        return LabelledItem(self.idx, self.classification, "unknown", self.question, tuple(self.steps), labels)


def read_processbench(paths: Sequence[Path]) -> list[LabelledItem]:
    """Raises ConfigurationError for a file or a row that cannot be read, and for an id that stands twice."""
    return _read(paths, _ProcessBenchRow)


def read_prmbench(path: Path) -> list[LabelledItem]:
    """The modified solutions; the right ones they were made from do not count in the benchmark. Raises as above."""
    return _read([path], _PRMBenchRow)


def without_blank_steps(item: LabelledItem) -> LabelledItem:
    """What can be sent: no service can judge a step without text. Two rows of PRMBench have such steps."""
    kept = [(step, label) for step, label in zip(item.steps, item.labels, strict=True) if step.strip()]
    return replace(item, steps=tuple(step for step, _ in kept), labels=tuple(label for _, label in kept))


def stratified(items: Sequence[LabelledItem], limit: int | None, seed: int) -> list[LabelledItem]:
    """`limit` items, an equal share from each subset's items with and without an error, in the order they came in.

    A stratum that has fewer than its share leaves the rest to the others. The items for a limit are among those for a
    higher one.
    """
    if limit is None or limit >= len(items):
        return list(items)
    strata: dict[tuple[str, bool], list[int]] = {}
    for position, item in enumerate(items):
        strata.setdefault((item.subset, item.first_error >= 0), []).append(position)
    rng = np.random.default_rng(seed)
    ranked = [
        (rank, number, position)
        for number, key in enumerate(sorted(strata))
        for rank, position in enumerate(rng.permutation(strata[key]).tolist())
    ]
    return [items[position] for position in sorted(position for _, _, position in sorted(ranked)[:limit])]


def _read(paths: Sequence[Path], published: type[_ProcessBenchRow | _PRMBenchRow]) -> list[LabelledItem]:
    items: dict[str, LabelledItem] = {}
    for path in paths:
        try:
            for row in file_rows(path):
                item = _item(path, row, published)
                if item.id in items:
                    raise ConfigurationError(f"{path}: the id {item.id} stands twice")
                items[item.id] = item
        except OSError as error:
            raise ConfigurationError(f"{error.filename or path}: {error.strerror or error}") from error
    if not items:
        raise ConfigurationError(f"{', '.join(map(str, paths))}: no items")
    return list(items.values())


def _item(path: Path, row: Row | BadRow, published: type[_ProcessBenchRow | _PRMBenchRow]) -> LabelledItem:
    if isinstance(row, BadRow):
        raise ConfigurationError(f"{path}:{row.line}: {row.reason}")
    try:
        cells = decode_cells(row.value, published.JSON_COLUMNS, row.text_cells)
        return published.model_validate(cells).item(path.name.split(".")[0])
    except ValidationError as error:
        raise ConfigurationError(f"{path}:{row.line}: {reason_of(error)}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}:{row.line}: {error}") from error
