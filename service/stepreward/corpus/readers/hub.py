"""Rows of a data set on the Hugging Face hub, streamed by the library `datasets`: hf:NAME or hf:NAME:SPLIT."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self, cast

import httpx

from stepreward.corpus.readers.rows import Row
from stepreward.errors import ConfigurationError

PREFIX = "hf:"

# What `datasets.load_dataset` does here: (name, split) to rows.
Load = Callable[[str, str], Iterable[object]]


@dataclass(frozen=True)
class HubDataset:
    name: str
    split: str = "train"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`hf:Qwen/ProcessBench:gsm8k`; without a split `train`. Raises ConfigurationError."""
        name, *split = text.removeprefix(PREFIX).split(":")
        if not text.startswith(PREFIX) or not name or len(split) > 1 or split == [""]:
            raise ConfigurationError(f"{text}: not of the form hf:NAME or hf:NAME:SPLIT")
        return cls(name, *split)

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}:{self.split}"


def hub_rows(dataset: HubDataset, load: Load | None = None) -> Iterator[Row]:
    """Raises ConfigurationError: no library, no network, no such data set or split, and all of it midway too."""
    rows = load or _library(dataset)
    try:
        for number, value in enumerate(rows(dataset.name, dataset.split), start=1):
            yield Row(number, value, text_cells=True)
    except (OSError, ValueError, httpx.HTTPError) as error:
        # ConnectionError, FileNotFoundError and the errors of requests are OSErrors; an unknown split is a ValueError.
        raise ConfigurationError(f"{dataset}: the hub gave no rows: {type(error).__name__}: {error}") from error


def _library(dataset: HubDataset) -> Load:
    try:
        import datasets  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{dataset}: reading from the hub needs the library datasets: pip install stepreward[corpus]"
        ) from error
    return lambda name, split: cast("Iterable[object]", datasets.load_dataset(name, split=split, streaming=True))
