"""Texts of a corpus to the vectors that are stored: encoded, projected, the recent ones kept."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from cachetools import LRUCache

from stepreward.retrieval.encoder import Encoder, Vector, Vectors
from stepreward.retrieval.pca import PCA, Reduction

TEXTS_PER_BATCH = 2048
# For steps that many solutions have in common: 45 MB with 128 dimensions. More than a sample, which is needed again.
_KNOWN_TEXTS = 65_536


@dataclass(frozen=True)
class TextEncoder:
    """All that an ingest asks of an encoder. `encode`: n texts to (n, dimensions) float32, rows of length 1.

    `texts_per_batch`: how many it is best given at once.
    """

    name: str
    dimensions: int
    encode: Callable[[Sequence[str]], Awaitable[Vectors]]
    texts_per_batch: int = TEXTS_PER_BATCH

    @classmethod
    def of(cls, encoder: Encoder) -> "TextEncoder":
        return cls(encoder.name, encoder.dimensions, partial(encoder.encode, remember=False))


class TextVectors:
    """`encoded` counts the texts that the encoder was asked for."""

    def __init__(self, encoder: TextEncoder, pca: PCA) -> None:
        self._encoder = encoder
        self._known: LRUCache[bytes, Vector] = LRUCache(_KNOWN_TEXTS)
        self.pca = pca
        self.encoded = 0

    @classmethod
    async def fitted(
        cls, encoder: TextEncoder, reduction: Reduction, sample: Sequence[str], progress: Callable[[int, int], None]
    ) -> "TextVectors":
        """With a PCA of the sample, whose vectors are known then. Raises ConfigurationError, EncoderFailed."""
        if reduction.is_off:
            return cls(encoder, PCA.off(encoder.dimensions))
        # By length, for a batch pads its texts to the longest.
        texts = sorted(sample, key=len)
        vectors = np.empty((len(texts), encoder.dimensions), dtype=np.float32)
        for start in range(0, len(texts), encoder.texts_per_batch):
            batch = texts[start : start + encoder.texts_per_batch]
            vectors[start : start + len(batch)] = await encoder.encode(batch)
            progress(start + len(batch), len(texts))
        fitted = cls(encoder, await asyncio.to_thread(PCA.fit, vectors, reduction))
        fitted.encoded = len(texts)
        fitted._learn(texts, fitted.pca.project(vectors))
        return fitted

    async def of(self, texts: Iterable[str]) -> dict[str, Vector]:
        """A vector for each different text. Raises EncoderFailed."""
        wanted = dict.fromkeys(texts)
        found = {text: vector for text in wanted if (vector := self._known.get(_key(text))) is not None}
        missing = [text for text in wanted if text not in found]
        if missing:
            rows = self.pca.project(await self._encoder.encode(missing))
            self.encoded += len(missing)
            self._learn(missing, rows)
            found |= zip(missing, rows, strict=True)
        return found

    def _learn(self, texts: Sequence[str], rows: Vectors) -> None:
        for text, row in zip(texts, rows, strict=True):
            self._known[_key(text)] = row


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
