"""Rows as they stand in a file: JSON lines and CSV, each also .gz and .zst, and Parquet; not what they mean.

A name that ends in none of .csv and .parquet holds JSON lines. Lists in CSV are JSON text; in Parquet they are lists or
JSON text.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from stepreward.errors import ConfigurationError
from stepreward.files import BadRow, open_lines

# A quote that is never closed would take the rest of the file into one cell.
_LONGEST_CELL = 16 << 20
_ROWS_PER_BATCH = 256


@dataclass(frozen=True)
class Row:
    """`line` is the 1-based line on which the row begins; in Parquet and on the hub its 1-based number.

    `text_cells`: lists may stand in it as JSON text.
    """

    line: int
    value: object
    text_cells: bool = False


def file_rows(path: Path) -> Iterator[Row | BadRow]:
    """Raises OSError, ConfigurationError for a library that is not installed."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in {".gz", ".zst"}]
    match suffixes[-1:]:
        case [".parquet"]:
            return _parquet_rows(path)
        case [".csv"]:
            return _csv_rows(path)
        case _:
            return _json_rows(path)


def decode_cells(value: object, json_columns: frozenset[str], text_cells: bool) -> object:
    """The row with the JSON text of its list columns read. Raises ValueError naming the column."""
    if not text_cells or not isinstance(value, Mapping):
        return value
    return {
        name: _decoded(name, cell) if name in json_columns and isinstance(cell, str) else cell
        for name, cell in value.items()
    }


def _decoded(column: str, cell: str) -> Any:
    if not cell.strip():
        return None
    try:
        return from_json(cell)
    except ValueError as error:
        raise ValueError(f"{column}: Invalid JSON: {error}") from error


def _json_rows(path: Path) -> Iterator[Row | BadRow]:
    with open_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _json_row(line, number)


def _json_row(line: bytes, number: int) -> Row | BadRow:
    try:
        return Row(number, from_json(line))
    except ValueError as error:
        return BadRow(number, f"Invalid JSON: {error}")


def _csv_rows(path: Path) -> Iterator[Row | BadRow]:
    # The limit belongs to the process; whoever reads another CSV beside this one gets the longer cells too.
    csv.field_size_limit(_LONGEST_CELL)
    # Bytes that are no UTF-8 come through as surrogates, which the formats refuse in the one row that has them.
    with open_lines(path) as lines, io.TextIOWrapper(lines, "utf-8-sig", "surrogateescape", newline="") as text:
        table = csv.reader(text, strict=True)
        names: list[str] | None = None
        while True:
            line = table.line_num + 1
            try:
                cells = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                yield BadRow(line, f"Invalid CSV: {error}")
                continue
            if not cells:
                continue
            if names is None:
                names = cells
            elif len(cells) != len(names):
                yield BadRow(line, f"{len(cells)} cells for {len(names)} columns")
            else:
                yield Row(line, dict(zip(names, cells, strict=True)), text_cells=True)


def _parquet_rows(path: Path) -> Iterator[Row | BadRow]:
    try:
        import pyarrow as arrow  # noqa: PLC0415  (an extra)
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{path}: reading Parquet needs pyarrow: pip install stepreward[corpus]") from error
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH):
                for value in batch.to_pylist():
                    number += 1
                    yield Row(number, value, text_cells=True)
    except arrow.ArrowException as error:
        raise OSError(None, f"damaged Parquet: {error}", str(path)) from error
