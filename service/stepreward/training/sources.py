"""Where labelled solutions come from: a FORMAT:PATH of the corpus readers, gsm8k:PATH, or generated:COUNT."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from pydantic import BaseModel, ValidationError

from stepreward.corpus.generate.write import generate
from stepreward.corpus.readers import FORMATS, Format, read_solutions
from stepreward.corpus.readers.rows import file_rows
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow, reason_of
from stepreward.schema import Text
from stepreward.training.groups import Explained
from stepreward.training.gsm8k.marks import MarkedAnswer
from stepreward.training.gsm8k.solutions import solutions
from stepreward.values import LabelledSolution

GENERATED = "generated"
GSM8K = "gsm8k"
# The test of all that is trained here.
NEVER = "processbench"


@dataclass(frozen=True)
class Source:
    """One of them. `path` is None for what is generated, `count` for what is read."""

    kind: str
    path: Path | None
    count: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ConfigurationError."""
        kind, _, place = text.partition(":")
        if kind == NEVER:
            raise ConfigurationError(f"--data {text}: ProcessBench is the test; nothing is trained on it")
        if kind == GENERATED and place.isdecimal() and int(place) > 0:
            return cls(kind, None, int(place))
        if kind in (GSM8K, *FORMATS) and place:
            if not Path(place).is_file():
                raise ConfigurationError(f"--data {text}: no such file")
            return cls(kind, Path(place), None)
        kinds = ", ".join((GSM8K, *(form for form in FORMATS if form != NEVER)))
        raise ConfigurationError(f"--data {text}: give FORMAT:PATH, with FORMAT one of {kinds}, or {GENERATED}:COUNT")

    def read(self, seed: int) -> Iterator[LabelledSolution | BadRow]:
        """The same for the same seed. Raises OSError and ConfigurationError."""
        if self.path is None:
            for made in generate(self.count or 0, seed):
                labels = tuple(step.label for step in made.steps)
                steps = tuple(step.text for step in made.steps)
                kind = made.error.kind if made.error else "right"
                why = made.error.explanation if made.error else ""
                yield Explained(made.question, steps, labels, f"{GENERATED}/{kind}", why)
        elif self.kind == GSM8K:
            yield from _gsm8k(self.path, seed)
        else:
            yield from read_solutions(self.path, cast("Format", self.kind))


class _Gsm8kRow(BaseModel):
    question: Text
    answer: str


def _gsm8k(path: Path, seed: int) -> Iterator[LabelledSolution | BadRow]:
    for row in file_rows(path):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            found = _Gsm8kRow.model_validate(row.value)
            yield from solutions(found.question, MarkedAnswer.parse(found.answer), seed)
        except ValidationError as error:
            yield BadRow(row.line, reason_of(error))
        except ValueError as error:
            yield BadRow(row.line, str(error))
