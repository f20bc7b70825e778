"""An ingest with a bag of words where the sentence model stands: as a process of its own, which starts at once and is
as slow as it is told. All the rest is what `stepreward corpus ingest` does."""

import asyncio
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from sklearn.decomposition import PCA as _PCA  # noqa: F401  (preloaded: the fit imports it)
from sklearn.feature_extraction.text import HashingVectorizer

from stepreward.corpus.ingest import Ingest, Progress
from stepreward.corpus.rejected import Rejected
from stepreward.corpus.survey import read_corpus, solutions_of, survey
from stepreward.corpus.vectors import TextEncoder
from stepreward.errors import ConfigurationError, StepRewardError
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.pca import Reduction
from stepreward.retrieval.qdrant import Address, connect
from stepreward.retrieval.store import Store

DIMENSIONS = 256
REDUCTION = Reduction(64)
TEXTS_PER_BATCH = 256  # an acknowledgement every 40 solutions


def word_encoder(batch_s: float = 0) -> TextEncoder:
    """Each call takes `batch_s` longer than it must."""
    words = HashingVectorizer(n_features=DIMENSIONS)

    async def encode(texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(batch_s)
        vectors: Vectors = words.transform(texts).toarray().astype("float32")
        return vectors

    return TextEncoder("bag-of-words", DIMENSIONS, encode)


def run(corpus: Path, url: str, batch_s: float, told: Connection) -> None:
    """The process: sends ("store", solutions acknowledged) and the like; where it fails, ("failed", why)."""
    try:
        asyncio.run(_ingest(corpus, url, batch_s, lambda stage, done, _total: told.send((stage, done))))
    except StepRewardError as error:
        told.send(("failed", error.message))
        sys.exit(1)


async def _ingest(corpus: Path, url: str, batch_s: float, progress: Progress) -> None:
    store = Store(connect(Address(url), 60), 60)
    try:
        surveyed = survey(read_corpus([corpus]), _refuse)
        encoder = word_encoder(batch_s)
        building = Ingest(store, encoder, surveyed, REDUCTION, progress, texts_per_batch=TEXTS_PER_BATCH)
        await building.run(solutions_of(read_corpus([corpus])))
    finally:
        await store.close()


def _refuse(row: Rejected) -> None:
    raise ConfigurationError(str(row))
