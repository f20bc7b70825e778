"""Labelled solutions from published data sets and from plain files, one row at a time.

    Path | HubDataset → rows.py, hub.py (rows as they stand) → plain.py, prm800k.py, … (solutions)

A row is used whole or not at all: what is wrong with it comes out in its place as a BadRow. Nothing is held but the
row at hand and, for Parquet, a batch of it. Solutions that stand twice come out twice.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from stepreward.corpus.readers.hub import HubDataset, hub_rows
from stepreward.corpus.readers.math_shepherd import MathShepherdRow
from stepreward.corpus.readers.plain import PlainRow
from stepreward.corpus.readers.prm800k import PRM800KRow
from stepreward.corpus.readers.prmbench import PRMBenchRow
from stepreward.corpus.readers.processbench import ProcessBenchRow
from stepreward.corpus.readers.rows import Row, decode_cells, file_rows
from stepreward.files import BadRow, reason_of
from stepreward.values import LabelledSolution

__all__ = [
    "FORMATS",
    "BadRow",
    "Format",
    "HubDataset",
    "LabelledSolution",
    "read_rows",
    "read_solutions",
    "solutions_of",
]

Format = Literal["plain", "prm800k", "math-shepherd", "prmbench", "processbench"]
FORMATS: tuple[Format, ...] = get_args(Format)

_PublishedRow = PlainRow | PRM800KRow | MathShepherdRow | PRMBenchRow | ProcessBenchRow
_ROWS: dict[Format, type[_PublishedRow]] = {
    "plain": PlainRow,
    "prm800k": PRM800KRow,
    "math-shepherd": MathShepherdRow,
    "prmbench": PRMBenchRow,
    "processbench": ProcessBenchRow,
}


def read_rows(source: Path | HubDataset, form: Format = "plain") -> Iterator[list[LabelledSolution] | BadRow]:
    """Every row in order, as its solutions or as what is wrong with it; blank lines are passed over.

    Raises OSError for a file that cannot be read, also midway; ConfigurationError for a missing library and a hub
    that gives nothing.
    """
    rows = hub_rows(source) if isinstance(source, HubDataset) else file_rows(source)
    for row in rows:
        yield row if isinstance(row, BadRow) else solutions_of(row, form)


def read_solutions(source: Path | HubDataset, form: Format = "plain") -> Iterator[LabelledSolution | BadRow]:
    """The same, one solution after the other."""
    for row in read_rows(source, form):
        if isinstance(row, BadRow):
            yield row
        else:
            yield from row


def solutions_of(row: Row, form: Format) -> list[LabelledSolution] | BadRow:
    """What one row holds, or what is wrong with it."""
    published = _ROWS[form]
    try:
        return published.model_validate(decode_cells(row.value, published.JSON_COLUMNS, row.text_cells)).solutions()
    except ValidationError as error:
        return BadRow(row.line, reason_of(error))
    except ValueError as error:
        return BadRow(row.line, str(error))
