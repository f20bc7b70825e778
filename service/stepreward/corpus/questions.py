"""The questions of a data file, each with the name of its row: of any rows with a key for it, or of a published format.

A row is called by its `id` or `idx`, and by its line where it has neither.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from stepreward.corpus.readers import Format, solutions_of
from stepreward.corpus.readers.rows import Row, file_rows
from stepreward.files import BadRow, reason_of
from stepreward.schema import Text

_TEXT: TypeAdapter[str] = TypeAdapter(Text)


@dataclass(frozen=True)
class NamedQuestion:
    """A question and its row; `line` tells rows apart that have one name."""

    text: str
    row: str
    line: int


def read_questions(path: Path, form: Format | None, key: str) -> Iterator[NamedQuestion | BadRow]:
    """Every row's different questions in order: what stands under `key`, or in the solutions of a format.

    Raises OSError, ConfigurationError for a missing library.
    """
    for row in file_rows(path):
        if isinstance(row, BadRow):
            yield row
            continue
        texts = _texts(row, form, key)
        if isinstance(texts, BadRow):
            yield texts
        else:
            yield from (NamedQuestion(text, _name(row), row.line) for text in texts)


def _texts(row: Row, form: Format | None, key: str) -> list[str] | BadRow:
    if form is not None:
        solutions = solutions_of(row, form)
        return solutions if isinstance(solutions, BadRow) else list(dict.fromkeys(one.question for one in solutions))
    value = row.value.get(key) if isinstance(row.value, Mapping) else None
    try:
        return [_TEXT.validate_python(value)]
    except ValidationError as error:
        return BadRow(row.line, f"{key}: {reason_of(error)}")


def _name(row: Row) -> str:
    given = row.value if isinstance(row.value, Mapping) else {}
    names = [given[key] for key in ("id", "idx") if isinstance(given.get(key), str | int)]
    return str(names[0]) if names else f"line-{row.line}"
