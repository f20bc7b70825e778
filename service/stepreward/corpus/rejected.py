"""The dead-letter file: the rows of a corpus that cannot be used, a line of JSON each, and why."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from stepreward.errors import ConfigurationError


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used. `line` is its 1-based line, or its number where the source has no lines."""

    source: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.reason}"


class DeadLetters:
    """Lines of a draft, made for the first of them, which then replaces the file that they are kept as.

    Raises ConfigurationError where they cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        """`directory`, made if need be, is the one of the file."""
        self._draft = directory / f".rejected-{os.getpid()}.jsonl"
        self._file: TextIO | None = None
        self.count = 0

    def add(self, row: Rejected) -> None:
        with _writing(self._draft):
            self._opened().write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        self.count += 1

    def keep_as(self, path: Path) -> None:
        """Let `path` be what was added, nothing too, whatever it was before."""
        with _writing(path):
            file = self._opened()
            file.flush()
            os.fsync(file.fileno())
            self._draft.replace(path)

    def close(self) -> None:
        """What was not kept is gone."""
        if self._file:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def _opened(self) -> TextIO:
        if self._file is None:
            self._draft.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._draft.open("w", encoding="utf-8")
        return self._file


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"rejected rows cannot be written to {path}: {error}") from error
