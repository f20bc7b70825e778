"""Labelled solutions from files: the plain form, one JSON object a line, also gzipped.

    {"question": str, "steps": [str], "labels": [true | false | null], "source": str}

Other keys (the starter corpus has `id`, `error` and `answer`) say more about the row and are not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stepreward.files import open_lines
from stepreward.schema import LabelledSolution, Text


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used. `line` is 1-based."""

    line: int
    reason: str


class _PlainRow(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    question: Text
    steps: Annotated[list[Text], Field(min_length=1)]
    labels: list[bool | None]
    source: Annotated[str, Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _one_label_a_step(self) -> Self:
        if len(self.labels) != len(self.steps):
            raise ValueError(f"{len(self.labels)} labels for {len(self.steps)} steps")
        return self


def read_plain(path: Path) -> Iterator[LabelledSolution | BadRow]:
    """Every row in order, as a solution or as what is wrong with it; blank lines are passed over."""
    with open_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _plain(line, number)


def _plain(line: bytes, number: int) -> LabelledSolution | BadRow:
    try:
        row = _PlainRow.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return BadRow(number, f"{place}: {first['msg']}" if place else first["msg"])
    return LabelledSolution(row.question, tuple(row.steps), tuple(row.labels), row.source)
