"""Training data, made once: read, grouped, cleaned of what is tested, with references, written down with a card."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.training.contamination import Dropped
from stepreward.training.groups import Group, counts_of, grouped, write_groups
from stepreward.training.sources import Source
from stepreward.values import LabelledSolution


class Asked(BaseModel):
    """What data is made from: the same gives the same, for the same corpus where there are references."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[str, ...]
    exclude: tuple[str, ...]
    similarity: float
    seed: int
    held_out: float
    references: float
    drop_contradictions: bool
    snapshot: str | None = None


class DataCard(BaseModel):
    """What stands in the data file. `rows_left_out` could not be read; `dropped` stood in a test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asked: Asked
    sha256: str
    rows_left_out: int
    contradicted_steps: int
    dropped: Dropped
    counts: dict[str, dict[str, int]]


def read_sources(asked: Asked, tell: Callable[[str], None]) -> tuple[list[Group], int, int]:
    """The groups, the rows left out, the steps whose label was dropped. Raises ConfigurationError, OSError."""
    sources = [Source.parse(text) for text in asked.data]
    found: list[LabelledSolution] = []
    left_out = 0
    for source in sources:
        for row in source.read(asked.seed):
            if isinstance(row, BadRow):
                left_out += 1
                tell(f"{source.path}:{row.line}: left out: {row.reason}")
            else:
                found.append(row)
    groups, contradicted = grouped(found, asked.held_out, asked.seed, drop_contradictions=asked.drop_contradictions)
    if not groups:
        raise ConfigurationError("--data: no step has a label")
    return groups, left_out, contradicted


def write_data(
    path: Path, asked: Asked, groups: Sequence[Group], dropped: Dropped, unused: tuple[int, int]
) -> DataCard:
    """The data, and its card beside it. `unused`: rows left out, and steps whose label was dropped. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_groups(path, groups)
    left_out, contradicted = unused
    card = DataCard(
        asked=asked,
        sha256=sha256_of(path),
        rows_left_out=left_out,
        contradicted_steps=contradicted,
        dropped=dropped,
        counts=counts_of(groups),
    )
    path.with_name(path.name + ".card.json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
