"""Pass one of an ingest: every row is read and checked, and what has to be known beforehand is found. Nothing is kept
but a sample of the texts, whatever the size of the corpus."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stepreward.corpus.points import content_sha256, stored_texts
from stepreward.corpus.readers import Format, HubDataset, read_rows
from stepreward.corpus.rejected import Rejected
from stepreward.corpus.sample import SmallestDigests
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.retrieval.manifest import SCHEMA_VERSION
from stepreward.retrieval.pca import Reduction
from stepreward.values import LabelledSolution

# Enough to fit hundreds of components, and all texts of the starter corpus; 50 MB of vectors of 384 float32.
SAMPLE_TEXTS = 32_768
_MAX_SOURCES = 1000

CorpusRow = Sequence[LabelledSolution] | Rejected


class CorpusDigest:
    """The SHA-256 of a corpus: of its solutions in order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, solution: LabelledSolution) -> None:
        self._digest.update(content_sha256(solution).encode())

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


@dataclass(frozen=True)
class Survey:
    """What pass one learned. `solutions` counts repeated ones too; `sources` are the first thousand in order.

    `sample`: texts of questions and labelled steps, each once; all of them where they are no more than SAMPLE_TEXTS.
    """

    sha256: str
    rows: int
    solutions: int
    sources: Sequence[str]
    sample: Sequence[str]

    def snapshot_id(self, encoder_name: str, reduction: Reduction) -> str:
        """Twelve hex digits of everything that the stored points depend on."""
        parts = [SCHEMA_VERSION, self.sha256, encoder_name, reduction.dimensions, reduction.variance]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def read_corpus(sources: Sequence[Path | HubDataset], form: Format = "plain") -> Iterator[CorpusRow]:
    """Every row of all sources in order. Raises ConfigurationError for a source that cannot be read, also midway."""
    for source in sources:
        if isinstance(source, Path) and source.exists() and not source.is_file():
            raise ConfigurationError(f"corpus {source}: is no regular file, which is read twice")
        try:
            for row in read_rows(source, form):
                yield Rejected(str(source), row.line, row.reason) if isinstance(row, BadRow) else row
        except OSError as error:
            raise ConfigurationError(f"corpus {source}: {error}") from error


def solutions_of(rows: Iterable[CorpusRow]) -> Iterator[LabelledSolution]:
    return chain.from_iterable(row for row in rows if not isinstance(row, Rejected))


def survey(rows: Iterable[CorpusRow], reject: Callable[[Rejected], None], sample_texts: int = SAMPLE_TEXTS) -> Survey:
    """`reject` is told of each row that cannot be used. Raises ConfigurationError where no row can be."""
    digest, sample = CorpusDigest(), SmallestDigests[None](sample_texts)
    sources: dict[str, None] = {}
    row_count = solution_count = 0
    for row in rows:
        row_count += 1
        if isinstance(row, Rejected):
            reject(row)
            continue
        for solution in row:
            solution_count += 1
            digest.add(solution)
            if len(sources) < _MAX_SOURCES:
                sources[solution.source] = None
            for text in stored_texts(solution):
                sample.offer(text, None)
    if not solution_count:
        raise ConfigurationError(f"the corpus has no usable row among {row_count}")
    return Survey(digest.hexdigest(), row_count, solution_count, tuple(sources), tuple(sample.items()))
